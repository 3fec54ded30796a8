"""`manage.py migrate`: Django's, after converting a database from before today's rooms, or making a new one."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.core.management.commands import migrate
from django.utils.translation import gettext as _
from huey.contrib.djhuey import HUEY

from stylestudio.database import conversion, new_studio


class Command(migrate.Command):
    """Django's options, and one."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Add --replay."""
        super().add_arguments(parser)
        parser.add_argument(
            "--replay", action="store_true", help="Bring a new database on SQLite here through all migrations."
        )

    def handle(self, *args: Any, replay: bool, **options: Any) -> None:
        """Migrate. Raises CommandError if the database cannot be converted; then nothing has changed."""
        looks = options.get("plan") or options.get("check_unapplied")
        try:
            if not looks and conversion.convert_earlier():
                HUEY.flush()  # messages contain former names; they are only hints, and the rows say what is to be done
                if options.get("verbosity"):
                    self.stdout.write(_("The database was brought into the order of this version."))
        except conversion.CannotConvert as error:
            raise CommandError(str(error)) from error
        if not (looks or replay or options.get("app_label")) and new_studio.is_new():
            new_studio.create()
        super().handle(*args, **options)
