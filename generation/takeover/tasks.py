"""Queue messages for taking pictures over. They are hints that there is work; the rows say which."""

from __future__ import annotations

from huey.contrib.djhuey import db_task

from stylestudio.host.rooms import Named
from stylestudio.processes import waking

work_on_jobs = Named("generation.takeover.takeover_jobs:life.work")
order_missing_thumbnails = Named("generation.takeover.rows:order_thumbnails")
finish_thumbnails = Named("generation.takeover.rows:make_thumbnails")


@db_task()  # type: ignore[untyped-decorator]
def take_over() -> None:
    """Work on waiting take-overs until none can be claimed."""
    work_on_jobs()


@db_task()  # type: ignore[untyped-decorator]
def order_thumbnails(job: int) -> None:
    """Ask for the thumbnails of a job that has ended: a message for each few of its pictures."""
    order_missing_thumbnails(job)


@db_task(priority=-1)  # type: ignore[untyped-decorator]
def make_thumbnails(first: int, last: int) -> None:
    """The thumbnails of some pictures, by their first and last key, when nothing else is to be done."""
    finish_thumbnails(first, last)


wake = waking.by(take_over)
