"""`manage.py migrate`: Django's, after converting a database from before today's rooms."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.utils.translation import gettext as _
from huey.contrib.djhuey import HUEY

from stylestudio.database import conversion


class Command(migrate.Command):
    """The same options as Django's."""

    def handle(self, *args: Any, **options: Any) -> None:
        """Migrate. Raises CommandError if the database cannot be converted; then nothing has changed."""
        looks = options.get("plan") or options.get("check_unapplied")
        try:
            if not looks and conversion.convert_earlier():
                HUEY.flush()  # messages contain former names; they are only hints, and the rows say what is to be done
                if options.get("verbosity"):
                    self.stdout.write(_("The database was brought into the order of this version."))
        except conversion.CannotConvert as error:
            raise CommandError(str(error)) from error
        super().handle(*args, **options)
