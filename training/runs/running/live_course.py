"""The interface between a trainer and its training: progress, losses, checkpoints, and requests to stop.

Between segments a training releases its engine for a while, so that waiting pictures are made.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from django.utils import timezone

from generation.engines.models import Engine
from generation.making import claim as pictures
from generation.pictures.models import EnginePrompt
from stylestudio.jobs.kinds import Status
from stylestudio.live import publisher
from stylestudio.processes import workers
from training.runs import remaining, signals
from training.runs.models import Checkpoint, LogBlock, TrainingJob
from training.runs.phases import Doing, Phase
from training.runs.running import checkpoints, experience, losses, run_push
from training.runs.running.holds import held, hold, release
from training.runs.running.stopwatch import Stopwatch
from training.runs.trainer import Stop, TakenOver, TrainerLost, TrainerStopped, TrainingPicture

PAUSE_LIMIT = remaining.LONGEST_LENDING  # seconds for waiting pictures between two segments
SECONDS_BETWEEN_WRITES = 1.0  # for each write of mere progress; a change of state is written at once
DRAW = 2.0  # seconds between two pushes of the curve
SECONDS_BETWEEN_STOP_LOOKS = 1.0  # between checks for a request to stop
LOOK_AHEAD = 5.0  # seconds between two estimates of the waiting pictures' time
SHIFT, LEAST_SHIFT = 0.05, 2.0  # share of the remaining time, and seconds, by which the end must move to be written
CARDS = 10.0  # seconds between two pushes of the engines' cards, which show the remaining time too
PROGRESS = "training/runs/_training_moved.html"


@dataclass(slots=True)
class _Pending:
    """What was reported and is not written yet."""

    losses: dict[int, list[float]] = field(default_factory=dict)  # by their first step
    lines: list[str] = field(default_factory=list)
    step: int = 0
    epoch: int = 0
    doing: Doing | None = None


class AskedCourse:
    """The order of a training: see training.runs.trainer.Asked. Read-only; pages use it too."""

    def __init__(self, job: TrainingJob) -> None:
        self.job = job

    @property
    def config(self) -> Mapping[str, Any]:
        """Every setting by name."""
        config: Mapping[str, Any] = self.job.config
        return config

    @property
    def state(self) -> Mapping[str, Any]:
        """What `remember` stored in earlier attempts."""
        state: Mapping[str, Any] = self.job.state
        return state

    @cached_property
    def folder(self) -> Path:
        """A private folder of this training, kept between attempts."""
        folder = self.job.folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder

    @cached_property
    def pictures(self) -> Sequence[TrainingPicture]:
        """The pictures of the frozen dataset to train on, in order."""
        return checkpoints.training_pictures(self.job)

    @property
    def start(self) -> Checkpoint | None:
        """The newest checkpoint of this training, or the one that it resumes."""
        newest = self.job.checkpoints.filter(deleted_at=None).select_related("version").last()
        return newest or self.job.resumes


class LiveCourse(AskedCourse):
    """What a trainer gets: see training.runs.trainer.Course. Used by one thread.

    Reports are written when they change the state of the training, otherwise at most once a second, and not at all if
    nothing is new.
    """

    def __init__(self, job: TrainingJob) -> None:
        super().__init__(job)
        self._pending = _Pending(step=self.start.step if self.start else 0, epoch=job.epoch)
        self._looked = self._drawn = self._weighed = self._pushed = self._showed = 0.0
        self._written = 0.0
        self._ahead = 0.0
        self._shown: float | None = None  # the remaining time last pushed to open pages
        self._on_card: float | None = None  # the same for the engine's card
        self._watch = Stopwatch(job.way, self._pending.step, time.monotonic())
        self._watch.go_on(job.seconds, job.timed_steps, job.paces)
        self._stop = Stop.NO
        losses.forget(job, self._pending.step + 1)  # repeated steps are not shown twice

    @property
    def stop(self) -> Stop:
        """Whether and how to stop. Raises TakenOver if the lease has expired and another worker has the training."""
        if time.monotonic() - self._looked >= SECONDS_BETWEEN_STOP_LOOKS:
            self._looked = time.monotonic()
            row = TrainingJob.objects.filter(pk=self.job.pk).values("status", "stop", "worker").first()
            if row and (row["status"] == Status.QUEUED or row["worker"] != self.job.worker):
                raise TakenOver
            if row is None or row["status"] != Status.RUNNING or row["stop"] == TrainingJob.Stop.FORCE:
                self._stop = Stop.NOW
            elif row["stop"] == TrainingJob.Stop.KEEP:
                self._stop = Stop.KEEP
        return self._stop

    @property
    def leaving(self) -> bool:
        """Whether the worker stops: leave what runs on an engine as it is, and raise TrainerStopped."""
        return workers.stopping.is_set()

    def remember(self, **state: Any) -> None:
        """Store facts for the next attempt; None removes one."""
        if self._remembers(state):
            TrainingJob.objects.filter(pk=self.job.pk).update(state=self.job.state)

    def _remembers(self, state: Mapping[str, Any]) -> bool:
        """Merge the facts. False if nothing changed."""
        before = self.job.state
        kept = {**before, **state}
        self.job.state = {name: value for name, value in kept.items() if value is not None}
        return bool(self.job.state != before)

    def progress(self, step: int, *, epoch: int = 0, doing: Doing | None = None) -> None:
        """Report how many steps are done, and what is done before the next.
        Raises TrainerStopped if the worker stops.
        """
        now, pending = time.monotonic(), self._pending
        self._watch.tell(step, doing, now)
        turned = _phase(doing) != _phase(pending.doing)
        pending.step, pending.epoch, pending.doing = step, epoch or pending.epoch, doing
        if turned or now - self._written >= SECONDS_BETWEEN_WRITES * self._statements:
            self.flush()
        self._tell_pages(now)
        if self.leaving:
            raise TrainerStopped

    def losses(self, first_step: int, values: Sequence[float]) -> None:
        """Report the raw losses of consecutive steps."""
        for begun, block in self._pending.losses.items():
            if begun + len(block) == first_step:
                block.extend(values)
                return
        self._pending.losses[first_step] = list(values)

    def log(self, text: str) -> None:
        """Add lines to the log."""
        self._pending.lines.append(text)

    def checkpoint(self, step: int, file: Path, *, epoch: int = 0, loss: float | None = None, state: str = "") -> None:
        """Store and commit a complete LoRA file."""
        self._pending.step, self._pending.epoch = max(step, self._pending.step), epoch or self._pending.epoch
        self._pending.doing = None
        self._write_said()
        made = checkpoints.store(self.job, step, file, epoch=epoch, loss=loss, state=state)
        self._watch.store(step, time.monotonic())
        more: dict[str, Any] = {"attempts": 0} if self.job.attempts else {}
        if self._remembers({"errors": None}):
            more["state"] = self.job.state
        self._write_row(**more)
        if made:
            publisher.changed(self.job)
            signals.happened.send(TrainingJob, job=self.job, what="checkpoint")

    def pause(self) -> None:
        """Lend the engine to waiting pictures, then take it back. Raises TrainerLost if it is gone by then."""
        engine = held.places.get(self.job.pk)
        if not engine or not _pictures_wait(engine):
            return
        waiting, _seconds = experience.waiting_pictures()
        self._lend()
        release(engine, self.job)
        until = time.monotonic() + PAUSE_LIMIT
        while time.monotonic() < until and _pictures_wait(engine) and self.stop is Stop.NO:
            self._lend()
            if workers.stopping.wait(SECONDS_BETWEEN_STOP_LOOKS):
                raise TrainerStopped
        row = Engine.objects.filter(pk=engine).first()
        while row and not hold(row, self.job):
            self._lend()
            if workers.stopping.wait(SECONDS_BETWEEN_STOP_LOOKS) or self.stop is Stop.NOW:
                raise TrainerStopped
        if row is None or row.health != Engine.Health.OK:
            raise TrainerLost("The engine went away between two segments.")
        self._watch.take_back(waiting, time.monotonic())
        self._pending.doing = None
        self.flush()

    def _lend(self) -> None:
        self.progress(self._pending.step, doing=Doing(Phase.LENDING))

    def flush(self) -> None:
        """Write what was reported, if it is new."""
        self._write_said()
        self._write_row()
        self._written = time.monotonic()

    @property
    def _statements(self) -> int:
        """How many writes a flush would take: it waits that many seconds, and later reports are included."""
        return len(self._pending.losses) + bool(self._pending.lines) + 1

    def _write_said(self) -> None:
        """Write losses and log lines."""
        job, pending = self.job, self._pending
        for first, values in sorted(pending.losses.items()):
            losses.append(job, first, values)
        if pending.losses and time.monotonic() - self._drawn >= DRAW:
            self._drawn = time.monotonic()
            run_push.publish_chart(job)
        pending.losses = {}
        if pending.lines:
            LogBlock.objects.create(job=job, text="\n".join(pending.lines))
            pending.lines = []

    def _write_row(self, **more: Any) -> None:
        """Write the progress and the estimated end, unless the row has them already."""
        job, pending = self.job, self._pending
        fields = {
            "step": pending.step,
            "epoch": pending.epoch,
            "progress": min(99, 100 * pending.step // max(1, job.steps)),
            "preparing": pending.doing.facts() if pending.doing else [],
            "paces": dict(self._watch.paces),
        }
        changed = {name: value for name, value in fields.items() if getattr(job, name) != value} | more
        ends_at = self._reckoned_end()
        if not changed and not _is_off(job.ends_at, ends_at):
            return
        job.advance(**changed, seconds=self._watch.seconds, timed=self._watch.timed, ends_at=ends_at)
        self._push()

    def _reckoned_end(self) -> datetime | None:
        """The estimated end, as far as it is known now."""
        now = time.monotonic()
        is_lent = _phase(self._pending.doing) is Phase.LENDING
        if now - self._weighed >= LOOK_AHEAD:
            self._weighed = now
            self._ahead = experience.waiting_pictures()[1] if is_lent else experience.pictures_ahead()
        ahead = max(0.0, self._ahead - (now - self._weighed)) if is_lent else self._ahead
        left = self.job.way.seconds(self._watch.now(now, ahead=ahead), self._watch.known)
        return None if left is None else timezone.now() + timedelta(seconds=left)

    def _tell_pages(self, now: float) -> None:
        """Push the remaining time to open pages when its text changes, without a write: it decreases by itself."""
        shown = self.job.left_shown
        if shown != self._shown and now - self._pushed >= SECONDS_BETWEEN_STOP_LOOKS:
            self._push()
        if shown != self._on_card and now - self._showed >= CARDS:
            self._on_card, self._showed = shown, now
            publisher.engines_changed()

    def _push(self) -> None:
        self._pushed, self._shown = time.monotonic(), self.job.left_shown
        publisher.progressed(self.job, PROGRESS)


def _phase(doing: Doing | None) -> Phase | None:
    return doing.phase if doing else None


def _is_off(told: datetime | None, ends_at: datetime | None) -> bool:
    """Whether the stored end differs from the current estimate so much that people would notice."""
    if told is None or ends_at is None:
        return told is not ends_at
    left = (ends_at - timezone.now()).total_seconds()
    return abs((ends_at - told).total_seconds()) > max(LEAST_SHIFT, SHIFT * left)


def _pictures_wait(engine: int) -> bool:
    """Whether pictures wait that nobody works on, or this engine makes some."""
    live_ones = EnginePrompt.objects.live().filter(~EnginePrompt.MADE, engine=engine)
    return pictures.anything_open() or live_ones.exists()
