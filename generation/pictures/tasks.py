"""Queue messages sent once a picture is stored."""

from __future__ import annotations

from huey.contrib.djhuey import db_task

from stylestudio.host.rooms import Named

make_thumbnail = Named("generation.pictures.thumbnails:finish")
make_missing_thumbnails = Named("generation.pictures.thumbnails:finish_missing")


@db_task()  # type: ignore[untyped-decorator]
def finish_picture(pk: int) -> None:
    """Make the thumbnail and the pixel hash while the next picture is made."""
    make_thumbnail(pk)


@db_task()  # type: ignore[untyped-decorator]
def finish_missing() -> None:
    """Make thumbnails that a crash left out."""
    make_missing_thumbnails()
