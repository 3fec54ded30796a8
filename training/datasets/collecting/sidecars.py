"""Captions beside pictures: `.txt` and `.caption` files of the same name, and `metadata.jsonl`."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from django.utils.translation import gettext as _

from training.datasets.collecting import encodings
from training.datasets.collecting.sources import Contents, Member, Unreadable, clean
from training.datasets.models import MOST_CAPTION
from training.datasets.picture_files import CAPTION_SUFFIXES

_FIELDS = ("caption", "text", "prompt")  # of metadata.jsonl; the first one present counts
MOST_LINES = 20_000


def stem(name: str) -> str:
    """What a picture and its captions have in common: the path without the extension."""
    path = PurePosixPath(name)
    return str(path.with_suffix("")) if path.suffix else name


@dataclass(frozen=True, slots=True)
class Foreign:
    """The bytes of a text that does not declare its encoding, and the name of its file."""

    name: str
    data: bytes
    is_table: bool = False


@dataclass(slots=True)
class Captions:
    """The captions of a source, by the picture they belong to; `matching` decides which picture gets which.

    `files` are by path without extension, `rows` of metadata.jsonl by the whole path of the picture. `foreign` are
    those that do not declare their encoding, by path without extension, or for a table by its own path; `fill` decodes
    them. `refused`: (name, reason).
    """

    files: dict[str, str] = field(default_factory=dict)
    rows: dict[str, str] = field(default_factory=dict)
    foreign: dict[str, Foreign] = field(default_factory=dict)
    doubtful: dict[str, Foreign] = field(default_factory=dict)  # those that may be UTF-8 by coincidence
    encoding: str = ""  # used for decoding; "" while it is uncertain
    likely: list[str] = field(default_factory=list)
    apart: dict[str, str] = field(default_factory=dict)  # by key, if a set has several encodings
    refused: list[tuple[str, str]] = field(default_factory=list)

    def add(self, name: str, text: str) -> None:
        """Add a caption file of this name. Raises Unreadable."""
        if plain := tidy(text):
            self.files[stem(name)] = plain

    def add_table(self, name: str, text: str) -> None:
        """Add the rows of a metadata.jsonl at this path. Raises Unreadable."""
        rows, refused = rows_of(text, str(PurePosixPath(name).parent))
        self.rows.update(rows)
        self.refused += [(f"{name}:{line}", reason) for line, reason in refused]

    def doubt(self, encoding: str) -> None:
        """Mark texts that may be UTF-8 by coincidence as foreign if the encoding of the others is more likely."""
        for key, foreign in self.doubtful.items():
            if encodings.rather(foreign.data, encoding):
                self.foreign[key] = foreign
                self.files.pop(key, None)

    def fill(self, encoding: str) -> None:
        """Decode the foreign texts with an encoding, or each with its own."""
        for key, foreign in self.foreign.items():
            try:
                text = in_encoding(foreign.data, self.apart.get(key, encoding))
                (self.add_table if foreign.is_table else self.add)(foreign.name, text)
            except Unreadable as error:
                self.refused.append((foreign.name, str(error)))


def gather(contents: Contents) -> Captions:
    """Read all captions of a source that declare their encoding, and store the others undecoded."""
    found = Captions()
    # The first extension comes last, so that it overrides the others.
    for suffix in reversed(CAPTION_SUFFIXES):
        for member in contents.captions:
            if member.name.lower().endswith(suffix):
                _take(found, member, stem(member.name))
    for member in contents.tables:
        _take(found, member, member.name, is_table=True)
    return found


def _take(found: Captions, member: Member, key: str, *, is_table: bool = False) -> None:
    try:
        data = member.read()
        text = encodings.declared(data)
        foreign = Foreign(member.name, data, is_table)
        found.doubtful.pop(key, None)
        if text is None:
            _check(data)
            found.foreign[key] = foreign
            return
        found.foreign.pop(key, None)
        if encodings.is_doubtful(data):
            found.doubtful[key] = foreign
        (found.add_table if is_table else found.add)(member.name, text)
    except Unreadable as error:
        found.refused.append((member.name, str(error)))


def _check(data: bytes) -> None:
    """Raise Unreadable for what is not text in any of the supported encodings."""
    if encodings.looks_broken(data):
        raise Unreadable(_("This text is damaged: it is UTF-8 with wrong bytes in it."))
    if sum(byte < 32 and byte not in b"\t\n\f\r" for byte in data) > 1 + len(data) // 20:
        raise Unreadable(no_text())


def no_text() -> str:
    """The reason for refusing a file that is not text in any encoding."""
    return _("This is no text.")


def in_encoding(data: bytes, encoding: str) -> str:
    """Decode a text. Raises Unreadable."""
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise Unreadable(_("This text is in another encoding than the others.")) from error


def read(data: bytes) -> str:
    """The caption in a single file. Raises Unreadable, also if its encoding is uncertain."""
    return tidy(_text(data))


def read_table(data: bytes, folder: str = "") -> tuple[dict[str, str], list[tuple[int, str]]]:
    """`rows_of` a single file. Raises Unreadable, also if its encoding is uncertain."""
    return rows_of(_text(data), folder)


def _text(data: bytes) -> str:
    text = encodings.declared(data)
    if text is not None:
        return text
    _check(data)
    found = encodings.guess([data])
    if found is None or not found.sure:
        raise Unreadable(_("The encoding of this text is not known."))
    return in_encoding(data, found.encoding)


def rows_of(text: str, folder: str = "") -> tuple[dict[str, str], list[tuple[int, str]]]:
    """The captions of a metadata.jsonl by path of their picture, and (line, reason) for lines that are not understood.

    `folder` is where the file is; its file names are relative to that. Raises Unreadable.
    """
    found: dict[str, str] = {}
    refused: list[tuple[int, str]] = []
    lines = text.splitlines()
    if len(lines) > MOST_LINES:
        raise Unreadable(_("This text is too long for captions."))
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            name, words = _row(line)
        except Unreadable as error:
            refused.append((number, str(error)))
        else:
            if words:
                found[clean(f"{folder}/{name}" if folder not in {"", "."} else name)] = words
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
    """A caption without unprintable characters, each line stripped. Raises Unreadable."""
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
