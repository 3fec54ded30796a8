"""Responses that are files: sent in chunks without blocking other requests, and zips made while they are sent."""

from __future__ import annotations

import zipfile
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import suppress
from http import HTTPStatus
from io import RawIOBase
from typing import IO, cast

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils.http import content_disposition_header
from django.utils.translation import ngettext

from stylestudio.text import plain

CHUNK = 2**20
NAMED = 20  # how many missing files a page or a command lists


class FilesMissing(Exception):
    """A download cannot be assembled. `names` are the names, as people know them, of files missing in the store."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        shown = ", ".join(names[:NAMED]) + (", …" if names[NAMED:] else "")
        sentence = ngettext(
            "%(count)d file is missing in the studio: %(names)s.",
            "%(count)d files are missing in the studio: %(names)s.",
            len(names),
        )
        super().__init__(sentence % {"count": len(names), "names": shown})


def missing_files_page(request: HttpRequest, missing: FilesMissing, back: str) -> HttpResponse:
    """The page shown instead of a download: what is missing, what to do, and a link `back`."""
    return render(request, "409.html", {"missing": missing, "back": back}, status=HTTPStatus.CONFLICT)


def attachment(name: str, file: IO[bytes], content_type: str = "application/octet-stream") -> StreamingHttpResponse:
    """The rest of a file, saved as `name` by the browser. The file is closed once it was sent."""
    response = StreamingHttpResponse(_chunks(file), content_type=content_type)
    response["Content-Disposition"] = content_disposition_header(True, plain.name(name))
    return response


def zipped(name: str, found: Iterable[tuple[str, bytes]]) -> StreamingHttpResponse:
    """Files, each a path and its content, as a zip that is made while it is sent.

    `found` is iterated in threads that have no database connection.
    """
    return attachment(name, cast(IO[bytes], Zipped(found)), "application/zip")


async def _chunks(file: IO[bytes]) -> AsyncIterator[bytes]:
    try:
        while chunk := await sync_to_async(file.read, thread_sensitive=False)(CHUNK):
            yield chunk
    finally:
        file.close()


class Zipped(RawIOBase):
    """Files as a zip that is made while it is read, so that it needs neither disk space nor memory for all of them."""

    def __init__(self, found: Iterable[tuple[str, bytes]]) -> None:
        self._found = iter(found)
        self._out = _Outlet()
        self._zip = zipfile.ZipFile(self._out, "w", zipfile.ZIP_STORED, allowZip64=True)
        self._ended = False

    def read(self, size: int = -1, /) -> bytes:
        """Return between one and `size` bytes; nothing at the end."""
        while not self._ended and (size < 0 or self._out.waiting < size):
            pair = next(self._found, None)
            if pair is None:
                self._zip.close()
                self._ended = True
            else:
                self._zip.writestr(*pair)
        return self._out.take(size)

    def close(self) -> None:
        """Drop what was not read.

        Close the zip first: left to itself it would be closed after the file it writes to.
        """
        if not self.closed:
            with suppress(ValueError):  # it stopped in the middle of a file
                self._zip.close()
        super().close()


class _Outlet(RawIOBase):
    """Buffers what was written and not yet read. It cannot seek, so zipfile writes sizes after the files."""

    def __init__(self) -> None:
        self._pieces = bytearray()

    @property
    def waiting(self) -> int:
        """The number of bytes that can be read."""
        return len(self._pieces)

    def writable(self) -> bool:
        """Always true."""
        return True

    def write(self, data: object, /) -> int:
        """Buffer some bytes."""
        piece = bytes(data)  # type: ignore[call-overload]
        self._pieces += piece
        return len(piece)

    def take(self, size: int) -> bytes:
        """Remove and return the oldest `size` bytes; all if it is negative."""
        end = len(self._pieces) if size < 0 else size
        piece = bytes(self._pieces[:end])
        del self._pieces[:end]
        return piece
