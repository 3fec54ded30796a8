"""How workers are told that there may be work: a queue message, which is only a hint."""

from __future__ import annotations

from collections.abc import Callable

from huey.api import TaskWrapper


def by(task: TaskWrapper) -> Callable[[float], None]:
    """What wakes workers with this message, now or after so many seconds; see `Kind.wake`."""

    def wake(seconds: float) -> None:
        if seconds:
            task.schedule(delay=seconds)
        else:
            task()

    return wake
