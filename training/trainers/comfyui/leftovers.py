"""Prompts of trainings that ended while nobody followed them, or while their engine could not be told."""

from __future__ import annotations

from typing import Any

from huey.contrib.djhuey import db_task

from generation.engines.models import Engine
from generation.making import cancelling
from training.runs.models import TrainingJob
from training.trainers.comfyui.attempt import PROMPT


def sweep() -> None:
    """Take from engines what is left there of trainings that have ended. Those that do not answer are told later."""
    for job in TrainingJob.objects.ended().filter(state__prompt__isnull=False):
        engine = Engine.objects.filter(pk=job.state.get("engine"), health=Engine.Health.OK).first()
        if engine is None:
            continue
        told = cancelling.cancel(engine, str(job.state["prompt"]))
        if told or cancelling.was_told_enough(engine, job.ended_at):
            # What it trained to the end stays known, so that whoever resumes can fetch it.
            ended = ("prompt",) if job.state.get("made") else PROMPT
            state = {name: value for name, value in job.state.items() if name not in ended}
            TrainingJob.objects.filter(pk=job.pk).update(state=state)


@db_task()  # type: ignore[untyped-decorator]
def sweep_soon() -> None:
    """`sweep` by a worker."""
    sweep()


def hear_of_training(sender: object, job: TrainingJob, what: str, **_facts: Any) -> None:
    """Told by the runner. The engine is told by a worker, since that takes a while."""
    if what == "ended" and job.state.get("prompt"):
        sweep_soon()
