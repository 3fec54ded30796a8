"""The curve of a training's losses: read as arrays, smoothed, and drawn as an SVG line of few points."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.runs.models import Checkpoint, LossBlock, TrainingJob

WINDOWS = (50, 200)  # steps averaged by the smoothed lines
WIDTH, HEIGHT = 720, 300  # units of the drawing
LEFT, RIGHT, TOP, BOTTOM = 84, 12, 12, 36  # room for the axes
COLUMNS = 360  # columns of the drawing; each shows the lowest and the highest loss of its steps
HOVERS = 60  # strips that show their values
MOST_ROWS = 50  # of the table

Values = NDArray[np.float64]


def read(job: TrainingJob) -> tuple[NDArray[np.int64], Values]:
    """(steps, losses) of the whole training, including the trainings it continues."""
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
    """The training and those it continues, each with the last step that counts; newest first."""
    way = [(job, job.steps)]
    resumed = job.resumes
    while resumed and len(way) < 100:
        way.append((resumed.job, resumed.step))
        resumed = resumed.job.resumes
    return way


def smooth(values: Values, window: int) -> Values:
    """The mean of the last `window` values at every position; at the beginning, of those there are."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    ends = np.arange(1, len(values) + 1)
    begins = np.maximum(0, ends - window)
    means: Values = (sums[ends] - sums[begins]) / (ends - begins)
    return means


@dataclass(frozen=True, slots=True)
class Tick:
    """A tick on an axis."""

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
    """A strip of the drawing that shows its values."""

    x: float
    width: float
    step: int
    loss: float
    smoothed: float


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table behind the drawing."""

    step: int
    loss: float
    smoothed: float


@dataclass(frozen=True, slots=True)
class Chart:
    """The data of the drawing. `raw` and `lines` (by window) are the `d` of SVG paths."""

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
        """The right end of the curve."""
        return WIDTH - RIGHT

    @property
    def bottom(self) -> int:
        """The position of the lower axis."""
        return HEIGHT - BOTTOM


@dataclass(frozen=True, slots=True)
class _Scale:
    """Converts steps and losses to positions in the drawing."""

    steps: int
    low: float
    high: float

    def x(self, steps: Values) -> Values:
        """Horizontal positions: step 0 is at the left edge of the curve, the last one of the training at its right."""
        places: Values = LEFT + (WIDTH - LEFT - RIGHT) * steps / max(1, self.steps)
        return places

    def y(self, losses: Values) -> Values:
        """Vertical positions from the top; values beyond the axis are clipped."""
        share = (np.clip(losses, self.low, self.high) - self.low) / (self.high - self.low)
        places: Values = HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share
        return places


def chart(job: TrainingJob) -> Chart | None:
    """The drawing of all losses; None before there are two."""
    steps, values = read(job)
    if len(values) < 2:
        return None
    smoothed = {window: smooth(values, window) for window in WINDOWS}
    calm = smoothed[WINDOWS[0]]
    scale = _Scale(job.steps, *_range(values, calm))
    along = scale.x(steps.astype(np.float64))
    return Chart(
        raw=_spread(along, scale.y(values)),
        lines={window: _line(along, scale.y(line)) for window, line in smoothed.items()},
        marks=_marks(list(job.checkpoints.all()), steps, calm, scale),
        across=_ticks(_round_numbers(0, job.steps, 5, least=1), scale.x, "{:,.0f}"),
        up=_ticks(_round_numbers(scale.low, scale.high, 4), scale.y, "{:.3g}"),
        hovers=_hovers(steps, values, calm, scale),
        rows=[Row(int(steps[at]), float(values[at]), float(calm[at])) for at in _evenly(len(values), MOST_ROWS)],
        first=float(calm[min(WINDOWS[0], len(calm)) - 1]),
        last=float(calm[-1]),
        least=float(calm.min()),
        least_step=int(steps[int(calm.argmin())]),
    )


def _range(values: Values, calm: Values) -> tuple[float, float]:
    """The range of the vertical axis: nearly all losses; a few outliers are clipped at the top."""
    low = float(min(values.min(), calm.min()))
    high = float(max(np.quantile(values, 0.995), calm.max()))
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _evenly(count: int, most: int) -> NDArray[np.int64]:
    """At most `most` indices among `count`, including the first and the last one."""
    return np.unique(np.linspace(0, count - 1, min(most, count)).astype(np.int64))


def _ticks(at: Values, place: Callable[[Values], Values], words: str) -> list[Tick]:
    return [Tick(float(where), words.format(number)) for where, number in zip(place(at), at, strict=True)]


def _marks(checkpoints: Sequence[Checkpoint], steps: NDArray[np.int64], calm: Values, scale: _Scale) -> list[Mark]:
    at = np.array([each.step for each in checkpoints], np.float64)
    places = zip(scale.x(at), scale.y(np.interp(at, steps, calm)), checkpoints, strict=True)
    return [Mark(float(x), float(y), each) for x, y, each in places]


def _line(x: Values, y: Values) -> str:
    """A path through at most COLUMNS points."""
    return "M" + "L".join(f"{x[place]:.1f} {y[place]:.1f}" for place in _evenly(len(x), COLUMNS))


def _spread(x: Values, y: Values) -> str:
    """A path that goes, in every column, from the lowest to the highest value, so that no peak is lost."""
    if len(x) <= 2 * COLUMNS:
        return "M" + "L".join(f"{across:.1f} {down:.1f}" for across, down in zip(x, y, strict=True))
    points = []
    for part in np.array_split(np.arange(len(x)), COLUMNS):
        across = x[part].mean()
        points += [f"{across:.1f} {y[part].max():.1f}", f"{across:.1f} {y[part].min():.1f}"]
    return "M" + "L".join(points)


def _hovers(steps: NDArray[np.int64], values: Values, calm: Values, scale: _Scale) -> list[Hover]:
    hovers = []
    for part in np.array_split(np.arange(len(values)), min(HOVERS, len(values))):
        begin, end = scale.x(np.array([steps[part[0]] - 0.5, steps[part[-1]] + 0.5]))
        middle = part[len(part) // 2]
        mean = float(values[part].mean())
        hovers.append(Hover(float(begin), float(end - begin), int(steps[middle]), mean, float(calm[middle])))
    return hovers


def _round_numbers(low: float, high: float, about: int, least: float = 0.0) -> Values:
    """About that many round numbers between the two, at least `least` apart."""
    rough = max((high - low) / about, least)
    size = 10.0 ** np.floor(np.log10(rough))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= rough * 0.999)
    numbers: Values = np.arange(np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9) + 1) * step + 0.0  # no -0
    # A step this wide may have no multiple between the two: 500 has none from 1 to 402.
    return numbers if len(numbers) or rough <= least else _round_numbers(low, high, about + 1, least)
