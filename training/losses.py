"""Losses of a training: kept in blocks, read as arrays, smoothed, and drawn as an SVG line of few points."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from django.db import transaction
from numpy.typing import NDArray

from training.models import Checkpoint, LossBlock, TrainingJob

BLOCK = 2000  # values in a row of the database at most
WINDOWS = (50, 200)  # steps that smoothed lines are the mean of
WIDTH, HEIGHT = 720, 300  # units of the drawing
LEFT, RIGHT, TOP, BOTTOM = 84, 12, 12, 36  # room around the curve for axes
COLUMNS = 360  # places across the drawing; each shows the least and the highest loss of its steps
HOVERS = 60  # places that tell their values
MOST_ROWS = 50  # of the table

Values = NDArray[np.float64]


def append(job: TrainingJob, first_step: int, values: Sequence[float]) -> None:
    """Keep the losses of consecutive steps, `first_step` (from 1) the first. What was kept of them is replaced."""
    packed = array("f", values).tobytes()
    with transaction.atomic():
        forget(job, first_step)
        last = LossBlock.objects.select_for_update().filter(job=job).last()
        if last and last.first_step + _count(last) == first_step and _count(last) < BLOCK:
            last.values = bytes(last.values) + packed
            last.save(update_fields=["values"])
        else:
            LossBlock.objects.create(job=job, first_step=first_step, values=packed)


def forget(job: TrainingJob, from_step: int) -> None:
    """Drop the losses of this step and all later ones: they are done again."""
    blocks = LossBlock.objects.filter(job=job)
    blocks.filter(first_step__gte=from_step).delete()
    last = blocks.last()
    if last and last.first_step + _count(last) > from_step:
        last.values = bytes(last.values)[: 4 * (from_step - last.first_step)]
        last.save(update_fields=["values"])


def _count(block: LossBlock) -> int:
    return len(block.values) // 4


def read(job: TrainingJob) -> tuple[NDArray[np.int64], Values]:
    """(steps, losses) of the whole way, that of the trainings which it goes on from included."""
    steps: list[NDArray[np.int64]] = []
    values: list[Values] = []
    for run, until in reversed(_way(job)):
        for block in LossBlock.objects.filter(job=run):
            numbers = np.frombuffer(bytes(block.values), "<f4").astype(np.float64)
            at = np.arange(block.first_step, block.first_step + len(numbers))
            kept = at <= until
            steps.append(at[kept])
            values.append(numbers[kept])
    if not steps:
        return np.zeros(0, np.int64), np.zeros(0)
    every, losses = np.concatenate(steps), np.concatenate(values)
    finite = np.isfinite(losses)
    return every[finite], losses[finite]


def _way(job: TrainingJob) -> list[tuple[TrainingJob, int]]:
    """The training and those that it goes on from, with the last step that counts of each; newest first."""
    way = [(job, job.steps)]
    resumed = job.resumes
    while resumed and len(way) < 100:
        way.append((resumed.job, resumed.step))
        resumed = resumed.job.resumes
    return way


def smooth(values: Values, window: int) -> Values:
    """The mean of the last `window` values at every place; of those that there are at the beginning."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    ends = np.arange(1, len(values) + 1)
    begins = np.maximum(0, ends - window)
    means: Values = (sums[ends] - sums[begins]) / (ends - begins)
    return means


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A checkpoint on the curve."""

    x: float
    y: float
    checkpoint: Checkpoint


@dataclass(frozen=True, slots=True)
class Hover:
    """A strip of the drawing that tells its values."""

    x: float
    width: float
    step: int
    loss: float
    smoothed: float


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table behind the drawing."""

    step: int
    loss: float
    smoothed: float


@dataclass(frozen=True, slots=True)
class Chart:
    """What the template draws. `raw` and `lines` (by window) are the `d` of SVG paths."""

    count: int
    raw: str
    lines: dict[int, str]
    marks: list[Mark]
    across: list[Tick]
    up: list[Tick]
    hovers: list[Hover]
    rows: list[Row]
    first: float
    last: float
    least: float
    least_step: int

    width, height, left, top = WIDTH, HEIGHT, LEFT, TOP

    @property
    def right(self) -> int:
        """Where the curve ends."""
        return WIDTH - RIGHT

    @property
    def bottom(self) -> int:
        """Where the lower axis is."""
        return HEIGHT - BOTTOM


def chart(job: TrainingJob) -> Chart | None:
    """The drawing of all losses; None before the first two."""
    steps, values = read(job)
    if len(values) < 2:
        return None
    smoothed = {window: smooth(values, window) for window in WINDOWS}
    calm = smoothed[WINDOWS[0]]
    low, high = _range(values, calm)
    along = steps.astype(np.float64)

    def x(step: Values | float) -> Values | float:
        return LEFT + (WIDTH - LEFT - RIGHT) * step / max(1, job.steps)

    def y(loss: Values | float) -> Values | float:
        place = (np.clip(loss, low, high) - low) / (high - low)
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * place

    return Chart(
        count=len(values),
        raw=_spread(x(along), y(values)),
        lines={window: _line(x(along), y(line)) for window, line in smoothed.items()},
        marks=[
            Mark(float(x(each.step)), float(y(np.interp(each.step, steps, calm))), each)
            for each in job.checkpoints.all()
        ],
        across=[Tick(float(x(at)), f"{at:,}") for at in _round_steps(job.steps)],
        up=[Tick(float(y(at)), f"{at:.3g}") for at in np.linspace(low, high, 4)],
        hovers=_hovers(steps, values, calm, x),
        rows=[
            Row(int(steps[at]), float(values[at]), float(calm[at]))
            for at in np.unique(np.linspace(0, len(values) - 1, min(MOST_ROWS, len(values))).astype(int))
        ],
        first=float(calm[min(WINDOWS[0], len(calm)) - 1]),
        last=float(calm[-1]),
        least=float(calm.min()),
        least_step=int(steps[int(calm.argmin())]),
    )


def _range(values: Values, calm: Values) -> tuple[float, float]:
    """What the upright axis spans: nearly all losses; a few wild ones are cut off at the top."""
    low = float(min(values.min(), calm.min()))
    high = float(max(np.quantile(values, 0.995), calm.max()))
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _line(x: object, y: object) -> str:
    """A path through at most COLUMNS places."""
    xs, ys = np.atleast_1d(np.asarray(x)), np.atleast_1d(np.asarray(y))
    at = np.unique(np.linspace(0, len(xs) - 1, min(COLUMNS, len(xs))).astype(int))
    return "M" + "L".join(f"{xs[place]:.1f} {ys[place]:.1f}" for place in at)


def _spread(x: object, y: object) -> str:
    """A path that goes, in every column, from the least to the highest value: no peak is lost."""
    xs, ys = np.asarray(x), np.asarray(y)
    if len(xs) <= 2 * COLUMNS:
        return "M" + "L".join(f"{across:.1f} {up:.1f}" for across, up in zip(xs, ys, strict=True))
    points = []
    for part in np.array_split(np.arange(len(xs)), COLUMNS):
        across = xs[part].mean()
        points += [f"{across:.1f} {ys[part].max():.1f}", f"{across:.1f} {ys[part].min():.1f}"]
    return "M" + "L".join(points)


def _hovers(steps: NDArray[np.int64], values: Values, calm: Values, x: object) -> list[Hover]:
    assert callable(x)
    hovers = []
    for part in np.array_split(np.arange(len(values)), min(HOVERS, len(values))):
        begin, end = float(x(float(steps[part[0]]) - 0.5)), float(x(float(steps[part[-1]]) + 0.5))
        middle = part[len(part) // 2]
        hovers.append(Hover(begin, end - begin, int(steps[middle]), float(values[part].mean()), float(calm[middle])))
    return hovers


def _round_steps(total: int) -> list[int]:
    """About five round numbers from 0 to `total`."""
    rough = max(1, total / 5)
    size = 10 ** int(np.floor(np.log10(rough)))
    step = next(int(size * factor) for factor in (1, 2, 5, 10) if size * factor >= rough)
    return list(range(0, total + 1, max(1, step)))
