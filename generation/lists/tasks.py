"""Queue messages for ordering lists. They are hints that there is work; the rows say which."""

from __future__ import annotations

from huey.contrib.djhuey import db_task

from stylestudio.host.rooms import Named
from stylestudio.processes import waking

work_on_jobs = Named("generation.lists.feeding:life.work")
draw = Named("generation.lists.outcome.sheet_jobs:life.work")


@db_task()  # type: ignore[untyped-decorator]
def order_rows() -> None:
    """Order rows of lists until there is nothing to order at this moment."""
    work_on_jobs()


@db_task()  # type: ignore[untyped-decorator]
def draw_sheets() -> None:
    """Draw waiting pictures of lists until none can be claimed."""
    draw()


wake_drawing = waking.by(draw_sheets)

wake = waking.by(order_rows)
