"""How a training is split into runs of the engine's training node.

Every run starts with a fresh optimizer, so there are few; each leaves a file that the next one continues from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LEAST_STEPS = 2  # per segment, if the training has that many
SEEDS = 2**64
# The node raises its seed by this much between two micro-steps; segments continue as if they were one run.
SEED_STRIDE = 1000


@dataclass(frozen=True, slots=True)
class Segment:
    """Steps `first` + 1 to `last` of a training."""

    first: int
    last: int

    @property
    def steps(self) -> int:
        """The number of steps."""
        return self.last - self.first


def ends(first: int, last: int, count: int) -> list[int]:
    """The steps at which the segments of a training from `first` to `last` end: `count` of them, or fewer."""
    steps = last - first
    count = max(1, min(count, steps // LEAST_STEPS))
    return [first + round(steps * number / count) for number in range(1, count + 1)]


def following(done: int, first: int, last: int, count: int) -> Segment:
    """The segment after `done` steps, of a training from `first` to `last`."""
    return Segment(done, next(end for end in ends(first, last, count) if end > done))


def seed_of(segment: Segment, seed: int, accumulation: int) -> int:
    """The seed of a segment: different for each, so that none repeats the noise of the previous one."""
    return (seed + segment.first * accumulation * SEED_STRIDE) % SEEDS


def epoch(step: int, pictures: int, config: Mapping[str, Any]) -> int:
    """The epoch, from 1, that contains step `step`."""
    shown = max(0, step - 1) * int(config["batch_size"]) * int(config["accumulation"])
    return shown // max(1, pictures * int(config.get("repeats", 1))) + 1
