"""Queries that are asked all the time: their SQL is compiled once, because that takes longer than executing it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeAlias

from django.db import connection
from django.db.models import FloatField, Func, QuerySet

# Primary keys that no row has: where one of them is in the compiled query, the key that is asked for takes its place.
_FIRST, _SECOND = -7_361_101, -7_361_102


Question: TypeAlias = tuple[str, Sequence[Any]]
Rows: TypeAlias = list[tuple[Any, ...]]


def ask(*questions: Question) -> list[Rows]:
    """The rows of each of these statements, executed one after the other: on PostgreSQL in one round trip.

    They are as the database driver returns them: SQLite has numbers for booleans and texts for times.
    """
    with connection.cursor() as cursor:
        if connection.vendor != "postgresql":
            return [cursor.execute(sql, params).fetchall() for sql, params in questions]
        cursor.execute(
            "; ".join(sql for sql, _params in questions), [each for _sql, params in questions for each in params]
        )
        answers = [cursor.fetchall()]
        while cursor.nextset():
            answers.append(cursor.fetchall())
        return answers


class Prepared:
    """A query that is built and compiled once per process.

    `build` returns it as `values_list`, and takes as many primary keys, two at most, as `question` and `rows` do.
    """

    def __init__(self, build: Callable[..., QuerySet[Any, Any]]) -> None:
        self._build = build
        self._compiled: Question | None = None

    def question(self, *keys: int) -> Question:
        """The statement for `ask`."""
        places = dict(zip((_FIRST, _SECOND), keys, strict=False))
        if self._compiled is None:
            self._compiled = self._build(*places).query.sql_with_params()
        sql, params = self._compiled
        return sql, [places.get(each, each) for each in params]

    def rows(self, *keys: int) -> Rows:
        """The rows of this query alone."""
        return ask(self.question(*keys))[0]


class Moment(Func):
    """A time that is only compared with other moments of the same database: reading it costs a tenth of a datetime."""

    arity = 1
    output_field: ClassVar[Any] = FloatField()
    template = "%(expressions)s"  # SQLite has texts, whose order is that of the times

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """Seconds."""
        template = "EXTRACT(EPOCH FROM %(expressions)s)::double precision"
        return self.as_sql(compiler, connection, template=template, **context)
