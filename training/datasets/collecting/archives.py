"""Untrusted zip files: read within limits, never unpacked to disk, never held in memory as a whole."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import IO, cast

from django.utils.translation import gettext as _

from training.datasets.collecting import foreign_names
from training.datasets.collecting.sources import MOST_FILES, MOST_TOTAL, Contents, Unreadable
from training.datasets.models import MOST_PICTURES

SUFFIX = ".zip"
MOST_BYTES = 4 * 2**30  # of the archive itself
MOST_DIRECTORY = 4 * 2**20  # bytes of the central directory, which zipfile reads as a whole
RATIO, FREE = 200, 2**20  # no picture or caption of more than FREE bytes compresses by more than RATIO
_CHUNK = 2**20
_PACKED = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}  # zipfile decompresses all others without a limit
# What zipfile has been seen to raise for broken archives.
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    LookupError,
    OverflowError,
)


class BadArchive(ValueError):
    """The archive cannot be used at all; the text says why."""


class _Sparing(io.RawIOBase):
    """A file that refuses to read large pieces, whatever an archive claims about itself."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, size: int = -1, /) -> bytes:
        """Read up to `size` bytes. Raises BadZipFile for a piece that no honest archive needs."""
        if size > MOST_DIRECTORY:
            raise zipfile.BadZipFile("its list of files is too long")
        data = self._file.read(MOST_DIRECTORY + 1 if size < 0 else size)
        if len(data) > MOST_DIRECTORY:
            raise zipfile.BadZipFile("its list of files is too long")
        return data

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Change the position."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """The current position."""
        return self._file.tell()

    def seekable(self) -> bool:
        """Always True."""
        return True


@contextmanager
def opened(file: IO[bytes], encoding: str = "") -> Iterator[Contents]:
    """The contents of an archive; members can be read while the context is open. Raises BadArchive and OSError.

    `encoding`: of names that do not declare one; "" guesses it.
    """
    try:
        archive = zipfile.ZipFile(cast(IO[bytes], _Sparing(file)))
    except _BROKEN as error:
        raise BadArchive(_("This is no zip file, or it is broken. Pack it again.")) from error
    with archive:
        yield _contents(archive, encoding)


def check(file: IO[bytes]) -> None:
    """Check whether an archive can be imported at all. Raises BadArchive and OSError."""
    with opened(file) as found:
        if not (found.pictures or found.captions or found.tables):
            raise BadArchive(_("There is no picture in this archive."))


def _contents(archive: zipfile.ZipFile, encoding: str) -> Contents:
    found = Contents()
    infos = archive.infolist()
    if len(infos) > MOST_FILES:
        raise BadArchive(_("There are more than 20,000 files in this archive."))
    # Not `is_dir`, which some Pythons end with an IndexError for a name that is empty.
    named = [(foreign_names.in_zip(info), info) for info in infos if not info.filename.endswith("/")]
    found.understand((name for name, _info in named if isinstance(name, bytes)), encoding)
    for name, info in named:
        found.sort_in(name, info.file_size, partial(_read, archive, info), _refusal(info))
    members = [*found.pictures, *found.captions, *found.tables]
    if sum(member.size for member in members) > MOST_TOTAL:
        raise BadArchive(_("Unpacked, this archive has more than 4 GB."))
    if len(found.pictures) > MOST_PICTURES:
        raise BadArchive(_("There are more than 2,000 pictures in this archive, and a dataset takes no more."))
    return found.finish()


def _refusal(info: zipfile.ZipInfo) -> str:
    mode = info.external_attr >> 16
    if info.create_system == 3 and stat.S_IFMT(mode) not in {0, stat.S_IFREG}:
        return _("Links are not followed.") if stat.S_ISLNK(mode) else _("This is no file.")
    if info.flag_bits & 1:
        return _("It is locked with a password.")
    if info.compress_type not in _PACKED:
        return _("It is packed in a way that is not understood. Pack it as an ordinary zip.")
    if info.file_size > FREE and info.file_size > RATIO * info.compress_size:
        return _("It unpacks to far more than any picture would.")
    return ""


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """Read a member, at most as many bytes as the archive declares. Raises Unreadable."""
    data = bytearray()
    try:
        with archive.open(info) as member:
            while chunk := member.read(_CHUNK):
                data += chunk
    except _BROKEN as error:
        raise Unreadable(_("It is broken inside the archive.")) from error
    return bytes(data)
