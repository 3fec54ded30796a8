"""Undoing a take-over: its pictures go to the trash, and come back from there."""

from __future__ import annotations

from django.utils import timezone

from generation.pictures.models import GeneratedImage
from generation.takeover.models import TakenPicture, TakeOver

SLICE = 500  # pictures of one transaction


def remove(job: TakeOver) -> int:
    """Move all pictures of a take-over to the trash, slice by slice; how many there were. Of two presses one does it:
    Undo finds its pictures by the moment that is noted here.
    """
    now, count, last = timezone.now(), 0, 0
    if not TakeOver.objects.filter(pk=job.pk, removed_at=None).update(removed_at=now):
        return 0
    while keys := _slice(job, last):
        last = keys[-1]
        count += len(GeneratedImage.everything.discard(keys, now))
    job.touch(removed_at=now)  # for who looks
    return count


def put_back(job: TakeOver) -> int:
    """The reverse: those that went to the trash with it come back, unless they were deleted for good; how many."""
    count, last = 0, 0
    while keys := _slice(job, last):
        last = keys[-1]
        count += len(GeneratedImage.everything.filter(deleted_at=job.removed_at).restore(keys))
    job.touch(removed_at=None)
    return count


def _slice(job: TakeOver, last: int) -> list[int]:
    rows = TakenPicture.objects.filter(takeover=job, picture_id__gt=last).order_by("picture_id")
    return list(rows.values_list("picture_id", flat=True)[:SLICE])
