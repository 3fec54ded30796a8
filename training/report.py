"""The epoch report: every checkpoint at three strengths beside the base model, with two numbers that are hints.

Both numbers are relative to the base model's picture of the same words and seed, since descriptors say nothing absolute
about style. They need no model: colours and texture as the health check measures them.

style gain    how much nearer the pictures come to the dataset than the base model's: 0 not at all, 1 all the way
prompt drift  how much of what is where changes: 0 nothing, 1 everything
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from django.contrib.auth.models import User
from numpy.typing import NDArray

from generation.models import GeneratedImage
from training import samples
from training.datasets import snapshots
from training.health import measures
from training.models import Checkpoint, DatasetImage, Sample, TrainingJob

STRENGTHS = (0.6, 0.8, 1.0)
# Features of one set differ by about this much at least; smaller spreads would make a chance difference look large.
LEAST_SPREAD = 0.05
DRIFT_COUNTS = 0.5  # how much drift weighs against gain in the suggestion
MOST_MEASURED = 60  # pictures of the dataset that its centre is taken from where none was measured yet

Row = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Score:
    """A checkpoint at a strength. None where its pictures are not all there."""

    strength: float
    gain: float | None
    drift: float | None

    @property
    def worth(self) -> float:
        """What the suggestion goes by."""
        return -1.0 if self.gain is None or self.drift is None else self.gain - DRIFT_COUNTS * self.drift


@dataclass(frozen=True, slots=True)
class Line:
    """One checkpoint of the report; None is the base model."""

    checkpoint: Checkpoint | None
    cells: Sequence[samples.Cell]  # of the chosen prompt: one for each strength; one for the base model
    scores: Sequence[Score]
    suggested: bool


@dataclass(frozen=True, slots=True)
class Report:
    """What the page shows for one test prompt."""

    probe: int
    lines: Sequence[Line]
    missing: int  # pictures that were not asked for yet
    waiting: int  # pictures that are still to come


def ask(job: TrainingJob, user: User) -> None:
    """Ask for every picture of the report that is not there or on its way."""
    samples.ask(job, None, 0.0, user)
    for checkpoint in job.checkpoints.filter(deleted_at=None).select_related("version__style"):
        for strength in STRENGTHS:
            samples.ask(job, checkpoint, strength, user)


def report(job: TrainingJob, probe: int = 0) -> Report:
    """The report as far as its pictures are there."""
    rows = list(job.samples.select_related("task"))
    pictures = {
        picture.task_id: picture for picture in GeneratedImage.objects.filter(task__in=[each.task_id for each in rows])
    }
    placed = {(each.checkpoint_id, each.probe, each.strength): each for each in rows}
    described = {each.pk: _read(each) for each in rows if each.measures}
    centre, spread = _set(
        job, [described[each.pk] for each in rows if each.checkpoint_id is None and each.pk in described]
    )
    checkpoints = list(job.checkpoints.filter(deleted_at=None).select_related("version__style"))
    scores = {
        each.pk: [_score(job, each, strength, placed, described, centre, spread) for strength in STRENGTHS]
        for each in checkpoints
    }
    best = max(checkpoints, key=lambda each: max(score.worth for score in scores[each.pk]), default=None)
    if best and max(score.worth for score in scores[best.pk]) <= 0:
        best = None
    prompt = job.probes[probe][0] if probe < len(job.probes) else ""

    def cell(checkpoint: Checkpoint | None, strength: float) -> samples.Cell:
        sample = placed.get((checkpoint.pk if checkpoint else None, probe, strength))
        return samples.Cell(sample, pictures.get(sample.task_id) if sample else None, prompt)

    lines = [Line(None, [cell(None, 0.0)], [], suggested=False)]
    lines += [
        Line(each, [cell(each, strength) for strength in STRENGTHS], scores[each.pk], suggested=each == best)
        for each in checkpoints
    ]
    wanted = len(job.probes) * (1 + len(checkpoints) * len(STRENGTHS))
    there = {key for key in placed if key[0] is None or key[2] in STRENGTHS}
    return Report(probe, lines, wanted - len(there), sum(each.task.is_active for each in rows))


def _score(
    job: TrainingJob,
    checkpoint: Checkpoint,
    strength: float,
    placed: dict[tuple[int | None, int, float], Sample],
    described: dict[int, tuple[Row, Row]],
    centre: Row,
    spread: Row,
) -> Score:
    gains, drifts = [], []
    for probe in range(len(job.probes)):
        base, made = placed.get((None, probe, 0.0)), placed.get((checkpoint.pk, probe, strength))
        if base is None or made is None or base.pk not in described or made.pk not in described:
            continue
        (colours, layout), (own, own_layout) = described[base.pk], described[made.pk]
        before, after = _distance(colours, centre, spread), _distance(own, centre, spread)
        gains.append(1 - after / before if before else 0.0)
        drifts.append(1 - max(0.0, _alike(layout, own_layout)))
    if not gains:
        return Score(strength, None, None)
    return Score(strength, float(np.mean(gains)), float(np.mean(drifts)))


def _distance(features: Row, centre: Row, spread: Row) -> float:
    return float(np.sqrt(np.mean(((features - centre) / spread) ** 2)))


def _alike(one: Row, two: Row) -> float:
    """How alike two drawings are: the correlation of their edges, 1 for the same."""
    one, two = one - one.mean(), two - two.mean()
    size = float(np.linalg.norm(one) * np.linalg.norm(two))
    return float((one * two).sum() / size) if size else 1.0


def _read(sample: Sample) -> tuple[Row, Row]:
    """Colours and texture of a sample's picture, and where its edges are."""
    data = base64.b64decode((sample.measures or {})["descriptor"])
    light = measures.read_patches([data])[0][: measures.PATCH**2].reshape(measures.PATCH, -1).astype(np.float32)
    down, across = np.gradient(light)
    return measures.read_features([data])[0], np.hypot(down, across)


def _set(job: TrainingJob, base: Sequence[tuple[Row, Row]]) -> tuple[Row, Row]:
    """The centre of the dataset's features, and how far features spread in it and among the base model's pictures."""
    pks = [each.image for each in snapshots.read(job.snapshot).included]
    images = list(DatasetImage.everything.filter(pk__in=pks[:2000]).exclude(descriptor=None).only("descriptor"))
    own = [bytes(image.descriptor or b"") for image in images] or [
        _measured(image) for image in DatasetImage.everything.filter(pk__in=pks[:MOST_MEASURED])
    ]
    features = measures.read_features(own) if own else np.zeros((1, measures.FEATURES), np.float32)
    every = np.concatenate([features, *([each[0][None] for each in base])])
    return features.mean(axis=0), np.maximum(every.std(axis=0), LEAST_SPREAD)


def _measured(image: DatasetImage) -> bytes:
    with image.file.open("rb") as file:
        return measures.measure(file, image.background).descriptor


def follow_task(task: int) -> None:
    """A picture ended: measure it, once for all the places that it stands in."""
    waiting = Sample.objects.filter(task=task, measures__isnull=True)
    picture = GeneratedImage.objects.filter(task=task).first() if waiting.exists() else None
    if picture is None:
        return
    try:
        with picture.file.open("rb") as file:
            descriptor = measures.measure(BytesIO(file.read())).descriptor
    except (OSError, ValueError):
        return  # without a file it has no numbers; the report leaves it out
    waiting.update(measures={"descriptor": base64.b64encode(descriptor).decode()})
