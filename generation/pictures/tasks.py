"""Queue messages sent once a picture is stored."""

from __future__ import annotations

from huey.contrib.djhuey import db_task

from generation.pictures import thumbnails


@db_task()  # type: ignore[untyped-decorator]
def finish_picture(pk: int) -> None:
    """Make the thumbnail and the pixel hash while the next picture is made."""
    thumbnails.finish(pk)


@db_task()  # type: ignore[untyped-decorator]
def finish_missing() -> None:
    """Make thumbnails that a crash left out."""
    thumbnails.finish_missing()
