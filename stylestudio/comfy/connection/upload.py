"""A large file as a part of a form: read in threads and a piece at a time, so that no event loop waits for a disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

import aiohttp
from aiohttp.abc import AbstractStreamWriter

CHUNK = 2**18  # bytes that are in memory at a time


class Readable(Protocol):
    """A file that is open for reading: of the disk, or of a store that loads what is asked for."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes, none at the end."""


class Writable(Protocol):
    """A file that is open for writing."""

    def write(self, data: bytes, /) -> object:
        """Take in all of `data`."""


class FilePart(aiohttp.Payload):
    """A file of `size` bytes as a part of a form. `sent` hears how many bytes have left so far.

    `trouble` is why the file could not be read, where that is why the request ended.
    """

    def __init__(self, file: Readable, size: int, sent: Callable[[int], None]) -> None:
        super().__init__(file, content_type="application/octet-stream")
        self._size = size
        self._file = file
        self._sent = sent
        self.trouble: Exception | None = None

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """A file is no text."""
        raise TypeError("A file is sent as it is.")

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Send the file. What was promised as its size is kept: another length would confuse the other side."""
        done = 0
        while chunk := await self._read():
            done += len(chunk)
            if done > self.size_promised:
                break
            # Returns when the connection took it, so that what waits to be sent stays small.
            await writer.write(chunk)
            self._sent(done)
        if done != self.size_promised:
            self.trouble = OSError(f"{done} bytes were read in place of {self.size_promised}")
            raise self.trouble

    @property
    def size_promised(self) -> int:
        """Bytes that the request was announced with."""
        assert self._size is not None
        return self._size

    async def _read(self) -> bytes:
        try:
            return await asyncio.to_thread(self._file.read, CHUNK)
        except Exception as error:
            self.trouble = error
            raise
