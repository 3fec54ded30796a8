"""A large file as a part of a form: read by threads in chunks, so that the event loop never waits for a disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

import aiohttp
from aiohttp.abc import AbstractStreamWriter

CHUNK = 2**18  # bytes in memory at a time


class Readable(Protocol):
    """A file open for reading: on the disk, or in a store that loads the requested bytes."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes, none at the end."""


class Writable(Protocol):
    """A file open for writing."""

    def write(self, data: bytes, /) -> object:
        """Write all of `data`."""


class FilePart(aiohttp.Payload):
    """A file of `size` bytes as a part of a form. `sent` is called with the number of bytes sent so far.

    `trouble` is the error from reading the file, if that is why the request ended.
    """

    def __init__(self, file: Readable, size: int, sent: Callable[[int], None]) -> None:
        super().__init__(file, content_type="application/octet-stream")
        self._size = size
        self._file = file
        self._sent = sent
        self.trouble: Exception | None = None

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Not supported: a file is not text."""
        raise TypeError("A file is sent as it is.")

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Send the file. Fails if it is not of the announced size: another length would confuse the other side."""
        done = 0
        while chunk := await self._read():
            done += len(chunk)
            if done > self.size_promised:
                break
            # Returns once the connection took it, so that the send buffer stays small.
            await writer.write(chunk)
            self._sent(done)
        if done != self.size_promised:
            self.trouble = OSError(f"{done} bytes were read in place of {self.size_promised}")
            raise self.trouble

    @property
    def size_promised(self) -> int:
        """The size that the request announced, in bytes."""
        assert self._size is not None
        return self._size

    async def _read(self) -> bytes:
        try:
            return await asyncio.to_thread(self._file.read, CHUNK)
        except Exception as error:
            self.trouble = error
            raise
