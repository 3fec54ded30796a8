"""The life of jobs that a worker does by itself: claimed by a thread, continued after a crash, ended once."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Generic, TypeVar

from django.core.files.storage import FileSystemStorage, default_storage
from django.db import DatabaseError
from django.db.models.functions import Now
from django.utils import timezone

from stylestudio.jobs.holding import Holder
from stylestudio.jobs.kinds import LEASE, JobQuerySet, Status
from stylestudio.jobs.worker_job import WorkerJob
from stylestudio.live import publisher
from stylestudio.processes import workers
from stylestudio.uploads.purposes import RESERVE

log = logging.getLogger(__name__)

MOST_ATTEMPTS = 3
PROGRESS = "queue/work/_moved.html"
KEPT = timedelta(days=30)  # how long the files that jobs make can be downloaded
MOST_FORGOTTEN = 20  # jobs that are deleted in one sweep
WRITE_EVERY = 0.2  # seconds between two writes of progress

J = TypeVar("J", bound=WorkerJob)


class Stopped(Exception):
    """This work was cancelled, or the worker was told to stop."""


class Postponed(Exception):
    """This work cannot go on now, through no fault of its own: it waits again, and `ready` says when it may start. Its
    report then has `waits`.
    """


class TakenElsewhere(Exception):
    """The lease has expired, and another worker has the work."""


class Failed(Exception):
    """The work cannot be done. `kind` is one of the job's `faults`, `detail` is for the operator."""

    def __init__(self, kind: str, detail: str = "") -> None:
        super().__init__(detail or kind)
        self.kind = kind
        self.detail = detail


class Life(Generic[J]):
    """The life of all jobs of one kind, at most `at_once` of them in this worker.

    `attempt(job)` does the work, from where the job says that it was; it raises Stopped, Postponed or Failed. `ready()`
    gives the waiting jobs that may start now, the first of them first. `tidy(job)` deletes what a job that has ended no
    longer needs, before its end is told.
    """

    def __init__(
        self,
        model: type[J],
        attempt: Callable[[J], None],
        *,
        at_once: int = 1,
        ready: Callable[[], Iterable[J]] | None = None,
        tidy: Callable[[J], None] = lambda job: None,
    ) -> None:
        self._jobs: Any = model.objects
        self._wake = model.wake
        self._attempt, self._at_once, self._tidy = attempt, at_once, tidy
        self._ready = ready or self.waiting
        self.held: Holder[None] = Holder(self._renew)

    def waiting(self, *shown_with: str) -> JobQuerySet[J]:
        """The waiting jobs in their order, each with its owner and the rows that `shown_with` names."""
        jobs: JobQuerySet[J] = self._jobs.waiting().select_related("owner", *shown_with)
        return jobs.order_by("-priority", "queued_at")

    def order(self, **fields: Any) -> J:
        """Store a job, and wake a worker after the commit."""
        job: J = self._jobs.create(**fields)
        publisher.announce(job, self._wake)
        return job

    def cancel(self, job: J) -> bool:
        """Cancel a job at somebody's request. What is done stays."""
        won = job.cancel()
        if won:
            self._end(job)
        return won

    def work(self) -> None:
        """Work on waiting jobs until nothing can be claimed."""
        workers.keep_working(self.do_one)

    def do_one(self) -> bool:
        """Work on one job. Return False if none can be claimed."""
        job = self._claim()
        if job is None:
            return False
        try:
            self._run(job)
        finally:
            self.held.drop(job.pk)
        return True

    def sweep(self) -> None:
        """Free what a dead worker left."""
        for job in self.held.recover(self._jobs.all(), workers.worker_name()):
            publisher.changed(job)
        if self._jobs.waiting().exists():
            self._wake()

    def _renew(self, jobs: Iterable[int]) -> None:
        self._jobs.running().filter(pk__in=jobs).update(lease_until=Now() + LEASE)

    def _claim(self) -> J | None:
        workers.give_connection_back()
        with self.held.turn:
            if len(self.held) >= self._at_once:
                return None
            for job in self._ready():
                if job.start(workers.worker_name()):
                    self.held.take(job.pk, None)
                    return job
        return None

    def _run(self, job: J) -> None:
        """One attempt, however it ends. Only DatabaseError is raised:
        then the lease expires, and another attempt follows.
        """
        worker = job.worker
        job.advance(attempts=job.attempts + 1)
        if job.attempts > MOST_ATTEMPTS:
            job.fail("crashed")
            self._end(job)
            return
        publisher.changed(job)
        try:
            self._try(job, worker)
        except DatabaseError:
            raise
        except TakenElsewhere:
            log.warning("%s was continued by another worker.", job.root_id)
            return
        except (Stopped, Postponed) as reason:
            job.refresh_from_db()
            if job.status == Status.RUNNING:
                # The worker stops, or has to wait. That is no fault of this job, so the attempt does not count.
                waits = {"waits": True} if isinstance(reason, Postponed) else {}
                job.advance(attempts=max(0, job.attempts - 1), report={**job.report, **waits})
                job.recover()
                publisher.changed(job)
            return
        except Failed as error:
            job.fail(error.kind, detail=error.detail)
        except OSError as error:
            log.exception("%s could not be stored", job.root_id)
            job.fail("storage", detail=str(error))
        except Exception as error:  # the boundary: a bug of ours ends this job with a reason, not the worker
            log.exception("%s failed", job.root_id)
            job.fail("internal", detail=repr(error))
        else:
            job.complete()
        self._end(job)

    def _try(self, job: J, worker: str) -> None:
        try:
            self._attempt(job)
        finally:
            if job.is_taken_from(worker):
                raise TakenElsewhere

    def _end(self, job: J) -> None:
        self._tidy(job)
        publisher.changed(job)
        publisher.counts_changed()
        self._wake()


@dataclass(slots=True)
class Run(Generic[J]):
    """One attempt at a job, as who does it reports its progress."""

    job: J
    _written: float = field(default=0.0)
    _begun: int = field(init=False)

    def __post_init__(self) -> None:
        self._begun = self.job.done

    def step(self, done: int, total: int, *, now: bool = False, **report: Any) -> None:
        """Report the progress: `done` of `total`, and what to store in the report.

        Written at most five times a second unless `now`, which is for what must be right after a crash: call it in the
        transaction that stores what was done. Raises Stopped.
        """
        job = self.job
        if workers.stopping.is_set():
            raise Stopped
        job.report = {**job.report, **report}
        job.done, job.total = done, total
        if not now and done < total and time.monotonic() - self._written < WRITE_EVERY:
            return
        self._written = time.monotonic()
        advance(job, is_further=done > self._begun, done=done, total=total, report=job.report)
        publisher.progressed(job, PROGRESS)


def advance(job: WorkerJob, *, is_further: bool, **fields: Any) -> None:
    """Write how far a job is. Raises Stopped if it no longer runs.

    Work that progresses is not what kills workers: only attempts without progress count.
    """
    for name, value in fields.items():
        setattr(job, name, value)
    percent = min(99, 100 * job.done // job.total) if job.total else 0
    attempts = {"attempts": 1} if is_further and job.attempts else {}
    if not job.advance(progress=percent, **fields, **attempts):
        raise Stopped


def delete_old(model: type[WorkerJob], *columns: str) -> None:
    """Delete jobs whose files were kept as long as people were told, with the files that these columns name."""
    jobs: Any = model.objects
    old = jobs.ended().filter(ended_at__lt=timezone.now() - KEPT).order_by("ended_at")
    for job in old[:MOST_FORGOTTEN]:
        job.delete()
        for file in (getattr(job, column) for column in columns):
            if file:
                default_storage.delete(str(file.name))


def require_room(size: int) -> None:
    """Raise Failed if the disk of the media has no room for so many bytes more."""
    if isinstance(default_storage, FileSystemStorage):
        place = Path(default_storage.path(""))
        place.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(place).free < size + RESERVE:
            raise Failed("no_room")
