"""The pictures of a folder or an archive that may be taken over, and those of an engine's history."""

from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from stylestudio.images import decoding
from stylestudio.text import plain

SUFFIXES = (".png", ".webp", ".jpg", ".jpeg")
MOST_FILES = 500_000
MOST_BYTES = 100 * 2**20  # of one picture
MOST_MEMBERS, MOST_UNPACKED, RATIO, FREE = 100_000, 64 * 2**30, 200, 2**20
_LINK = gettext_noop("Links are not followed.")
_LARGE = gettext_noop("This picture is larger than 100 MB.")
_EMPTY = gettext_noop("This file is empty.")
_UNREADABLE = gettext_noop("It cannot be read.")
_LEADS_OUT = gettext_noop("Its name leads out of the folder.")
_PACKED = gettext_noop("It is packed in a way that is not understood, or unpacks to far more than any picture would.")


class Unreadable(ValueError):
    """One file cannot be read; the text says why, untranslated."""


class NotAllowed(ValueError):
    """The folder or archive cannot be used; the text is one of the kinds of failure of `TakeOver`."""


@dataclass(frozen=True, slots=True)
class File:
    """A picture file of a source. `path` is cleaned. `read` raises Unreadable. `facts` are settings known beside it."""

    path: str
    size: int  # bytes
    time: datetime
    read: Callable[[], bytes]
    graph: Mapping[str, Any] | None = None  # what an engine remembers, for files without settings
    engine_version: str = ""

    @property
    def name(self) -> str:
        """The file's own name."""
        return PurePosixPath(self.path).name


@dataclass(slots=True)
class Source:
    """The pictures of a source in a fixed order, the files that are refused, and how many are no pictures."""

    files: list[File] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    skipped: int = 0

    @property
    def size(self) -> int:
        """Bytes of all pictures together."""
        return sum(file.size for file in self.files)


def allowed_roots() -> list[Path]:
    """The folders that owners may take pictures over from on the page."""
    return [Path(root).resolve() for root in settings.TAKEOVER_FOLDERS]


def allowed(text: str) -> Path:
    """The folder of this name, if it is in one of `allowed_roots`, links followed. Raises NotAllowed."""
    if "\0" in text or not text.strip():
        raise NotAllowed("gone")
    try:
        return _inside_of(allowed_roots(), text)
    except (OSError, RuntimeError) as error:  # a name that is too long, a home of nobody, links in a circle
        raise NotAllowed("gone") from error


def _inside_of(roots: list[Path], text: str) -> Path:
    place = Path(text.strip()).expanduser()
    candidates = [place] if place.is_absolute() else [root / place for root in roots]
    inside = [found for each in candidates if any((found := each.resolve()).is_relative_to(root) for root in roots)]
    if not inside:
        raise NotAllowed("outside")
    for each in inside:
        if each.is_dir():
            return each
    raise NotAllowed("gone")


def folder(place: Path) -> Source:
    """The pictures in a folder and the folders in it, by path. Links are refused. Raises NotAllowed."""
    found = Source()
    try:
        os.scandir(place).close()
        for path, entry in _walk(place):
            _sort_in(found, str(PurePosixPath(path.relative_to(place))), path, entry)
            if len(found.files) > MOST_FILES:
                break
    except OSError as error:
        raise NotAllowed("gone") from error
    found.files.sort(key=lambda file: file.path)
    return found


def _walk(place: Path) -> Iterator[tuple[Path, os.stat_result | None]]:
    """What is in a folder and the folders in it; None about what cannot be read."""
    try:
        with os.scandir(place) as entries:
            ordered = sorted(entries, key=lambda entry: entry.name)
    except OSError:
        yield place, None
        return
    for entry in ordered:
        if entry.is_dir(follow_symlinks=False):
            if not entry.name.startswith("."):
                yield from _walk(Path(entry.path))
        else:
            with suppress(FileNotFoundError):  # gone meanwhile
                yield Path(entry.path), entry.stat(follow_symlinks=False)


def _sort_in(found: Source, name: str, path: Path, about: os.stat_result | None) -> None:
    shown = plain.name(plain.storable(os.fsencode(name).decode("utf-8", "replace")))[-500:] or "?"
    if about is None:
        found.refused.append((shown, _UNREADABLE))
    elif not shown.lower().endswith(SUFFIXES) or PurePosixPath(shown).name.startswith("."):
        found.skipped += 1
    elif not stat.S_ISREG(about.st_mode):
        found.refused.append((shown, _LINK))
    elif reason := _refusal(about.st_size):
        found.refused.append((shown, reason))
    else:
        time = datetime.fromtimestamp(min(max(about.st_mtime, 0), 4e9), UTC)
        found.files.append(File(shown, about.st_size, time, partial(_read, path)))


def _refusal(size: int) -> str:
    return _EMPTY if not size else _LARGE if size > MOST_BYTES else ""


def _read(path: Path) -> bytes:
    """Read a file, but not through a link that took its place."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        with os.fdopen(handle, "rb", buffering=0) as file:
            # One more, so that a file that grew meanwhile may be too large. Memory for all that it may have takes time.
            data = file.read(min(os.fstat(handle).st_size, MOST_BYTES) + 1)
    except OSError as error:
        raise Unreadable(_UNREADABLE) from error
    if len(data) > MOST_BYTES:
        raise Unreadable(_LARGE)
    return data


@contextmanager
def archive(place: Path | IO[bytes]) -> Iterator[Source]:
    """The pictures in a zip file; they can be read while the context is open. Raises NotAllowed."""
    try:
        file = zipfile.ZipFile(place)
    except FileNotFoundError as error:
        raise NotAllowed("gone") from error
    except (*decoding.BROKEN, zipfile.BadZipFile, NotImplementedError) as error:
        raise NotAllowed("bad_archive") from error
    with file:
        infos = file.infolist()
        if len(infos) > MOST_MEMBERS or sum(info.file_size for info in infos) > MOST_UNPACKED:
            raise NotAllowed("bad_archive")
        yield _members(file, infos)


def _members(file: zipfile.ZipFile, infos: list[zipfile.ZipInfo]) -> Source:
    found = Source()
    for info in infos:
        shown = plain.name(plain.storable(info.filename.replace("\\", "/")))[-500:]
        if info.filename.endswith("/"):
            continue
        if not shown.lower().endswith(SUFFIXES) or PurePosixPath(shown).name.startswith(".") or "__MACOSX" in shown:
            found.skipped += 1
            continue
        mode = info.external_attr >> 16
        if shown.startswith("/") or ".." in shown.split("/"):
            reason = _LEADS_OUT
        elif info.create_system == 3 and stat.S_IFMT(mode) not in {0, stat.S_IFREG}:
            reason = _LINK
        elif _is_oddly_packed(info):
            reason = _PACKED
        else:
            reason = _refusal(info.file_size)
        if reason:
            found.refused.append((shown, reason))
        else:
            found.files.append(File(shown, info.file_size, _time_of(info), partial(_unpack, file, info)))
    return found


def _is_oddly_packed(info: zipfile.ZipInfo) -> bool:
    """Whether it is locked, packed by another method, or a bomb."""
    if info.flag_bits & 1 or info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        return True
    return info.file_size > FREE and info.file_size > RATIO * info.compress_size


def _time_of(info: zipfile.ZipInfo) -> datetime:
    """When a member was written: zip files have no time zone, so it is this machine's."""
    try:
        return datetime(*info.date_time).astimezone()
    except (ValueError, OverflowError):
        return datetime.now(UTC)


def _unpack(file: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    try:
        with file.open(info) as member:
            data = member.read(info.file_size)
    except (*decoding.BROKEN, zipfile.BadZipFile, NotImplementedError) as error:
        raise Unreadable(_UNREADABLE) from error
    return data


def why(reason: str) -> str:
    """A reason in the reader's language."""
    return _(reason)
