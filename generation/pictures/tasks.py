"""Queue messages about stored pictures."""

from __future__ import annotations

from huey.contrib.djhuey import db_task

from stylestudio.host.rooms import Named

make_thumbnail = Named("generation.pictures.thumbnails:finish")
make_missing_thumbnails = Named("generation.pictures.thumbnails:finish_missing")
is_search_complete = Named("generation.pictures.upkeep.indexing:is_done")
index_slice = Named("generation.pictures.upkeep.indexing:index_slice")
are_facts_complete = Named("generation.pictures.upkeep.facts:is_done")
fill_slice = Named("generation.pictures.upkeep.facts:fill_slice")
is_sharing_complete = Named("generation.pictures.upkeep.sharing:is_done")
share_slice = Named("generation.pictures.upkeep.sharing:share_slice")

SLICES = 40  # in a minute, so that one comes about every second
PAUSE = 0.5  # seconds between them


@db_task()  # type: ignore[untyped-decorator]
def finish_picture(pk: int) -> None:
    """Make the thumbnail and the pixel hash while the next picture is made."""
    make_thumbnail(pk)


@db_task()  # type: ignore[untyped-decorator]
def finish_missing() -> None:
    """Make thumbnails that a crash left out."""
    make_missing_thumbnails()


def tend_older_rows() -> None:
    """Let workers see to rows from before an update, for about a minute: searches and filters first, then the disk."""
    if not (is_search_complete() and are_facts_complete() and is_sharing_complete()):
        tend_slices(SLICES)


@db_task()  # type: ignore[untyped-decorator]
def tend_slices(number: int) -> None:
    """A slice of it, and the others later: no thread of the worker is kept from making pictures."""
    if (index_slice() or fill_slice() or share_slice()) and number > 1:
        tend_slices.schedule(args=(number - 1,), delay=PAUSE)
