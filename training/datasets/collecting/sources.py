"""The contents of a folder or archive for a dataset: pictures, captions, and refused files, each by name."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath

from django.utils.translation import gettext as _

from stylestudio.images import picture_kinds
from stylestudio.text import plain
from training.datasets import picture_files
from training.datasets.collecting.foreign_names import ForeignNames
from training.datasets.picture_files import CAPTION_SUFFIXES

MOST_NAME = 200  # characters stored of a name
MOST_TEXT = 64 * 2**10  # bytes of one caption file
MOST_TABLE = 20 * 2**20  # bytes of one metadata.jsonl
MOST_TOTAL = 4 * 2**30  # bytes of all files of one source together, unpacked
MOST_FILES = 20_000  # of one source, of any kind
TABLE = "metadata.jsonl"
_ARCHIVES = (".zip", ".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".cbz", ".jar")
_JUNK = {"__MACOSX", "Thumbs.db", "desktop.ini"}
_SILENT = (".npz",)  # what trainers leave beside pictures
_UNKNOWN = "\N{REPLACEMENT CHARACTER}"
_DRIVE = re.compile(r"[A-Za-z]:")


class Unreadable(ValueError):
    """One file cannot be read; the text says why."""


@dataclass(frozen=True, slots=True)
class Member:
    """A file of a source. `name` is its cleaned path with forward slashes. `read` raises Unreadable."""

    name: str
    size: int  # bytes, as the source declares
    read: Callable[[], bytes]


@dataclass(slots=True)
class Contents:
    """The contents of a source, in the natural order of names. `refused`: (name, reason)."""

    pictures: list[Member] = field(default_factory=list)
    captions: list[Member] = field(default_factory=list)
    tables: list[Member] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    foreign: ForeignNames = field(default_factory=ForeignNames)
    _names: set[str] = field(default_factory=set)

    def understand(self, names: Iterable[bytes], encoding: str = "") -> None:
        """Guess the encoding of all names that are bytes, together. Call it before files are sorted in."""
        if raw := list(names):
            self.foreign = ForeignNames.of(raw, encoding)

    def sort_in(self, name: str | bytes, size: int, read: Callable[[], bytes], refusal: str = "") -> None:
        """Add a file to the list its name belongs to. `refusal`: why it is refused whatever its name."""
        data, name = name, name if isinstance(name, str) else self.foreign.name(name)
        shown = clean(name)
        if is_junk(shown):
            return
        refusal = refusal or self._refusal(name, shown, size)
        if refusal:
            self.refused.append((shown, refusal))
            return
        self._names.add(shown)
        if isinstance(data, bytes) and not self.foreign.is_plain(data):
            self.foreign.shown[shown] = data
        self._shelf(shown).append(Member(shown, size, read))

    def finish(self) -> Contents:
        """Sort everything."""
        for members in (self.pictures, self.captions, self.tables):
            members.sort(key=lambda member: natural(member.name))
        self.refused.sort(key=lambda pair: natural(pair[0]))
        return self

    def _shelf(self, shown: str) -> list[Member]:
        lower = shown.lower()
        if lower.endswith(picture_files.SUFFIXES):
            return self.pictures
        return self.captions if lower.endswith(CAPTION_SUFFIXES) else self.tables

    def _refusal(self, name: str, shown: str, size: int) -> str:
        lower = shown.lower()
        if _leads_out(name):
            return _("Its name leads out of the folder.")
        if shown in self._names:
            return _("There is another file of this name.")
        if lower.endswith(_ARCHIVES):
            return _("Archives inside are not opened.")
        is_picture, is_table = lower.endswith(picture_files.SUFFIXES), PurePosixPath(shown).name == TABLE
        if not is_picture and not is_table and not lower.endswith(CAPTION_SUFFIXES):
            return picture_kinds.refusal(lower) or _("This is neither a picture nor a caption.")
        if not size and is_picture:
            return _("This file is empty.")
        if size > (picture_files.MOST_BYTES if is_picture else MOST_TABLE if is_table else MOST_TEXT):
            return _("This picture is larger than 100 MB.") if is_picture else _("This text is too long for captions.")
        return ""


def clean(name: str) -> str:
    """A path as people see it: forward slashes, composed letters, nothing invisible, truncated from the front."""
    forward = unicodedata.normalize("NFC", name.replace("\\", "/"))
    visible = "".join(_UNKNOWN if _is_unfit(sign) else sign for sign in forward)
    parts = [part.strip() for part in visible.split("/")]
    path = PurePosixPath("/".join(part for part in parts if part not in {"", "."}) or _UNKNOWN)
    suffix = path.suffix[-12:]
    return str(path).removesuffix(suffix)[-(MOST_NAME - 12) :].lstrip("/") + suffix


def _is_unfit(sign: str) -> bool:
    """Whether a character cannot be shown or stored, or reorders the text around it."""
    return unicodedata.category(sign) in {"Cc", "Cs", "Co", "Cn", "Zl", "Zp"} or plain.turns(sign)


def is_junk(shown: str) -> bool:
    """Whether a file is one that systems and trainers leave everywhere and nobody means to send."""
    parts = PurePosixPath(shown).parts
    hidden = any(part in _JUNK or (part.startswith(".") and part != "..") for part in parts)
    return hidden or shown.lower().endswith(_SILENT)


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """A sort key that puts picture 9 before picture 10."""
    pieces = re.findall(r"[0-9]+|[^0-9]+", name.casefold())
    return tuple((0, int(piece[:40]), "") if piece[0] in "0123456789" else (1, 0, piece) for piece in pieces)


def folder(place: Path, encoding: str = "") -> Contents:
    """The files of a folder on this machine and of its subfolders. Symbolic links are not followed.

    `encoding`: of names that are not UTF-8; "" guesses it.
    """
    found = Contents()
    named = [(_name(path.relative_to(place)), path) for path in _walk(place)]
    found.understand((name for name, _path in named if isinstance(name, bytes)), encoding)
    for name, path in named:
        size = path.lstat().st_size
        if path.is_symlink():
            found.sort_in(name, size, bytes, _("Links are not followed."))
        elif not path.is_file():
            found.sort_in(name, size, bytes, _("This is no file."))
        else:
            found.sort_in(name, size, partial(_read, path))
    return found.finish()


def _name(path: Path) -> str | bytes:
    """The path, or its bytes if it is not in this system's encoding."""
    name = str(path)
    return os.fsencode(name) if any("\ud800" <= sign <= "\udfff" for sign in name) else name


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Unreadable(_("It cannot be read.")) from error


def _walk(place: Path) -> Iterator[Path]:
    for path in place.iterdir():
        if path.is_dir() and not path.is_symlink():
            yield from _walk(path)
        else:
            yield path


def _leads_out(name: str) -> bool:
    forward = name.replace("\\", "/")
    return forward.startswith("/") or bool(_DRIVE.match(forward)) or ".." in forward.split("/")


def kohya(folders: Iterable[str]) -> tuple[int, str] | None:
    """Repeats and trigger words of the folder `N_name` with the most pictures; None if there is none."""
    counts: dict[tuple[int, str], int] = {}
    for name in folders:
        if found := re.fullmatch(r"([0-9]{1,4})_(.*)", name):
            repeats, trigger = int(found[1]), found[2].strip()
            if 1 <= repeats <= 1000:
                counts[repeats, trigger] = counts.get((repeats, trigger), 0) + 1
    return max(counts, key=lambda each: counts[each]) if counts else None
