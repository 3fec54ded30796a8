"""Queue messages for making sheets. They are hints that there is work; the rows say which."""

from __future__ import annotations

from huey.contrib.djhuey import db_task

from stylestudio.host.rooms import Named

work_on_jobs = Named("generation.atlases.atlas_jobs:life.work")


@db_task()  # type: ignore[untyped-decorator]
def make_sheets() -> None:
    """Work on waiting sheets until none can be claimed."""
    work_on_jobs()


def wake(seconds: float) -> None:
    """Wake workers for sheets, now or after so many seconds."""
    if seconds:
        make_sheets.schedule(delay=seconds)
    else:
        make_sheets()
