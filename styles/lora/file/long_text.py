"""Long metadata texts, kept in the file's own encoding: counts of a thousand captions fill megabytes.

Decoded at once, such a text may take four times its size in memory; in pieces it takes next to none.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

# Characters and escapes; never splits an escape or a surrogate pair.
_PIECE = re.compile(
    rb"(?:[^\\]{1,64}+|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\[^u]){1,4096}+"
)


@dataclass(frozen=True, slots=True, eq=False)
class LongText:
    """A validated JSON string. `raw` has its quotes, escapes and UTF-8 as in the file."""

    raw: memoryview

    def pieces(self) -> Iterator[str]:
        """The decoded text, in pieces of at most some 256 kB."""
        decode = codecs.getincrementaldecoder("utf-8")().decode
        at, end = 1, len(self.raw) - 1
        while at < end and (piece := _PIECE.match(self.raw, at, end)):
            at = piece.end()
            yield json.loads(f'"{decode(piece.group())}"', strict=False)

    def whole(self, most: int) -> str:
        """The decoded text; "" if it takes more than `most` bytes in the file."""
        return json.loads(bytes(self.raw)) if len(self.raw) <= most else ""

    def check(self) -> None:
        """Raise UnicodeDecodeError if it is not UTF-8."""
        decode = codecs.getincrementaldecoder("utf-8")().decode
        for at in range(0, len(self.raw), 2**20):
            decode(self.raw[at : at + 2**20])
        decode(b"", final=True)
