"""Captions that come beside pictures: `.txt` and `.caption` files of the same name, and `metadata.jsonl`."""

from __future__ import annotations

import json
import unicodedata
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from django.utils.translation import gettext as _

from training.datasets.sources import CAPTION_SUFFIXES, Contents, Unreadable, clean
from training.models import MOST_CAPTION

_FIELDS = ("caption", "text", "prompt")  # of metadata.jsonl; the first one that is there counts
_BOMS = ((BOM_UTF8, "utf-8-sig"), (BOM_UTF16_LE, "utf-16"), (BOM_UTF16_BE, "utf-16"))
MOST_LINES = 20_000


def stem(name: str) -> str:
    """What a picture and its captions have in common: the path without the ending."""
    path = PurePosixPath(name)
    return str(path.with_suffix("")) if path.suffix else name


@dataclass(slots=True)
class Captions:
    """The captions that a source brings, by what they belong to.

    `files` are by the path without ending, `rows` of metadata.jsonl by the whole path of the picture. A caption file
    comes before a row. `refused`: (name, reason).
    """

    files: dict[str, str] = field(default_factory=dict)
    rows: dict[str, str] = field(default_factory=dict)
    refused: list[tuple[str, str]] = field(default_factory=list)
    _used: set[str] = field(default_factory=set)

    def of(self, name: str) -> str:
        """The caption of the picture at this path; "" where there is none."""
        for found, key in ((self.files, stem(name)), (self.rows, name)):
            if key in found:
                self._used.add(key)
                return found[key]
        return ""

    def unused(self) -> Iterable[tuple[str, str]]:
        """What belongs to no picture that was asked for: (key, caption)."""
        for found in (self.files, self.rows):
            yield from ((key, text) for key, text in found.items() if key not in self._used)


def gather(contents: Contents) -> Captions:
    """Read all captions of a source."""
    found = Captions()
    # The first ending comes last, so that it stays.
    for suffix in reversed(CAPTION_SUFFIXES):
        for member in contents.captions:
            if member.name.lower().endswith(suffix):
                try:
                    if text := read(member.read()):
                        found.files[stem(member.name)] = text
                except Unreadable as error:
                    found.refused.append((member.name, str(error)))
    for member in contents.tables:
        try:
            rows, refused = read_table(member.read(), str(PurePosixPath(member.name).parent))
        except Unreadable as error:
            found.refused.append((member.name, str(error)))
            continue
        found.rows.update(rows)
        found.refused += [(f"{member.name}:{line}", reason) for line, reason in refused]
    return found


def read(data: bytes) -> str:
    """The caption in a file, in UTF-8, UTF-16 or Latin-1. Raises Unreadable."""
    return tidy(_decoded(data))


def read_table(data: bytes, folder: str = "") -> tuple[dict[str, str], list[tuple[int, str]]]:
    """The captions of a metadata.jsonl by the path of their picture, and (line, reason) of what is not understood.

    `folder` is where it lies; its file names start from there. Raises Unreadable.
    """
    found: dict[str, str] = {}
    refused: list[tuple[int, str]] = []
    lines = _decoded(data).splitlines()
    if len(lines) > MOST_LINES:
        raise Unreadable(_("This text is too long for captions."))
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            name, text = _row(line)
        except Unreadable as error:
            refused.append((number, str(error)))
        else:
            if text:
                found[clean(f"{folder}/{name}" if folder not in {"", "."} else name)] = text
    return found, refused


def _row(line: str) -> tuple[str, str]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        row = None
    if not isinstance(row, dict):
        raise Unreadable(_("This line is not understood."))
    name, text = row.get("file_name"), next((row[key] for key in _FIELDS if key in row), None)
    if not isinstance(name, str) or not name.strip() or not isinstance(text, str):
        raise Unreadable(_("This line has no file_name, or no caption, text or prompt."))
    return name, tidy(text)


def tidy(text: str) -> str:
    """A caption without what cannot be shown, each line without spaces around it. Raises Unreadable."""
    plain = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " "))
    if sum(_is_control(sign) for sign in plain) > 1 + len(plain) // 20:
        raise Unreadable(_("This is no text."))
    plain = "".join(sign for sign in plain if not _is_control(sign))
    plain = "\n".join(line.strip() for line in plain.split("\n")).strip()
    if len(plain) > MOST_CAPTION:
        raise Unreadable(_("This caption has more than 4,000 characters."))
    return plain


def _is_control(sign: str) -> bool:
    return unicodedata.category(sign) in {"Cc", "Cs"} and sign != "\n"


def _decoded(data: bytes) -> str:
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return data.decode(encoding, errors="replace")
    # UTF-16 that does not say so: every other byte of Latin letters is zero.
    for offset, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        half = data[offset::2]
        if len(data) % 2 == 0 and half and half.count(0) > 0.6 * len(half):
            return data.decode(encoding, errors="replace")
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def without_trigger(text: str, trigger: str) -> str:
    """A caption as it is kept: without the trigger words that whoever wrote the file put in front of it."""
    rest = text.strip()
    if trigger and rest.casefold().startswith(trigger.casefold()):
        rest = rest[len(trigger) :]
        if not rest.strip() or rest.lstrip()[0] in ",.;:\n":
            return rest.lstrip(" ,.;:\n")
    return text
