"""Sample pictures of checkpoints: ordered as ordinary pictures, shown as a table while the training runs."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction

from generation.ordering import orders
from generation.ordering.orders import Ingredient, Order
from generation.pictures.models import GeneratedImage
from generation.pictures.prompts import final_prompt
from generation.previews import asking
from styles.models import triggers
from stylestudio.live import publisher
from training.runs.models import Checkpoint, Sample, TrainingJob

USUAL = 1.0  # the strength of the samples that are ordered automatically
LEAST_SIDE, MOST_SIDE = 256, 1024  # pixels; pictures are square, as large as the training pictures
TEMPLATE = "training/runs/_samples.html"
_PRESSES = uuid.UUID("0a3f4a0e-9f53-4d6e-8f3f-3b0f3a3a9b52")  # the namespace of the ids of these orders


Place = tuple[int | None, int, float]  # checkpoint, test prompt, strength


@dataclass(frozen=True, slots=True)
class Cell:
    """One picture of the table. `state` is done, making, wait, gone or none."""

    sample: Sample | None
    picture: GeneratedImage | None
    prompt: str

    @property
    def state(self) -> str:
        """Where its picture is: done, making, wait, gone or none."""
        if self.picture:
            return "done"
        if self.sample is None:
            return "none"
        if not self.sample.task.is_active:
            return "gone"
        return "making" if self.sample.task.started_at else "wait"


@dataclass(frozen=True, slots=True)
class Row:
    """All samples of one checkpoint; None: of the base model."""

    checkpoint: Checkpoint | None
    cells: Sequence[Cell]


def ask(job: TrainingJob, checkpoint: Checkpoint | None, strength: float, user: User) -> list[Sample]:
    """Order the sample of every probe prompt. Samples ordered before stay, unless they failed."""
    samples = []
    for place, (prompt, seed) in enumerate(job.probes):
        order = _order(job, checkpoint, strength, prompt, seed)
        with transaction.atomic():
            sample = Sample.objects.filter(job=job, checkpoint=checkpoint, probe=place)
            sample = sample.filter(strength=strength) if checkpoint else sample
            there = sample.select_related("task").first()
            if there and (there.task.is_active or there.task.pictures(manager="with_previews").exists()):
                samples.append(there)
                continue
            tries = 0 if there is None else there.task_id
            press = uuid.uuid5(_PRESSES, f"{job.pk} {checkpoint and checkpoint.pk} {place} {strength} {tries}")
            with suppress(ValidationError):  # a probe that cannot be drawn leaves its place empty
                task = asking.existing_task(order) or orders.place(order, user, request_id=press, is_face=True)
                kept, _new = Sample.objects.update_or_create(
                    job=job,
                    checkpoint=checkpoint,
                    probe=place,
                    strength=strength,
                    defaults={"task": task, "measures": None},
                )
                samples.append(kept)
    publish(job)
    return samples


def side_of(config: Mapping[str, Any]) -> int:
    """The side in pixels of the sample pictures of a training with these settings."""
    return min(max(int(config.get("resolution", MOST_SIDE)), LEAST_SIDE), MOST_SIDE)


def _order(job: TrainingJob, checkpoint: Checkpoint | None, strength: float, prompt: str, seed: int) -> Order:
    side = side_of(job.config)
    mix = (Ingredient(checkpoint.version, strength),) if checkpoint else ()
    return Order(
        # The same words with and without the style, because other words alone change a picture.
        prompt=prompt if checkpoint else final_prompt(prompt, triggers(job.trigger_words)),
        seed=seed,
        width=side,
        height=side,
        mix=mix,
        own_files={"checkpoint": job.base},
    )


def hear_of_training(sender: object, job: TrainingJob, what: str, **_facts: Any) -> None:
    """Order the samples of a stored checkpoint, and once those of the base model."""
    if what != "checkpoint":
        return
    checkpoint = job.checkpoints.select_related("version__style").last()
    if checkpoint:
        ask(job, None, 0.0, job.owner)
        ask(job, checkpoint, USUAL, job.owner)


def hear_of_preview(sender: object, task: int, **_facts: Any) -> None:
    """Push the tables that include a finished picture."""
    for job in TrainingJob.objects.filter(samples__task=task).distinct():
        publish(job)


def publish(job: TrainingJob) -> None:
    """Push the current table to all open pages of the training, soon."""
    publisher.publisher.note_act(f"samples {job.pk}", partial(_push, job.pk))


def _push(pk: int) -> None:
    job = TrainingJob.objects.filter(pk=pk).first()
    if job:
        html = publisher.render(TEMPLATE, job=job, rows=table(job))
        publisher.publisher.publish_new(f"samples {pk}", publisher.one(job.kind, pk), html)


@dataclass(frozen=True, slots=True)
class Board:
    """All ordered samples of a training, by place, with the pictures there are."""

    job: TrainingJob
    samples: Mapping[Place, Sample]
    pictures: Mapping[int, GeneratedImage]  # by task

    @classmethod
    def of(cls, job: TrainingJob) -> Board:
        """The current samples, with one query for samples and one for pictures."""
        samples = {(each.checkpoint_id, each.probe, each.strength): each for each in job.samples.select_related("task")}
        tasks = {each.task_id for each in samples.values()}
        pictures = {picture.task_id: picture for picture in GeneratedImage.with_previews.filter(task__in=tasks)}
        return cls(job, samples, pictures)

    def sample(self, checkpoint: Checkpoint | None, probe: int, strength: float) -> Sample | None:
        """The sample of a place; without a checkpoint the strength is 0."""
        return self.samples.get((checkpoint.pk if checkpoint else None, probe, strength))

    def cell(self, checkpoint: Checkpoint | None, probe: int, strength: float) -> Cell:
        """A place as pages show it."""
        sample = self.sample(checkpoint, probe, strength)
        picture = self.pictures.get(sample.task_id) if sample else None
        return Cell(sample, picture, self.job.probes[probe][0])

    def row(self, checkpoint: Checkpoint | None) -> Row:
        """Every test prompt of a checkpoint at the usual strength."""
        strength = USUAL if checkpoint else 0.0
        return Row(checkpoint, [self.cell(checkpoint, probe, strength) for probe in range(len(self.job.probes))])


def table(job: TrainingJob) -> list[Row]:
    """The base model first, then every checkpoint, in order."""
    board = Board.of(job)
    return [board.row(None), *(board.row(each) for each in job.checkpoints.select_related("version__style"))]
