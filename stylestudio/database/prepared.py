"""Queries that are asked all the time: their SQL is compiled once, because that takes longer than executing it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, ClassVar, TypeAlias, TypeVar

from django.db import connection
from django.db.models import FloatField, Func, Model, QuerySet

# Primary keys that no row has: where one of them is in the compiled query, the key that is asked for takes its place.
_FIRST, _SECOND = -7_361_101, -7_361_102


M = TypeVar("M", bound=Model)
Question: TypeAlias = tuple[str, Sequence[Any]]
Rows: TypeAlias = list[tuple[Any, ...]]


def ask(*questions: Question) -> list[Rows]:
    """The rows of each of these statements, executed one after the other: on PostgreSQL in one round trip.

    They are as the database driver returns them: SQLite has numbers for booleans and texts for times.
    """
    with connection.cursor() as cursor:
        if connection.vendor != "postgresql":
            return [cursor.execute(sql, params).fetchall() for sql, params in questions]
        cursor.execute("; ".join(_as_text(*question) for question in questions))
        answers = [cursor.fetchall()]
        while cursor.nextset():
            answers.append(cursor.fetchall())
        return answers


def _as_text(sql: str, params: Sequence[Any]) -> str:
    """The statement with its parameters in it, quoted by the driver."""
    return str(connection.ops.compose_sql(sql, params)) if params else sql  # type: ignore[attr-defined]  # PostgreSQL's


class Prepared:
    """A query that is built and compiled once per process.

    `build` takes as many primary keys, two at most, as `question` and `rows` do.
    """

    def __init__(self, build: Callable[..., QuerySet[Any, Any]]) -> None:
        self._build = build
        self._compiled: tuple[str, Sequence[Any]] | None = None

    def question(self, *keys: int) -> Question:
        """The statement for `ask`."""
        places = dict(zip((_FIRST, _SECOND), keys, strict=False))
        if self._compiled is None:
            query = self._build(*places).query.sql_with_params()
            self._compiled = (_as_text(*query), []) if connection.vendor == "postgresql" else query
        sql, known = self._compiled
        if known or not keys:
            return sql, [places.get(each, each) for each in known]
        for place, key in places.items():
            sql = sql.replace(str(place), str(key))
        return sql, []

    def rows(self, *keys: int) -> Rows:
        """The rows of this query alone."""
        return ask(self.question(*keys))[0]


def instance(model: type[M], row: tuple[Any, ...]) -> M:
    """What a row of all columns stands for, as from a queryset."""
    names, converters = _columns(model, connection.vendor)
    values = list(row)
    for place, (converts, column) in converters:
        for convert in converts:
            values[place] = convert(values[place], column, connection)
    return model.from_db(connection.alias, names, values)


@cache
def _columns(model: type[Model], _vendor: str) -> tuple[list[str], list[tuple[int, Any]]]:
    """The names of a model's columns, and how values of some of them are converted, by their place."""
    fields = model._meta.concrete_fields
    compiler = model._base_manager.all().query.get_compiler(connection=connection)
    converters = compiler.get_converters([field.cached_col for field in fields])
    return [field.attname for field in fields], list(converters.items())


class Moment(Func):
    """A time that is only compared with other moments of the same database: reading it costs a tenth of a datetime."""

    arity = 1
    output_field: ClassVar[Any] = FloatField()
    template = "%(expressions)s"  # SQLite has texts, whose order is that of the times

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """Seconds."""
        template = "EXTRACT(EPOCH FROM %(expressions)s)::double precision"
        return self.as_sql(compiler, connection, template=template, **context)
