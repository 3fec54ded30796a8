"""Giving back the space that a database keeps after rows became shorter or were deleted."""

from __future__ import annotations

import os
from dataclasses import dataclass

from django.conf import settings
from django.db import DatabaseError, connection
from django.utils.translation import gettext as _

from stylestudio.database import integrity
from stylestudio.models import Worker

WORTH = 0.2  # of the file; with less unused nobody needs to hear of it
WORTH_BYTES = 100 * 2**20


class CannotShrink(Exception):
    """The database stays as it is. The text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Size:
    """Bytes of the database on disk, and how many of them are known to be unused."""

    total: int
    unused: int = 0

    @property
    def needed(self) -> int:
        """The room that shrinking needs besides: SQLite writes what is used twice, to a file and to the log of changes;
        PostgreSQL one table after the other.
        """
        return 2 * (self.total - self.unused) if connection.vendor == "sqlite" else _largest_table()


def size() -> Size:
    """The size now. Raises django.db.DatabaseError."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT pg_database_size(current_database())")
            return Size(cursor.fetchone()[0])
        pages = []
        for name in ("page_count", "freelist_count", "page_size"):
            cursor.execute(f"PRAGMA {name}")
            pages.append(int(cursor.fetchone()[0]))
    count, free, each = pages
    return Size(count * each, free * each)


def unused_text() -> str:
    """That much is unused and how to get it back; "" if it is not worth it. Raises django.db.DatabaseError."""
    if connection.vendor != "sqlite":
        return ""
    found = size()
    if found.unused < max(WORTH_BYTES, WORTH * found.total):
        return ""
    words = _("%(unused).1f of its %(total).1f GB are unused: manage.py shrink_database gives them back")
    return words % {"unused": found.unused / 1e9, "total": found.total / 1e9}


def shrink(*, room_is_known: bool = False) -> tuple[Size, Size]:
    """Write the database anew without the unused space; its size before and after. A process killed on the way leaves
    it as it was.

    `room_is_known`: somebody has looked at the disk of the PostgreSQL server, which cannot be seen from here. Raises
    CannotShrink.
    """
    if Worker.objects.alive().exists():
        raise CannotShrink(_("The studio is running. Stop it on every machine, then run this again."))
    before = size()
    try:
        if connection.vendor == "sqlite":
            _require_room(before.needed)
            _vacuum_sqlite()
        else:
            if not room_is_known:
                raise CannotShrink(_on_the_server(before))
            _vacuum_tables()
    except DatabaseError as error:
        reason = _("The database was not shrunk: %(error)s. Nothing is lost. Is something else using it?")
        raise CannotShrink(reason % {"error": error}) from error
    return before, size()


def _require_room(needed: int) -> None:
    free = integrity.free_bytes()
    if free < needed:
        raise CannotShrink(
            _(
                "%(needed).1f GB must be free on the disk of %(folder)s, and %(free).1f GB are. Nothing was changed. "
                "Make room, then run this again."
            )
            % {"needed": needed / 1e9, "free": free / 1e9, "folder": settings.DATA}
        )


def _on_the_server(before: Size) -> str:
    words = _(
        "The database takes %(total).1f GB, and %(needed).1f GB must be free on the disk of the PostgreSQL server, "
        "which cannot be seen from here. Nothing was changed. Look there, then run this again with --yes."
    )
    return words % {"total": before.total / 1e9, "needed": before.needed / 1e9}


def _vacuum_sqlite() -> None:
    # SQLite would write to /var/tmp or /tmp, which may be small, or in memory.
    os.environ.update(SQLITE_TMPDIR=str(settings.DATA))
    with connection.cursor() as cursor:
        cursor.execute("VACUUM")
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _vacuum_tables() -> None:
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"VACUUM (FULL, ANALYZE) {connection.ops.quote_name(table)}")


def _largest_table() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(pg_total_relation_size(oid)), 0) FROM pg_class WHERE relkind = 'r'")
        return int(cursor.fetchone()[0])
