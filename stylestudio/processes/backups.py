"""Copies of the database that are consistent even if it is being written to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
from django.utils.translation import gettext as _

from stylestudio.database import integrity, turns
from stylestudio.edge import failures
from stylestudio.host import private

KEPT = 3
_TURN = 7_243_309_118  # the number of an advisory lock in PostgreSQL, chosen so that others are unlikely to use it


class BackupFailed(Exception):
    """The copy could not be made. The text says why and what to do."""


def save_database(target: Path) -> None:
    """Write a copy of the SQLite database to `target`, which must not exist. Raises BackupFailed."""
    if connection.vendor != "sqlite":
        raise BackupFailed(
            _(
                "The database is PostgreSQL. Save it with pg_dump and the address in DATABASE_URL: "
                "this command saves SQLite only."
            )
        )
    try:
        private.folder(target.parent)
        with connection.cursor() as cursor:
            cursor.execute("VACUUM INTO %s", [str(target)])
        private.file(target)
    except (OSError, DatabaseError) as error:
        with suppress(OSError):
            target.unlink(missing_ok=True)
        raise BackupFailed(_why(error, target)) from error


def _why(error: OSError | DatabaseError, target: Path) -> str:
    """The real reason: the fault may lie in the database itself rather than in the target."""
    failure = failures.of(error)
    if failure and failure.kind == failures.Kind.DAMAGED:
        integrity.suspect()
        text = _("The database was not saved: it is damaged (%(error)s). %(remedy)s Keep the backups that you have.")
        return text % {"error": failure.detail, "remedy": integrity.remedy(whole_rows=False)}
    text = _("The database could not be saved to %(file)s: %(error)s. Is there room, and may this user write there?")
    return text % {"file": target, "error": failure.detail if failure else error}


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """If several studios start on one PostgreSQL database, let one migrate and prepare while the others wait."""
    if connection.vendor != "postgresql":
        yield
        return
    with turns.transaction_beside() as ask:
        ask("SELECT pg_advisory_xact_lock(%s)", _TURN)
        yield


def unapplied_migrations() -> bool:
    """Whether the database is older than the program."""
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def save_before_migrating() -> Path | None:
    """Save the database to DATA/backups if it has tables that migrations may change, and keep the newest KEPT.

    Returns None if there is nothing to save or the database is not SQLite. Raises BackupFailed.
    """
    if connection.vendor != "sqlite" or not connection.introspection.table_names():
        return None
    folder: Path = settings.DATA / "backups"
    target = folder / f"before-update-{timezone.now():%Y%m%d-%H%M%S-%f}.sqlite3"
    save_database(target)
    for old in sorted(folder.glob("before-update-*.sqlite3"))[:-KEPT]:
        old.unlink()
    return target
