"""Undoing a take-over: its pictures go to the trash, and come back from there."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from generation.pictures.models import GeneratedImage, style_counts
from generation.pictures.models.search_facts import add_entries, remove_entries
from generation.pictures.models.search_index import moment_of
from generation.pictures.upkeep.entries import entries_of
from generation.takeover.models import TakenPicture, TakeOver

SLICE = 500  # pictures of one transaction


def remove(job: TakeOver) -> int:
    """Move all pictures of a take-over to the trash, slice by slice; how many there were."""
    now, count, last = timezone.now(), 0, 0
    while keys := _slice(job, last):
        last = keys[-1]
        with transaction.atomic():
            gone = _locked(keys, None)
            count += GeneratedImage.everything.filter(pk__in=[each.pk for each in gone]).update(deleted_at=now)
            if gone:
                style_counts.add(gone[0].task, -len(gone))
            remove_entries([(each.pk, each.project_id, moment_of(each.created_at), ()) for each in gone])
    job.touch(removed_at=now)
    return count


def put_back(job: TakeOver) -> int:
    """The reverse: those that went to the trash with it come back; how many."""
    count, last = 0, 0
    while keys := _slice(job, last):
        last = keys[-1]
        with transaction.atomic():
            back = _locked(keys, job.removed_at)
            count += GeneratedImage.everything.filter(pk__in=[each.pk for each in back]).update(deleted_at=None)
            if back:
                style_counts.add(back[0].task, len(back))
            add_entries(entries_of(back))
    job.touch(removed_at=None)
    return count


def _locked(keys: list[int], deleted_at: datetime | None) -> list[GeneratedImage]:
    """Those of these pictures that are, or are not, in the trash since then; nobody else moves them meanwhile."""
    rows = GeneratedImage.everything.select_for_update(of=("self",)).select_related("task")
    return list(rows.filter(pk__in=keys, deleted_at=deleted_at))


def _slice(job: TakeOver, last: int) -> list[int]:
    rows = TakenPicture.objects.filter(takeover=job, picture_id__gt=last).order_by("picture_id")
    return list(rows.values_list("picture_id", flat=True)[:SLICE])
