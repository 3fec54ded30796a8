"""What goes through the queue. Messages are hints that there is work; the rows say which."""

from __future__ import annotations

from huey.contrib.djhuey import db_task

from generation.making import runner
from generation.making.claim import look_for_orphans
from generation.pictures import thumbnails
from generation.previews import faces, sketches


@db_task()  # type: ignore[untyped-decorator]
def work() -> None:
    """Make pictures until nothing can be claimed."""
    runner.work()


@db_task()  # type: ignore[untyped-decorator]
def look_again() -> None:
    """What an engine was to be asked for later is due."""
    look_for_orphans()
    runner.work()


@db_task()  # type: ignore[untyped-decorator]
def finish_picture(pk: int) -> None:
    """Thumbnail and pixel hash, beside the work on the next picture."""
    thumbnails.finish(pk)


@db_task()  # type: ignore[untyped-decorator]
def finish_missing() -> None:
    """Thumbnails that a crash left unmade."""
    thumbnails.finish_missing()


@db_task()  # type: ignore[untyped-decorator]
def draw_sheets() -> None:
    """Faces of the sketch styles."""
    sketches.draw_sheets()


@db_task()  # type: ignore[untyped-decorator]
def follow_faces(task: int) -> None:
    """A task that shows a version ended."""
    faces.follow(task)
