"""Copies the readable rows of a damaged SQLite database into a new one.

SQLite's own tools stop too early: `VACUUM INTO` and `REINDEX` stop at the first damaged page, even of an index, and
`.recover` is not in every build of its shell.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from django.utils.translation import gettext as _

from stylestudio.database import integrity

ROWS = 500  # rows per write


class Hopeless(Exception):
    """Nothing can be read. The text says why."""


@dataclass(frozen=True, slots=True)
class Saved:
    """A table, how many of its rows were copied, and what stopped the others; "" if all were copied."""

    name: str
    rows: int
    trouble: str


def salvage(damaged: Path, target: Path) -> list[Saved]:
    """Write all readable rows to `target`, which must not exist; indexes are rebuilt.

    A table is read from its first row on, and if that stops, backwards from its last one: what lies between is lost.
    Raises Hopeless and OSError; then there is no target.
    """
    try:
        with closing(integrity.reading(damaged)) as source, closing(sqlite3.connect(target)) as copy:
            saved = _copied(source, copy)
    except sqlite3.Error as error:
        target.unlink(missing_ok=True)
        text = _("Nothing can be read of %(file)s (%(error)s). Put a backup in its place.")
        raise Hopeless(text % {"file": damaged, "error": error}) from error
    return saved


def _copied(source: sqlite3.Connection, copy: sqlite3.Connection) -> list[Saved]:
    parts = source.execute(
        "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    ).fetchall()
    for _type, _name, sql in parts:
        if _type == "table":
            copy.execute(sql)
    saved = [_table(source, copy, str(name)) for kind, name, _sql in parts if kind == "table"]
    for kind, _name, sql in parts:
        if kind != "table":
            _make(copy, str(sql), saved)
    if any(table.trouble for table in saved):
        _keep_files(copy)
    # Ids of deleted rows are not reused.
    with suppress(sqlite3.DatabaseError):
        counters = source.execute("SELECT seq, name FROM sqlite_sequence").fetchall()
        copy.executemany("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", counters)
    copy.commit()
    copy.execute("PRAGMA journal_mode = WAL")
    return saved


def _keep_files(copy: sqlite3.Connection) -> None:
    """Protect files whose rows were lost from the sweep for orphans, as `adopt_media` does."""
    with suppress(sqlite3.DatabaseError):  # from a version that does not detect orphans in this way
        copy.execute("UPDATE stylestudio_mediastore SET adopted_at = datetime('now')")
        copy.execute("DELETE FROM stylestudio_start")


def _table(source: sqlite3.Connection, copy: sqlite3.Connection, name: str) -> Saved:
    quoted = '"' + name.replace('"', '""') + '"'
    before = copy.total_changes
    trouble = _rows(source, copy, quoted, "rowid")
    if trouble:
        _rows(source, copy, quoted, "rowid DESC")
    return Saved(name, copy.total_changes - before, trouble)


def _rows(source: sqlite3.Connection, copy: sqlite3.Connection, table: str, order: str) -> str:
    """Copy rows until one cannot be read, and return what stopped it. Rows copied before are skipped."""
    try:
        rows = source.execute(f"SELECT * FROM {table} NOT INDEXED ORDER BY {order}")  # noqa: S608 - a name of the schema
        places = ", ".join("?" * len(rows.description))
        for batch in _batches(rows):
            copy.executemany(f"INSERT OR IGNORE INTO {table} VALUES ({places})", batch)  # noqa: S608
    except sqlite3.DatabaseError as error:
        return str(error)
    return ""


def _batches(rows: sqlite3.Cursor) -> Iterator[list[tuple[object, ...]]]:
    """Yield full batches, and before an error the rows read until then."""
    batch: list[tuple[object, ...]] = []
    try:
        for row in rows:
            batch.append(row)
            if len(batch) == ROWS:
                yield batch
                batch = []
    except sqlite3.DatabaseError:
        yield batch
        raise
    yield batch


def _make(copy: sqlite3.Connection, sql: str, saved: list[Saved]) -> None:
    """Create an index, view or trigger. If the copied rows do not allow it, the next migration or a person must."""
    try:
        copy.execute(sql)
    except sqlite3.DatabaseError as error:
        saved.append(Saved(" ".join(sql.split())[:80], 0, str(error)))
