"""The life of work on a dataset: ordered, claimed by a worker's thread, continued after a crash, ended once."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.db import DatabaseError
from django.db.models.functions import Now

from stylestudio.host import rooms
from stylestudio.jobs.holding import Holder
from stylestudio.jobs.kinds import LEASE, Status
from stylestudio.live import publisher
from stylestudio.processes import workers
from training.datasets.models import Dataset, DatasetJob

log = logging.getLogger(__name__)

AT_ONCE = 2  # per worker: pictures are decoded on all cores anyway, and engines need threads meanwhile
MOST_ATTEMPTS = 3
PROGRESS = "training/datasets/_dataset_job_progress.html"
WRITE_EVERY = 0.2  # seconds between two writes of progress


class Stopped(Exception):
    """This work was cancelled, or the worker was told to stop."""


class TakenOver(Exception):
    """The lease has expired, and another worker has the work."""


class Failed(Exception):
    """The work cannot be done. `kind` is one of training.datasets.work_faults, `detail` is for the operator."""

    def __init__(self, kind: str, detail: str = "") -> None:
        super().__init__(detail or kind)
        self.kind = kind
        self.detail = detail


@dataclass(slots=True)
class Run:
    """One attempt at a job, as its handler sees it."""

    job: DatasetJob
    _written: float = field(default=0.0)
    _begun: int = field(init=False)

    def __post_init__(self) -> None:
        self._begun = self.job.done

    def step(self, done: int, total: int, *, now: bool = False, **report: Any) -> None:
        """Report the progress: `done` of `total`, and what to store in the report.

        Written at most five times a second unless `now`, which is for what must be right after a crash: call it in the
        transaction that stores the pictures. Raises Stopped.
        """
        job = self.job
        if workers.stopping.is_set():
            raise Stopped
        job.report = {**job.report, **report}
        job.done, job.total = done, total
        if not now and done < total and time.monotonic() - self._written < WRITE_EVERY:
            return
        self._written = time.monotonic()
        percent = min(99, 100 * done // total) if total else 0
        # Work that progresses is not what kills workers: only attempts without progress count.
        fields = {"attempts": 1} if done > self._begun else {}
        if not job.advance(done=done, total=total, progress=percent, report=job.report, **fields):
            raise Stopped
        publisher.progressed(job, PROGRESS)


Handler = Callable[[Run], None]

# By kind of work. A handler continues where `job` says it was.
handlers: dict[str, Handler] = {
    DatasetJob.Work.IMPORT: rooms.Named("training.datasets.collecting.intake:run_import"),
    DatasetJob.Work.CAPTION: rooms.Named("training.datasets.captions.captioners:propose_captions"),
    DatasetJob.Work.CHECK: rooms.Named("training.datasets.health.check_work:run_check"),
}


def order(dataset: Dataset, user: User, work: DatasetJob.Work, **fields: Any) -> DatasetJob:
    """Store a job and wake a worker after the commit."""
    job: DatasetJob = DatasetJob.objects.create(
        project_id=dataset.project_id, dataset=dataset, owner=user, work=work, **fields
    )
    publisher.announce(job, DatasetJob.wake)
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
    DatasetJob.objects.running().filter(pk__in=jobs).update(lease_until=Now() + LEASE)


# The jobs that threads of this process work on, and their datasets.
held: Holder[int] = Holder(_renew)


def sweep() -> None:
    """Free what a dead worker left, and delete archives of work that has ended."""
    for job in held.recover(DatasetJob.objects.all(), workers.worker_name()):
        publisher.changed(job)
    for job in DatasetJob.objects.ended().exclude(file=""):
        _forget_archive(job)
    if DatasetJob.objects.waiting().exists():
        DatasetJob.wake()


def cancel(job: DatasetJob) -> bool:
    """Cancel a job at somebody's request. What is stored stays."""
    won = job.cancel()
    if won:
        _ended(job)
    return won


def facts(job: DatasetJob) -> dict[str, object]:
    """What scripts get besides status and progress."""
    return {
        "dataset": job.dataset.slug,
        "work": str(job.work),
        "done": job.done,
        "total": job.total,
        "report": job.report,
        "error": job.explanation if job.error_kind else "",
    }


def _claim() -> DatasetJob | None:
    """Claim the oldest waiting job whose dataset has none of its kind running; it is running on return."""
    workers.give_connection_back()
    with held.turn:
        if len(held) >= AT_ONCE:
            return None
        busy = set(DatasetJob.objects.running().values_list("dataset_id", "work"))
        for job in DatasetJob.objects.waiting().select_related("dataset", "owner").order_by("-priority", "queued_at"):
            if (job.dataset_id, job.work) not in busy and job.start(workers.worker_name()):
                held.take(job.pk, job.dataset_id)
                return job
    return None


def _run(job: DatasetJob) -> None:
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
        _attempt(job, worker)
    except DatabaseError:
        raise
    except TakenOver:
        log.warning("Work %s on a dataset was taken over by another worker.", job.pk)
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
        job.fail(error.kind, detail=error.detail)
    except OSError as error:
        log.exception("Work %s on a dataset could not be stored", job.pk)
        job.fail("storage", detail=str(error))
    except Exception as error:  # the boundary: a bug of ours ends this job with a reason, not the worker
        log.exception("Work %s on a dataset failed", job.pk)
        job.fail("internal", detail=repr(error))
    else:
        job.complete()
    _ended(job)


def _attempt(job: DatasetJob, worker: str) -> None:
    try:
        handlers[job.work](Run(job))
    finally:
        if job.is_taken_from(worker):
            raise TakenOver


def _ended(job: DatasetJob) -> None:
    """Delete what is no longer needed, and publish the end."""
    _forget_archive(job)
    job.dataset.touch()
    publisher.changed(job)
    publisher.counts_changed()
    DatasetJob.wake()


def _forget_archive(job: DatasetJob) -> None:
    if job.file.name:
        default_storage.delete(job.file.name)
        job.touch(file="")
