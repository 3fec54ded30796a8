"""The life of work on many pictures: claimed by a worker, done slice by slice, continued after a crash, ended once.

A slice is one transaction, which also records how far the job is. Whatever kills the worker, each picture is changed
once or not at all, and what was changed is known.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db import DatabaseError, transaction
from django.db.models.functions import Now
from django.utils import timezone

from generation.selecting import actions, selection
from generation.selecting.actions import SLICE, Action
from generation.selecting.models import PictureJob, Slice
from stylestudio.jobs.holding import Holder
from stylestudio.jobs.kinds import LEASE, Status
from stylestudio.live import publisher
from stylestudio.processes import workers

log = logging.getLogger(__name__)

AT_ONCE = 1  # per worker: the database writes one after the other anyway
MOST_ATTEMPTS = 3
KEPT = timedelta(days=30)  # how long it can be taken back
MOST_FORGOTTEN = 20  # jobs whose slices are deleted in one sweep
PROGRESS = "generation/selecting/_bulk_progress.html"


class Stopped(Exception):
    """This work was cancelled, or the worker was told to stop, or another one has it."""


class Gone(Exception):
    """What the pictures were for is not there any more."""


def work() -> None:
    """Work on waiting jobs until nothing can be claimed."""
    workers.keep_working(_do_one)


def _do_one() -> bool:
    job = _claim()
    if job is None:
        return False
    try:
        _run(job)
    finally:
        held.drop(job.pk)
    return True


def _renew(jobs: Iterable[int]) -> None:
    PictureJob.objects.running().filter(pk__in=jobs).update(lease_until=Now() + LEASE)


held: Holder[None] = Holder(_renew)  # the jobs that threads of this process work on


def sweep() -> None:
    """Free what a dead worker left, and forget what can no longer be taken back."""
    for job in held.recover(PictureJob.objects.all(), workers.worker_name()):
        publisher.changed(job)
    old = PictureJob.objects.ended().filter(ended_at__lt=timezone.now() - KEPT).order_by("ended_at")
    for job in old[:MOST_FORGOTTEN]:
        job.delete()
    if PictureJob.objects.waiting().exists():
        PictureJob.wake()


def cancel(job: PictureJob) -> bool:
    """Cancel a job at somebody's request. What was changed stays, and can be taken back."""
    won = job.cancel()
    if won:
        _ended(job)
    return won


def facts(job: PictureJob) -> dict[str, object]:
    """What scripts get besides status and progress."""
    return {
        "work": job.work,
        "undoes": job.undo_of_id,
        "done": job.done,
        "total": job.total,
        "report": job.report,
        "error": job.explanation if job.error_kind else "",
    }


def action_of(job: PictureJob) -> Action:
    """Its action. Raises LookupError if the room that had it is gone."""
    action = actions.find(job.work)
    if action is None:
        raise LookupError(job.work)
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
    _record(job, len(each.pictures), {"changed": job.changed + outcome.number, "left": left})


def take_back(job: PictureJob, action: Action, each: Slice) -> None:
    """Take back what a slice of another job changed, in the caller's transaction, and record it. Raises Stopped."""
    number = action.undo(job.owner, each.changed) if action.undo and each.changed else 0
    _record(job, number, {"changed": job.changed + number})


def _record(job: PictureJob, number: int, report: dict[str, Any]) -> None:
    done = job.done + number
    percent = min(99, 100 * done // job.total) if job.total else 0
    # Work that progresses is not what kills workers: only attempts without progress count.
    attempts = {"attempts": 1} if job.attempts else {}
    if not job.advance(next_slice=job.next_slice + 1, done=done, report=report, progress=percent, **attempts):
        raise Stopped


def _claim() -> PictureJob | None:
    workers.give_connection_back()
    with held.turn:
        if len(held) >= AT_ONCE:
            return None
        for job in PictureJob.objects.waiting().select_related("owner", "undo_of").order_by("-priority", "queued_at"):
            if job.start(workers.worker_name()):
                held.take(job.pk, None)
                return job
    return None


def _run(job: PictureJob) -> None:
    """One attempt, however it ends. Only DatabaseError is raised:
    then the lease expires and another attempt follows.
    """
    worker = job.worker
    job.advance(attempts=job.attempts + 1)
    if job.attempts > MOST_ATTEMPTS:
        job.fail("crashed")
        _ended(job)
        return
    publisher.changed(job)
    try:
        _gather(job, worker)
        if not job.is_download:
            _work_through(job, worker)
    except DatabaseError:
        raise
    except Stopped:
        job.refresh_from_db()
        if job.status == Status.RUNNING and job.worker == worker:
            # The worker stops. That is no fault of this job, so the attempt does not count.
            job.advance(attempts=max(0, job.attempts - 1))
            job.recover()
            publisher.changed(job)
        return
    except (Gone, LookupError) as error:
        job.fail("gone", detail=repr(error))
    except OSError as error:
        log.exception("Work %s on pictures could not be stored", job.pk)
        job.fail("storage", detail=str(error))
    except Exception as error:  # the boundary: a bug of ours ends this job with a reason, not the worker
        log.exception("Work %s on pictures failed", job.pk)
        job.fail("internal", detail=repr(error))
    else:
        job.complete()
    _ended(job)


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


def _ended(job: PictureJob) -> None:
    publisher.changed(job)
    publisher.counts_changed()
