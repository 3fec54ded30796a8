"""Files of the media folder: written aside and moved, so that a name never holds half a file."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage
from django.db import DatabaseError, InterfaceError, OperationalError

ASIDE = "incoming"  # folder beneath the media root; nothing in it is served


class StoreUnreachable(OSError):
    """The bucket does not answer, or refuses us."""


class AsideStorage(FileSystemStorage):
    """Django's storage on a disk. A crash while writing leaves something only in the folder ASIDE."""

    def settle(self, name: str) -> None:
        """Return once the file would survive a power cut. Takes milliseconds, so nobody should wait for it."""
        with self.open(name, "rb") as file:
            os.fsync(file.fileno())

    def read(self, name: str) -> bytes:
        """All of a small file. Raises OSError."""
        return Path(self.path(name)).read_bytes()

    def put(self, name: str, data: bytes) -> None:
        """Write a small file, in place of one that is there, so that it survives a power cut. Raises OSError."""
        self._save(name, ContentFile(data))
        self.settle(name)

    def move(self, name: str, target: str) -> None:
        """Give a file another name. Raises OSError."""
        place = Path(self.path(target))
        place.parent.mkdir(parents=True, exist_ok=True)
        Path(self.path(name)).replace(place)

    def delete(self, name: str) -> None:
        """Delete a file, or an empty folder; not from a folder that may be another database's: there it stays."""
        # Imported late: the rows are not there yet when Django makes its storages.
        from stylestudio.media.identity import may_delete

        if may_delete():
            super().delete(name)

    def discard(self, name: str) -> None:
        """Delete a file that the caller stored a moment ago and no row names, whoever's the folder is."""
        super().delete(name)

    def _save(self, name: str, content: Any) -> str:
        # Under its own name, which tells the sweep whose it is.
        draft = self.get_available_name(f"{ASIDE}/{Path(name).name}")
        aside, target = Path(self.path(draft)), Path(self.path(name))
        try:
            # It gets another one if somebody else, as another studio its mark, is writing one of this name.
            aside = Path(self.path(super()._save(draft, content)))  # type: ignore[misc]
            target.parent.mkdir(parents=True, exist_ok=True)
            aside.replace(target)
        except OSError as error:
            # Half a file takes room that is missing already.
            with suppress(OSError):
                aside.unlink(missing_ok=True)
            raise _named(error, self.path("")) from error
        return name


def _named(error: OSError, folder: str) -> OSError:
    """The same error with the folder of the store, where it names nothing: a full disk says no more than that."""
    if error.filename is not None:
        return error
    number = error.errno or errno.ENOTDIR  # Django words this one itself, where a file lies in the place of a folder
    return OSError(number, os.strerror(number), folder)


@contextmanager
def all_or_nothing() -> Iterator[Callable[[str], str]]:
    """What is passed to the function that this gives is deleted again if the block does not end well.

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
    """Delete a file whose row could not be stored, while that error is handled.

    Of a database that went away during the commit nobody knows whether it has the row, so it is asked again: a file
    that a row names stays, and without an answer too. The sweep takes what could not be deleted.
    """
    from stylestudio.media.survey import is_named

    with suppress(OSError, DatabaseError):
        if not (isinstance(sys.exception(), OperationalError | InterfaceError) and is_named(name)):
            default_storage.discard(name)  # type: ignore[attr-defined]
