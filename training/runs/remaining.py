"""About how long a training still takes: its steps, and everything that is done before, between and after them.

A training is made of *runs* of its trainer: ComfyUI's segments, or the one run of sd-scripts. A run begins with a setup
(the model is loaded, pictures are encoded), does its steps and ends with a finish (its file is fetched and stored).
Between two runs the pictures that wait are made, sample pictures among them. This module knows no database.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from training.runs.phases import Doing, Phase

LONGEST_LENDING = 600.0  # seconds that waiting pictures get between two runs
OVERDUE = 0.1  # what takes longer than expected is taken to need this share of its time more
MINUTE = 60.0
# ComfyUI tells no progress that lies less than this share of a run behind what it told last (0.9.2, comfy/utils.py).
UNTOLD = 0.005


class Part(StrEnum):
    """What of a run is under way."""

    SENDING = "sending"  # pictures, once for a training
    QUEUED = "queued"
    SETUP = "setup"
    STEPS = "steps"
    FINISH = "finish"
    LENDING = "lending"


_PARTS = {
    Phase.SENDING: Part.SENDING,
    Phase.WRITING: Part.SENDING,
    Phase.QUEUED: Part.QUEUED,
    Phase.FETCHING: Part.FINISH,
    Phase.LENDING: Part.LENDING,
}


def part_of(doing: Doing) -> Part:
    """The part that a phase belongs to."""
    return _PARTS.get(doing.phase, Part.SETUP)


@dataclass(frozen=True, slots=True)
class Paces:
    """Seconds that one step, setup, finish or sample picture takes. `step` and `picture`: None while unknown."""

    step: float | None = None
    setup: float = 0.0
    finish: float = 0.0
    picture: float | None = None


@dataclass(frozen=True, slots=True)
class Now:
    """Where a training is: after `step` steps, since `elapsed` seconds at `part`.

    `elapsed` counts from the last step while steps are done. `rest`: seconds that this part takes from here on, where
    something tells; `ahead`: seconds of work on pictures that wait now.
    """

    step: int
    part: Part = Part.SETUP
    elapsed: float = 0.0
    rest: float | None = None
    ahead: float = 0.0


def behind(step: int) -> Now:
    """The moment after the checkpoint of this step."""
    return Now(step, Part.LENDING)


@dataclass(frozen=True, slots=True)
class Way:
    """What a training goes through: from step `first` to `steps` in so many runs, with so many test prompts."""

    first: int
    steps: int
    runs: int
    probes: int

    def ends(self, after: int) -> list[int]:
        """The steps beyond `after` with which runs end, as `trainers.comfyui.segments` cuts them."""
        span = self.steps - self.first
        runs = max(1, min(self.runs, span // 2))
        return [end for number in range(runs) if (end := self.first + round(span * (number + 1) / runs)) > after]

    def is_end(self, step: int) -> bool:
        """Whether a run ends with this step."""
        return step > self.first and step in self.ends(step - 1)

    def seconds(self, now: Now, paces: Paces) -> float | None:
        """About how long from now to the end; None before anything tells how long a step takes."""
        if paces.step is None:
            return None
        ends = self.ends(now.step)
        if not ends:
            return _rest(paces.finish, now) if now.part is Part.FINISH else 0.0
        pauses = [now.step, *ends[:-1]] if now.part is Part.FINISH else ends[:-1]
        setups = len(pauses) + (now.part is Part.LENDING)
        steps = paces.step * (self.steps - now.step - self._unseen(now, paces.step, ends[0]))
        return (
            steps
            + setups * paces.setup
            + len(ends) * paces.finish
            + self._lendings(pauses, now, paces)
            + self._present(now, paces)
        )

    def _unseen(self, now: Now, step: float, end: int) -> float:
        """Steps and parts of steps that were done since the last one that was told."""
        if now.part is not Part.STEPS:
            return 0.0
        untold = min(max(1.0, UNTOLD * (end - self.first)), end - now.step)
        return min(now.elapsed / step, untold) if step else 0.0

    def _present(self, now: Now, paces: Paces) -> float:
        """What is left of the part that is under way, other than steps."""
        match now.part:
            case Part.STEPS:
                return 0.0
            case Part.SENDING:
                return (now.rest or 0.0) + paces.setup
            case Part.FINISH:
                return _rest(paces.finish, now)
            case Part.LENDING:
                return min(_rest(self._samples(now.step, paces), now), max(0.0, LONGEST_LENDING - now.elapsed))
        return _rest(paces.setup, now)

    def _lendings(self, after: list[int], now: Now, paces: Paces) -> float:
        """The pauses for pictures after these steps. The next one is for what waits by now, too."""
        seconds = [self._samples(step, paces) for step in after]
        if seconds:
            seconds[0] += now.ahead
        return sum(min(each, LONGEST_LENDING) for each in seconds)

    def _samples(self, step: int, paces: Paces) -> float:
        """The sample pictures of a checkpoint; those of the first one have the base model's beside them."""
        is_first = self.first == 0 and step <= self.ends(0)[0]
        return (paces.picture or 0.0) * self.probes * (2 if is_first else 1)


def _rest(usual: float, now: Now) -> float:
    if now.rest is not None:
        return now.rest
    return max(usual - now.elapsed, OVERDUE * now.elapsed)


def rounded(seconds: float | None) -> float | None:
    """An estimate as exactly as people are told it: whole seconds, from one minute on whole minutes."""
    if seconds is None:
        return None
    return max(1.0, float(round(seconds))) if seconds < MINUTE else MINUTE * round(seconds / MINUTE)
