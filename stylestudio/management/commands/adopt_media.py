"""`manage.py adopt_media`: shows how database and media relate, and adopts the media."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.translation import gettext as _

from stylestudio.media import dated_bin, identity, orphans
from stylestudio.media.identity import Mark
from stylestudio.media.survey import survey
from stylestudio.models import MediaStore

SHOWN = 5  # names per kind


class Command(BaseCommand):
    """Changes nothing until somebody confirms."""

    help = (
        "Show whether the database and its media (the folder `media`, or the bucket) belong together, which of the two "
        "is newer, and how many of the newest files the database knows; then, after a yes, make the media this "
        "database's. Needed after only one of the two was put back. Stop every studio that uses them first. Files that "
        "no row names stay where they are, or with --to-bin go to the bin."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Options."""
        parser.add_argument("--yes", action="store_true", help="do not ask")
        parser.add_argument(
            "--to-bin",
            action="store_true",
            help="also move the files that no row names to the bin, instead of leaving them",
        )

    def handle(self, *args: Any, yes: bool, to_bin: bool, **options: Any) -> None:
        """Show the numbers, ask for confirmation, adopt."""
        try:
            row, mark = identity.current()
            found = survey()
        except OSError as error:
            raise CommandError(_("The media cannot be read: %(error)s.") % {"error": error}) from error
        for line in (*_sides(row, mark), *_numbers(found.files, found.unknown, found.missing)):
            self.stdout.write(line)
        if row.relation == MediaStore.Relation.SAME and not found.unknown and not yes:
            self.stdout.write(_("There is nothing to settle."))
            return
        self._ask(_question(len(found.unknown), to_bin=to_bin), yes=yes)
        try:
            identity.adopt()
            moved = _to_bin(found.unknown) if to_bin else 0
        except OSError as error:
            raise CommandError(_("The media cannot be written: %(error)s.") % {"error": error}) from error
        self.stdout.write(_("The media belong to this database now.") + (" " + _moved(moved) if to_bin else ""))

    def _ask(self, question: str, *, yes: bool) -> None:
        if yes:
            return
        if not sys.stdin.isatty():
            raise CommandError(_("Nothing was changed. Add --yes to go on without a question: %s") % question)
        if input(f"{question} [y/N] ").strip().lower() not in {"y", "yes"}:
            raise CommandError(_("Nothing was changed."))


def _to_bin(names: Iterable[str]) -> int:
    """Move those that are still unknown: a studio that was not stopped may have stored a row in the meantime."""
    still = set(survey().unknown)
    return orphans.to_bin(name for name in names if name in still)


def _sides(row: MediaStore, mark: Mark | None) -> Iterator[str]:
    yield identity.sentence(row.relation)
    never = _("never")
    yield _("Database: %(identity)s, counter %(counter)d, used with its media last: %(at)s.") % {
        "identity": row.identity,
        "counter": row.counter,
        "at": f"{timezone.localtime(row.marked_at):%Y-%m-%d %H:%M}" if row.marked_at else never,
    }
    if mark:
        yield _("Media: database %(identity)s, counter %(counter)d, used last: %(at)s.") % {
            "identity": mark.database,
            "counter": mark.counter,
            "at": f"{timezone.localtime(mark.moment):%Y-%m-%d %H:%M}" if mark.moment else never,
        }
    if words := identity.newer(row, mark):
        yield words


def _numbers(files: int, unknown: tuple[str, ...], missing: tuple[str, ...]) -> Iterator[str]:
    yield _("The newest months hold %(files)d files. This database knows %(known)d of them, and %(unknown)d not.") % {
        "files": files,
        "known": files - len(unknown),
        "unknown": len(unknown),
    }
    yield from _some(unknown)
    if missing:
        yield _("It names %(missing)d files of these months that are not there.") % {"missing": len(missing)}
        yield from _some(missing)


def _some(names: tuple[str, ...]) -> Iterator[str]:
    yield from (f"  {name}" for name in names[:SHOWN])
    if len(names) > SHOWN:
        yield "  …"


def _question(unknown: int, *, to_bin: bool) -> str:
    if to_bin:
        return _("Make the media this database's, and move the %(unknown)d unknown files to the bin?") % {
            "unknown": unknown
        }
    return _("Make the media this database's? The %(unknown)d unknown files stay where they are.") % {
        "unknown": unknown
    }


def _moved(moved: int) -> str:
    return _("%(moved)d files are in the bin (folder %(bin)s).") % {"moved": moved, "bin": dated_bin.BIN}
