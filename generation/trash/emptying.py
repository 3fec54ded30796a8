"""Deleting pictures of the trash for good, in slices of a moment. What stays of each is its row, a tombstone.

1. Its row says when (`emptied_at`), and its entry that it is leaving. From then on it cannot be restored.
2. Its files go to the dated bin of the media.
3. Its row loses their names, searches lose it, and its entry goes.

After a crash in between, the entries that are leaving say what is to be done. Several workers may do all of this at
once: a file that another one has moved is gone, and the entry of a picture goes once.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from functools import partial

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from generation.pictures.models import GeneratedImage, SearchEntry, TrashEntry, trash_entries
from generation.pictures.upkeep import slices
from generation.trash import schedule, uses
from generation.trash.models import OrderQuerySet, TrashOrder
from stylestudio.media import dated_bin, identity
from stylestudio.media.storage import StoreUnreachable

log = logging.getLogger(__name__)

MOST = 200  # pictures of a transaction
LATER = timedelta(hours=1)  # until a file that could not be moved is tried again
AGAIN = timedelta(days=1)  # until is asked again whether something still uses a picture


def is_due() -> bool:
    """Whether a slice would find something to do. Cheap, asked every minute."""
    now = timezone.now()
    cutoff = schedule.current().cutoff(now)
    return (
        TrashEntry.objects.filter(leaving=True, look_at__lte=now).exists()
        or _open(TrashOrder.Action.EMPTY).exists()
        or (cutoff is not None and _due(cutoff).first() is not None)
    )


def is_restoring_due() -> bool:
    """Whether somebody ordered to restore all of a trash."""
    return _open(TrashOrder.Action.RESTORE).exists()


def restore_slice(seconds: float = slices.SECONDS) -> bool:
    """Restore what people ordered to, for so long. Whether there is more to do."""
    return slices.work_slice(partial(_carry_out, TrashOrder.Action.RESTORE), seconds)


def empty_slice(seconds: float = slices.SECONDS) -> bool:
    """Free files, go on with what people ordered, and mark what is due, for so long. Whether there is more to do.

    Nothing is done while database and media do not belong together: what is in this trash may be in use by the database
    that they belong to.
    """
    if not identity.may_delete():
        return False
    end = time.monotonic() + seconds
    marks: Sequence[Callable[[int], bool]] = (partial(_carry_out, TrashOrder.Action.EMPTY), _mark_due)
    try:
        if slices.work_slice(partial(_free, end), seconds):
            return True
        for mark in marks:
            if time.monotonic() >= end or slices.work_slice(mark, end - time.monotonic()):
                return True
    except StoreUnreachable:
        log.warning("The media do not answer. The trash is emptied later.", exc_info=True)
        return False
    return TrashEntry.objects.filter(leaving=True, look_at__lte=timezone.now()).exists()


def delete_for_good(pictures: Sequence[int], person: User) -> tuple[list[int], dict[int, list[str]]]:
    """Mark some pictures, at most a page of them; workers free their files. The keys of those that this caller marked,
    and what uses the others.
    """
    used = uses.of(pictures, person)
    with transaction.atomic():
        return _mark([pk for pk in pictures if pk not in used]), used


def _mark(pictures: Collection[int]) -> list[int]:
    """Step 1, in the caller's transaction. The keys of those that are in the trash and were not marked before."""
    now = timezone.now()
    there = GeneratedImage.everything.filter(pk__in=pictures, deleted_at__isnull=False, emptied_at=None)
    marked = list(there.order_by("pk").select_for_update().values_list("pk", flat=True))
    GeneratedImage.everything.filter(pk__in=marked).update(emptied_at=now)
    TrashEntry.objects.filter(picture__in=marked).update(leaving=True, look_at=now)
    return marked


def _mark_due(number: int) -> bool:
    """Mark what has been in the trash for long enough and is not used; whether there may be more."""
    now, rule = timezone.now(), schedule.current()
    cutoff = rule.cutoff(now)
    if cutoff is None:
        return False
    number = min(number, MOST)
    found = list(_due(cutoff)[:number])
    used = uses.of(found)
    with transaction.atomic():
        TrashEntry.objects.filter(picture__in=used, leaving=False).update(look_at=cutoff + AGAIN)
        _mark([pk for pk in found if pk not in used])
    return len(found) == number


def _due(cutoff: datetime) -> QuerySet[TrashEntry, int]:
    """The keys of what has been in the trash since then, and was not in use the last time, oldest first."""
    due = TrashEntry.objects.filter(leaving=False, look_at__lte=cutoff).order_by("look_at")
    return due.values_list("picture", flat=True)


def _carry_out(action: TrashOrder.Action, number: int) -> bool:
    """Go on with the oldest order of this kind; whether there may be more to do."""
    number = min(number, MOST)
    with transaction.atomic():
        order = _open(action).order_by("pk").select_for_update().first()
        if order is None:
            return False
        found = list(_left_of(order).values_list("deleted_at", "picture")[:number])
        pictures = [picture for _at, picture in found]
        if action == TrashOrder.Action.RESTORE:
            used: Collection[int] = ()
            done = GeneratedImage.everything.restore(pictures)
        else:
            used = uses.of(pictures)
            done = _mark([pk for pk in pictures if pk not in used])
        order.done += len(done)
        order.kept += len(used)
        if found:
            order.after_at, order.after_picture = found[-1]
        if len(found) < number:
            order.ended_at = timezone.now()
        order.save(update_fields=["done", "kept", "after_at", "after_picture", "ended_at"])
    return True


def _open(action: TrashOrder.Action) -> OrderQuerySet:
    return TrashOrder.objects.filter(ended_at=None, action=action)


def _left_of(order: TrashOrder) -> trash_entries.TrashQuerySet:
    """What an order still has to do, oldest first."""
    entries = TrashEntry.objects.filter(project=order.project_id, leaving=False, deleted_at__lte=order.asked_at)
    if order.owner_id is not None:
        entries = entries.filter(owner=order.owner_id)
    if order.after_at is not None:
        after = Q(deleted_at__gt=order.after_at) | Q(picture__gt=order.after_picture)
        entries = entries.filter(Q(deleted_at__gte=order.after_at), after)
    return entries.order_by("deleted_at", "picture")


def _free(end: float, number: int) -> bool:
    """Steps 2 and 3 for so many pictures, but not after `end` (monotonic seconds); whether there may be more."""
    number = min(number, MOST)
    now = timezone.now()
    leaving = TrashEntry.objects.filter(leaving=True, look_at__lte=now).order_by("look_at")
    rows = list(leaving.values_list("picture", "picture__file", "picture__thumbnail")[:number])
    freed: list[int] = []
    for picture, *names in rows:
        if freed and time.monotonic() >= end:
            break
        if all(_to_bin(name) for name in names if name):
            freed.append(picture)
        else:
            TrashEntry.objects.filter(picture=picture).update(look_at=now + LATER)
    _finish(freed)
    return len(rows) == number or len(freed) < len(rows)


def _to_bin(name: str) -> bool:
    """Move a file to the bin; whether it is where it was no longer. Raises StoreUnreachable."""
    try:
        dated_bin.throw_in(name)
    except StoreUnreachable:
        raise
    except FileNotFoundError:  # moved before a crash or by another worker, or lost long ago
        return True
    except OSError:
        log.warning("%s could not be moved to the bin. That is tried again later.", name, exc_info=True)
        return False
    return True


def _finish(pictures: Collection[int]) -> None:
    """Step 3."""
    if not pictures:
        return
    with transaction.atomic():
        rows = GeneratedImage.everything.filter(pk__in=pictures, emptied_at__isnull=False)
        if connection.features.has_select_for_update:  # in the order of restoring, so that nobody waits in a circle
            list(rows.order_by("pk").select_for_update().values_list("pk"))
        rows.update(file="", thumbnail="")
        SearchEntry.objects.filter(picture__in=pictures).delete()
        trash_entries.remove(pictures)


def tidy() -> None:
    """Forget what pages do not show any more: days of which nothing is left, and orders that ended a month ago."""
    trash_entries.forget_empty_days()
    TrashOrder.objects.filter(ended_at__lt=timezone.now() - timedelta(days=30)).delete()
