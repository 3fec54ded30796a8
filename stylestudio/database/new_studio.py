"""The database of a new studio on SQLite, at once: to replay the migrations of years takes ten seconds and more.

The script beside it is what the migrations lead to; `.ci/new-database` writes it anew after a migration was added, and
a test compares the two. Migrations that it does not know are applied to it as to any database.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from django.db import connection

SCRIPT = Path(__file__).with_name("new_studio.sql")
MOMENT = "2000-01-01 00:00:00"  # stands for the time at which a studio begins
# Filled by Django after every migration.
_FILLED_LATER = ("auth_permission", "django_content_type")


def is_new() -> bool:
    """Whether the database is an empty one of SQLite."""
    return connection.vendor == "sqlite" and not connection.introspection.table_names()


def create() -> None:
    """Fill an empty database, all of it or nothing."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')")
        now = str(cursor.fetchone()[0])
    database: Any = connection.connection
    try:
        database.executescript(SCRIPT.read_text(encoding="utf-8").replace(MOMENT, now))
    except BaseException:
        if database.in_transaction:
            database.rollback()
        raise


def written(file: Path) -> str:
    """The script that makes a database like the new one in this file, which migrations have made."""
    with closing(sqlite3.connect(file)) as stored, closing(sqlite3.connect(":memory:")) as copy:
        stored.backup(copy)
        copy.execute("UPDATE django_migrations SET applied = ?", [MOMENT])
        copy.execute("UPDATE stylestudio_project SET created_at = ?", [MOMENT])
        for table in _FILLED_LATER:
            copy.execute(f"DELETE FROM {table}")  # noqa: S608 - names of ours
        copy.commit()
        return "\n".join(_lines(copy)) + "\n"


def _lines(database: sqlite3.Connection) -> Iterator[str]:
    yield "-- Written by .ci/new-database from the migrations."
    for statement in database.iterdump():
        if not any(f'"{table}",' in statement or f"'{table}'," in statement for table in _FILLED_LATER):
            yield statement
