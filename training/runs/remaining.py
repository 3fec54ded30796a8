"""Estimates of how long a training still takes: its steps, and everything before, between and after them.

A training consists of *runs* of its trainer: ComfyUI's segments, or the one run of sd-scripts. A run starts with a
setup (the model is loaded, pictures are encoded), does its steps and ends with a finish (its file is fetched and
stored). Between two runs waiting pictures are made, including sample pictures. This module knows no database.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from training.runs.phases import Doing, Phase

LONGEST_LENDING = 600.0  # seconds for waiting pictures between two runs
OVERDUE = 0.1  # a part that takes longer than expected is assumed to need this share of its time more
MINUTE = 60.0
# ComfyUI does not report progress of less than this share of a run since its last report (0.9.2, comfy/utils.py).
UNTOLD = 0.005


class Part(StrEnum):
    """The current part of a run."""

    SENDING = "sending"  # pictures, once per training
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
    """Seconds per step, setup, finish or sample picture. `step` and `picture`: None while unknown."""

    step: float | None = None
    setup: float = 0.0
    finish: float = 0.0
    picture: float | None = None


@dataclass(frozen=True, slots=True)
class Now:
    """The state of a training: after `step` steps, at `part` for `elapsed` seconds.

    During steps `elapsed` counts from the last one. `rest`: the remaining seconds of this part, if known; `ahead`:
    seconds of work on currently waiting pictures.
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
    """The course of a training: from step `first` to `steps` in `runs` runs, with `probes` test prompts."""

    first: int
    steps: int
    runs: int
    probes: int

    def ends(self, after: int) -> list[int]:
        """The steps after `after` at which runs end, split as in `trainers.comfyui.segments`."""
        span = self.steps - self.first
        runs = max(1, min(self.runs, span // 2))
        return [end for number in range(runs) if (end := self.first + round(span * (number + 1) / runs)) > after]

    def is_end(self, step: int) -> bool:
        """Whether a run ends with this step."""
        return step > self.first and step in self.ends(step - 1)

    def seconds(self, now: Now, paces: Paces) -> float | None:
        """About how many seconds from now to the end; None before the duration of a step is known."""
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
        """Steps and fractions of steps done since the last reported one."""
        if now.part is not Part.STEPS:
            return 0.0
        untold = min(max(1.0, UNTOLD * (end - self.first)), end - now.step)
        return min(now.elapsed / step, untold) if step else 0.0

    def _present(self, now: Now, paces: Paces) -> float:
        """The remaining seconds of the current part, unless it is steps."""
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
        """The pauses for pictures after these steps. The next one also includes pictures waiting already."""
        seconds = [self._samples(step, paces) for step in after]
        if seconds:
            seconds[0] += now.ahead
        return sum(min(each, LONGEST_LENDING) for each in seconds)

    def _samples(self, step: int, paces: Paces) -> float:
        """The sample pictures of a checkpoint; for the first one the base model's are made as well."""
        is_first = self.first == 0 and step <= self.ends(0)[0]
        return (paces.picture or 0.0) * self.probes * (2 if is_first else 1)


def _rest(usual: float, now: Now) -> float:
    if now.rest is not None:
        return now.rest
    return max(usual - now.elapsed, OVERDUE * now.elapsed)


def rounded(seconds: float | None) -> float | None:
    """An estimate with the precision people see: whole seconds, from one minute on whole minutes."""
    if seconds is None:
        return None
    return max(1.0, float(round(seconds))) if seconds < MINUTE else MINUTE * round(seconds / MINUTE)
