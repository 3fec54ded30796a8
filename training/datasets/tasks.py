"""What goes through the queue for datasets. Messages are hints that there is work; the rows say which."""

from __future__ import annotations

from huey.contrib.djhuey import db_task

from training.datasets import dataset_jobs


@db_task()  # type: ignore[untyped-decorator]
def work_on_datasets() -> None:
    """Do what waits for datasets until nothing can be claimed."""
    dataset_jobs.work()


def wake(seconds: float) -> None:
    """Tell workers that there may be work on datasets, now or after so many seconds."""
    if seconds:
        work_on_datasets.schedule(delay=seconds)
    else:
        work_on_datasets()
