"""What goes through the queue for trainings. Messages are hints that there is work; the rows say which."""

from __future__ import annotations

from typing import Any

from huey.contrib.djhuey import db_task

from training.runs import report
from training.runs.running import runner


@db_task()  # type: ignore[untyped-decorator]
def train() -> None:
    """Begin to train in a thread of its own, if one is free."""
    runner.begin_thread()


@db_task()  # type: ignore[untyped-decorator]
def ask_for_report(training: int, user: int) -> None:
    """Ask for the pictures of an epoch report: perhaps more than a hundred, so not while somebody waits."""
    report.ask_by(training, user)


def wake(seconds: float) -> None:
    """Tell workers that there may be something to train, now or after so many seconds."""
    if seconds:
        train.schedule(delay=seconds)
    else:
        train()


def hear_of_engine(sender: object, **_facts: Any) -> None:
    """An engine can be given work again."""
    train()
