"""The life of work on many pictures: slice by slice, each changed once or not at all.

A slice is one transaction, which also records how far the job is. Whatever kills the worker, what was changed is known.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from generation.selecting import actions, selection
from generation.selecting.actions import SLICE, Action
from generation.selecting.models import PictureJob, Slice
from stylestudio.jobs.kinds import Status
from stylestudio.live import publisher
from stylestudio.processes import worker_jobs, workers
from stylestudio.processes.worker_jobs import PROGRESS, Failed, Stopped

KEPT = timedelta(days=30)  # how long it can be taken back
MOST_FORGOTTEN = 20  # jobs whose slices are deleted in one sweep


def sweep() -> None:
    """Free what a dead worker left, and forget what can no longer be taken back."""
    old = PictureJob.objects.ended().filter(ended_at__lt=timezone.now() - KEPT).order_by("ended_at")
    for job in old[:MOST_FORGOTTEN]:
        job.delete()
    life.sweep()


def facts(job: PictureJob) -> dict[str, object]:
    """What scripts get besides status and progress."""
    return {"work": job.work, "undoes": job.undo_of_id, **job.told()}


def action_of(job: PictureJob) -> Action:
    """Its action. Raises Failed if the room that had it is gone."""
    action = actions.find(job.work)
    if action is None:
        raise Failed("gone", job.work)
    return action


def apply(job: PictureJob, action: Action, each: Slice, prepared: Any) -> None:
    """Do a slice, in the caller's transaction, and record it. Raises Stopped."""
    outcome = action.apply(job.owner, each.pictures, job.parameters, prepared)
    each.changed = outcome.changed
    each.save(update_fields=["changed"])
    left = dict(job.report.get("left", {}))
    for reason, number in outcome.left.items():
        if number:
            left[reason] = left.get(reason, 0) + number
    number = 0 if action.follow else len(each.pictures)
    _record(job, number, {**job.report, "changed": job.changed + outcome.number, "left": left})


def take_back(job: PictureJob, action: Action, each: Slice) -> None:
    """Take back what a slice of another job changed, in the caller's transaction, and record it. Raises Stopped."""
    number = action.undo(job.owner, each.changed) if action.undo and each.changed else 0
    _record(job, number, {"changed": job.changed + number})


def _record(job: PictureJob, number: int, report: dict[str, Any]) -> None:
    worker_jobs.advance(job, is_further=True, next_slice=job.next_slice + 1, done=job.done + number, report=report)


def _ready() -> Iterable[PictureJob]:
    """The jobs for which there is something to do now. Others wait for what they ordered."""
    return (job for job in life.waiting("undo_of") if _has_news(job))


def _has_news(job: PictureJob) -> bool:
    action = actions.find(job.work)
    if not (action and action.follow) or not job.is_all_ordered:
        return True
    still = action.follow(job.owner, _changes(job)).still
    return not still or still != job.total - job.done


def _changes(job: PictureJob) -> list[dict[str, Any]]:
    return list(job.slices.exclude(changed={}).order_by("number").values_list("changed", flat=True))


def _follow(job: PictureJob, action: Action) -> None:
    """Record how far what was ordered is. Raises Stopped as long as some of it is to come."""
    assert action.follow
    told = action.follow(job.owner, _changes(job))
    at_once = job.report.get("left_at_once", job.report.get("left", {}))
    left = {reason: at_once.get(reason, 0) + told.left.get(reason, 0) for reason in {**at_once, **told.left}}
    report = {**job.report, "changed": told.made, "left": left, "left_at_once": at_once}
    done = job.total - told.still
    worker_jobs.advance(job, is_further=done > job.done, done=done, report=report)
    publisher.progressed(job, PROGRESS)
    if told.still:
        raise Stopped


def _tidy(job: PictureJob) -> None:
    """What a job ordered ends with it."""
    action = actions.find(job.work)
    if action and action.abandon and not job.undo_of_id and job.status in (Status.CANCELLED, Status.FAILED):
        action.abandon(job.owner, _changes(job))


def _attempt(job: PictureJob) -> None:
    worker = job.worker
    _gather(job, worker)
    if not job.is_download:
        _work_through(job, worker)


def _hold(job: PictureJob, worker: str) -> None:
    """Keep everybody else from the job until the transaction ends. Raises Stopped if it is not ours as we know it."""
    if workers.stopping.is_set():
        raise Stopped
    mine = PictureJob.objects.running().filter(pk=job.pk, worker=worker, next_slice=job.next_slice, reached=job.reached)
    if not list(mine.select_for_update().values_list("pk")):
        raise Stopped


def _gather(job: PictureJob, worker: str) -> None:
    """Put what the filter shows into slices. Continues where it was."""
    if job.is_gathered:
        return
    size = SLICE if job.is_download else action_of(job).size
    number = job.slices.count()
    page = max(size, selection.PAGE // size * size)
    for keys, reached in selection.pages(job.owner, job.filters, job.upto or 0, job.reached, page):
        keys = keys[: selection.MOST - job.total]
        with transaction.atomic():
            _hold(job, worker)
            new = [
                Slice(job=job, number=number + at, pictures=keys[start : start + size])
                for at, start in enumerate(range(0, len(keys), size))
            ]
            Slice.objects.bulk_create(new)
            number += len(new)
            if not job.advance(reached=reached, total=job.total + len(keys)):
                raise Stopped
        publisher.progressed(job, PROGRESS)
        if job.total >= selection.MOST:
            break
    job.advance(is_gathered=True)


def _work_through(job: PictureJob, worker: str) -> None:
    action, source = action_of(job), job.undo_of or job
    while each := source.slices.filter(number=job.next_slice).first():
        prepare = action.prepare if not job.undo_of_id else None
        prepared = prepare(job.owner, each.pictures, job.parameters) if prepare else None
        with transaction.atomic():
            _hold(job, worker)
            if job.undo_of_id:
                take_back(job, action, each)
            else:
                apply(job, action, each, prepared)
        publisher.progressed(job, PROGRESS)
        workers.give_connection_back()
    if action.follow and not job.undo_of_id:
        _follow(job, action)


# One per worker: the database writes one after the other anyway.
life = worker_jobs.Life(PictureJob, _attempt, ready=_ready, tidy=_tidy)
