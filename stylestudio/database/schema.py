"""Whether the database fits this program: compares the migrations recorded there with those known here."""

from __future__ import annotations

from importlib.util import find_spec
from pkgutil import iter_modules

from django.apps import apps
from django.db import OperationalError, ProgrammingError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.utils.translation import gettext as _

from stylestudio.database import conversion
from stylestudio.models import DatabaseSchema

NUMBER = 1  # the schema that this program needs; raised by a migration after which older programs must not start
NAMED = 3  # how many migrations a sentence lists

Migration = tuple[str, str]  # app label, name


class NewerDatabase(Exception):
    """A newer program has changed the database. The text says what to do."""


def unknown_migrations() -> list[Migration]:
    """Migrations applied to the database that are unknown here, in the order in which they were applied.

    Those of Django itself and of other packages count like ours: an older package misreads its tables as well.
    Raises django.db.DatabaseError.
    """
    recorded = list(MigrationRecorder(connection).applied_migrations())
    unknown = set(recorded) - _on_disk() - conversion.recorded()
    if unknown:
        unknown -= _replaced()
    return [migration for migration in recorded if migration in unknown]


def refuse_newer() -> None:
    """Raise NewerDatabase before anything is changed."""
    if (theirs := number()) > NUMBER:
        raise NewerDatabase(
            _(
                "The database is of a newer StyleStudio (its schema is number %(theirs)d, this one knows number "
                "%(ours)d). Nothing was changed. Start the newer version again, or put back the database from before "
                "the update, as the README says."
            )
            % {"theirs": theirs, "ours": NUMBER}
        )
    unknown = unknown_migrations()
    if not unknown:
        return
    named = ", ".join(".".join(migration) for migration in unknown[:NAMED]) + (", …" if unknown[NAMED:] else "")
    raise NewerDatabase(
        _(
            "The database is of a newer StyleStudio: this one does not know all of its changes (%(named)s). Nothing "
            "was changed. Start the newer version again, or put back the database from before the update, as the "
            "README says."
        )
        % {"named": named}
    )


def number() -> int:
    """The schema number of the database; 0 if it has none. Raises django.db.DatabaseError."""
    try:
        return DatabaseSchema.objects.values_list("number", flat=True).first() or 0
    except (OperationalError, ProgrammingError):  # what SQLite and PostgreSQL say of a table that is not there
        # Asked only now: this comes before every command, and a list of all tables takes longer than the number.
        if DatabaseSchema._meta.db_table in connection.introspection.table_names():
            raise
        return 0


def _on_disk() -> set[Migration]:
    """Found by file name alone: importing them all takes longer than most commands."""
    found: set[Migration] = set()
    for app in apps.get_app_configs():
        module, _explicit = MigrationLoader.migrations_module(app.label)
        spec = find_spec(module) if module else None
        for file in iter_modules(spec.submodule_search_locations or ()) if spec else ():
            found.add((app.label, file.name))
    return found


def _replaced() -> set[Migration]:
    """Migrations that were squashed into one of ours and whose files are gone."""
    loader = MigrationLoader(None, load=False)
    loader.load_disk()
    return {(label, name) for migration in loader.disk_migrations.values() for label, name in migration.replaces}
