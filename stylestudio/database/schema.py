"""Whether the database fits this program: what is recorded there as done, against what there is to do here."""

from __future__ import annotations

from importlib.util import find_spec
from pkgutil import iter_modules

from django.apps import apps
from django.db import OperationalError, ProgrammingError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.utils.translation import gettext as _

from stylestudio.database import take_along
from stylestudio.models import DatabaseSchema

NUMBER = 1  # of the schema that this program needs; a migration after which older programs must not start raises it
NAMED = 3  # migrations that a sentence names

Migration = tuple[str, str]  # label of the app, name


class NewerDatabase(Exception):
    """A newer program has changed the database. The text says what to do."""


def unknown_migrations() -> list[Migration]:
    """What was done to the database and nobody here knows, in the order in which it was done.

    Migrations of Django itself and of other packages count like ours: an older package misreads its tables as well.
    Raises django.db.DatabaseError.
    """
    recorded = list(MigrationRecorder(connection).applied_migrations())
    unknown = set(recorded) - _on_disk() - take_along.recorded()
    if unknown:
        unknown -= _replaced()
    return [migration for migration in recorded if migration in unknown]


def refuse_newer() -> None:
    """Raises NewerDatabase before anything is changed."""
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
    """The number of the database's schema; 0 if it has none. Raises django.db.DatabaseError."""
    try:
        return DatabaseSchema.objects.values_list("number", flat=True).first() or 0
    except (OperationalError, ProgrammingError):  # what SQLite and PostgreSQL say of a table that is not there
        # Asked only now: this comes before every command, and a list of all tables takes longer than the number.
        if DatabaseSchema._meta.db_table in connection.introspection.table_names():
            raise
        return 0


def _on_disk() -> set[Migration]:
    """By their files' names alone: importing them all takes longer than most commands."""
    found: set[Migration] = set()
    for app in apps.get_app_configs():
        module, _explicit = MigrationLoader.migrations_module(app.label)
        spec = find_spec(module) if module else None
        for file in iter_modules(spec.submodule_search_locations or ()) if spec else ():
            found.add((app.label, file.name))
    return found


def _replaced() -> set[Migration]:
    """Those that were squashed into one of ours, and whose files are gone."""
    loader = MigrationLoader(None, load=False)
    loader.load_disk()
    return {(label, name) for migration in loader.disk_migrations.values() for label, name in migration.replaces}
