"""Watching one prompt while it runs on the engine."""

from __future__ import annotations

import time
from typing import Protocol

from stylestudio.comfy.protocol import events
from training.runs.phases import Doing, Phase
from training.runs.trainer import Course, Stop
from training.trainers.comfyui import graph
from training.trainers.comfyui.segments import Segment

SECONDS_BETWEEN_WISH_LOOKS = 0.25  # seconds between two checks for a request to stop


class Watched(Protocol):
    """The attempt that the prompt belongs to, as far as a watch needs it."""

    course: Course
    generation: graph.Generation

    def progress(self, step: int, doing: Doing | None = None) -> None:
        """Report the progress."""

    def stop_now(self, prompt: str) -> None:
        """End the prompt on the engine, and the attempt. Raises TrainerStopped."""


class Watch:
    """The state of one prompt while it runs. Engines skip steps, so reports may be far apart."""

    def __init__(self, attempt: Watched, segment: Segment, prompt: str, reached: int = 0) -> None:
        self.attempt = attempt
        self.segment = segment
        self.prompt = prompt
        self.losses: tuple[str, ...] = ()
        self.pace: float = 0.0  # seconds per step
        self.doing = Doing(Phase.WAITING)
        self.waits = False  # in the engine's queue
        self.step = segment.first
        self.told = False  # the engine reports its steps
        self.reached = reached if segment.first < reached <= segment.last else 0
        self.training_since: float | None = None
        self.looked = 0.0

    def on(self, event: events.Event) -> None:
        """Process one event."""
        match event:
            case events.Posted():
                self.waits = True
            case events.Waiting(position=position):
                self.waits = True
                self.doing = Doing(Phase.QUEUED, position)
            case events.Started():
                self.waits, self.doing = False, Doing(Phase.LOADING)
                self._take_up()
            case events.Executing(node=node):
                self._entered(node)
            case events.Progress(node=graph.TRAINING, value=value, max=most):
                self.told = True
                self.step = self.segment.first + value * self.segment.steps // most
            case events.Executed(node=graph.LOSS, text=text) if text:
                self.losses = text
            case events.Completed(texts=texts):
                self.losses = texts.get(graph.LOSS, self.losses)
            case _:
                pass

    def _take_up(self) -> None:
        """Continue at the step an earlier attempt saw: the prompt already runs, and its next sign may take a while."""
        if self.reached:
            self.told, self.step = self.attempt.generation.tells, self.reached
            if pace := self.attempt.course.state.get("pace"):
                self.training_since = time.monotonic() - pace * (self.reached - self.segment.first)

    def _entered(self, node: str | None) -> None:
        now = time.monotonic()
        if node == graph.TRAINING:
            self.training_since = now
        elif self.training_since is not None and not self.pace:
            self.pace = (now - self.training_since) / self.segment.steps

    def look(self) -> None:
        """Report the progress, and stop if requested."""
        now = time.monotonic()
        if now - self.looked < SECONDS_BETWEEN_WISH_LOOKS:
            return
        self.looked = now
        stop = self.attempt.course.stop
        # A waiting prompt has nothing that could be kept.
        if stop is Stop.NOW or (stop is Stop.KEEP and self.waits):
            self.attempt.stop_now(self.prompt)
        if self.training_since is None and not self.told:
            self.attempt.progress(self.segment.first, self.doing)
        else:
            self.attempt.progress(self.step if self.told else self._estimate(now))

    def _estimate(self, now: float) -> int:
        """The estimated step of an engine that reports no progress, from the pace of the previous segment.

        An engine that reports its steps has done none before the first report.
        """
        pace = self.attempt.course.state.get("pace")
        if not pace or self.training_since is None or self.attempt.generation.tells:
            return max(self.segment.first, self.reached)
        return min(self.segment.last - 1, self.segment.first + int((now - self.training_since) / pace))
