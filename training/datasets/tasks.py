"""Queue messages for datasets. They are hints that there is work; the rows say which."""

from __future__ import annotations

from huey.contrib.djhuey import db_task

from stylestudio.host.rooms import Named
from stylestudio.processes import waking

work_on_jobs = Named("training.datasets.dataset_jobs:life.work")


@db_task()  # type: ignore[untyped-decorator]
def work_on_datasets() -> None:
    """Work on waiting jobs of datasets until none can be claimed."""
    work_on_jobs()


wake = waking.by(work_on_datasets)
