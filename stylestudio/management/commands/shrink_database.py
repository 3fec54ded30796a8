"""`manage.py shrink_database`: gives back the space that the database does not use."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from stylestudio.database import shrinking


class Command(BaseCommand):
    """Checks that there is room first."""

    help = (
        "Write the database anew without the space that it no longer uses, after an update has shortened its rows or "
        "much was deleted. Doctor says if it is worth it. Stop the studio first. For a while it needs about twice of "
        "what is used, with PostgreSQL the size of the largest table, which is checked before anything is changed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Options."""
        parser.add_argument(
            "--yes", action="store_true", help="the disk of the PostgreSQL server has room; with SQLite not needed"
        )

    def handle(self, *args: Any, yes: bool, **options: Any) -> None:
        """Shrink, and say what it brought."""
        try:
            before, after = shrinking.shrink(room_is_known=yes)
        except shrinking.CannotShrink as error:
            raise CommandError(str(error)) from error
        sizes = {"before": before.total / 1e6, "after": after.total / 1e6}
        self.stdout.write(_("The database took %(before)d MB and takes %(after)d MB now.") % sizes)
