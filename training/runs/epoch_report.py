"""The epoch report: every checkpoint at three strengths beside the base model, with two numbers that are hints.

Both numbers are relative to the base model's picture with the same prompt and seed, since descriptors say nothing
absolute about style. They need no model, only colours and texture as the health check measures them.

style gain    how much closer the pictures are to the dataset than the base model's: 0 not at all, 1 all the way
prompt drift  how much the composition changes: 0 nothing, 1 everything
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
from training.datasets.health import check_work, measures, stored
from training.datasets.models import DatasetImage
from training.datasets.versions import snapshots
from training.runs.models import Checkpoint, Sample, TrainingJob
from training.runs.running import samples
from training.runs.running.checkpoints import trained_on

STRENGTHS = (0.6, 0.8, 1.0)
# Features of one set differ by about this much at least; smaller spreads would exaggerate chance differences.
LEAST_SPREAD = 0.05
DRIFT_COUNTS = 0.5  # the weight of drift against gain in the suggestion

Row = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Score:
    """A checkpoint at a strength. None if its pictures are not complete."""

    strength: float
    gain: float | None
    drift: float | None

    @property
    def worth(self) -> float:
        """What the suggestion is based on."""
        return -1.0 if self.gain is None or self.drift is None else self.gain - DRIFT_COUNTS * self.drift


@dataclass(frozen=True, slots=True)
class Line:
    """One checkpoint of the report; None is the base model."""

    checkpoint: Checkpoint | None
    cells: Sequence[samples.Cell]  # of the chosen prompt: one per strength; one for the base model
    scores: Sequence[Score]
    suggested: bool


@dataclass(frozen=True, slots=True)
class Report:
    """What the page shows for one test prompt."""

    probe: int
    lines: Sequence[Line]
    missing: int  # pictures not ordered yet
    waiting: int  # pictures still to come


def order_report_by_keys(training: int, user: int) -> None:
    """`order_report` by primary keys, for the queue. Does nothing if one no longer exists."""
    job, asking = TrainingJob.objects.filter(pk=training).first(), User.objects.filter(pk=user).first()
    if job and asking:
        order_report(job, asking)


def order_report(job: TrainingJob, user: User) -> None:
    """Order all pictures of the report that do not exist and are not pending, and measures of the dataset."""
    samples.ask(job, None, 0.0, user)
    for checkpoint in _checkpoints(job):
        for strength in STRENGTHS:
            samples.ask(job, checkpoint, strength, user)
    check_work.order_check(job.snapshot.dataset, user)


def _checkpoints(job: TrainingJob) -> list[Checkpoint]:
    return list(job.checkpoints.filter(deleted_at=None).select_related("version__style"))


def report(job: TrainingJob, probe: int = 0) -> Report:
    """The report with the pictures there are. `probe`: which test prompt its pictures are of."""
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
    """Scores pictures against the dataset's centre and the base model's pictures."""

    board: samples.Board
    described: Mapping[int, tuple[Row, Row]]  # by sample: colours and texture, and its edges
    centre: Row | None  # of the dataset; None before the health check has measured it
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
        """Means over all test prompts whose pictures exist with and without the style."""
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
    """The similarity of two drawings: the correlation of their edges, 1 for equal ones."""
    one, two = one - one.mean(), two - two.mean()
    size = float(np.linalg.norm(one) * np.linalg.norm(two))
    return float((one * two).sum() / size) if size else 1.0


def _read(sample: Sample) -> tuple[Row, Row]:
    """Colours and texture of a sample's picture, and its edges."""
    data = base64.b64decode((sample.measures or {})["descriptor"])
    light = measures.read_patches([data])[0][: stored.PATCH**2].reshape(stored.PATCH, -1).astype(np.float32)
    down, across = np.gradient(light)
    return measures.read_features([data])[0], np.hypot(down, across)


def _features(job: TrainingJob) -> NDArray[np.float32]:
    """The health check's features of the included pictures, one row each."""
    pks = [each.image for each in trained_on(job, snapshots.read(job.snapshot))]
    rows = DatasetImage.everything.filter(pk__in=pks).exclude(descriptor=None).values_list("descriptor", flat=True)
    return measures.read_features([bytes(row or b"") for row in rows])


def hear_of_preview(sender: object, task: int, **_facts: Any) -> None:
    """Measure a finished picture, once for all samples that share it."""
    waiting = Sample.objects.filter(task=task, measures__isnull=True)
    picture = GeneratedImage.with_previews.filter(task=task).first() if waiting.exists() else None
    if picture is None:
        return
    try:
        with picture.file.open("rb") as file:
            descriptor = measures.measure(BytesIO(file.read())).descriptor
    except (OSError, ValueError):
        return  # without a file there are no measures; the report leaves it out
    waiting.update(measures={"descriptor": base64.b64encode(descriptor).decode()})
