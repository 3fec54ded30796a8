"""Trainings: who is next and on which engine, one attempt with its trainer, and what follows from its end.

Trainings have threads of their own, so that none occupies a thread that makes pictures. A training holds its engine:
no picture is sent there meanwhile. Between segments it lets go for a while, so that pictures which wait are made.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from django.conf import settings as conf
from django.core.exceptions import ValidationError
from django.db import DatabaseError, connections
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from generation.engines import roster
from generation.engines.models import Engine
from generation.making import claim as pictures
from generation.pictures.models import EnginePrompt, GenerationTask
from stylestudio.jobs.kinds import LEASE, Status, may_run, start_within_limit
from stylestudio.live import publisher
from stylestudio.processes import workers
from training.runs import faults, remaining
from training.runs.models import Checkpoint, LogBlock, TrainingJob, newest_pictures
from training.runs.phases import Doing, Phase
from training.runs.running import checkpoints, experience, losses, run_push
from training.runs.running.stopwatch import Stopwatch
from training.runs.trainer import Stop, TakenOver, Trainer, TrainerFailed, TrainerLost, TrainerStopped, TrainingPicture

log = logging.getLogger(__name__)

MOST_ATTEMPTS = 5  # without a new checkpoint
MOST_ERRORS = 22  # attempts without a new checkpoint that ended because the engine, which is there, had an error
REST = timedelta(seconds=10)  # after a lost engine, times the number of attempts
LONGEST_REST = timedelta(seconds=30)  # after an error of an engine; with MOST_ERRORS ten minutes in all
AWAY_LIMIT = timedelta(minutes=10)  # how long work on an engine that is away is waited for before another one is taken
PAUSE_LIMIT = remaining.LONGEST_LENDING  # seconds that waiting pictures get between two segments
TICK = 1.0  # seconds for each write of what only goes on; a change of state is written at once
DRAW = 2.0  # seconds between two curves
LOOK = 1.0  # seconds between two looks whether somebody wants it to stop
LOOK_AHEAD = 5.0  # seconds between two looks at how long the pictures that wait take
SHIFT, LEAST_SHIFT = 0.05, 2.0  # share of what is left, and seconds, by which an end moves until that is written
CARDS = 10.0  # seconds between two pushes of the engines' cards, which tell what is left too
PROGRESS = "training/_training_moved.html"

_trainers: dict[str, Trainer] = {}
_threads: set[threading.Thread] = set()
_held: dict[int, int | None] = {}  # trainings of this process, and the engine that each holds
_turn = threading.RLock()
# Told of what happened to a training: (training, what), what is "checkpoint" or "ended".
followers: list[Callable[[TrainingJob, str], None]] = []


def register(trainer: Trainer) -> None:
    """Make a trainer known; called from `AppConfig.ready`."""
    _trainers[trainer.name] = trainer


def trainer(name: str) -> Trainer:
    """The trainer of this name."""
    return _trainers[name]


def holder(training: int) -> str:
    """How a training is named on the engine that it holds."""
    return f"{TrainingJob.kind}-{training}"


def begin_thread() -> None:
    """In a worker: look for something to train in a thread of its own, where one is free."""
    workers.give_connection_back()
    with _turn:
        _threads.difference_update([thread for thread in _threads if not thread.is_alive()])
        if len(_threads) >= slots():
            return
        thread = threading.Thread(target=_train, name="training", daemon=True)
        _threads.add(thread)
        thread.start()


def slots() -> int:
    """How many trainings this worker does at once: one for each engine, and one on its own machine."""
    return max(1, len(roster.serving())) + bool(conf.SD_SCRIPTS_DIR)


def _train() -> None:
    try:
        work()
    finally:
        connections.close_all()


def work() -> None:
    """Train until nothing can be claimed."""
    workers.keep_working(_train_one)


def _train_one() -> bool:
    job = claim(workers.worker_name())
    if job is None:
        return False
    try:
        run(job)
    finally:
        _let_go(job)
    return True


def renew() -> None:
    """Push the end of leases and holds away; called by the worker's heartbeat."""
    with _turn:
        held = dict(_held)
    if not held:
        return
    TrainingJob.objects.running().filter(pk__in=held).update(lease_until=Now() + LEASE)
    for pk, engine in held.items():
        if engine:
            Engine.objects.filter(pk=engine, held_by=holder(pk)).update(held_until=Now() + LEASE)


def sweep() -> None:
    """What a dead worker left is free for others, and so are its engines."""
    with _turn:
        left = list(TrainingJob.objects.abandoned(workers.worker_name(), _held))
    for job in left:
        if job.recover():
            publisher.changed(job)
    if Engine.objects.filter(held_until__lt=Now()).exclude(held_by="").update(held_by="", held_until=None):
        publisher.engines_changed()
    if TrainingJob.objects.waiting().exists():
        TrainingJob.wake()


def claim(worker: str) -> TrainingJob | None:
    """The next training that this worker can do, running and with its engine held when this returns it."""
    workers.give_connection_back()
    with _turn:
        rested = Q(not_before=None) | Q(not_before__lte=Now())
        waiting = TrainingJob.objects.waiting().filter(rested).select_related("engine", "owner", "style", "snapshot")
        for job in waiting.order_by("-priority", "queued_at", "pk"):
            if not may_run(job):
                continue
            engine = None
            if job.trainer == TrainingJob.Trainer.COMFYUI:
                engine = _engine_for(job)
                if engine is None or not _hold(engine, job):
                    continue
            elif not conf.SD_SCRIPTS_DIR or _local_is_busy():
                continue
            if start_within_limit(job, worker):
                _held[job.pk] = engine.pk if engine else None
                if job.engine != engine:
                    job.touch(engine=engine)
                return job
            if engine:
                _release(engine.pk, job)
    return None


def _local_is_busy() -> bool:
    return any(engine is None for engine in _held.values())


def _engine_for(job: TrainingJob) -> Engine | None:
    """A free engine that can train it. One that is away and may still work on it is waited for."""
    # An engine that another training lent to pictures between two segments is taken back by it.
    lent = {engine for pk, engine in _held.items() if pk != job.pk}
    able_now = [engine for engine in trainer(job.trainer).able(job.base, job.config) if engine.pk not in lent]
    free = [engine for engine in able_now if not engine.is_held or engine.held_by == holder(job.pk)]
    if job.engine and (job.state.get("prompt") or job.state.get("made")):
        if job.engine in free:
            return job.engine
        away = job.engine.active and not job.engine.paused and job.engine.health != Engine.Health.OK
        if away and timezone.now() - job.updated_at < AWAY_LIMIT:
            return None
    return next(iter(free), None)


def _hold(engine: Engine, job: TrainingJob) -> bool:
    free = Q(held_by="") | Q(held_by=holder(job.pk)) | Q(held_until__lt=Now())
    won = Engine.objects.filter(free, pk=engine.pk).update(held_by=holder(job.pk), held_until=Now() + LEASE)
    if won:
        publisher.engines_changed()
    return bool(won)


def _release(engine: int, job: TrainingJob) -> None:
    if Engine.objects.filter(pk=engine, held_by=holder(job.pk)).update(held_by="", held_until=None):
        publisher.engines_changed()
        GenerationTask.wake()


def _let_go(job: TrainingJob) -> None:
    with _turn:
        engine = _held.pop(job.pk, None)
    if engine:
        with suppress(DatabaseError):  # then the hold runs out by itself
            _release(engine, job)


def run(job: TrainingJob) -> None:
    """One attempt, to whatever end. Raises DatabaseError alone: then the lease runs out and another attempt follows."""
    course, worker = LiveCourse(job), job.worker
    job.advance(attempts=job.attempts + 1, ends_at=None)  # an end that an earlier attempt reckoned is past
    if job.attempts > MOST_ATTEMPTS:
        _fail(course, "no_engine" if job.trainer == TrainingJob.Trainer.COMFYUI else "trainer")
        return
    publisher.changed(job)
    try:
        _attempt(course, worker)
    except DatabaseError:
        raise
    except TakenOver:
        log.warning("Training %s was taken over by another worker.", job.pk)
    except TrainerStopped:
        _stopped(course)
    except TrainerLost as error:
        _lost(course, error)
    except TrainerFailed as error:
        _fail(course, error.kind, error.detail, words=error.words, picture=error.picture)
    except OSError as error:
        log.exception("Training %s could not be stored", job.pk)
        _fail(course, "storage", str(error))
    except Exception as error:  # the boundary: our own bug ends this training with a reason, not the worker
        log.exception("Training %s failed", job.pk)
        _fail(course, "internal", repr(error))
    else:
        if job.publish_best and (best := checkpoints.best(job)):
            try:
                checkpoints.use(best, job.owner, publish=True)
            except ValidationError as error:  # it is trained all the same
                course.log(" ".join(error.messages))
        course.flush()
        job.complete()
        _ended(job)


def _attempt(course: LiveCourse, worker: str) -> None:
    """Let its trainer do it. However that ends: raises TakenOver if another worker has the training by then."""
    try:
        trainer(course.job.trainer).run(course)
    finally:
        if course.job.is_taken_from(worker):
            raise TakenOver


def _lost(course: LiveCourse, error: TrainerLost) -> None:
    """Another attempt follows after a rest. Errors of an engine that is there are counted by themselves."""
    job = course.job
    course.log(str(error))
    course.flush()
    job.refresh_from_db()
    rest = REST * max(1, job.attempts)
    if error.answered:
        errors = int(job.state.get("errors", 0)) + 1
        if errors >= MOST_ERRORS:
            _fail(course, "engine_errors", str(error))
            return
        course.remember(errors=errors)
        rest = min(REST * errors, LONGEST_REST)
        job.advance(attempts=max(0, job.attempts - 1))
    if job.status == Status.RUNNING:
        job.advance(not_before=timezone.now() + rest)
        job.recover()
        publisher.changed(job)
        TrainingJob.wake(rest.total_seconds() + 0.1)


def _stopped(course: LiveCourse) -> None:
    """Somebody wanted it, or the worker stops: then it goes on after the restart and the attempt does not count."""
    job = course.job
    course.flush()
    job.refresh_from_db()
    if job.status == Status.RUNNING and not job.stop:
        job.advance(attempts=max(0, job.attempts - 1))  # 0 after a checkpoint, which this attempt has stored
        job.recover()
        publisher.changed(job)
        return
    if job.status == Status.RUNNING:
        job.cancel()
    _ended(job)


def _fail(course: LiveCourse, kind: str, detail: str = "", words: str = "", picture: str = "") -> None:
    job = course.job
    course.log(f"{faults.explain(kind, detail, picture)} {detail}".strip())
    course.flush()
    job.fail(kind, words or picture, detail=detail[:4000])
    _ended(job)


def _ended(job: TrainingJob) -> None:
    publisher.changed(job)
    publisher.counts_changed()
    for follow in followers:
        follow(job, "ended")
    TrainingJob.wake()


def stop(job: TrainingJob, wish: str) -> bool:
    """End a training: KEEP with its next checkpoint, FORCE at once. What waits ends now. False where it has ended."""
    if job.withdraw():
        _ended(job)
        return True
    if not job.advance(stop=wish):
        return False
    job.refresh_from_db()
    publisher.changed(job)
    return True


@dataclass(slots=True)
class _Pending:
    """What was said and is not written yet."""

    losses: dict[int, list[float]] = field(default_factory=dict)  # by their first step
    lines: list[str] = field(default_factory=list)
    step: int = 0
    epoch: int = 0
    doing: Doing | None = None


class AskedCourse:
    """What was asked of a training: see training.runs.trainer.Asked. Only looks; pages use it too."""

    def __init__(self, job: TrainingJob) -> None:
        self.job = job

    @property
    def config(self) -> Mapping[str, Any]:
        """Every setting by name."""
        config: Mapping[str, Any] = self.job.config
        return config

    @property
    def state(self) -> Mapping[str, Any]:
        """What `remember` kept in earlier attempts."""
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
        """Pictures of the frozen dataset that take part, in order."""
        return checkpoints.training_pictures(self.job)

    @property
    def start(self) -> Checkpoint | None:
        """The newest checkpoint of this training, or the one that it resumes."""
        newest = self.job.checkpoints.filter(deleted_at=None).select_related("version").last()
        return newest or self.job.resumes


class LiveCourse(AskedCourse):
    """What a trainer is given: see training.runs.trainer.Course. One thread uses it.

    What it is told is written when it changes the state of the training, and else once a second at most, and not at all
    where nothing is new.
    """

    def __init__(self, job: TrainingJob) -> None:
        super().__init__(job)
        self._pending = _Pending(step=self.start.step if self.start else 0, epoch=job.epoch)
        self._looked = self._drawn = self._weighed = self._pushed = self._showed = 0.0
        self._written = 0.0
        self._ahead = 0.0
        self._shown: float | None = None  # what was left when open pages were told last
        self._on_card: float | None = None  # the same on the card of the engine
        self._watch = Stopwatch(job.way, self._pending.step, time.monotonic())
        self._watch.go_on(job.seconds, job.timed_steps, job.paces)
        self._stop = Stop.NO
        losses.forget(job, self._pending.step + 1)  # steps that are done again are not shown twice

    @property
    def stop(self) -> Stop:
        """What somebody wants now. Raises TakenOver where the lease ran out and another worker has the training."""
        if time.monotonic() - self._looked >= LOOK:
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
        """Keep facts for the next attempt; None forgets one."""
        if self._remembers(state):
            TrainingJob.objects.filter(pk=self.job.pk).update(state=self.job.state)

    def _remembers(self, state: Mapping[str, Any]) -> bool:
        """Take it in. False where nothing changed."""
        before = self.job.state
        kept = {**before, **state}
        self.job.state = {name: value for name, value in kept.items() if value is not None}
        return bool(self.job.state != before)

    def progress(self, step: int, *, epoch: int = 0, doing: Doing | None = None) -> None:
        """How many steps are done, and what it does before the next. Raises TrainerStopped when the worker stops."""
        now, pending = time.monotonic(), self._pending
        self._watch.tell(step, doing, now)
        turned = _phase(doing) != _phase(pending.doing)
        pending.step, pending.epoch, pending.doing = step, epoch or pending.epoch, doing
        if turned or now - self._written >= TICK * self._statements:
            self.flush()
        self._tell_pages(now)
        if self.leaving:
            raise TrainerStopped

    def losses(self, first_step: int, values: Sequence[float]) -> None:
        """Raw loss of consecutive steps."""
        for begun, block in self._pending.losses.items():
            if begun + len(block) == first_step:
                block.extend(values)
                return
        self._pending.losses[first_step] = list(values)

    def log(self, text: str) -> None:
        """Lines for the log."""
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
            for follow in followers:
                follow(self.job, "checkpoint")

    def pause(self) -> None:
        """Give the engine to pictures that wait, then take it back. Raises TrainerLost where it is gone by then."""
        engine = _held.get(self.job.pk)
        if not engine or not _pictures_wait(engine):
            return
        waiting, _seconds = experience.waiting_pictures()
        self._lend()
        _release(engine, self.job)
        until = time.monotonic() + PAUSE_LIMIT
        while time.monotonic() < until and _pictures_wait(engine) and self.stop is Stop.NO:
            self._lend()
            if workers.stopping.wait(LOOK):
                raise TrainerStopped
        row = Engine.objects.filter(pk=engine).first()
        while row and not _hold(row, self.job):
            self._lend()
            if workers.stopping.wait(LOOK) or self.stop is Stop.NOW:
                raise TrainerStopped
        if row is None or row.health != Engine.Health.OK:
            raise TrainerLost("The engine went away between two segments.")
        self._watch.take_back(waiting, time.monotonic())
        self._pending.doing = None
        self.flush()

    def _lend(self) -> None:
        self.progress(self._pending.step, doing=Doing(Phase.LENDING))

    def flush(self) -> None:
        """Write what was said, where it is new."""
        self._write_said()
        self._write_row()
        self._written = time.monotonic()

    @property
    def _statements(self) -> int:
        """How many writes a flush would take: so many seconds it waits, and what is said meanwhile goes with them."""
        return len(self._pending.losses) + bool(self._pending.lines) + 1

    def _write_said(self) -> None:
        """Losses and lines of the log."""
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
        """How far it is, and when it ends, unless that stands there already."""
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
        """About when it ends, as far as anybody knows now."""
        now = time.monotonic()
        is_lent = _phase(self._pending.doing) is Phase.LENDING
        if now - self._weighed >= LOOK_AHEAD:
            self._weighed = now
            self._ahead = experience.waiting_pictures()[1] if is_lent else experience.pictures_ahead()
        ahead = max(0.0, self._ahead - (now - self._weighed)) if is_lent else self._ahead
        left = self.job.way.seconds(self._watch.now(now, ahead=ahead), self._watch.known)
        return None if left is None else timezone.now() + timedelta(seconds=left)

    def _tell_pages(self, now: float) -> None:
        """What is left gets less by itself: open pages are told when it reads otherwise, without a write."""
        shown = self.job.left_shown
        if shown != self._shown and now - self._pushed >= LOOK:
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
    """Whether the end that was told last is so far from what is reckoned now that people would notice."""
    if told is None or ends_at is None:
        return told is not ends_at
    left = (ends_at - timezone.now()).total_seconds()
    return abs((ends_at - told).total_seconds()) > max(LEAST_SHIFT, SHIFT * left)


def _pictures_wait(engine: int) -> bool:
    """Whether pictures wait that nobody works on, or this engine makes some."""
    live_ones = EnginePrompt.objects.filter(~EnginePrompt.MADE, engine=engine, state__in=EnginePrompt.LIVE)
    return pictures.anything_open() or live_ones.exists()


def gather(jobs: Sequence[TrainingJob]) -> None:
    """Fetch at once what the rows of many trainings show."""
    from django.db.models import prefetch_related_objects

    prefetch_related_objects(list(jobs), "engine", "style", "snapshot__dataset", "resumes")
    pictures = newest_pictures(jobs)
    for job in jobs:
        vars(job)["newest_pictures"] = pictures[job.pk]


def holding(pk: int) -> roster.Holding | None:
    """What people read of the training that holds an engine."""
    job = TrainingJob.objects.filter(pk=pk).select_related("owner", "resumes").first()
    if job is None:
        return None
    return roster.Holding(job.title, job.get_absolute_url(), job.owner.get_username(), job.left_shown)


def facts(job: TrainingJob) -> dict[str, object]:
    """What scripts get beside status and progress."""
    return {
        "step": job.step,
        "steps": job.steps,
        "doing": job.doing.phase.value if job.doing else "",
        "epoch": job.epoch,
        "left_seconds": job.left_shown,
        "checkpoints": list(job.checkpoints.values_list("step", flat=True)),
        "error": job.explanation if job.error_kind else "",
    }
