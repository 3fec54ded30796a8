"""When a picture in the trash is deleted for good: so many days after it was deleted, and announced a week ahead.

A lower number of days, and a studio that was off for longer than a week, put off everything for a week, so that nobody
finds gone what no page has announced.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.conf import settings
from django.utils import timezone

from generation.trash.models import TrashRule
from stylestudio.edge.page_memory import once_a_page

WEEK = timedelta(days=7)
LOOK = timedelta(hours=1)  # how precisely is known when the studio ran
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Schedule:
    """The number of days, 0 for never, and the moment before which nothing is emptied."""

    days: int
    not_before: datetime | None = None

    def gone_at(self, counted_from: datetime) -> datetime | None:
        """When a picture is deleted for good; None for never."""
        if not self.days:
            return None
        due = counted_from + self.days * DAY
        return max(due, self.not_before) if self.not_before else due

    def days_left(self, counted_from: datetime, now: datetime | None = None) -> int | None:
        """Whole days until then, begun ones included, 0 if it is due; None for never."""
        at = self.gone_at(counted_from)
        return None if at is None else max(0, math.ceil((at - (now or timezone.now())) / DAY))

    def cutoff(self, now: datetime) -> datetime | None:
        """What was deleted until then is due; None if nothing is."""
        if not self.days or (self.not_before and now < self.not_before):
            return None
        return now - self.days * DAY

    def soon(self, now: datetime) -> tuple[date | None, date] | None:
        """The first and the last day (UTC) of deletion of what is emptied in the next week; None if nothing is.

        No first one if nothing was emptied for a while. What was due before and is still there is in use.
        """
        if not self.days or (self.not_before and self.not_before > now + WEEK):
            return None
        is_put_off = self.not_before is not None and self.not_before > now
        first = None if is_put_off else (now - self.days * DAY).date()
        return first, (now + WEEK - self.days * DAY).date()


@once_a_page
def current() -> Schedule:
    """The schedule in force."""
    row = TrashRule.objects.first()
    return Schedule(row.days, row.not_before) if row else Schedule(settings.TRASH_DAYS)


def keep(now: datetime | None = None) -> None:
    """Note the days in force, at every start and by each sweep."""
    now = now or timezone.now()
    row, is_new = TrashRule.objects.get_or_create(pk=1, defaults={"days": settings.TRASH_DAYS, "looked_at": now})
    days: int = settings.TRASH_DAYS
    is_sooner = bool(days) and (not row.days or days < row.days)
    was_off = now - row.looked_at > WEEK
    if is_new or (days == row.days and now - row.looked_at < LOOK):
        return
    put_off = {"not_before": now + WEEK} if is_sooner or was_off else {}
    TrashRule.objects.filter(pk=1).update(days=days, looked_at=now, **put_off)
