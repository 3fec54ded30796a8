"""`manage.py migrate`: Django's, which first takes a database from before the rooms of today along."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.utils.translation import gettext as _
from huey.contrib.djhuey import HUEY

from stylestudio.database import take_along


class Command(migrate.Command):
    """The same options as Django's."""

    def handle(self, *args: Any, **options: Any) -> None:
        """Raises CommandError if the database cannot be taken along; then nothing has changed."""
        looks = options.get("plan") or options.get("check_unapplied")
        try:
            if not looks and take_along.take_along():
                HUEY.flush()  # messages have names of then; they are hints, and rows say what is to be done
                if options.get("verbosity"):
                    self.stdout.write(_("The database was brought into the order of this version."))
        except take_along.CannotTakeAlong as error:
            raise CommandError(str(error)) from error
        super().handle(*args, **options)
