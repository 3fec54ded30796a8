"""`manage.py take_over`: take a folder of pictures of this machine over into the gallery."""

from __future__ import annotations

import os
import threading
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.utils.translation import gettext as _

from generation.takeover import files, taking, tasks
from generation.takeover.files import NotAllowed
from generation.takeover.models import TakeOver
from stylestudio.live.terminal import plain_words
from stylestudio.models import Project
from stylestudio.people.command_users import NobodyFound, person_for_command
from stylestudio.people.visibility import Visibility
from stylestudio.processes.worker_jobs import Failed

WORKER = "manage.py take_over"
PULSE = 5.0  # seconds between two renewals of the lease


class Command(BaseCommand):
    """Running it again adds what is new: files already there are recognised by their content."""

    help = (
        "Take the pictures of a folder (PNG, WebP, JPEG) over into the gallery, with the settings that their files "
        "tell, their own time and name. Stopped in the middle and run again, it adds the rest. What cannot be taken is "
        "one line each, and the exit code is 1."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options."""
        parser.add_argument("folder", type=Path, metavar="FOLDER", help="a folder; those in it are looked into")
        parser.add_argument("--owner", metavar="NAME", help="whose pictures they become (default: the first owner)")
        parser.add_argument("--project", metavar="NAME", help="the project they belong to (default: the only one)")
        parser.add_argument("--private", action="store_true", help="nobody but the owner sees them")
        parser.add_argument("--dry-run", action="store_true", help="say what would be taken, and take nothing")

    def handle(self, *args: Any, folder: Path, owner: str | None, project: str | None, **options: Any) -> None:
        """Report files that cannot be taken and continue with the rest."""
        try:
            person = person_for_command(owner)
            source = files.folder(folder.resolve(strict=True))
        except NobodyFound as error:
            raise CommandError(str(error)) from None
        except (NotAllowed, OSError):
            raise CommandError(_("There is no folder %s, or it cannot be read.") % plain_words(str(folder))) from None
        place = Project.objects.filter(**({"name": project} if project else {})).order_by("pk").first()
        if place is None:
            raise CommandError(_("There is no project called %s.") % project)
        if options["dry_run"]:
            self._tell(taking.count_known(source), _("Would take over: %(text)s"))
            return
        visibility = Visibility.PRIVATE if options["private"] else Visibility.TEAM
        job = _job(person, folder.resolve(), {"project": place, "visibility": visibility})
        try:
            with _renewed(job):
                tally = taking.take(source, job, self._step(job))
        except Failed as error:
            job.fail(error.kind, detail=error.detail)
            raise CommandError(job.explanation) from None
        except BaseException:
            job.cancel()
            raise
        finally:
            tasks.order_thumbnails(job.pk)
        job.complete()
        self._tell(tally, "%(text)s")

    def _step(self, job: TakeOver) -> Any:
        shown = 0.0

        def step(done: int, total: int, **report: Any) -> None:
            nonlocal shown
            report.pop("now", None)
            job.advance(done=done, total=total, progress=min(99, 100 * done // max(total, 1)), report=report)
            if time.monotonic() - shown > 1 and self.stdout.isatty():
                shown = time.monotonic()
                self.stdout.write(f"\r{done:,} / {total:,}", ending="")
                self.stdout.flush()

        return step

    def _tell(self, tally: taking.Tally, words: str) -> None:
        for path, reason in tally.refused:
            self.stderr.write(plain_words(f"{path}: {files.why(reason)}"))
        self.stdout.write(words % {"text": TakeOver(report=tally.report).counts_text})
        if tally.refused_count:
            raise SystemExit(1)


def _job(owner: User, folder: Path, more: dict[str, Any]) -> TakeOver:
    """The job of this folder that a killed command has left, or a new one. Raises CommandError while another runs."""
    for left in TakeOver.objects.all().abandoned():
        left.recover()
    facts = {"owner": owner, "source": TakeOver.Source.FOLDER, "folder": str(folder), **more}
    job: TakeOver = TakeOver.objects.waiting().filter(**facts).first() or TakeOver.objects.create(
        **facts, source_name=folder.name[-200:]
    )
    # Two at once would not know of each other's pictures.
    if TakeOver.objects.running().exists() or not job.start(f"{WORKER} {os.getpid()}"):
        job.withdraw()
        raise CommandError(_("Another take-over is at work. Wait until it has ended, or cancel it on its page."))
    return job


@contextmanager
def _renewed(job: TakeOver) -> Iterator[None]:
    """Keep the lease while the block runs. If this process is killed, a worker of the studio goes on with the job."""
    over = threading.Event()

    def renew() -> None:
        while not over.wait(PULSE):
            job.renew(job.worker)
        connection.close()

    thread = threading.Thread(target=renew, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
