"""`manage.py backup DIR`: copies database and pictures while the studio runs."""

from __future__ import annotations

import contextlib
import shutil
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.translation import gettext as _

from stylestudio.media import identity
from stylestudio.media.dated_bin import BIN
from stylestudio.media.storage import ASIDE
from stylestudio.models import PARTS
from stylestudio.processes.backups import BackupFailed, save_database


class Command(BaseCommand):
    """Writes DIR/stylestudio-YYYYmmdd-HHMMSS with stylestudio.sqlite3 and media/."""

    help = (
        "Save the database and all files of the media folder into a new folder inside DIR. Works at any time, also "
        "while the studio runs. A folder whose name ends in .unfinished is not whole."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Options."""
        parser.add_argument("dir", type=Path, metavar="DIR", help="a folder, made when it is not there")

    def handle(self, *args: Any, dir: Path, **options: Any) -> None:
        """Back up. The folder gets its final name only when it is complete."""
        media = Path(settings.MEDIA_ROOT)
        target = dir.expanduser().resolve() / f"stylestudio-{timezone.now():%Y%m%d-%H%M%S}"
        if media.resolve() in target.parents:
            raise CommandError(_("%(dir)s is inside the folder that is saved. Choose another one.") % {"dir": dir})
        if target.exists():
            raise CommandError(_("%(dir)s exists already. Try again in a second.") % {"dir": target})
        draft = target.with_name(f"{target.name}.unfinished")
        try:
            # The database first: every file that it names exists by then, and files are only ever added.
            save_database(draft / "stylestudio.sqlite3")
            if media.is_dir():
                shutil.copytree(media, draft / "media", copy_function=_copy, ignore=_unneeded)
                mark = identity.mark_of_copy(draft / "stylestudio.sqlite3")
                if mark and identity.current()[0].is_settled:
                    (draft / "media" / identity.MARK).write_bytes(mark)
            draft.rename(target)
        except BackupFailed as error:
            shutil.rmtree(draft, ignore_errors=True)
            raise CommandError(str(error)) from error
        except OSError as error:
            shutil.rmtree(draft, ignore_errors=True)
            reason = error.args[0][0][2] if isinstance(error, shutil.Error) else error
            raise CommandError(
                _("The pictures could not be saved to %(dir)s: %(error)s. Nothing was kept there.")
                % {"dir": dir, "error": reason}
            ) from error
        self.stdout.write(_("Saved to %(dir)s.") % {"dir": target})
        if settings.S3_BUCKET:
            self.stdout.write(_("The pictures in the bucket %(name)s were not saved.") % {"name": settings.S3_BUCKET})


def _unneeded(folder: str, names: list[str]) -> set[str]:
    """Skip unfinished uploads, half-written files and the bin: nobody needs them."""
    return {PARTS, ASIDE, BIN} & set(names) if Path(folder) == Path(settings.MEDIA_ROOT) else set()


def _copy(source: str, target: str) -> None:
    # A cancelled upload may vanish while we copy.
    with contextlib.suppress(FileNotFoundError):
        shutil.copy2(source, target)
