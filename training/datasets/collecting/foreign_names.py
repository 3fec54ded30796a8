"""File names that do not declare their encoding, as zip programs of Windows write them."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from training.datasets.collecting import encodings
from training.datasets.collecting.encodings import Guess

UNKNOWN = "\N{REPLACEMENT CHARACTER}"
_UTF8_FLAG = 0x800
_UNICODE_PATH = 0x7075


@dataclass(slots=True)
class ForeignNames:
    """Such names of one source. `encoding` is "" while it is unknown; then they are shown as numbers.

    `shown` maps each displayed name to its bytes.
    """

    guess: Guess | None = None
    encoding: str = ""
    shown: dict[str, bytes] = field(default_factory=dict)
    _numbers: dict[bytes, int] = field(default_factory=dict)

    @classmethod
    def of(cls, names: Iterable[bytes], encoding: str = "") -> ForeignNames:
        """Guess the encoding of all names together, unless `encoding` is given. Some may be UTF-8 after all."""
        raw = [name for name in names if not _is_utf8(name)]
        if not raw:
            return cls(encoding="utf-8")
        found = encodings.guess(raw, names=True)
        return cls(found, encoding or (found.encoding if found and found.sure else ""))

    def name(self, data: bytes) -> str:
        """A name to display: decoded, or with numbers in place of undecodable parts."""
        if self.is_plain(data):
            return data.decode()
        return text(data, self.encoding) or "/".join(map(self._numbered, data.split(b"/")))

    def is_plain(self, data: bytes) -> bool:
        """Whether it is UTF-8, and not by coincidence."""
        if not _is_utf8(data):
            return False
        return self.encoding in {"", "utf-8"} or not encodings.rather(data, self.encoding)

    def _numbered(self, part: bytes) -> str:
        if part.isascii():
            return part.decode()
        stem, dot, ending = part.rpartition(b".")
        if not dot or not ending.isascii():
            stem, dot, ending = part, b"", b""
        number = self._numbers.setdefault(stem, len(self._numbers) + 1)
        return f"{UNKNOWN}{number}{(dot + ending).decode()}"


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def text(data: bytes, encoding: str) -> str:
    """A decoded name; "" if there is no encoding, or it does not apply."""
    try:
        return data.decode(encoding) if encoding else ""
    except UnicodeDecodeError:
        return ""


def in_zip(info: zipfile.ZipInfo) -> str | bytes:
    """The name of a member, or its bytes if nothing declares their encoding.

    Many programs write UTF-8 without declaring it, which zipfile takes for cp437; others add the name in Unicode.
    """
    if info.flag_bits & _UTF8_FLAG:
        return info.orig_filename
    try:
        raw = info.orig_filename.encode("cp437")
    except UnicodeEncodeError:
        return info.orig_filename
    if (unicode_path := _unicode_path(info.extra, raw)) is not None:
        return unicode_path
    try:
        # Bytes of other encodings may be UTF-8 by coincidence.
        return raw if encodings.is_doubtful(raw) else raw.decode()
    except UnicodeDecodeError:
        return raw


def _unicode_path(extra: bytes, raw: bytes) -> str | None:
    """Info-ZIP's field with the name in UTF-8, which is only valid for the name it was made for."""
    while len(extra) >= 4:
        kind, size = struct.unpack("<HH", extra[:4])
        content, extra = extra[4 : 4 + size], extra[4 + size :]
        if kind == _UNICODE_PATH and len(content) > 5 and content[0] == 1:
            if struct.unpack("<L", content[1:5])[0] != zlib.crc32(raw):
                return None
            try:
                return content[5:].decode()
            except UnicodeDecodeError:
                return None
    return None
