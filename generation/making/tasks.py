"""Queue messages for making pictures. They are hints that there is work; the rows say which.

Whoever sends one does not load what the worker does.
"""

from __future__ import annotations

from typing import Any

from huey.contrib.djhuey import db_task

from stylestudio.host.rooms import Named

make_pictures = Named("generation.making.runner:work")
look_for_orphans = Named("generation.making.claim:look_for_orphans")


@db_task()  # type: ignore[untyped-decorator]
def work() -> None:
    """Make pictures until nothing can be claimed."""
    make_pictures()


@db_task()  # type: ignore[untyped-decorator]
def look_again() -> None:
    """Make pictures, including those that an engine was to be asked for later."""
    look_for_orphans()
    make_pictures()


def wake(seconds: float) -> None:
    """Wake workers for pictures, now or after so many seconds."""
    if seconds:
        look_again.schedule(delay=seconds)
    else:
        work()


def hear_of_engine(sender: object, **_facts: Any) -> None:
    """Wake workers when an engine can be given work again."""
    work()
