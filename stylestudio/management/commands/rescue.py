"""`manage.py rescue FILE`: copies what can still be read of a damaged database into a new one."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from stylestudio.database import integrity, salvage


class Command(BaseCommand):
    """Never changes the damaged file."""

    help = (
        "Write the rows of a damaged SQLite database that can still be read into the new database FILE, and say of "
        "which tables rows are missing (exit code 1 then). It never changes the damaged one. A backup is better."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Options."""
        parser.add_argument("file", type=Path, metavar="FILE", help="a file that is not there yet")

    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        """Report for each table with missing rows how many were copied. Exit code 1 if any are missing."""
        damaged = integrity.database_file()
        if damaged is None:
            raise CommandError(_("The database is PostgreSQL, which has tools of its own for this."))
        if file.exists():
            raise CommandError(_("%s is there already. Name a new file.") % file)
        try:
            saved = salvage.salvage(damaged, file)
        except salvage.Hopeless as error:
            raise CommandError(str(error)) from error
        for table in saved:
            if table.trouble:
                counts = {"table": table.name, "rows": table.rows, "error": table.trouble}
                self.stderr.write(_("%(table)s: %(rows)d rows came, others cannot be read (%(error)s)") % counts)
        total = {"rows": sum(table.rows for table in saved), "file": file}
        self.stdout.write(_("%(rows)d rows written to %(file)s") % total)
        if any(table.trouble for table in saved):
            raise SystemExit(1)
