"""Errors of a database, a disk or a bucket in words: for pages, fragments and scripts, for commands and the log.

Whatever code meets such an error, it is classified here; `stylestudio.edge.failure_answers` turns it into a response,
and `stylestudio.processes.command_line` into what a command says.
"""

from __future__ import annotations

import errno
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from http import HTTPStatus
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.db import Error as DatabaseFailure
from django.db import connection
from django.utils import translation
from django.utils.translation import gettext as _

from stylestudio.database import integrity
from stylestudio.media.storage import MOUNTS, StoreUnreachable

log = logging.getLogger(__name__)

QUIET = 60.0  # seconds during which a logger does not repeat itself
SOON, LATER = 5, 300  # seconds after which a browser or script may retry


class Kind(Enum):
    """What went wrong, as far as people have to distinguish it."""

    BUSY = auto()  # somebody else is writing
    AWAY = auto()  # the database server does not answer
    STORE = auto()  # the bucket does not answer, or refuses access
    FULL = auto()
    READ_ONLY = auto()
    FORBIDDEN = auto()  # the studio's user lacks permission
    BROKEN = auto()  # the disk itself failed
    DAMAGED = auto()  # the database file
    MESSAGES = auto()  # the queue file is damaged
    GONE = auto()  # a file that a row names is missing


# SQLite's primary result codes: https://www.sqlite.org/rescode.html
_SQLITE = {
    sqlite3.SQLITE_BUSY: Kind.BUSY,
    sqlite3.SQLITE_LOCKED: Kind.BUSY,
    sqlite3.SQLITE_READONLY: Kind.READ_ONLY,
    sqlite3.SQLITE_IOERR: Kind.BROKEN,
    sqlite3.SQLITE_CORRUPT: Kind.DAMAGED,
    sqlite3.SQLITE_NOTADB: Kind.DAMAGED,
    sqlite3.SQLITE_FULL: Kind.FULL,
    sqlite3.SQLITE_CANTOPEN: Kind.FORBIDDEN,
    sqlite3.SQLITE_PERM: Kind.FORBIDDEN,
}

# Prefixes of PostgreSQL's SQLSTATE, longest first.
_POSTGRES = {
    "53100": Kind.FULL,
    "25006": Kind.READ_ONLY,
    "55P03": Kind.BUSY,
    "57014": Kind.BUSY,
    "58030": Kind.BROKEN,
    "XX001": Kind.DAMAGED,
    "XX002": Kind.DAMAGED,
    "08": Kind.AWAY,
    "40": Kind.BUSY,
    "53": Kind.BUSY,
    "57P": Kind.AWAY,
}

_SYSTEM = {
    errno.ENOSPC: Kind.FULL,
    errno.EDQUOT: Kind.FULL,
    errno.EFBIG: Kind.FULL,
    errno.EROFS: Kind.READ_ONLY,
    errno.EACCES: Kind.FORBIDDEN,
    errno.EPERM: Kind.FORBIDDEN,
    errno.ENOTDIR: Kind.FORBIDDEN,
    errno.EEXIST: Kind.FORBIDDEN,
    errno.EIO: Kind.BROKEN,
    errno.EMFILE: Kind.BUSY,
    errno.ENFILE: Kind.BUSY,
}


@dataclass(frozen=True, slots=True)
class Failure:
    """What failed. `detail` is the system's own message, with the file if it names one; for operators."""

    kind: Kind
    detail: str

    @property
    def passes(self) -> bool:
        """Whether a retry in a moment may succeed without anybody fixing anything."""
        return self.kind in {Kind.BUSY, Kind.AWAY, Kind.STORE}

    @property
    def what(self) -> str:
        """What happened."""
        return {
            Kind.BUSY: _("The studio's database is busy with something else."),
            Kind.AWAY: _("The studio's database does not answer."),
            Kind.STORE: _("The studio's store of files does not answer."),
            Kind.FULL: _("The studio's disk is full."),
            Kind.READ_ONLY: _("The studio's disk is read-only."),
            Kind.FORBIDDEN: _("The studio may not use one of its own files or folders."),
            Kind.BROKEN: _("The studio's disk cannot be read or written."),
            Kind.DAMAGED: _("The studio's database is damaged."),
            Kind.MESSAGES: _("The file of messages to the worker, huey.sqlite3, is damaged."),
            Kind.GONE: _("The file of this is missing in the studio."),
        }[self.kind]

    @property
    def advice(self) -> str:
        """What to do, addressed to a user of the studio."""
        if self.kind == Kind.GONE:
            return _("A backup of the media folder may have it.")
        if self.passes:
            return _("Try again in a moment.")
        return _("Tell whoever runs the studio, who finds out more with doctor.")

    def sentence(self, *, changing: bool = True) -> str:
        """What happened and what to do. `changing`: something was to be stored, so say whether it was."""
        kept = _("Nothing was kept.") if changing and self.kind != Kind.GONE else ""
        return " ".join(filter(None, (self.what, kept, self.advice)))

    @property
    def told(self) -> str:
        """What happened in our words and the system's, in English; for the log and for commands."""
        with translation.override(None):
            return f"{self.what} ({self.detail})"

    @property
    def status(self) -> int:
        """The HTTP status of a response that shows the sentence."""
        return HTTPStatus.NOT_FOUND if self.kind == Kind.GONE else HTTPStatus.SERVICE_UNAVAILABLE

    @property
    def headers(self) -> dict[str, str]:
        """When to retry, and that the response must not be cached."""
        later = {} if self.kind == Kind.GONE else {"Retry-After": str(SOON if self.passes else LATER)}
        return {"Cache-Control": "no-store", **later}


def of(error: BaseException | None) -> Failure | None:
    """Classify `error` or an error that caused it as a failure of database or disk; None for any other error."""
    while error is not None:
        kind = _kind(error)
        if kind:
            return Failure(kind, _detail(error))
        # Django's session reports any database error as a deleted session, without naming it as the cause.
        hidden = isinstance(error, SessionInterrupted | UpdateError)
        error = error.__context__ if hidden else error.__cause__
    return None


def plainly(error: OSError, place: object) -> str:
    """Describe the error for a command's own output: the file that the error names, or else `place`."""
    return f"{error.filename or place}: {error.strerror or error}"


def _kind(error: BaseException) -> Kind | None:
    if isinstance(error, DatabaseFailure):
        cause = error.__cause__
        return _sqlite_kind(cause) if isinstance(cause, sqlite3.Error) else _postgres_kind(cause)
    if isinstance(error, sqlite3.Error):  # raised outside Django: only the queue file is read that way
        kind = _sqlite_kind(error)
        return Kind.MESSAGES if kind == Kind.DAMAGED else kind
    if isinstance(error, StoreUnreachable):
        return Kind.STORE
    if isinstance(error, FileNotFoundError):
        return Kind.GONE if _is_media(error.filename) else None
    if isinstance(error, FileExistsError):  # Django raises it without an errno if a file is where a folder belongs
        return Kind.FORBIDDEN
    return _SYSTEM.get(error.errno or 0) if isinstance(error, OSError) else None


def _sqlite_kind(error: sqlite3.Error) -> Kind | None:
    kind = _SQLITE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
    if kind == Kind.BROKEN and integrity.free_bytes() < 2**20:
        return Kind.FULL  # there is no room for the index of the write-ahead log: SQLite calls that an I/O error
    return kind


def _postgres_kind(cause: BaseException | None) -> Kind | None:
    """None if the statement is wrong. An error without a state means that there is no connection."""
    state = getattr(cause, "sqlstate", None)
    if state is None:
        return Kind.AWAY if type(cause).__name__ in {"OperationalError", "PoolTimeout", "InterfaceError"} else None
    return next((kind for begin, kind in _POSTGRES.items() if state.startswith(begin)), None)


def _is_media(name: Any) -> bool:
    """Whether a missing file belongs to the media store: a name in it, or a path in its folder."""
    if not isinstance(name, str):
        return False
    return f"/{name}".startswith(MOUNTS) or Path(name).is_relative_to(settings.MEDIA_ROOT)


def _detail(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return " ".join(str(error).split())


def note(what: str, failure: Failure) -> None:
    """Write one line to the log. If the database is damaged, a worker examines it soon."""
    if failure.kind == Kind.DAMAGED:
        integrity.suspect()
    log.warning("%s: %s", what, failure.told)


class WithoutTraceback(logging.Filter):
    """Logs failures of disk or database as one line, wherever and however often they occur.

    The place in the code is not the problem in such cases, and a full disk is met many times a minute.
    """

    def __init__(self, name: str = "") -> None:
        super().__init__(name)
        self._said: dict[tuple[str, Kind], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """False if the same logger reported the same kind less than QUIET seconds ago.

        Both handlers get the same answer.
        """
        failure = of(record.exc_info[1]) if record.exc_info else None
        if failure:
            record.msg, record.args = f"{record.getMessage()} {failure.told}", ()
            record.exc_info = record.exc_text = None
            record.is_repeated = self._is_repeated(record, failure)
            if failure.kind == Kind.DAMAGED:
                integrity.suspect()
        return not getattr(record, "is_repeated", False)

    def _is_repeated(self, record: logging.LogRecord, failure: Failure) -> bool:
        what = record.name, failure.kind
        repeated = record.created - self._said.get(what, -QUIET) < QUIET
        if not repeated:
            self._said[what] = record.created
        return repeated


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    """Wait for a lock of the SQLite database at most this long, because somebody is looking at an empty page."""
    if connection.vendor != "sqlite":
        yield
        return
    usual = 1000 * int(connection.settings_dict["OPTIONS"].get("timeout", 5))
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA busy_timeout = {int(1000 * seconds)}")
        try:
            yield
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {usual}")
