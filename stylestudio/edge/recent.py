"""Answers with small files that were asked for a moment ago, in memory; with a bucket, those that tell where they are.

A new picture is fetched by everybody who watches, and the newest wall by everybody who looks at it. Reading a thumbnail
takes a thread, which costs more than all the rest of the request; what is here is answered without one.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass

ROOM = 16 * 2**20  # bytes of all together: about 500 thumbnails
MOST = 2**17  # bytes of one file; pictures themselves are not kept
AGE = 60.0  # seconds; a file that was deleted is gone here too by then


@dataclass(frozen=True, slots=True)
class Kept:
    """A whole answer."""

    status: int
    lines: list[tuple[bytes, bytes]]
    body: bytes
    until: float


class Recent:
    """Answers by address, the one that was asked for longest ago first. For one event loop, not for threads."""

    def __init__(self, room: int = ROOM) -> None:
        self._room = room
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._bytes = 0

    def get(self, path: str) -> Kept | None:
        """The answer for this address, if it was made less than AGE ago."""
        found = self._kept.get(path)
        if found is None:
            return None
        if time.monotonic() >= found.until:
            self._drop(path)
            return None
        self._kept.move_to_end(path)
        return found

    def put(self, path: str, status: int, lines: list[tuple[bytes, bytes]], body: bytes) -> None:
        """Keep an answer, unless it is large; those that nobody asked for since give way to it."""
        if len(body) > MOST:
            return
        self._drop(path)
        self._kept[path] = Kept(status, lines, body, time.monotonic() + AGE)
        self._bytes += _size(lines, body)
        while self._bytes > self._room:
            self._drop(next(iter(self._kept)))

    def _drop(self, path: str) -> None:
        found = self._kept.pop(path, None)
        self._bytes -= _size(found.lines, found.body) if found else 0


def _size(lines: list[tuple[bytes, bytes]], body: bytes) -> int:
    return len(body) + sum(len(name) + len(value) for name, value in lines)
