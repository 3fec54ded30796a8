"""Undoing a take-over: its pictures go to the trash, and come back from there."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from generation.pictures.models import GeneratedImage
from generation.takeover.models import TakenPicture, TakeOver

SLICE = 2_000  # pictures of one transaction


def remove(job: TakeOver) -> int:
    """Move all pictures of a take-over to the trash, slice by slice; how many there were."""
    now, count, last = timezone.now(), 0, 0
    while keys := _slice(job, last):
        last = keys[-1]
        with transaction.atomic():
            count += GeneratedImage.everything.filter(pk__in=keys, deleted_at=None).update(deleted_at=now)
    job.touch(removed_at=now)
    return count


def put_back(job: TakeOver) -> int:
    """The reverse: those that went to the trash with it come back; how many."""
    count, last = 0, 0
    while keys := _slice(job, last):
        last = keys[-1]
        with transaction.atomic():
            trashed = GeneratedImage.everything.filter(pk__in=keys, deleted_at=job.removed_at)
            count += trashed.update(deleted_at=None)
    job.touch(removed_at=None)
    return count


def _slice(job: TakeOver, last: int) -> list[int]:
    rows = TakenPicture.objects.filter(takeover=job, picture_id__gt=last).order_by("picture_id")
    return list(rows.values_list("picture_id", flat=True)[:SLICE])
