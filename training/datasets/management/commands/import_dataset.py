"""`manage.py import_dataset`: import a folder or a zip file of this machine as a dataset."""

from __future__ import annotations

import codecs
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from stylestudio.edge import failures
from stylestudio.live.terminal import plain_words
from stylestudio.people.command_users import NobodyFound, person_for_command
from training.datasets.collecting import archives, encodings, intake, reading_words, readings, sources
from training.datasets.collecting.sources import Contents
from training.datasets.models import MOST_NAME, Dataset

# Common names -> the codec that covers them, including Microsoft's additions.
_WIDER = {"gb2312": "gb18030", "gbk": "gb18030", "big5": "cp950", "shift_jis": "cp932", "euc_kr": "cp949"}
_WIDER |= {"iso8859_1": "cp1252", "latin_1": "cp1252", "ascii": ""}


class Command(BaseCommand):
    """Running it again adds what is new: files already there are recognised by their content."""

    help = (
        "Take a folder or a zip file into a dataset: pictures (PNG, JPEG, WebP, AVIF, HEIC, GIF, TIFF, BMP, TGA, "
        "PSD), captions beside them (.txt, .caption, metadata.jsonl), and folders called N_name, as kohya's scripts "
        "want them, whose N and name become repeats and trigger words. Run again, it adds what is new. It says what "
        "it read from names and encodings. What is refused or needs an answer is one line each, and the exit code is "
        "1."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options."""
        parser.add_argument("path", type=Path, metavar="PATH", help="a folder or a zip file")
        parser.add_argument("--name", required=True, help="name of the dataset; if it exists, pictures are added to it")
        parser.add_argument("--user", help="who imports (default: the first owner)")
        parser.add_argument(
            "--encoding",
            default="",
            help="of captions and file names that are not in UTF-8, such as gb18030 (default: found, or asked)",
        )

    def handle(self, *args: Any, path: Path, name: str, user: str | None, encoding: str, **options: Any) -> None:
        """Report refused files and continue with the rest. The exit code reports refusals and questions."""
        try:
            owner = person_for_command(user)
        except NobodyFound as error:
            raise CommandError(str(error)) from None
        if not 0 < len(name.strip()) <= MOST_NAME:
            raise CommandError(_("A name has up to %d characters.") % MOST_NAME)
        encoding = _encoding(encoding)
        tally = intake.Tally(most_named=sources.MOST_FILES)
        try:
            with _opened(path, encoding) as contents:
                dataset = _dataset(name.strip(), owner)
                before = {reading.pk for reading in readings.open_readings(dataset)}
                intake.import_source(contents, dataset, owner, tally, lambda done: None, encoding=encoding)
        except (OSError, archives.BadArchive) as error:
            # If the media folder refuses a file, the message names that folder and not the one that was read.
            raise CommandError(
                failures.plainly(error, path) if isinstance(error, OSError) else f"{path}: {error}"
            ) from None
        if tally.added:
            intake.announce_pictures(dataset, owner)
        for file, sentence in tally.remarks:
            self.stdout.write(plain_words(f"{file}: {sentence}"))
        for file, reason in tally.refused:
            self.stderr.write(plain_words(f"{file}: {reason}"))
        counts = {"slug": dataset.slug, "added": tally.added, "known": tally.known, "captions": tally.captions}
        self.stdout.write(_("%(slug)s: %(added)d added, %(known)d known, %(captions)d captions") % counts)
        if tally.waiting:
            waiting = ngettext(
                "%d caption fits no picture by its name and waits for one for a week.",
                "%d captions fit no picture by their names and wait for one for a week.",
                tally.waiting,
            )
            self.stdout.write(waiting % tally.waiting)
        noted = [reading for reading in readings.open_readings(dataset) if reading.is_asked or reading.pk not in before]
        for reading in noted:
            for line in reading_words.lines(reading):
                (self.stderr if reading.is_asked else self.stdout).write(plain_words(line))
        if tally.refused_count or any(reading.is_asked for reading in noted):
            raise SystemExit(1)


def _encoding(name: str) -> str:
    """The encoding by any of its names. Raises CommandError."""
    try:
        known = codecs.lookup(name).name.replace("-", "_") if name else ""
    except LookupError:
        known = name
    known = _WIDER.get(known, known)
    if known and known not in encodings.ENCODINGS:
        raise CommandError(_("The encoding is not one of %s.") % ", ".join(encodings.ENCODINGS))
    return known


@contextmanager
def _opened(path: Path, encoding: str) -> Iterator[Contents]:
    if path.is_dir():
        yield sources.folder(path, encoding)
    else:
        with path.open("rb") as file, archives.opened(file, encoding) as contents:
            yield contents


def _dataset(name: str, owner: Any) -> Dataset:
    """The newest dataset of this name, or a new one."""
    return Dataset.objects.filter(name=name).first() or Dataset.objects.create(name=name, owner=owner)
