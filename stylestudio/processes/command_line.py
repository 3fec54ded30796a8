"""`manage.py`: checks the database before a command uses it, and reports failures of the system in one sentence."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Sequence

from django.conf import settings
from django.core.management import ManagementUtility
from django.core.management.base import ALL_CHECKS, BaseCommand
from django.db import DatabaseError, OperationalError, ProgrammingError

from stylestudio import checks

# These do not change the database, or exist to repair it.
LOOKING = {
    "backup", "check", "compilemessages", "dbshell", "diffsettings", "doctor", "help", "makemessages", "makemigrations",
    "preview_engine", "rescue", "shell", "showmigrations", "sqlmigrate", "test", "version",
}  # fmt: skip


class Refused(Exception):
    """The command was not started. The text says why and what to do."""


class Commands(ManagementUtility):
    """Django's command line, with a check of the settings before all commands, and of the database before those that
    change it.
    """

    def fetch_command(self, subcommand: str) -> BaseCommand:
        """Return the command once settings and apps are loaded. Raises Refused."""
        command = super().fetch_command(subcommand)
        if command.requires_system_checks == ALL_CHECKS:
            command.requires_system_checks = (checks.TAG,)
        if subcommand not in LOOKING and not {"-h", "--help"} & set(self.argv):
            check_database()
        return command


def check_database() -> None:
    """Raise Refused if the database is unusable or was changed by a newer program.

    A database that does not answer is left to the command.
    """
    from django.db import connection

    from stylestudio.database import integrity, schema

    file = integrity.database_file()
    try:
        if file is not None:
            integrity.check_header(file)
        if file is None or (file.exists() and file.stat().st_size):
            schema.refuse_newer()
    except (integrity.Damaged, schema.NewerDatabase) as refusal:
        raise Refused(str(refusal)) from refusal
    except DatabaseError:
        pass
    finally:
        connection.close()


def run(argv: Sequence[str]) -> None:
    """Run the command named by the arguments. A failure prints one sentence and sets the exit code to 1."""
    try:
        Commands(list(argv)).execute()
        sys.stdout.flush()
    except Refused as refusal:
        _give_up(str(refusal))
    except BrokenPipeError:  # the reader of the pipe, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes the rest when it exits
        sys.exit(1)
    except (DatabaseError, sqlite3.Error, OSError) as error:
        sentence = _sentence(error)
        if sentence is None:
            raise
        _give_up(sentence)


def _sentence(error: Exception) -> str | None:
    """What to tell the person at the terminal; None for our own bugs, which a traceback explains best."""
    if not settings.configured:  # the settings create the data folder themselves, and no language is set before them
        return f"{error}. Make the data folder writable, or set STYLESTUDIO_DATA."
    from django.utils.translation import gettext

    from stylestudio.database import integrity
    from stylestudio.edge import failures
    from stylestudio.processes import backups

    if failure := failures.of(error):
        damaged = failure.kind == failures.Kind.DAMAGED
        return f"{failure.told} {integrity.remedy(whole_rows=False)}" if damaged else failure.told
    if isinstance(error, OperationalError | ProgrammingError) and backups.unapplied_migrations():
        return gettext("The database is not made for this version yet. Start the studio, or run: manage.py migrate")
    return None


def _give_up(sentence: str) -> None:
    print(sentence, file=sys.stderr)
    sys.exit(1)
