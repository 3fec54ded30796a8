"""What goes through the queue once a picture is stored."""

from __future__ import annotations

from huey.contrib.djhuey import db_task

from generation.pictures import thumbnails


@db_task()  # type: ignore[untyped-decorator]
def finish_picture(pk: int) -> None:
    """Thumbnail and pixel hash, beside the work on the next picture."""
    thumbnails.finish(pk)


@db_task()  # type: ignore[untyped-decorator]
def finish_missing() -> None:
    """Thumbnails that a crash left unmade."""
    thumbnails.finish_missing()
