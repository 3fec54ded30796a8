"""The life of work on a dataset, and who does which kind of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from django.contrib.auth.models import User
from django.core.files.storage import default_storage

from stylestudio.host import rooms
from stylestudio.processes import worker_jobs
from training.datasets.models import Dataset, DatasetJob

AT_ONCE = 2  # per worker: pictures are decoded on all cores anyway, and engines need threads meanwhile

Run = worker_jobs.Run[DatasetJob]
Handler = Callable[[Run], None]

# By kind of work. A handler continues where the job of its run says it was.
handlers: dict[str, Handler] = {
    DatasetJob.Work.IMPORT: rooms.Named("training.datasets.collecting.intake:run_import"),
    DatasetJob.Work.CAPTION: rooms.Named("training.datasets.captions.captioners:propose_captions"),
    DatasetJob.Work.CUT_OUT: rooms.Named("training.datasets.cut_outs.making:cut_out"),
    DatasetJob.Work.CHECK: rooms.Named("training.datasets.health.check_work:run_check"),
}
# Of kinds that may have to wait: whether a job does now.
_waits: dict[str, Callable[[DatasetJob], bool]] = {
    DatasetJob.Work.CAPTION: rooms.Named("training.datasets.captions.captioners:is_waiting"),
    DatasetJob.Work.CUT_OUT: rooms.Named("training.datasets.cut_outs.making:is_waiting"),
}


def order(dataset: Dataset, user: User, work: DatasetJob.Work, **fields: object) -> DatasetJob:
    """Store a job and wake a worker after the commit."""
    return life.order(project_id=dataset.project_id, dataset=dataset, owner=user, work=work, **fields)


def sweep() -> None:
    """Free what a dead worker left, and delete archives of work that has ended."""
    for job in DatasetJob.objects.ended().exclude(file=""):
        _forget_archive(job)
    life.sweep()


def facts(job: DatasetJob) -> dict[str, object]:
    """What scripts get besides status and progress."""
    return {"dataset": job.dataset.slug, "work": str(job.work), **job.told()}


def _ready() -> Iterable[DatasetJob]:
    """Those whose dataset has none of its kind running, and that need not wait for something else."""
    busy = set(DatasetJob.objects.running().values_list("dataset_id", "work"))
    free = (job for job in life.waiting("dataset") if (job.dataset_id, job.work) not in busy)
    return (job for job in free if job.work not in _waits or not _waits[job.work](job))


def _attempt(job: DatasetJob) -> None:
    handlers[job.work](Run(job))


def _tidy(job: DatasetJob) -> None:
    _forget_archive(job)
    job.dataset.touch()


def _forget_archive(job: DatasetJob) -> None:
    if job.file.name:
        default_storage.delete(job.file.name)
        job.touch(file="")


life = worker_jobs.Life(DatasetJob, _attempt, at_once=AT_ONCE, ready=_ready, tidy=_tidy)
