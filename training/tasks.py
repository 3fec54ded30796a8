"""What goes through the queue. Messages are hints that there is work; the rows say which."""

from __future__ import annotations

from huey.contrib.djhuey import db_task

from training.datasets import dataset_jobs
from training.runs import report
from training.runs.running import runner
from training.trainers.comfyui import leftovers


@db_task()  # type: ignore[untyped-decorator]
def work_on_datasets() -> None:
    """Do what waits for datasets until nothing can be claimed."""
    dataset_jobs.work()


@db_task()  # type: ignore[untyped-decorator]
def train() -> None:
    """Begin to train in a thread of its own, where one is free."""
    runner.wake()


@db_task()  # type: ignore[untyped-decorator]
def clean_engines() -> None:
    """Take from engines what is left there of trainings that have ended."""
    leftovers.sweep()


@db_task()  # type: ignore[untyped-decorator]
def ask_for_report(training: int, user: int) -> None:
    """Ask for the pictures of an epoch report: perhaps more than a hundred, so not while somebody waits."""
    report.ask_by(training, user)
