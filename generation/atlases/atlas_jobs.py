"""The life of a sheet in a worker.

Whatever kills the worker, there is a whole zip that the row names, or none: the media's sweep finds files without a
row, and the next worker begins anew.
"""

from __future__ import annotations

from generation.atlases.models import AtlasJob
from stylestudio.host.rooms import Named
from stylestudio.processes import worker_jobs
from stylestudio.processes.worker_jobs import Run

make_sheet = Named("generation.atlases.making:run")  # with which numpy comes


def sweep() -> None:
    """Free what a dead worker left, and delete old sheets."""
    worker_jobs.delete_old(AtlasJob, "file", "picture")
    life.sweep()


def facts(job: AtlasJob) -> dict[str, object]:
    """What scripts get besides status and progress."""
    return job.told()


def _attempt(job: AtlasJob) -> None:
    make_sheet(Run(job))


# One per worker: the pixels of one are all that the memory should hold.
life = worker_jobs.Life(AtlasJob, _attempt)
