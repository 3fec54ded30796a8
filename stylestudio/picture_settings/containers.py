"""The texts in a picture's file, by lower-case name. Nothing is decoded, and nobody's Pillow has to like the file.

PNG: texts before and after the pixels, EXIF, and the chunk in which ComfyUI keeps them in animations. WebP and JPEG:
EXIF, XMP, comments. AVIF: the same, through Pillow.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO

from PIL import Image

from stylestudio.picture_settings import exif
from stylestudio.picture_settings.settings import Trouble

MOST_TEXT = 8 * 2**20  # bytes of all texts of a file, decompressed
MOST_CHUNKS = 20_000  # of a file; usual are ten, and a hundred for large pixels
_PNG = b"\x89PNG\r\n\x1a\n"
_EXIF, _XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
_XMP_IN_PNG = "xml:com.adobe.xmp"
# What Pillow raises for files that are broken or hostile.
_BROKEN = (OSError, SyntaxError, ValueError, struct.error, zlib.error, TypeError, LookupError, EOFError, RuntimeError,
           OverflowError, MemoryError, AttributeError, Image.DecompressionBombError)  # fmt: skip


@dataclass(slots=True)
class Texts:
    """The texts of a file, its size in pixels if that was seen, and what went wrong."""

    by_name: dict[str, str] = field(default_factory=dict)
    width: int | None = None
    height: int | None = None
    troubles: list[Trouble] = field(default_factory=list)
    _room: int = MOST_TEXT

    def add(self, name: str, text: str) -> None:
        """Add a text unless it is empty or there is one of this name."""
        if (text := text.strip("\0 \r\n")) and name:
            self.by_name.setdefault(name.lower(), text)

    def take(self, count: int) -> bool:
        """Whether there is room for so many more bytes; notes it if there is none."""
        if count > self._room:
            self.trouble(Trouble.TOO_LONG)
            return False
        self._room -= count
        return True

    @property
    def room(self) -> int:
        """Bytes that may still be added."""
        return self._room

    def trouble(self, which: Trouble) -> None:
        """Note it once."""
        if which not in self.troubles:
            self.troubles.append(which)


def texts_of(data: bytes) -> Texts:
    """The texts of a PNG, WebP, JPEG or AVIF; none for everything else. Raises nothing."""
    found = Texts()
    if data.startswith(_PNG):
        _png(data, found)
    elif data.startswith(b"\xff\xd8"):
        _jpeg(data, found)
    elif data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        _webp(data, found)
    elif data[4:12] in {b"ftypavif", b"ftypavis"}:
        _through_pillow(data, found)
    return found


def texts_in(image: Image.Image) -> Texts:
    """The texts of an opened picture of any format. Raises nothing."""
    found = Texts()
    try:
        found.width, found.height = image.size
        info = image.info
        for key, value in list(info.items())[:1000]:
            if isinstance(key, str) and isinstance(value, str) and found.take(len(value)):
                found.add(key, value)
        for key in ("comment", "Comment"):
            if isinstance(comment := info.get(key), bytes) and found.take(len(comment)):
                found.add("comment", exif.plain_text(comment))
        packed = info.get("xmp") or found.by_name.get(_XMP_IN_PNG)
        _xmp(packed.encode(errors="replace") if isinstance(packed, str) else packed, found)
        _exif(info.get("exif") or _tags_of(image), found)
    except _BROKEN:
        found.trouble(Trouble.BROKEN)
    return found


def _tags_of(image: Image.Image) -> bytes:
    """The tags of a picture that has no EXIF of its own, such as a TIFF, where they are not thousands."""
    tags = image.getexif()
    return tags.tobytes() if 0 < len(tags) < 200 else b""


def _through_pillow(data: bytes, found: Texts) -> None:
    try:
        with Image.open(BytesIO(data), formats=("AVIF",)) as image:
            other = texts_in(image)
    except _BROKEN:
        found.trouble(Trouble.BROKEN)
        return
    found.by_name, found.troubles, found.width, found.height = (
        other.by_name,
        other.troubles,
        other.width,
        other.height,
    )


# --- PNG


def _png(data: bytes, found: Texts) -> None:
    kind = b""
    for kind, body in _chunks(data, found):
        if kind == b"IHDR" and len(body) >= 8:
            found.width, found.height = struct.unpack(">II", body[:8])
        elif kind == b"tEXt":
            key, _, rest = _halves(body)
            if found.take(len(rest)):
                found.add(key, exif.plain_text(rest))
        elif kind in {b"zTXt", b"iTXt"}:
            _compressed_text(kind, body, found)
        elif kind == b"comf":  # ComfyUI's SaveAnimatedPNG
            key, _, rest = _halves(body)
            if found.take(len(rest)):
                found.add(key, exif.plain_text(rest))
        elif kind == b"eXIf":
            _exif(bytes(body), found)
    if kind != b"IEND":
        found.trouble(Trouble.BROKEN)
    if packed := found.by_name.get(_XMP_IN_PNG):
        _xmp(packed.encode(errors="replace"), found)


def _chunks(data: bytes, found: Texts) -> Iterator[tuple[bytes, memoryview]]:
    """Every chunk up to IEND, as far as the file is intact. Checksums are not looked at."""
    view, place = memoryview(data), len(_PNG)
    for _number in range(MOST_CHUNKS):
        if place + 8 > len(data):
            return
        length, kind = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
        if place + 8 + length > len(data):
            return
        yield kind, view[place + 8 : place + 8 + length]
        if kind == b"IEND":
            return
        place += 12 + length
    found.trouble(Trouble.TOO_LONG)


def _halves(body: memoryview) -> tuple[str, bytes, bytes]:
    """A keyword of at most 79 bytes, and what follows it."""
    head = bytes(body[:80])
    end = head.find(b"\0")
    if end < 1:
        return "", b"", b""
    return head[:end].decode("latin-1"), b"\0", bytes(body[end + 1 :])


def _compressed_text(kind: bytes, body: memoryview, found: Texts) -> None:
    key, _, rest = _halves(body)
    if not key or not rest:
        return
    packed = True
    if kind == b"zTXt":
        rest = rest[1:]
    else:
        packed = rest[:1] == b"\1"
        _language, _, after = rest[2:].partition(b"\0")
        _translated, _, rest = after.partition(b"\0")
    text = _unpacked(rest, found) if packed else rest
    if text is not None and (packed or found.take(len(text))):
        found.add(key, exif.plain_text(text))


def _unpacked(packed: bytes, found: Texts) -> bytes | None:
    """Decompress within the room that is left, which shrinks by it. None if it does not fit, or is broken."""
    limit, stream = found.room, zlib.decompressobj()
    try:
        text = stream.decompress(packed, limit + 1) if limit else b""
    except zlib.error:
        found.trouble(Trouble.BROKEN)
        return None
    if len(text) > limit or not limit:
        found.trouble(Trouble.TOO_LONG)
        found.take(limit)  # who tries so once does not get to try a thousand times
        return None
    found.take(len(text))
    return text


# --- JPEG and WebP


def _jpeg(data: bytes, found: Texts) -> None:
    place = 2
    for _number in range(MOST_CHUNKS):
        if place + 4 > len(data) or data[place] != 0xFF:
            found.trouble(Trouble.BROKEN)
            return
        mark, length = data[place + 1], int.from_bytes(data[place + 2 : place + 4], "big")
        if mark == 0xFF:  # filling
            place += 1
            continue
        if mark in {0xD9, 0xDA}:  # the pixels begin
            return
        body = data[place + 4 : place + 2 + length]
        if mark == 0xE1 and body.startswith(_EXIF):
            _exif(body, found)
        elif mark == 0xE1 and body.startswith(_XMP):
            _xmp(body[len(_XMP) :], found)
        elif mark == 0xFE:
            found.add("comment", exif.plain_text(body))
        elif mark in {0xC0, 0xC1, 0xC2} and len(body) >= 5:
            found.height, found.width = struct.unpack(">HH", body[1:5])
        place += 2 + max(length, 2)
    found.trouble(Trouble.TOO_LONG)


def _webp(data: bytes, found: Texts) -> None:
    place = 12
    for _number in range(MOST_CHUNKS):
        if place + 8 > len(data):
            if place < int.from_bytes(data[4:8], "little"):
                found.trouble(Trouble.BROKEN)
            return
        kind, length = data[place : place + 4], int.from_bytes(data[place + 4 : place + 8], "little")
        if kind in {b"EXIF", b"XMP "}:
            if length > len(data) - place - 8:
                found.trouble(Trouble.BROKEN)
                return
            body = data[place + 8 : place + 8 + length]
            (_exif if kind == b"EXIF" else _xmp)(body, found)
        elif kind == b"VP8X" and length >= 10:
            sides = data[place + 12 : place + 18]
            found.width = int.from_bytes(sides[:3], "little") + 1
            found.height = int.from_bytes(sides[3:], "little") + 1
        place += 8 + length + length % 2
    found.trouble(Trouble.TOO_LONG)


def _exif(data: object, found: Texts) -> None:
    if isinstance(data, bytes) and found.take(len(data)):
        for name, text in exif.texts_of(data.removeprefix(_EXIF)).items():
            found.add(name, text)


def _xmp(data: object, found: Texts) -> None:
    if isinstance(data, bytes) and found.take(len(data)):
        for name, text in exif.texts_of_xmp(data).items():
            found.add(name, text)
