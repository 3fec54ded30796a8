"""Prompts of trainings that ended while nobody followed them, or while their engine was unreachable."""

from __future__ import annotations

from typing import Any

from generation.engines.models import Engine
from generation.making import cancelling
from training.runs.models import TrainingJob
from training.trainers.comfyui import tasks
from training.trainers.comfyui.attempt import PROMPT


def cancel_leftovers() -> None:
    """Cancel on engines what is left of ended trainings. Engines that do not answer are tried again later."""
    for job in TrainingJob.objects.ended().filter(state__prompt__isnull=False):
        engine = Engine.objects.filter(pk=job.state.get("engine"), health=Engine.Health.OK).first()
        if engine is None:
            continue
        told = cancelling.cancel(engine, str(job.state["prompt"]))
        if told or cancelling.was_told_enough(engine, job.ended_at):
            # What it trained to the end is still stored, so that whoever resumes can fetch it.
            ended = ("prompt",) if job.state.get("made") else PROMPT
            state = {name: value for name, value in job.state.items() if name not in ended}
            TrainingJob.objects.filter(pk=job.pk).update(state=state)


def hear_of_training(sender: object, job: TrainingJob, what: str, **_facts: Any) -> None:
    """Sweep once a training has ended; in a worker, since telling the engine takes a while."""
    if what == "ended" and job.state.get("prompt"):
        tasks.cancel_leftovers_soon()
