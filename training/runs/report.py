"""The epoch report: every checkpoint at three strengths beside the base model, with two numbers that are hints.

Both numbers are relative to the base model's picture of the same words and seed, since descriptors say nothing absolute
about style. They need no model: colours and texture as the health check measures them.

style gain    how much nearer the pictures come to the dataset than the base model's: 0 not at all, 1 all the way
prompt drift  how much of what is where changes: 0 nothing, 1 everything
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from django.contrib.auth.models import User
from numpy.typing import NDArray

from generation.pictures.models import GeneratedImage
from training.datasets.health import check, measures
from training.datasets.models import DatasetImage
from training.datasets.versions import snapshots
from training.runs.models import Checkpoint, Sample, TrainingJob
from training.runs.running import samples
from training.runs.running.checkpoints import trained_on

STRENGTHS = (0.6, 0.8, 1.0)
# Features of one set differ by about this much at least; smaller spreads would make a chance difference look large.
LEAST_SPREAD = 0.05
DRIFT_COUNTS = 0.5  # how much drift weighs against gain in the suggestion

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


def ask_by(training: int, user: int) -> None:
    """`ask` by numbers, for the queue; what is gone meanwhile is not asked for."""
    job, asking = TrainingJob.objects.filter(pk=training).first(), User.objects.filter(pk=user).first()
    if job and asking:
        ask(job, asking)


def ask(job: TrainingJob, user: User) -> None:
    """Ask for every picture of the report that is not there or on its way, and for figures of the dataset."""
    samples.ask(job, None, 0.0, user)
    for checkpoint in _checkpoints(job):
        for strength in STRENGTHS:
            samples.ask(job, checkpoint, strength, user)
    check.want(job.snapshot.dataset, user)


def _checkpoints(job: TrainingJob) -> list[Checkpoint]:
    return list(job.checkpoints.filter(deleted_at=None).select_related("version__style"))


def report(job: TrainingJob, probe: int = 0) -> Report:
    """The report as far as its pictures are there. `probe`: which test prompt its pictures are of."""
    board, checkpoints = samples.Board.of(job), _checkpoints(job)
    scores = _Judge.of(board)
    judged = {each.pk: [scores.score(each, strength) for strength in STRENGTHS] for each in checkpoints}
    worth = {each.pk: max(score.worth for score in judged[each.pk]) for each in checkpoints}
    best = max(checkpoints, key=lambda each: worth[each.pk], default=None)
    lines = [Line(None, [board.cell(None, probe, 0.0)], [], suggested=False)] if job.probes else []
    lines += [
        Line(
            each,
            [board.cell(each, probe, strength) for strength in STRENGTHS] if job.probes else [],
            judged[each.pk],
            suggested=each == best and worth[each.pk] > 0,
        )
        for each in checkpoints
    ]
    places = [(None, 0.0), *((each, strength) for each in checkpoints for strength in STRENGTHS)]
    states = [board.cell(each, place, at).state for place in range(len(job.probes)) for each, at in places]
    waiting = sum(state in ("wait", "making") for state in states)
    return Report(probe, lines, sum(state in ("none", "gone") for state in states), waiting)


@dataclass(frozen=True, slots=True)
class _Judge:
    """Measures pictures against the dataset's centre and the base model's pictures."""

    board: samples.Board
    described: Mapping[int, tuple[Row, Row]]  # by sample: colours and texture, and where its edges are
    centre: Row | None  # of the dataset; None before the health check measured it
    spread: Row

    @classmethod
    def of(cls, board: samples.Board) -> _Judge:
        described = {each.pk: _read(each) for each in board.samples.values() if each.measures}
        bare = [each.pk for each in board.samples.values() if each.checkpoint_id is None and each.measures]
        own = _features(board.job)
        if not len(own):
            return cls(board, described, None, np.ones(1, np.float32))
        every = np.concatenate([own, *(described[pk][0][None] for pk in bare)])
        return cls(board, described, own.mean(axis=0), np.maximum(every.std(axis=0), LEAST_SPREAD))

    def score(self, checkpoint: Checkpoint, strength: float) -> Score:
        """Means over all test prompts whose pictures are there with and without the style."""
        gains, drifts = [], []
        for probe in range(len(self.board.job.probes)):
            base, made = self._at(None, probe, 0.0), self._at(checkpoint, probe, strength)
            if base is None or made is None or self.centre is None:
                continue
            before = _distance(base[0], self.centre, self.spread)
            gains.append(1 - _distance(made[0], self.centre, self.spread) / before if before else 0.0)
            drifts.append(1 - max(0.0, _alike(base[1], made[1])))
        if not gains:
            return Score(strength, None, None)
        return Score(strength, float(np.mean(gains)), float(np.mean(drifts)))

    def _at(self, checkpoint: Checkpoint | None, probe: int, strength: float) -> tuple[Row, Row] | None:
        sample = self.board.sample(checkpoint, probe, strength)
        return self.described.get(sample.pk) if sample else None


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


def _features(job: TrainingJob) -> NDArray[np.float32]:
    """What the health check measured of the pictures that take part, a row each."""
    pks = [each.image for each in trained_on(job, snapshots.read(job.snapshot))]
    rows = DatasetImage.everything.filter(pk__in=pks).exclude(descriptor=None).values_list("descriptor", flat=True)
    return measures.read_features([bytes(row or b"") for row in rows])


def hear_of_preview(sender: object, task: int, **_facts: Any) -> None:
    """A picture ended: measure it, once for all the places that it stands in."""
    waiting = Sample.objects.filter(task=task, measures__isnull=True)
    picture = GeneratedImage.with_previews.filter(task=task).first() if waiting.exists() else None
    if picture is None:
        return
    try:
        with picture.file.open("rb") as file:
            descriptor = measures.measure(BytesIO(file.read())).descriptor
    except (OSError, ValueError):
        return  # without a file it has no numbers; the report leaves it out
    waiting.update(measures={"descriptor": base64.b64encode(descriptor).decode()})
