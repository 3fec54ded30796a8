"""Queue messages for previews."""

from __future__ import annotations

from huey.contrib.djhuey import db_task

from stylestudio.host.rooms import Named

finish_previews = Named("generation.previews.following:finish_previews")
draw_sheets = Named("generation.previews.sketches:draw_sheets")


@db_task()  # type: ignore[untyped-decorator]
def finish_previews_soon(task_pk: int) -> None:
    """Finish in a worker what an ended task of previews leads to."""
    finish_previews(task_pk)


@db_task()  # type: ignore[untyped-decorator]
def draw_soon() -> None:
    """Draw the missing sheets of the sketch styles in a worker."""
    draw_sheets()
