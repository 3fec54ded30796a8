"""Queue messages for ordering lists. They are hints that there is work; the rows say which."""

from __future__ import annotations

from huey.contrib.djhuey import db_task

from stylestudio.host.rooms import Named

work_on_jobs = Named("generation.lists.feeding:life.work")


@db_task()  # type: ignore[untyped-decorator]
def order_rows() -> None:
    """Order rows of lists until there is nothing to order at this moment."""
    work_on_jobs()


def wake(seconds: float) -> None:
    """Wake workers for lists, now or after so many seconds."""
    if seconds:
        order_rows.schedule(delay=seconds)
    else:
        order_rows()
