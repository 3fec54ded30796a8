"""Converts a database from before today's rooms: moves every row into the tables that a new studio has.

It is a single transaction: a process killed on the way leaves the database as it was. Afterwards the schema equals that
of a new database after the first migrations of the rooms, down to the names of indexes, constraints and sequences.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from django.apps import apps
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import OperationalError, connection, transaction
from django.db.migrations import Migration
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.db.migrations.state import StateApps
from django.utils.translation import gettext as _

from stylestudio.database import earlier, integrity

PARTS = ("stylestudio", "styles", "generation", "training")  # the apps of that time
ASIDE = "earlier"  # prefix of tables and sequences while their rows are moved
# What sessions of that time name as the class that let somebody in. Django ends those that name an unknown one.
SIGNED_IN_BY = "stylestudio.accounts.CuratorBackend"
ROOM_FACTOR = 3  # how many times its size a database needs free on its disk during the conversion
_TURN = 7_243_309_119  # the number of an advisory lock in PostgreSQL, chosen so that others are unlikely to use it


class CannotConvert(Exception):
    """The database stays as it is. The text says why and what to do."""


def recorded() -> frozenset[tuple[str, str]]:
    """All migrations of that time, as (app, name)."""
    return frozenset((app, file.name) for app in PARTS for file in iter_modules([str(_folder(app))]))


def is_earlier() -> bool:
    """Whether the database dates from before today's rooms. Raises django.db.DatabaseError."""
    labels = {app for app, _name in MigrationRecorder(connection).applied_migrations()}
    return bool(labels & {"generation", "training"})


def convert_earlier() -> bool:
    """Move the rows of an earlier database into today's tables. Returns whether there was anything to do.

    Raises CannotConvert; then, as after any other error, nothing has changed.
    """
    if not is_earlier():
        return False
    _require_oldest()
    _require_room()
    with _without_foreign_keys(), transaction.atomic():
        if _is_postgres():
            _execute(f"SELECT pg_advisory_xact_lock({_TURN})")
        if not is_earlier():  # another studio was faster
            return False
        _finish_earlier_migrations()
        pairs = _pairs()
        aside = {old: _put_aside(old, number) for number, old in enumerate(sorted(_earlier_tables()))}
        _make_first_tables()
        if _is_postgres():
            # Rows arrive table by table. Some keys are checked immediately by default: those Django added to existing
            # tables.
            _execute("SET CONSTRAINTS ALL DEFERRED")
        for old, new in pairs.items():
            _copy(aside[old], new)
        _rename_content_types()
        keep_people_signed_in()
        if _is_postgres():
            _execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table in aside.values():
            _execute(f"DROP TABLE {_quoted(table)}")
    _give_disk_back()
    return True


def _folder(app: str) -> Path:
    return Path(str(earlier.__file__)).parent / app


def _is_postgres() -> bool:
    return connection.vendor == "postgresql"


def _require_oldest() -> None:
    applied = set(MigrationRecorder(connection).applied_migrations())
    if set(earlier.OLDEST) - applied:
        raise CannotConvert(
            _(
                "The database is of a StyleStudio from before 28 November 2026, which this one cannot read. Nothing "
                "was changed. Start it once with a version of that day, then with this one."
            )
        )


def _require_room() -> None:
    """Until the transaction ends every row exists twice, and once more in SQLite's journal for a rollback."""
    file = integrity.database_file()
    if file is None or not file.exists():
        return
    needed, free = ROOM_FACTOR * file.stat().st_size, integrity.free_bytes()
    if free < needed:
        raise CannotConvert(
            _(
                "The database is brought into the order of this version, for which %(needed).1f GB must be free on the "
                "disk of %(folder)s, and %(free).1f GB are. Nothing was changed. Make room, then start again."
            )
            % {"needed": needed / 1e9, "free": free / 1e9, "folder": settings.DATA}
        )


@contextmanager
def _without_foreign_keys() -> Iterator[None]:
    """SQLite checks foreign keys row by row, and this cannot be switched off within a transaction."""
    disabled = connection.vendor == "sqlite" and connection.disable_constraint_checking()
    try:
        yield
    finally:
        if disabled:
            connection.enable_constraint_checking()


class _EarlierLoader(MigrationLoader):
    """Loads the migrations of that time for our apps, and today's for all others."""

    def load_disk(self) -> None:
        """Load those of Django's own apps, and ours from the folders of `earlier`."""
        super().load_disk()
        ours = {config.label for config in apps.get_app_configs() if not config.name.startswith("django.")}
        theirs = {key: value for key, value in self.disk_migrations.items() if key[0] not in ours}
        self.disk_migrations = {**theirs, **{(app, name): _migration(app, name) for app, name in recorded()}}
        self.migrated_apps = {*(label for label, _name in theirs), *PARTS}
        self.unmigrated_apps = set()


def _migration(app: str, name: str) -> Migration:
    module = import_module(f"{earlier.__name__}.{app}.{name}")
    made: Migration = module.Migration(name, app)
    return made


def _earlier_executor() -> MigrationExecutor:
    executor = MigrationExecutor(connection)
    executor.loader = _EarlierLoader(connection)
    return executor


def _finish_earlier_migrations() -> None:
    executor = _earlier_executor()
    executor.migrate(executor.loader.graph.leaf_nodes())


def _earlier_apps() -> StateApps:
    loader = _earlier_executor().loader
    return loader.project_state(loader.graph.leaf_nodes()).apps


def _earlier_tables() -> set[str]:
    made = {model._meta.db_table for model in _earlier_apps().get_models(include_auto_created=True)}
    return {*made, MigrationRecorder.Migration._meta.db_table} & set(connection.introspection.table_names())


def _pairs() -> dict[str, str]:
    """Today's table for each table of that time. The record of applied migrations is written anew."""
    pairs = {}
    for model in _earlier_apps().get_models(include_auto_created=True):
        label, name = model._meta.app_label, model._meta.model_name or ""
        pairs[model._meta.db_table] = apps.get_model(earlier.ROOMS.get((label, name), label), name)._meta.db_table
    return pairs


def _put_aside(table: str, number: int) -> str:
    """Give the table a unique name, and drop every name in it that today's tables use as well."""
    aside = f"{ASIDE}_{number}"
    for constraint in _constraints(table):
        _execute(f"ALTER TABLE {_quoted(table)} DROP CONSTRAINT IF EXISTS {_quoted(constraint)} CASCADE")
    for index in _indexes(table):
        _execute(f"DROP INDEX {index}")
    if sequence := _sequence(table):
        _execute(f"ALTER SEQUENCE {sequence} RENAME TO {_quoted(aside + '_id')}")
    _execute(f"ALTER TABLE {_quoted(table)} RENAME TO {_quoted(aside)}")
    return aside


def _constraints(table: str) -> list[str]:
    """Constraints with names of their own. Foreign keys that refer to a key are dropped with the key."""
    if not _is_postgres():
        return []
    found = "SELECT conname FROM pg_constraint WHERE conrelid = %s::regclass AND contype IN ('f', 'c', 'u', 'p', 'x')"
    return _column(f"{found} ORDER BY contype IN ('p', 'u')", _quoted(table))


def _indexes(table: str) -> list[str]:
    """Quoted names of the indexes that belong to no constraint."""
    if _is_postgres():
        return _column("SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = %s::regclass", _quoted(table))
    made = "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name = %s"
    return [_quoted(name) for name in _column(made, table)]


def _make_first_tables() -> None:
    """Those of the first migrations of the rooms. Later ones come when the rows are there, as in any other database."""
    executor = MigrationExecutor(connection)
    graph = executor.loader.graph
    ours = {config.label for config in apps.get_app_configs() if not config.name.startswith("django.")}
    # Not those of rooms that came later: they stand on later ones of these.
    then = {*earlier.ROOMS.values(), "stylestudio", "styles"}
    rooms = [node for node in graph.root_nodes() if node[0] in then]
    executor.migrate([*rooms, *(node for node in graph.leaf_nodes() if node[0] not in ours)])


def _copy(aside: str, table: str) -> None:
    """Copy all rows with their ids; ids of deleted rows are not reused."""
    columns = ", ".join(_quoted(name) for name in _columns(table))
    missing = set(_columns(table)) ^ set(_columns(aside))
    if missing:
        raise CannotConvert(
            _(
                "The database cannot be brought into the order of this version: table %(table)s has columns that only "
                "one of the two versions knows (%(columns)s). Nothing was changed. Start the version from before the "
                "update again and take back what was changed in the database by hand; if nothing was, report this."
            )
            % {"table": table, "columns": ", ".join(sorted(missing))}
        )
    _execute(f"INSERT INTO {_quoted(table)} ({columns}) SELECT {columns} FROM {_quoted(aside)}")  # noqa: S608 - names of ours
    if not _is_postgres():
        _execute("DELETE FROM sqlite_sequence WHERE name = %s", table)
        _execute(
            "INSERT INTO sqlite_sequence (name, seq) SELECT %s, seq FROM sqlite_sequence WHERE name = %s", table, aside
        )
    elif (sequence := _sequence(table)) and (before := _sequence(aside)):
        _execute(f"SELECT setval('{sequence}', last_value, is_called) FROM {before}")  # noqa: S608 - names of ours


def _columns(table: str) -> list[str]:
    with connection.cursor() as cursor:
        return [column.name for column in connection.introspection.get_table_description(cursor, table)]


def _sequence(table: str) -> str | None:
    """The quoted name of the sequence behind a table's ids in PostgreSQL; None if there is none."""
    if not _is_postgres() or "id" not in _columns(table):
        return None
    [found] = _column("SELECT pg_get_serial_sequence(%s, 'id')", _quoted(table))
    return found


def _rename_content_types() -> None:
    """Permissions and the admin's history refer to content types, and follow them."""
    for (label, model), room in earlier.ROOMS.items():
        _execute(
            "UPDATE django_content_type SET app_label = %s WHERE app_label = %s AND model = %s", room, label, model
        )


def keep_people_signed_in() -> None:
    """Let the sessions of that time name today's class."""
    for session in Session.objects.all():
        found = session.get_decoded()
        if found.get(BACKEND_SESSION_KEY) == SIGNED_IN_BY:
            found[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
            session.session_data = Session.objects.encode(found)
            session.save(update_fields=["session_data"])


def _give_disk_back() -> None:
    """The move leaves as much free space inside the file. It does no harm if this is put off."""
    if connection.vendor == "sqlite":
        with suppress(OperationalError):
            _execute("VACUUM")
            _execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _quoted(name: str) -> str:
    return connection.ops.quote_name(name)


def _execute(sql: str, *values: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, list(values) or None)


def _column(sql: str, *values: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(sql, list(values))
        return [row[0] for row in cursor.fetchall()]
