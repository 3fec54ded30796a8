"""Writes rows of one table fast, and says when and in which project each of them was made."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from django.db.models import Model

PEOPLE = 25
BATCH = 20_000  # rows
PROJECTS = (60, 25, 10, 4, 1)  # percent of the rows in each of them


class Table:
    """Writes rows of one model that differ from a template in some columns."""

    def __init__(self, model: type[Model], **same: Any) -> None:
        from django.db import connection

        self.connection = connection
        self.fields = list(model._meta.concrete_fields)
        self.name = model._meta.db_table
        row = model(**same)
        self.template = [self._stored(field, field.pre_save(row, add=True)) for field in self.fields]
        # Some columns keep the name that their field had.
        self.place = {field.attname: number for number, field in enumerate(self.fields)}
        self.place |= {str(field.column): number for number, field in enumerate(self.fields)}

    def _stored(self, field: Any, value: Any) -> Any:
        return field.get_db_prep_save(value, self.connection)

    def write(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """One row for each mapping of attribute names to values; times may be `datetime`, JSON must be text."""
        names = ", ".join(f'"{field.column}"' for field in self.fields)
        places = ", ".join(["%s"] * len(self.fields))
        statement = f'INSERT INTO "{self.name}" ({names}) VALUES ({places})'
        made = iter(rows)
        while some := list(islice(made, BATCH)):
            with self.connection.cursor() as cursor:
                cursor.executemany(statement, [self._row(each) for each in some])

    def _row(self, values: Mapping[str, Any]) -> list[Any]:
        row = list(self.template)
        for name, value in values.items():
            if name not in self.place:
                continue  # filled with the code of before
            at = self.place[name]
            row[at] = self._stored(self.fields[at], value) if isinstance(value, datetime | uuid.UUID) else value
        return row


# Where there are few, a page of the last month and of one long ago is full too: from each share of them on, months ago.
EVENLY, LATELY = ((0.0, 36.0), (1.0, 0.0)), ((0.0, 36.0), (0.1, 22.5), (0.5, 19.5), (0.7, 1.0), (1.0, 0.0))


def moments(number: int, months: Sequence[tuple[float, float]] = EVENLY) -> Iterator[datetime]:
    """So many moments over the past months, oldest first."""
    now = datetime.now(UTC)
    for each in range(number):
        share = (each + 1) / (number + 1)
        (before, since), (after, until) = next(pair for pair in pairwise(months) if pair[1][0] >= share)
        ago = since + (until - since) * (share - before) / (after - before)
        yield now - timedelta(days=30.4 * ago)


def project(number: int) -> int:
    """The project of a row with this number."""
    place = number * 37 % 100
    return 1 + sum(place >= sum(PROJECTS[: each + 1]) for each in range(len(PROJECTS) - 1))


def in_project(number: int, model: Any) -> dict[str, int]:
    """The project of a row with this number, if rows of this model have one."""
    return {"project_id": project(number)} if hasattr(model, "project") else {}
