"""Files in the media folder: written aside and then moved, so that a name never refers to half a file."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage
from django.db import DatabaseError, InterfaceError, OperationalError

ASIDE = "incoming"  # folder in the media root; nothing in it is served
MOUNTS = ("/outputs/", "/uploads/")  # addresses of files: names determine them


class StoreUnreachable(OSError):
    """The bucket does not answer, or refuses access."""


class AsideStorage(FileSystemStorage):
    """Django's storage on a disk. A crash while writing leaves remains only in the folder ASIDE."""

    def sync(self, name: str) -> None:
        """Return once the file would survive a power failure. Takes milliseconds, so nobody should wait for it."""
        with Path(self.path(name)).open("rb") as file:
            os.fsync(file.fileno())

    def read(self, name: str) -> bytes:
        """Read a small file. Raises OSError."""
        return Path(self.path(name)).read_bytes()

    def put(self, name: str, data: bytes) -> None:
        """Write a file, replacing an existing one, so that it survives a power failure. Raises OSError."""
        self._save(name, ContentFile(data))
        try:
            self.sync(name)  # only now, for it covers the new name too
        except OSError as error:
            raise _named(error, self.path("")) from error

    def move(self, name: str, target: str) -> None:
        """Rename a file. Raises OSError."""
        _move(Path(self.path(name)), Path(self.path(target)))

    def delete(self, name: str) -> None:
        """Delete a file or an empty folder, unless it may belong to another database: then it stays."""
        # Imported late: the models are not loaded yet when Django creates its storages.
        from stylestudio.media.identity import may_delete

        if may_delete():
            super().delete(name)

    def discard(self, name: str) -> None:
        """Delete a file that the caller has just stored and no row names, whoever owns the folder."""
        super().delete(name)

    def _save(self, name: str, content: Any) -> str:
        try:
            if isinstance(content, ContentFile):
                self._write(name, content.read())
                return name
        except FileExistsError:  # somebody else is writing a file of this name
            content.seek(0)
        # Under its own name, which shows the sweep whose file it is.
        draft = self.get_available_name(f"{ASIDE}/{Path(name).name}")
        aside, target = Path(self.path(draft)), Path(self.path(name))
        try:
            # It gets another one if somebody else is writing a file of this name, as another studio might its mark.
            aside = Path(self.path(super()._save(draft, content)))  # type: ignore[misc]
            _move(aside, target)
        except OSError as error:
            # Half a file occupies space that is already short.
            with suppress(OSError):
                aside.unlink(missing_ok=True)
            raise _named(error, self.path("")) from error
        return name

    def _write(self, name: str, data: bytes | str) -> None:
        """Write what is in memory, without what Django does for larger files and for names that people choose: half of
        the time. Raises FileExistsError if a file of this name is being written.
        """
        aside, target = Path(self.path(f"{ASIDE}/{Path(name).name}")), Path(self.path(name))
        begun = _new_file(aside)
        try:
            with begun as file:
                file.write(data.encode() if isinstance(data, str) else data)
            if self.file_permissions_mode is not None:
                aside.chmod(self.file_permissions_mode)
            _move(aside, target)
        except OSError as error:
            with suppress(OSError):
                aside.unlink(missing_ok=True)
            raise _named(error, self.path("")) from error


def _move(place: Path, target: Path) -> None:
    """Rename a file, into a folder that may not be there yet."""
    target.parent.mkdir(parents=True, exist_ok=True)
    place.replace(target)


def _new_file(place: Path) -> BinaryIO:
    """A file that is not there yet, to be written in one piece."""
    try:
        return place.open("xb")
    except FileNotFoundError:
        place.parent.mkdir(parents=True, exist_ok=True)
        return place.open("xb")


def _named(error: OSError, folder: str) -> OSError:
    """The same error with the store's folder if it names no file, as the error of a full disk does not."""
    if error.filename is not None:
        return error
    number = error.errno or errno.ENOTDIR  # Django raises it without an errno if a file is where a folder belongs
    return OSError(number, os.strerror(number), folder)


@contextmanager
def all_or_nothing() -> Iterator[Callable[[str], str]]:
    """Yield a function that notes file names; if the block fails, the noted files are deleted again.

    For files that are stored before the row that names them: `name = noted(storage.save(...))`.
    """
    names: list[str] = []

    def noted(name: str) -> str:
        names.append(name)
        return name

    try:
        yield noted
    except BaseException:
        for name in names:
            throw_away(name)
        raise


def throw_away(name: str) -> None:
    """Delete a file whose row could not be stored, while handling that error.

    If the database went away during the commit, nobody knows whether it has the row, so it is queried again: the file
    stays if a row names it or if there is no answer. The sweep takes care of what could not be deleted.
    """
    from stylestudio.media.survey import is_named

    with suppress(OSError, DatabaseError):
        if not (isinstance(sys.exception(), OperationalError | InterfaceError) and is_named(name)):
            default_storage.discard(name)  # type: ignore[attr-defined]
