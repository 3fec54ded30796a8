"""Fills a new PostgreSQL with the rows of a database of SQLite that `years.py` filled: faster than filling it anew.

DATABASE_URL=postgresql://… python tests/benchmarks/filling/carried.py stylestudio.sqlite3
"""

from __future__ import annotations

import argparse
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from years import migrated


def carry(source: Path) -> None:
    """Replace all rows of the database of the settings, which must be migrated, by those of this file."""
    from django.apps import apps
    from django.core.management.color import no_style
    from django.db import connection, transaction

    models = [model for model in apps.get_models(include_auto_created=True) if model._meta.managed]
    file = closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True))
    with file as rows, transaction.atomic(), connection.cursor() as cursor:
        # Nothing is asked of foreign keys: the rows were whole where they come from.
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("TRUNCATE " + ", ".join(f'"{model._meta.db_table}"' for model in models) + " CASCADE")
        for model in models:
            _table(cursor, rows, model)
        for statement in connection.ops.sequence_reset_sql(no_style(), list(models)):
            cursor.execute(statement)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def _table(cursor: Any, rows: sqlite3.Connection, model: Any) -> None:
    fields = model._meta.concrete_fields
    yes_or_no = [number for number, field in enumerate(fields) if field.get_internal_type() == "BooleanField"]
    names = ", ".join(f'"{field.column}"' for field in fields)
    with cursor.copy(f'COPY "{model._meta.db_table}" ({names}) FROM STDIN') as copy:
        for row in rows.execute(f'SELECT {names} FROM "{model._meta.db_table}"'):
            values = list(row)
            for place in yes_or_no:
                values[place] = None if values[place] is None else bool(values[place])
            copy.write_row(values)


def main() -> None:
    """Migrate the database of the settings and carry the rows there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    options = parser.parse_args()
    migrated()
    carry(options.source)


if __name__ == "__main__":
    main()
