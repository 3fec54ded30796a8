"""Checks the SQLite database for damage: header and schema before a start, every table at least daily in a worker.

Tables are examined one at a time, on a read-only connection, and the results are stored in a file beside the database:
a worker continues where the last one stopped, and web processes and commands read the results without the database. A
PostgreSQL server checks its files itself.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from django.conf import settings
from django.db import connection
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from stylestudio.host.health_facts import Fact
from stylestudio.host.locks import FileLock, Locked

log = logging.getLogger(__name__)

AFTER_START = 10.0  # seconds that a worker first leaves to people who wait for a picture
DAY = 86_400.0  # seconds after which everything is examined again
HOUR = 3_600.0  # the same for damaged tables: somebody may have repaired them
SOON = 600.0  # the same after a damaged page was met, so that frequent hits do not cause constant reading
SECONDS_BETWEEN_LOOKS = 60.0  # seconds between checks whether an examination is due
LONGEST_REST = 5.0  # seconds between two tables
LEAST_SIZE = 100  # bytes of a database's header
NICE = 10  # of the thread that reads
SCHEMA = "sqlite_master"  # stands for the schema and the list of free pages


class Damaged(Exception):
    """The database cannot be used at all. The text says what is wrong and what to do."""


@dataclass(slots=True)
class Examination:
    """What is known about one database file. Times are in seconds since 1970, 0.0 if unset.

    `done` are the tables examined in the round that began at `begun`. `faults` maps tables to SQLite's messages.
    `readable` are the tables in `faults` whose rows can all be read: only an index or the list of free pages is
    damaged.
    """

    database: str = ""
    begun: float = 0.0
    ended: float = 0.0
    tables: int = 0
    done: list[str] = field(default_factory=list)
    faults: dict[str, str] = field(default_factory=dict)
    readable: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, file: Path) -> Self:
        """Load what is stored; a new one if there is nothing, or if the database file was replaced."""
        identity = _identity(file)
        try:
            kept = cls(**json.loads(_notes(file).read_text()))
        except (OSError, ValueError, TypeError):
            return cls(identity)
        return kept if kept.database == identity else cls(identity)

    def keep(self, file: Path) -> None:
        """Store it beside the database, atomically."""
        draft = _notes(file).with_suffix(".draft")
        draft.write_text(json.dumps(asdict(self)))
        draft.replace(_notes(file))

    def is_due(self, now: float) -> bool:
        """Whether there is something to examine."""
        return not self.ended or now - self.ended >= (HOUR if self.faults else DAY) or self.ended > now

    def begin(self, now: float) -> None:
        """Start a new round unless one is running. Within a day of the last one it covers only damaged tables."""
        if self.ended:
            again = self.faults and 0 <= now - self.begun < DAY
            self.done = [name for name in self.done if name not in self.faults] if again else []
            self.begun, self.ended = self.begun if again else now, 0.0
        self.begun = self.begun or now

    def note(self, table: str, said: list[str], *, readable: bool) -> None:
        """Record the result for a table."""
        self.done.append(table)
        self.faults.pop(table, None)
        self.readable = [name for name in self.readable if name != table]
        if said:
            self.faults[table] = said[0]
            self.readable += [table] if readable else []


def _identity(file: Path) -> str:
    with contextlib.suppress(OSError):
        return f"{file.stat().st_dev}-{file.stat().st_ino}"
    return ""


def _notes(file: Path) -> Path:
    return file.with_name("integrity.json")


def _suspicion(file: Path) -> Path:
    return file.with_name("integrity.suspect")


def _suspected_at(file: Path) -> float:
    """When a damaged page was last met, in seconds since 1970; 0.0 if never."""
    with contextlib.suppress(OSError):
        return _suspicion(file).stat().st_mtime
    return 0.0


def database_file() -> Path | None:
    """The file of the studio's SQLite database; None with PostgreSQL."""
    return Path(connection.settings_dict["NAME"]) if connection.vendor == "sqlite" else None


def free_bytes() -> int:
    """Free space on the disk of the data folder, in bytes."""
    with contextlib.suppress(OSError):
        return shutil.disk_usage(settings.DATA).free
    return 2**63


# --- Before a start


def check_header(file: Path) -> None:
    """Raise Damaged if the database cannot even be opened. Takes milliseconds, whatever the size.

    A missing file means a new studio. So does an empty one, unless there are pictures: SQLite would start afresh in it.
    """
    if not file.exists():
        return
    if not file.stat().st_size:
        if _has_files():
            raise Damaged(
                _(
                    "The database %(file)s is empty, but this studio has files. Put the newest backup in its place; "
                    "to begin anew without them, delete it."
                )
                % {"file": file}
            )
        return
    try:
        with closing(reading(file)) as database:
            database.execute(f"SELECT count(*) FROM {SCHEMA}").fetchone()  # noqa: S608 - a constant
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF not in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            return  # whoever opens it next reports what is wrong
        raise Damaged(_cannot_be_read(file, error)) from error


def _cannot_be_read(file: Path, error: sqlite3.DatabaseError) -> str:
    if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_NOTADB:
        what = _("%(file)s is not a database: something else was written over its beginning.") % {"file": file}
    else:
        what = _("The database %(file)s is damaged: its schema cannot be read, or its end is missing.") % {"file": file}
    return f"{what} {remedy(whole_rows=False)}"


def _has_files() -> bool:
    folders = (Path(settings.MEDIA_ROOT, name) for name in ("outputs", "uploads"))
    return any(next(os.scandir(folder), None) for folder in folders if folder.is_dir())


def remedy(*, whole_rows: bool) -> str:
    """What the operator should do about a damaged database."""
    if whole_rows:
        return _(
            "No row is lost: indexes or the list of free pages are damaged. Stop the studio, run "
            "manage.py rescue FILE, and put the new file in place of stylestudio.sqlite3, without its -wal and -shm."
        )
    return _(
        "Stop the studio and put the newest backup in its place, as the README says. Without a backup run "
        "manage.py rescue FILE: it writes the rows that can still be read into a new database."
    )


# --- Table by table


def reading(file: Path) -> sqlite3.Connection:
    """Open a read-only connection. No memory mapping: a bad sector would then kill the process."""
    database = sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True, timeout=5, isolation_level=None)
    database.execute("PRAGMA mmap_size = 0")
    return database


def tables(file: Path) -> list[str]:
    """The tables to examine, in order. Raises sqlite3.Error."""
    with closing(reading(file)) as database:
        ordinary = "type = 'table' AND rootpage > 0 AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name"
        rows = database.execute(f"SELECT name FROM {SCHEMA} WHERE {ordinary}").fetchall()  # noqa: S608 - constants
    return [SCHEMA, *(str(name) for (name,) in rows)]


def examine_table(file: Path, table: str) -> tuple[list[str], bool]:
    """Return SQLite's complaints about a table and its indexes, and whether all rows can be read in spite of them.

    Raises sqlite3.Error if that cannot be determined, as for a table that was dropped in the meantime.
    """
    name = '"' + table.replace('"', '""') + '"'
    with closing(reading(file)) as database:
        try:
            found = [str(row[0]) for row in database.execute(f"PRAGMA quick_check({name})")]
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_CORRUPT:
                raise
            found = [str(error)]
        said = [" ".join(text.removeprefix("*** in database main ***").split()) for text in found if text != "ok"]
        # Messages about single rows concern the table itself; all others may concern an index.
        return said, bool(said) and not any("NULL value" in text for text in said) and _reads(database, name)


def _reads(database: sqlite3.Connection, name: str) -> bool:
    try:
        for _row in database.execute(f"SELECT * FROM {name} NOT INDEXED"):  # noqa: S608 - a name out of the schema
            pass
    except sqlite3.DatabaseError:
        return False
    return True


class Examiner(threading.Thread):
    """Examines the database in a worker, with pauses and at low priority. One worker at a time does this."""

    def __init__(self, file: Path, stopping: threading.Event) -> None:
        super().__init__(name="integrity", daemon=True)
        self._file = file
        self._stopping = stopping

    def run(self) -> None:
        """Run until the worker stops."""
        with contextlib.suppress(AttributeError, OSError):  # if the system has no thread priorities
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
        # Known damage may have been repaired while nothing was running.
        pause = 0.0 if trouble(self._file) else AFTER_START
        while not self._stopping.wait(pause):
            pause = SECONDS_BETWEEN_LOOKS
            try:
                self.examine()
            except (OSError, sqlite3.Error) as error:
                log.warning("The database could not be looked through: %s", error)

    def examine(self) -> None:
        """Run one round, or the rest of one, if it is due. Raises OSError and sqlite3.Error."""
        with contextlib.suppress(Locked), FileLock(self._file.with_name("integrity.lock")):
            standing, now = Examination.of(self._file), time.time()
            if _suspected_at(self._file) > standing.begun and not 0 <= now - standing.ended < SOON:
                standing.done, standing.begun, standing.ended = [], now, 0.0
            elif not standing.is_due(now):
                return
            standing.begin(now)
            self._go_on(standing)

    def _go_on(self, standing: Examination) -> None:
        names = tables(self._file)
        standing.tables = len(names)
        standing.faults = {name: said for name, said in standing.faults.items() if name in names}
        for name in names:
            if name in standing.done:
                continue
            began = time.monotonic()
            said, readable = examine_table(self._file, name)
            if said:
                log.error("The database is damaged in %s: %s", name, said[0])
            standing.note(name, said, readable=readable)
            standing.keep(self._file)
            if self._stopping.wait(min(LONGEST_REST, time.monotonic() - began)):
                return
        standing.ended = time.time()
        standing.keep(self._file)
        if _suspected_at(self._file) < standing.begun:
            _suspicion(self._file).unlink(missing_ok=True)


# --- What others call


def suspect() -> None:
    """Report a damaged page at once, and let a worker examine everything soon."""
    file = database_file()
    if file is not None:
        with contextlib.suppress(OSError):
            _suspicion(file).touch()


def facts_for_health() -> Iterable[Fact]:
    """A fact for `/health` if the database is known to be damaged."""
    if trouble():
        yield Fact("damaged", True, well=False)


def trouble(file: Path | None = None) -> bool:
    """Whether the database is known or strongly suspected to be damaged. Reads one small file."""
    file = file or database_file()
    return file is not None and (bool(Examination.of(file).faults) or _suspicion(file).exists())


def examined() -> Iterable[tuple[str, str]]:
    """State and remedy for doctor; the remedy is empty if all is well. Yields nothing with PostgreSQL."""
    file = database_file()
    if file is None or not file.exists():
        return
    standing = Examination.of(file)
    if standing.faults:
        named = "; ".join(f"{table}: {said}" for table, said in sorted(standing.faults.items()))
        whole_rows = set(standing.faults) == set(standing.readable)
        yield _("damaged (%(named)s)") % {"named": named}, remedy(whole_rows=whole_rows)
    elif _suspicion(file).exists():
        yield (
            _("a damaged page was met, and a worker is about to look through all tables"),
            _("Run doctor again in a few minutes, with the studio running."),
        )
    else:
        yield _progress(standing), ""


def _progress(standing: Examination) -> str:
    if standing.ended:
        hours = max(0, int(time.time() - standing.ended)) // 3600
        if not hours:
            return _("whole, as of less than an hour ago")
        return ngettext("whole, as of %(hours)d hour ago", "whole, as of %(hours)d hours ago", hours) % {"hours": hours}
    if standing.done:
        counts = {"done": len(standing.done), "all": standing.tables}
        return _("%(done)d of %(all)d tables looked through so far, all whole") % counts
    return _("not looked through yet: a worker does that daily")
