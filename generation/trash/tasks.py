"""Queue messages about the trash. Every worker may send them; doing the work twice does no harm."""

from __future__ import annotations

from huey.contrib.djhuey import db_task

from stylestudio.host.rooms import Named

keep_schedule = Named("generation.trash.schedule:keep")
is_restoring_due = Named("generation.trash.emptying:is_restoring_due")
is_emptying_due = Named("generation.trash.emptying:is_due")
restore_slice = Named("generation.trash.emptying:restore_slice")
empty_slice = Named("generation.trash.emptying:empty_slice")
tidy = Named("generation.trash.emptying:tidy")
is_sum_due = Named("generation.trash.disk_use:is_due")
sum_slice = Named("generation.trash.disk_use:sum_slice")

SLICES = 40  # in a minute, so that one comes about every second
PAUSE = 0.5  # seconds between them


def tend() -> None:
    """Note the days in force; let workers restore what people ordered to and add up what files take."""
    keep_schedule()
    if is_restoring_due() or is_sum_due():
        tend_slices(SLICES)


def empty() -> None:
    """Let workers empty the trash, for about a minute."""
    tidy()
    if is_emptying_due():
        empty_slices(SLICES)


@db_task()  # type: ignore[untyped-decorator]
def tend_slices(number: int) -> None:
    """A slice, and the others later: no thread of the worker is kept from making pictures."""
    if (restore_slice() or sum_slice()) and number > 1:
        tend_slices.schedule(args=(number - 1,), delay=PAUSE)


@db_task()  # type: ignore[untyped-decorator]
def empty_slices(number: int) -> None:
    """A slice, and the others later."""
    if empty_slice() and number > 1:
        empty_slices.schedule(args=(number - 1,), delay=PAUSE)
