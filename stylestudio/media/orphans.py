"""Files that this database stored and lost, as a crash between a file and its row leaves them. They go to a bin.

A file is moved only if its name says that it was stored after a start of this database (`identity.owned`), if no row
names it, and if it is older than any row takes to be committed. It goes to a folder with the day's date in BIN, and is
deleted for good after `settings.BIN_DAYS`. Files of other databases are counted but never touched. If there are many of
them, or if much was lost, nothing is moved, because something else must be wrong.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta

from django.conf import settings
from django.core.files.storage import default_storage
from django.db.models import Q
from django.utils import timezone

from stylestudio.media import dated_bin, identity
from stylestudio.media.dated_bin import BIN
from stylestudio.media.storage import ASIDE
from stylestudio.media.survey import contents, listed, modified, survey
from stylestudio.models import MediaStore, Start

log = logging.getLogger(__name__)

MOST_UNKNOWN = 20  # files; a larger number was not lost by crashes
MOST_FOREIGN_SHARE = 0.01  # of the files that were examined


@dataclass(frozen=True, slots=True)
class Found:
    """The result of a sweep: how many files in all, from other databases, lost by this one, and moved to the bin."""

    files: int = 0
    foreign: int = 0
    lost: int = 0
    moved: int = 0

    @property
    def stopped(self) -> bool:
        """Whether too many files are unknown to move anything."""
        too_foreign = self.foreign > min(MOST_UNKNOWN, MOST_FOREIGN_SHARE * self.files)
        return too_foreign or self.lost > MOST_UNKNOWN


def sweep_orphans_when_due() -> None:
    """Sweep and empty the bin SWEEP_MINUTES after the last start of any worker, and then again at that interval.

    Only while database and store belong together. Of several workers, one does it.
    """
    now, pause = timezone.now(), timedelta(minutes=settings.SWEEP_MINUTES)
    if Start.objects.filter(at__gt=now - pause).exists():
        return
    rested = Q(swept_at=None) | Q(swept_at__lte=now - pause)
    if MediaStore.objects.filter(rested).update(swept_at=now) and identity.check_relation():
        sweep_orphans(pause)
        empty_bin(timedelta(days=settings.BIN_DAYS))


def sweep_orphans(older_than: timedelta) -> Found:
    """Move files that this database stored and lost more than `older_than` ago to the bin. Raises OSError."""
    foreign, lost, files = unknown(older_than)
    found = Found(files, len(foreign), len(lost))
    if found.stopped:
        log.warning(
            "Of %d files in the media %d are not of this database, and %d were lost by it. That is too much to have "
            "come from crashes, so nothing was moved. Look at the numbers with: python manage.py adopt_media",
            *(found.files, found.foreign, found.lost),
        )
    else:
        found = Found(files, len(foreign), len(lost), moved=to_bin(lost))
    MediaStore.objects.update(swept=asdict(found) | {"stopped": found.stopped})
    return found


def unknown(older_than: timedelta) -> tuple[list[str], list[str], int]:
    """Files that no row names: those of other databases, those that this one lost; and the number of all files.

    Files that existed when the store was adopted count as neither; files younger than `older_than` may get their row
    yet.
    """
    seen, adopted = survey(), MediaStore.objects.values_list("adopted_at", flat=True).first()
    times = dict(_times([*seen.unknown, *listed(ASIDE)], timezone.now() - older_than))
    owned = identity.owned(times)
    foreign = [name for name in times if name not in owned and not (adopted and times[name] <= adopted)]
    return foreign, sorted(owned), seen.files


def to_bin(names: Iterable[str]) -> int:
    """Move files to today's folder in the bin. Returns how many."""
    moved = 0
    for name in names:
        log.info("%s is named by no row; it was moved to %s.", name, dated_bin.throw_in(name))
        moved += 1
    return moved


def empty_bin(older_than: timedelta) -> int:
    """Delete for good what was moved to the bin more than `older_than` ago. Returns the number of files."""
    deleted, last = 0, timezone.localdate() - older_than
    for name in contents(BIN)[0]:
        if (day := _day(name)) and day < last:
            deleted += _empty(f"{BIN}/{name}")
    if deleted:
        log.info("%d files that were in the bin for more than %d days were deleted.", deleted, older_than.days)
    return deleted


def _empty(folder: str) -> int:
    """Delete what the studio stored. Anything else there belongs to others who use the same folder or bucket."""
    deleted = sum(_empty(f"{folder}/{name}") for name in contents(folder)[0])
    for name in listed(folder):
        default_storage.delete(name)
        deleted += 1
    # A bucket has no folders, and a disk refuses to remove one that is not empty.
    with suppress(OSError):
        default_storage.delete(folder)
    return deleted


def _day(name: str) -> date | None:
    try:
        return date.fromisoformat(name)
    except ValueError:
        return None


def _times(names: Iterable[str], before: datetime) -> Iterator[tuple[str, datetime]]:
    for name in names:
        at = modified(name)
        if at and at <= before:
            yield name, at
