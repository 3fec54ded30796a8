"""The outcome of an attempt that ended without a picture: for the picture, its engine and its task.

`recovery` decides and writes nothing; `apply` writes what was decided, and is the only place that does.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from generation.engines import listings, roster
from generation.engines.models import Engine
from generation.making import cancelling
from generation.pictures.models import EnginePrompt, GenerationTask
from stylestudio.comfy.errors import ComfyError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Tries:
    """How often its engine answered without making the picture, and since when without being away in between."""

    misses: int
    since: datetime | None

    @classmethod
    def of(cls, prompt: EnginePrompt) -> Tries:
        """Those of an attempt so far."""
        return cls(prompt.misses, prompt.missed_since)


@dataclass(frozen=True, slots=True)
class Ends:
    """The attempt is over.

    `unclean`: its engine may still hold it and could not be told. `stop`: tell it first; the attempt is unclean only if
    that fails. `tries`: None leaves them unchanged.
    """

    state: EnginePrompt.State
    error: str = ""
    unclean: bool = False
    stop: bool = False
    tries: Tries | None = None


@dataclass(frozen=True, slots=True)
class Waits:
    """The attempt continues once somebody finds its engine well, and not before that many seconds have passed."""

    tries: Tries
    seconds: float = 0.0
    error: str = ""


@dataclass(frozen=True, slots=True)
class TakenOut:
    """The engine gets no work until a probe finds it well."""

    health: Engine.Health
    trouble: str


@dataclass(frozen=True, slots=True)
class FileForgotten:
    """The engine does not have a file that it had listed. References are in the folder "input"."""

    folder: str
    name: str


@dataclass(frozen=True, slots=True)
class OutOfMemory:
    """The engine unloads its models. After `roster.MOST_OOMS` in a row it is taken out of service."""


@dataclass(frozen=True, slots=True)
class Fails:
    """The task ends with a reason: see `Job.fail`."""

    kind: str
    error: str = ""
    detail: str = ""
    field: str = ""


@dataclass(frozen=True, slots=True)
class Rests:
    """No picture of the task is started for that many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows an attempt. None: the engine, or the task, stays as it is."""

    picture: Ends | Waits
    engine: TakenOut | FileForgotten | OutOfMemory | None = None
    task: Fails | Rests | None = None


def apply(prompt: EnginePrompt, task: GenerationTask, verdict: Verdict) -> None:
    """Write the verdict, and wake workers for when there will be something to do.

    An attempt ends together with its task, or neither does: otherwise the picture could be claimed once more in
    between.
    """
    # Makes a request to the engine, which no transaction should wait for.
    unclean = _stop(prompt, verdict.picture)
    if isinstance(verdict.engine, TakenOut | FileForgotten):
        _tell_roster(prompt.engine, verdict.engine)
    with transaction.atomic():
        _write_picture(prompt, verdict.picture, unclean=unclean)
        if verdict.task:
            _write_task(task, verdict.task)
    if isinstance(verdict.engine, OutOfMemory):
        _unload(prompt.engine)
    for later in (verdict.picture, verdict.task):
        if isinstance(later, Waits | Rests) and later.seconds:
            GenerationTask.wake(later.seconds + 0.1)


def fail(task: GenerationTask, reason: Fails) -> None:
    """End the task with a reason. The first reason stays."""
    if task.fail(reason.kind, reason.error, reason.detail, error_field=reason.field):
        log.warning("Task %s failed: %s %s", task.pk, reason.kind, reason.error or reason.detail)


def _stop(prompt: EnginePrompt, picture: Ends | Waits) -> bool:
    """Tell the engine to stop if the verdict says so. Whether the engine may still hold the prompt."""
    if isinstance(picture, Waits):
        return False
    return picture.unclean or (picture.stop and not cancelling.stop_on_engine(prompt))


def _write_picture(prompt: EnginePrompt, picture: Ends | Waits, *, unclean: bool) -> None:
    if picture.tries:
        prompt.misses, prompt.missed_since = picture.tries.misses, picture.tries.since
    if isinstance(picture, Waits):
        prompt.park(picture.seconds, picture.error)
    else:
        prompt.end(picture.state, picture.error, unclean=unclean)


def _write_task(task: GenerationTask, outcome: Fails | Rests) -> None:
    if isinstance(outcome, Fails):
        fail(task, outcome)
    else:
        rows = GenerationTask.everything.filter(pk=task.pk)
        rows.update(not_before=Now() + timedelta(seconds=outcome.seconds))


def _tell_roster(engine: Engine, outcome: TakenOut | FileForgotten) -> None:
    if isinstance(outcome, TakenOut):
        roster.take_out(engine, outcome.trouble, outcome.health)
    elif outcome.folder == "input":
        roster.pool.memory.forget_inputs()
    else:
        listings.forget_file(engine, outcome.folder, outcome.name)


def _unload(engine: Engine) -> None:
    with suppress(ComfyError, TimeoutError):
        roster.pool.loop.call(roster.pool.client(engine).free(), timeout=cancelling.TELL_TIMEOUT)
    rows = Engine.objects.filter(pk=engine.pk)
    rows.update(ooms=F("ooms") + 1, warm="")
    if rows.filter(ooms__gte=roster.MOST_OOMS).exists():
        roster.take_out(engine, "", Engine.Health.EXHAUSTED)
