"""Long texts of the metadata, kept as the file spells them: counts of a thousand captions fill megabytes.

Unescaped at once such a text may take four bytes for each of its own; in pieces it takes next to nothing.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

# Characters and escapes; never a part of an escape, nor one half of a pair.
_PIECE = re.compile(
    rb"(?:[^\\]{1,64}+|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\[^u]){1,4096}+"
)


@dataclass(frozen=True, slots=True, eq=False)
class LongText:
    """A JSON string that was found sound. `raw` has its quotes, escapes and UTF-8 as they stand in the file."""

    raw: memoryview

    def pieces(self) -> Iterator[str]:
        """What it says, at most some 256 kB at a time."""
        decode = codecs.getincrementaldecoder("utf-8")().decode
        at, end = 1, len(self.raw) - 1
        while at < end and (piece := _PIECE.match(self.raw, at, end)):
            at = piece.end()
            yield json.loads(f'"{decode(piece.group())}"', strict=False)

    def whole(self, most: int) -> str:
        """What it says; "" if the file has more than `most` bytes of it."""
        return json.loads(bytes(self.raw)) if len(self.raw) <= most else ""

    def check(self) -> None:
        """UnicodeDecodeError for what is no UTF-8."""
        decode = codecs.getincrementaldecoder("utf-8")().decode
        for at in range(0, len(self.raw), 2**20):
            decode(self.raw[at : at + 2**20])
        decode(b"", final=True)
