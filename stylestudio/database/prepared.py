"""Statements that are executed all the time: Django compiles them once per process, and PostgreSQL plans queries once
per connection, because either takes longer than executing them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, ClassVar, NamedTuple, TypeAlias, TypeVar
from weakref import WeakKeyDictionary

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.models import Field, FloatField, Func, Model, QuerySet

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


# The names of the statements that PostgreSQL has prepared, by the connection of the driver. None if a pooler is in
# between: the next transaction may then be on another connection, which knows none of them.
_prepared: WeakKeyDictionary[Any, set[str] | None] = WeakKeyDictionary()


def _names() -> set[str] | None:
    """What `_prepared` has for the connection of this thread."""
    connection.ensure_connection()
    driver = connection.connection
    if driver not in _prepared:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            # A pooler tells a number of its own here (PgBouncer 1.18 does), for it has to cancel on another connection.
            _prepared[driver] = set() if cursor.fetchone() == (driver.info.backend_pid,) else None
    return _prepared[driver]


def _planned(name: str, sql: str, places: Mapping[int, int]) -> str:
    """The statement for PostgreSQL, which is prepared first if it can be and is not yet."""
    names = _names()
    if names is None:
        for place, key in places.items():
            sql = sql.replace(str(place), str(key))
        return sql
    if name not in names:
        for number, place in enumerate(places, start=1):
            sql = sql.replace(str(place), f"${number}")
        with connection.cursor() as cursor:
            cursor.execute(f"PREPARE {name} AS {sql}")
        names.add(name)
    return f"EXECUTE {name}" + (f"({', '.join(map(str, places.values()))})" if places else "")


class Prepared:
    """A query that is built, compiled and planned once.

    `build` takes as many primary keys, two at most, as `question` and `rows` do. It returns a queryset, or a statement.
    """

    def __init__(self, build: Callable[..., QuerySet[Any, Any] | Question]) -> None:
        self._build = build
        self._compiled: tuple[str, Question] | None = None  # with the name of it; set at once, for threads share it

    def question(self, *keys: int) -> Question:
        """The statement for `ask`."""
        places = dict(zip((_FIRST, _SECOND), keys, strict=False))
        if self._compiled is None:
            built = self._build(*places)
            query = built if isinstance(built, tuple) else built.query.sql_with_params()
            query = (_as_text(*query), []) if connection.vendor == "postgresql" else query
            self._compiled = "studio_" + hashlib.sha256(query[0].encode()).hexdigest()[:16], query
        name, (sql, known) = self._compiled
        if connection.vendor == "postgresql":
            return _planned(name, sql, places), []
        return sql, [places.get(each, each) for each in known]

    def rows(self, *keys: int) -> Rows:
        """The rows of this query alone."""
        return ask(self.question(*keys))[0]


def write(model: type[Model], pk: int, **values: object) -> None:
    """Set these fields of a row to plain values."""
    fields, statement = _updating(model, tuple(values))
    own = [field.get_db_prep_save(value, connection) for field, value in zip(fields, values.values(), strict=True)]
    with connection.cursor() as cursor:
        cursor.execute(statement, [*own, pk])


@cache
def _updating(model: type[Model], names: tuple[str, ...]) -> tuple[list[Any], str]:
    fields: list[Any] = [model._meta.get_field(name) for name in names]
    table, key = model._meta.db_table, model._meta.pk
    columns = ", ".join(f'"{field.column}" = %s' for field in fields)
    return fields, f'UPDATE "{table}" SET {columns} WHERE "{key.column}" = %s'  # noqa: S608 - names of ours


class OftenUsed:
    """In front of a model whose rows are written all the time: the statements with which `save` inserts one and
    `refresh_from_db` reads it again are compiled once.
    """

    _meta: Any
    pk: Any
    get_deferred_fields: Any

    def _do_insert(self, manager: Any, using: Any, fields: Any, returning_fields: Any, raw: bool) -> Any:
        database = connections[using]  # and not `connection`, which looks for it in this thread with each access
        if raw or using != DEFAULT_DB_ALIAS or not database.features.can_return_columns_from_insert:
            return super()._do_insert(manager, using, fields, returning_fields, raw)  # type: ignore[misc]
        model: Any = type(self)
        insert = _inserting(model, tuple(fields), tuple(returning_fields))
        values = []
        for field, kind, is_kept in insert.columns:
            value = getattr(self, field.attname) if is_kept else field.pre_save(self, True)
            if value is not None and type(value) is not kind:
                if hasattr(value, "resolve_expression"):
                    return super()._do_insert(manager, using, fields, returning_fields, raw)  # type: ignore[misc]
                value = field.get_db_prep_save(value, database)
            values.append(value)
        with database.cursor() as cursor:
            return cursor.execute(insert.statement, values).fetchall()

    def refresh_from_db(self, using: Any = None, fields: Any = None, from_queryset: Any = None) -> None:
        """As Django does."""
        if using is fields is from_queryset is None and not self.get_deferred_fields():
            from_queryset = _Again(type(self), self.pk)
        super().refresh_from_db(using, fields, from_queryset)  # type: ignore[misc]


class _Again:
    """A row, read in the way of a queryset."""

    def __init__(self, model: Any, pk: int) -> None:
        self._model, self._pk = model, pk

    def filter(self, **_pk: object) -> _Again:
        """The row with this key, which is the only one here."""
        return self

    def get(self) -> Any:
        """What is stored now. Raises the model's DoesNotExist."""
        for row in _row_of(self._model).rows(self._pk):
            return instance(self._model, row)
        raise self._model.DoesNotExist(f"{self._model.__name__} {self._pk} is not there any more.")


@cache
def _row_of(model: type[Model]) -> Prepared:
    return Prepared(lambda pk: model._base_manager.filter(pk=pk).order_by())


# The type of Python whose values a column of this kind takes as they are. Asking each field takes longer than the rest.
_AS_THEY_ARE = {
    **dict.fromkeys(("CharField", "TextField"), str),
    **dict.fromkeys(("SmallIntegerField", "PositiveSmallIntegerField", "IntegerField", "PositiveIntegerField"), int),
    **dict.fromkeys(("BigIntegerField", "ForeignKey"), int),
    "FloatField": float,
    "BooleanField": bool,
}


class _Insert(NamedTuple):
    """A statement that inserts a row, and its columns: the field, the type that it takes as it is, and whether saving
    leaves its value alone.
    """

    statement: str
    columns: list[tuple[Any, type | None, bool]]


@cache
def _inserting(model: type[Model], fields: tuple[Any, ...], returned: tuple[Any, ...]) -> _Insert:
    names, answer = (", ".join(f'"{field.column}"' for field in each) for each in (fields, returned))
    places = ", ".join(["%s"] * len(fields))
    columns = [
        (field, _AS_THEY_ARE.get(field.get_internal_type()), type(field).pre_save is Field.pre_save) for field in fields
    ]
    table = model._meta.db_table
    return _Insert(f'INSERT INTO "{table}" ({names}) VALUES ({places}) RETURNING {answer}', columns)  # noqa: S608 - names of ours


def instance(model: type[M], row: tuple[Any, ...], *columns: str) -> M:
    """What a row of these columns, or of all, stands for, as from a queryset."""
    database = connections[DEFAULT_DB_ALIAS]
    names, converters = _columns(model, columns, database.vendor)
    values = list(row)
    for place, (converts, column) in converters:
        for convert in converts:
            values[place] = convert(values[place], column, database)
    return model.from_db(database.alias, names, values)


@cache
def _columns(model: type[Model], columns: tuple[str, ...], _vendor: str) -> tuple[list[str], list[tuple[int, Any]]]:
    """The names of a model's columns, and how values of some of them are converted, by their place."""
    fields = [field for field in model._meta.concrete_fields if not columns or field.attname in columns]
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
