"""Queue messages for changed pictures. They are hints that there is work; the rows say which."""

from __future__ import annotations

from huey.contrib.djhuey import db_task

from stylestudio.host.rooms import Named

_place = Named("generation.changing.placing:place_wanted")


@db_task()  # type: ignore[untyped-decorator]
def order_wanted() -> None:
    """Order what is wanted, as far as there is room in the queue."""
    _place()
