"""Statements for many small rows, for which the ORM takes several times as long as the database does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.db.backends.utils import CursorWrapper
from django.db.models import Model

_MOST_PARAMETERS = 500  # of a statement


def look_up(
    cursor: CursorWrapper, model: type[Model], column: str, keys: Iterable[bytes]
) -> Iterator[tuple[bytes, int]]:
    """The rows that have one of the keys in this column: that and their primary key."""
    wanted = list(keys)
    for begin in range(0, len(wanted), _MOST_PARAMETERS):
        some = wanted[begin : begin + _MOST_PARAMETERS]
        places = ", ".join(["%s"] * len(some))
        statement = f'SELECT "{column}", "id" FROM "{model._meta.db_table}" WHERE "{column}" IN ({places})'  # noqa: S608
        cursor.execute(statement, some)
        yield from ((bytes(key), pk) for key, pk in cursor.fetchall())


def insert(cursor: CursorWrapper, model: type[Model], columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Add rows, but for those that are there."""
    if rows:
        names, places = ", ".join(f'"{column}"' for column in columns), ", ".join(["%s"] * len(columns))
        statement = f'INSERT INTO "{model._meta.db_table}" ({names}) VALUES ({places}) ON CONFLICT DO NOTHING'  # noqa: S608
        cursor.executemany(statement, rows)
