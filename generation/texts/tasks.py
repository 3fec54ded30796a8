"""Queue messages for translations. They are hints that there is work; the rows say which."""

from __future__ import annotations

from huey.contrib.djhuey import db_task

from stylestudio.host.rooms import Named
from stylestudio.processes import waking

work_on_jobs = Named("generation.texts.translating:life.work")


@db_task()  # type: ignore[untyped-decorator]
def translate() -> None:
    """Work on waiting translations until none can be claimed."""
    work_on_jobs()


wake = waking.by(translate)
