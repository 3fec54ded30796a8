"""Measures one attempt at a training while it runs: the duration of steps, and of everything between them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from training.runs.phases import Doing
from training.runs.remaining import Now, Paces, Part, Way, part_of


class Stopwatch:
    """Tracks where a training is from the reports it gets. All moments are seconds of one monotonic clock.

    `seconds` were spent on `timed` steps; `paces` is in the form of `remaining.Paces`.
    """

    def __init__(self, way: Way, step: int, moment: float) -> None:
        self._way = way
        self._step = step
        self._origin = step  # where this run started, as far as known
        self._stored: int | None = None  # the step of the newest checkpoint of this attempt
        self._part = Part.SETUP
        self._since = self._last = moment
        self._setup = 0.0  # spent on the setup of this run
        self._mark: float | None = None  # since when the next step has been under way
        self._doing: Doing | None = None
        self.seconds = 0.0
        self.timed = 0
        self.paces: dict[str, float] = {}

    def go_on(self, seconds: float, timed: int, paces: Mapping[str, Any]) -> None:
        """Take over what earlier attempts measured."""
        self.seconds, self.timed, self.paces = seconds, timed, dict(paces)

    def tell(self, step: int, doing: Doing | None, moment: float) -> None:
        """Report that `step` steps are done, and what is done before the next; None: the next is under way."""
        if self._part is Part.SETUP:
            self._setup += moment - self._last
        self._last, self._doing = moment, doing
        if step < self._step:  # an engine lost what it had done: it is repeated
            self._origin, self._mark = step, None
        if self._part is Part.STEPS and step > self._step:
            self._move(step, moment)
        part = self._part_at(step, doing)
        if part is not self._part:
            self._enter(part, step, moment)
        self._step = step

    def _part_at(self, step: int, doing: Doing | None) -> Part:
        if doing:
            return part_of(doing)
        return Part.FINISH if self._way.is_end(step) and step != self._stored else Part.STEPS

    def _move(self, step: int, moment: float) -> None:
        if self._mark is not None:
            self.seconds += moment - self._mark
            self.timed += step - self._step
        self._mark = moment

    def _enter(self, part: Part, step: int, moment: float) -> None:
        if part is Part.STEPS:
            # Whoever takes over a run that continues elsewhere saw neither its setup nor its last step begin.
            begun = step - self._origin
            if begun <= 1 and self._setup:
                self.paces["setup"] = round(self._setup, 3)
            self._mark = moment if begun <= 1 else None
            self._setup = 0.0
        self._part, self._since = part, moment

    def store(self, step: int, moment: float) -> None:
        """Report that the checkpoint of this step is stored."""
        self._stored = self._origin = step
        if self._way.is_end(step):
            if self._part is Part.FINISH:
                self.paces["finish"] = round(moment - self._since, 3)
            # Its samples are ordered now, and whatever waits by then gets the engine next.
            self._begin(Part.LENDING, moment)

    def take_back(self, pictures: int, moment: float) -> None:
        """Report that the engine is taken back from pictures, `pictures` of which waited when they got it."""
        if pictures:
            self.paces["picture"] = round((moment - self._since) / pictures, 3)
        self._begin(Part.SETUP, moment)

    @property
    def known(self) -> Paces:
        """The durations: as measured, else from earlier trainings."""
        measured = {"step": self.seconds / self.timed} if self.timed else {}
        return Paces(**{**self.paces, **measured})

    def _begin(self, part: Part, moment: float) -> None:
        self._part, self._since, self._last, self._setup = part, moment, moment, 0.0
        self._doing = None

    def now(self, moment: float, *, ahead: float = 0.0) -> Now:
        """The current state. `ahead`: seconds of work on currently waiting pictures."""
        elapsed = moment - self._since
        match self._part:
            case Part.STEPS:
                elapsed = moment - (self._since if self._mark is None else self._mark)
            case Part.SETUP:
                elapsed = self._setup + moment - self._last
            case Part.QUEUED:
                elapsed = self._setup
            case Part.LENDING:
                return Now(self._step, self._part, elapsed, ahead or None)
            case Part.SENDING if self._doing and self._doing.done > 1:
                sent = self._doing.done - 1
                return Now(self._step, self._part, elapsed, elapsed / sent * (self._doing.total - sent), ahead)
        return Now(self._step, self._part, elapsed, None, ahead)
