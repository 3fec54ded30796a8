"""Queue messages for trainings. They are hints that there is work; the rows say which."""

from __future__ import annotations

from typing import Any

from huey.contrib.djhuey import db_task

from stylestudio.host.rooms import Named
from stylestudio.processes import waking

begin_thread = Named("training.runs.running.runner:begin_thread")
order_report = Named("training.runs.epoch_report:order_report_by_keys")


@db_task()  # type: ignore[untyped-decorator]
def train() -> None:
    """Start training in a thread of its own, if one is free."""
    begin_thread()


@db_task()  # type: ignore[untyped-decorator]
def ask_for_report(training: int, user: int) -> None:
    """Order the pictures of an epoch report in a worker: there may be more than a hundred."""
    order_report(training, user)


wake = waking.by(train)


def hear_of_engine(sender: object, **_facts: Any) -> None:
    """Wake workers when an engine can be given work again."""
    train()
