"""The life of a take-over: ordered, claimed by a worker's thread, continued after a crash, ended once."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.db import DatabaseError
from django.db.models.functions import Now

from generation.takeover import tasks
from generation.takeover.models import TakeOver
from stylestudio.host.rooms import Named
from stylestudio.jobs.holding import Holder
from stylestudio.jobs.kinds import LEASE, Status
from stylestudio.live import publisher
from stylestudio.processes import workers

log = logging.getLogger(__name__)

AT_ONCE = 1  # per worker: it reads and writes as fast as the disk does
MOST_ATTEMPTS = 3
PROGRESS = "generation/takeover/_takeover_progress.html"
take_over = Named("generation.takeover.taking:run")


class Stopped(Exception):
    """This work was cancelled, or the worker was told to stop."""


class TakenElsewhere(Exception):
    """The lease has expired, and another worker has the work."""


class Failed(Exception):
    """The work cannot be done. The text is one of the kinds of failure of `TakeOver`."""


@dataclass(slots=True)
class Run:
    """One attempt at a job."""

    job: TakeOver

    def step(self, done: int, total: int, **report: Any) -> None:
        """Store how far it is. Call it in the transaction that stores the pictures. Raises Stopped."""
        if workers.stopping.is_set():
            raise Stopped
        report.pop("now", None)
        fields: dict[str, Any] = {"attempts": 1} if done > self.job.done else {}
        percent = min(99, 100 * done // total) if total else 0
        if not self.job.advance(done=done, total=total, progress=percent, report=report, **fields):
            raise Stopped
        publisher.progressed(self.job, PROGRESS)


def order(user: User, source: TakeOver.Source, **fields: Any) -> TakeOver:
    """Store a job and wake a worker after the commit."""
    job: TakeOver = TakeOver.objects.create(owner=user, source=source, **fields)
    publisher.announce(job, TakeOver.wake)
    return job


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
    TakeOver.objects.running().filter(pk__in=jobs).update(lease_until=Now() + LEASE)


held: Holder[int] = Holder(_renew)


def sweep() -> None:
    """Free what a dead worker left, and delete archives of jobs that have ended."""
    for job in held.recover(TakeOver.objects.all(), workers.worker_name()):
        publisher.changed(job)
    for job in TakeOver.objects.ended().exclude(file=""):
        _forget_archive(job)
    if TakeOver.objects.waiting().exists():
        TakeOver.wake()


def cancel(job: TakeOver) -> bool:
    """Cancel a job at somebody's request. What is stored stays."""
    won = job.cancel()
    if won:
        _ended(job)
    return won


def facts(job: TakeOver) -> dict[str, object]:
    """What scripts get besides status and progress."""
    return {
        "source": str(job.source),
        "name": job.source_name,
        "done": job.done,
        "total": job.total,
        "report": job.report,
        "error": job.explanation if job.error_kind else "",
    }


def _claim() -> TakeOver | None:
    """Claim the oldest waiting job; it is running on return. Two at once would not know of each other's pictures."""
    workers.give_connection_back()
    with held.turn:
        if len(held) >= AT_ONCE or TakeOver.objects.running().exists():
            return None
        for job in TakeOver.objects.waiting().select_related("owner", "engine").order_by("-priority", "queued_at"):
            if job.start(workers.worker_name()):
                held.take(job.pk, job.pk)
                return job
    return None


def _run(job: TakeOver) -> None:
    """One attempt, however it ends. Only DatabaseError is raised:
    then the lease expires, and another attempt follows.
    """
    worker = job.worker
    job.advance(attempts=job.attempts + 1)
    if job.attempts > MOST_ATTEMPTS:
        job.fail("crashed")
        _ended(job)
        return
    publisher.changed(job)
    try:
        _attempt(job, worker)
    except DatabaseError:
        raise
    except TakenElsewhere:
        log.warning("Take-over %s was continued by another worker.", job.pk)
        return
    except Stopped:
        job.refresh_from_db()
        if job.status == Status.RUNNING:
            # The worker stops. That is no fault of this job, so the attempt does not count.
            job.advance(attempts=max(0, job.attempts - 1))
            job.recover()
            publisher.changed(job)
        return
    except Failed as error:
        job.fail(str(error))
    except OSError as error:
        log.exception("Take-over %s could not be stored", job.pk)
        job.fail("storage", detail=str(error))
    except Exception as error:  # the boundary: a bug of ours ends this job with a reason, not the worker
        log.exception("Take-over %s failed", job.pk)
        job.fail("internal", detail=repr(error))
    else:
        job.complete()
    _ended(job)


def _attempt(job: TakeOver, worker: str) -> None:
    try:
        take_over(Run(job))
    finally:
        if job.is_taken_from(worker):
            raise TakenElsewhere


def _ended(job: TakeOver) -> None:
    """Delete what is no longer needed, have thumbnails made, and publish the end."""
    _forget_archive(job)
    tasks.order_thumbnails(job.pk)
    publisher.changed(job)
    publisher.counts_changed()
    TakeOver.wake()


def _forget_archive(job: TakeOver) -> None:
    if job.file.name:
        default_storage.delete(job.file.name)
        job.touch(file="")
