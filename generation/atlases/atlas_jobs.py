"""The life of a sheet in a worker.

Whatever kills the worker, there is a whole zip that the row names, or none: the media's sweep finds files without a
row, and the next worker begins anew.
"""

from __future__ import annotations

from datetime import timedelta

from django.core.files.storage import default_storage
from django.utils import timezone

from generation.atlases.models import AtlasJob
from stylestudio.host.rooms import Named
from stylestudio.processes import worker_jobs
from stylestudio.processes.worker_jobs import Run

KEPT = timedelta(days=30)  # how long a sheet can be downloaded
MOST_FORGOTTEN = 20  # sheets that are deleted in one sweep
make_sheet = Named("generation.atlases.making:run")  # with which numpy comes


def sweep() -> None:
    """Free what a dead worker left, and delete old sheets."""
    old = AtlasJob.objects.ended().filter(ended_at__lt=timezone.now() - KEPT).order_by("ended_at")
    for job in old[:MOST_FORGOTTEN]:
        job.delete()
        for file in (job.file, job.picture):
            if file:
                default_storage.delete(str(file.name))
    life.sweep()


def facts(job: AtlasJob) -> dict[str, object]:
    """What scripts get besides status and progress."""
    return job.told()


def _attempt(job: AtlasJob) -> None:
    make_sheet(Run(job))


# One per worker: the pixels of one are all that the memory should hold.
life = worker_jobs.Life(AtlasJob, _attempt)
