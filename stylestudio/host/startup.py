"""Steps to run before the first page is served. `studio` and `worker` call `prepare` after migrating."""

from __future__ import annotations

from stylestudio.host import rooms


def prepare() -> None:
    """Run the steps of all rooms: base style, engines named by the environment, sketch styles."""
    for step in rooms.contributed("startup_steps"):
        step()
