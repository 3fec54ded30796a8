"""Queue messages about stored pictures."""

from __future__ import annotations

from huey.contrib.djhuey import db_task

from generation.pictures import indexing, thumbnails

SLICES = 40  # of indexing in a minute, so that one comes about every second
PAUSE = 0.5  # seconds between them


@db_task()  # type: ignore[untyped-decorator]
def finish_picture(pk: int) -> None:
    """Make the thumbnail and the pixel hash while the next picture is made."""
    thumbnails.finish(pk)


@db_task()  # type: ignore[untyped-decorator]
def finish_missing() -> None:
    """Make thumbnails that a crash left out."""
    thumbnails.finish_missing()


def index_older_pictures() -> None:
    """Let workers index pictures from before there was a word search, for about a minute."""
    if not indexing.is_done():
        index_slices(SLICES)


@db_task()  # type: ignore[untyped-decorator]
def index_slices(number: int) -> None:
    """Index a slice, and the others later: no thread of the worker is kept from making pictures."""
    if indexing.index_slice() and number > 1:
        index_slices.schedule(args=(number - 1,), delay=PAUSE)
