"""Queue messages about stored pictures."""

from __future__ import annotations

from huey.contrib.djhuey import db_task

from stylestudio.host.rooms import Named

make_thumbnail = Named("generation.pictures.thumbnails:finish")
make_missing_thumbnails = Named("generation.pictures.thumbnails:finish_missing")
is_search_complete = Named("generation.pictures.indexing:is_done")
index_slice = Named("generation.pictures.indexing:index_slice")

SLICES = 40  # of indexing in a minute, so that one comes about every second
PAUSE = 0.5  # seconds between them


@db_task()  # type: ignore[untyped-decorator]
def finish_picture(pk: int) -> None:
    """Make the thumbnail and the pixel hash while the next picture is made."""
    make_thumbnail(pk)


@db_task()  # type: ignore[untyped-decorator]
def finish_missing() -> None:
    """Make thumbnails that a crash left out."""
    make_missing_thumbnails()


def index_older_pictures() -> None:
    """Let workers index pictures from before there was a word search, for about a minute."""
    if not is_search_complete():
        index_slices(SLICES)


@db_task()  # type: ignore[untyped-decorator]
def index_slices(number: int) -> None:
    """Index a slice, and the others later: no thread of the worker is kept from making pictures."""
    if index_slice() and number > 1:
        index_slices.schedule(args=(number - 1,), delay=PAUSE)
