"""How a training is cut into runs of the engine's training node.

Every run begins with a fresh optimizer, so there are few; each leaves a file that the next one goes on from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LEAST_STEPS = 2  # of one segment, where the training has so many
SEEDS = 2**64
# Between two micro-steps the node raises its seed by so much; a segment goes on as if it were one run.
SEED_STRIDE = 1000


@dataclass(frozen=True, slots=True)
class Segment:
    """Steps `first` + 1 to `last` of a training."""

    first: int
    last: int

    @property
    def steps(self) -> int:
        """How many."""
        return self.last - self.first


def ends(first: int, last: int, count: int) -> list[int]:
    """After which steps the segments of a training end that goes from `first` to `last`: `count` of them, or fewer."""
    steps = last - first
    count = max(1, min(count, steps // LEAST_STEPS))
    return [first + round(steps * number / count) for number in range(1, count + 1)]


def following(done: int, first: int, last: int, count: int) -> Segment:
    """The segment after `done` steps, of a training that goes from `first` to `last`."""
    return Segment(done, next(end for end in ends(first, last, count) if end > done))


def seed_of(segment: Segment, seed: int, accumulation: int) -> int:
    """The seed of a segment: another one for each, so that none repeats the noise of the one before."""
    return (seed + segment.first * accumulation * SEED_STRIDE) % SEEDS


def epoch(step: int, pictures: int, config: Mapping[str, Any]) -> int:
    """The epoch, from 1, that step `step` lies in."""
    shown = max(0, step - 1) * int(config["batch_size"]) * int(config["accumulation"])
    return shown // max(1, pictures * int(config.get("repeats", 1))) + 1
