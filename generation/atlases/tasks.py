"""Queue messages for making sheets. They are hints that there is work; the rows say which."""

from __future__ import annotations

from huey.contrib.djhuey import db_task

from stylestudio.host.rooms import Named
from stylestudio.processes import waking

work_on_jobs = Named("generation.atlases.atlas_jobs:life.work")


@db_task()  # type: ignore[untyped-decorator]
def make_sheets() -> None:
    """Work on waiting sheets until none can be claimed."""
    work_on_jobs()


wake = waking.by(make_sheets)
