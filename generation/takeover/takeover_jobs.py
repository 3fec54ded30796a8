"""The life of a take-over."""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib.auth.models import User
from django.core.files.storage import default_storage

from generation.takeover import tasks
from generation.takeover.models import TakeOver
from stylestudio.host.rooms import Named
from stylestudio.processes import worker_jobs

Run = worker_jobs.Run[TakeOver]
take_over = Named("generation.takeover.taking:run")


def order(user: User, source: TakeOver.Source, **fields: object) -> TakeOver:
    """Store a job and wake a worker after the commit."""
    return life.order(owner=user, source=source, **fields)


def sweep() -> None:
    """Free what a dead worker left, and delete archives of jobs that have ended."""
    for job in TakeOver.objects.ended().exclude(file=""):
        _forget_archive(job)
    life.sweep()


def facts(job: TakeOver) -> dict[str, object]:
    """What scripts get besides status and progress."""
    return {"source": str(job.source), "name": job.source_name, **job.told()}


def _ready() -> Iterable[TakeOver]:
    """The waiting ones if none runs: two at once would not know of each other's pictures."""
    return [] if TakeOver.objects.running().exists() else life.waiting("engine")


def _attempt(job: TakeOver) -> None:
    take_over(Run(job))


def _tidy(job: TakeOver) -> None:
    """Delete what is no longer needed, and have thumbnails made."""
    _forget_archive(job)
    tasks.order_thumbnails(job.pk)


def _forget_archive(job: TakeOver) -> None:
    if job.file.name:
        default_storage.delete(job.file.name)
        job.touch(file="")


# One per worker: it reads and writes as fast as the disk does.
life = worker_jobs.Life(TakeOver, _attempt, ready=_ready, tidy=_tidy)
