"""Texts in PNG files, within limits: those that are too long are removed before anything opens the picture."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import IO

from PIL import PngImagePlugin

MAGIC = b"\x89PNG\r\n\x1a\n"
MOST_TEXT = 8 * 2**20  # bytes of all texts of a file together, decompressed
MOST_TRIED = 8 * MOST_TEXT  # bytes decompressed at most to find out which texts fit, so that no file keeps us busy
OTHERS_MOST = 2**20  # bytes of one compressed text, decompressed, at which Pillow by default rejects the picture
_PIECE = 64 * 2**10  # compressed bytes that are processed together
_KINDS = {b"tEXt", b"zTXt", b"iTXt", b"iCCP"}

# Pillow rejects a whole picture for one compressed text of more than 1 MB. Longer texts never reach it here; the limit
# is raised a little further because Pillow also rejects a text of exactly this length if its checksum is still to come.
PngImagePlugin.MAX_TEXT_CHUNK = MOST_TEXT + 2**16


@dataclass(frozen=True, slots=True)
class Spared:
    """A file to open, from its start. `left_out`: whether texts or a profile were removed from it."""

    file: IO[bytes]
    left_out: bool = False


@dataclass(frozen=True, slots=True)
class _Chunk:
    kind: bytes
    start: int  # offset of the chunk in the file
    length: int  # bytes of its body

    @property
    def end(self) -> int:
        return self.start + 12 + self.length


def spare(file: IO[bytes]) -> Spared:
    """The same picture without texts beyond `MOST_TEXT` bytes in total, decompressed; other files unchanged.

    Texts are kept in file order as long as they fit. A longer colour profile is removed too. Needs as much memory as
    the file again if something is removed, otherwise next to none.
    """
    file.seek(0)
    if file.read(len(MAGIC)) != MAGIC:
        file.seek(0)
        return Spared(file)
    cut = list(_too_long(file))
    file.seek(0)
    if not cut:
        return Spared(file)
    kept, place = BytesIO(), 0
    for chunk in cut:
        _copy(file, kept, chunk.start - place)
        place = chunk.end
        file.seek(place)
    _copy(file, kept, -1)
    kept.seek(0)
    return Spared(kept, left_out=True)


def stops_others(file: IO[bytes]) -> bool:
    """Whether programs with an unmodified Pillow reject the picture because of a long compressed text or profile."""
    file.seek(0)
    if file.read(len(MAGIC)) != MAGIC:
        return False
    packed = (chunk for chunk in _chunks(file) if chunk.kind in _KINDS and _packed_at(file, chunk) is not None)
    return any(_unpacked(file, chunk, OTHERS_MOST) >= OTHERS_MOST for chunk in packed)


def _copy(file: IO[bytes], target: IO[bytes], count: int) -> None:
    """Copy `count` bytes, or everything left if it is negative."""
    while count and (piece := file.read(2**20 if count < 0 else min(count, 2**20))):
        target.write(piece)
        count -= len(piece) if count > 0 else 0


def _too_long(file: IO[bytes]) -> Iterator[_Chunk]:
    room, tries = MOST_TEXT, MOST_TRIED
    for chunk in _chunks(file):
        if chunk.kind not in _KINDS:
            continue
        limit = MOST_TEXT if chunk.kind == b"iCCP" else room
        length = _unpacked(file, chunk, min(limit, tries))
        tries -= min(length, tries)
        if length > limit or not tries:
            yield chunk
        elif chunk.kind != b"iCCP":
            room -= length


def _chunks(file: IO[bytes]) -> Iterator[_Chunk]:
    """The location of each chunk, as far as the file is intact; others report what is wrong with it."""
    place = len(MAGIC)
    while True:
        file.seek(place)
        head = file.read(8)
        if len(head) < 8 or head[4:] == b"IEND":
            return
        chunk = _Chunk(head[4:], place, int.from_bytes(head[:4], "big"))
        yield chunk
        place = chunk.end


def _unpacked(file: IO[bytes], chunk: _Chunk, limit: int) -> int:
    """The decompressed size of the text in bytes; if it exceeds `limit`, some value above that."""
    packed = _packed_at(file, chunk)
    if packed is None:
        return chunk.length
    file.seek(chunk.start + 8 + packed)
    left, found, stream = chunk.length - packed, 0, zlib.decompressobj()
    try:
        while left > 0 and not stream.eof and found <= limit:
            piece = file.read(min(_PIECE, left))
            if not piece:
                break
            left -= len(piece)
            while piece and found <= limit:
                found += len(stream.decompress(piece, limit + 1 - found))
                piece = stream.unconsumed_tail
    except zlib.error:
        return found  # Pillow skips a broken text
    return found


def _packed_at(file: IO[bytes], chunk: _Chunk) -> int | None:
    """Offset of the compressed bytes in the body; None if the text is not compressed."""
    if chunk.kind == b"tEXt":
        return None
    file.seek(chunk.start + 8)
    head = file.read(min(chunk.length, 512))
    after = head.find(b"\0") + 1
    if not after:
        return None
    if chunk.kind != b"iTXt":
        return after + 1
    if head[after : after + 1] != b"\1":
        return None
    language = head.find(b"\0", after + 2) + 1
    translated = head.find(b"\0", language) + 1
    return translated if language and translated else None
