"""What follows when a picture did not come: who tries again, when and where, and what engines still hold of ours."""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import timedelta

from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from generation import engines, faults, graphs, installs
from generation.models import Engine, EnginePrompt, GenerationTask
from stylestudio.comfy.errors import (
    ComfyError,
    EngineTimeout,
    EngineUnreachable,
    GraphInvalid,
    MissingFile,
    NotInstalled,
    OutOfMemory,
    PromptInterrupted,
    PromptLost,
    PromptStalled,
    QueueStuck,
    UploadBroken,
)
from stylestudio.comfy.transport import NotConnected

log = logging.getLogger(__name__)

ATTEMPTS = 3  # times that an engine may lose a picture it was given
BACK_OFF = 2.0  # seconds before the third attempt; doubles with each further one
LONGEST_BACK_OFF = 30.0
ELSEWHERE = timedelta(seconds=30)  # an engine may be away for so long before its pictures are made on another
TELL_TIMEOUT = 10.0  # seconds that an engine has to take a cancellation
MOST_CLEANED = 200  # prompts that an engine is told of at once


def failed(prompt: EnginePrompt, task: GenerationTask, error: ComfyError, *, sent: bool) -> None:
    """End or park an attempt that raised `error`, and decide what becomes of its task.

    `sent`: the engine may have the graph. Then a lost connection says nothing about the picture, which may be made
    there at this moment: the prompt waits for the engine to come back and is asked for (`claim` adopts it).
    """
    log.warning("Task %s picture %s attempt %s: %s", task.pk, prompt.index + 1, prompt.attempt, error)
    away = isinstance(error, EngineUnreachable | EngineTimeout)
    if away:
        engines.take_out(prompt.engine, str(error))
    # Without a connection the engine never saw the graph, unless it had taken it before.
    if sent and away and (prompt.posted_at or not isinstance(error, NotConnected)):
        prompt.park()
    elif isinstance(error, QueueStuck):
        engines.take_out(prompt.engine, str(error), Engine.Health.STUCK)
        # It stays in that queue: as long as prompts wait there and none runs, the engine is known to be stuck.
        prompt.end(EnginePrompt.State.LOST, str(error), unclean=True)
    elif isinstance(error, UploadBroken) and _breaks_off(prompt, error):
        _give_up(prompt, task, _not_through(prompt.engine, error))
    elif away or isinstance(error, PromptLost) or _may_pass(prompt, task, error):
        _try_again(prompt, task, error)
    else:
        _give_up(prompt, task, error)


def stop_on_engine(prompt: EnginePrompt) -> bool:
    """Tell the engine that nobody wants this any more. False when it could not be told."""
    return cancel(prompt.engine, str(prompt.prompt_id))


def cancel(engine: Engine, prompt_id: str) -> bool:
    """End a prompt of ours on an engine, in any state. False when it could not be told."""
    with suppress(ComfyError, TimeoutError):
        engines.pool.loop.call(engines.pool.client(engine).cancel(prompt_id), timeout=TELL_TIMEOUT)
        return True
    return False


def clean(engine: Engine) -> None:
    """The engine answers: take from it what was cancelled or given up here while it could not be told."""
    left = EnginePrompt.objects.filter(engine=engine, unclean=True).order_by("pk")
    for prompt in left.select_related("engine")[:MOST_CLEANED]:
        if not stop_on_engine(prompt):
            return
        EnginePrompt.objects.filter(pk=prompt.pk).update(unclean=False)


def fail_task(task: GenerationTask, kind: str, error: str = "", detail: str = "", field: str = "") -> None:
    """End the task with a reason. The first reason stays."""
    if task.fail(kind, error, detail, error_field=field):
        log.warning("Task %s failed: %s %s", task.pk, kind, error or detail)


def _may_pass(prompt: EnginePrompt, task: GenerationTask, error: ComfyError) -> bool:
    """Whether the same graph may succeed next time: after the input is sent again, or on another engine."""
    if not isinstance(error, MissingFile):
        return False
    if error.folder == "input":
        return True
    # The list of what it has was older than the truth.
    engines.forget_file(prompt.engine, error.folder, error.name)
    files, stored = graphs.files(task), installs.stored_of(task)
    if _said_before(prompt, error):
        stored = {}  # it was installed anew after the first time, and that did not help
    return any(installs.is_able(engine, files, (), stored) for engine in engines.serving())


def _said_before(prompt: EnginePrompt, error: ComfyError) -> bool:
    """Whether an earlier attempt at the same picture ended with the same words."""
    lost = EnginePrompt.objects.filter(task=prompt.task_id, index=prompt.index, state=EnginePrompt.State.LOST)
    return lost.filter(engine=prompt.engine_id, error=str(error)).exists()


def _breaks_off(prompt: EnginePrompt, error: UploadBroken) -> bool:
    """Whether sending this file there broke off before, as often as a picture may be lost."""
    lost = EnginePrompt.objects.filter(task=prompt.task_id, engine=prompt.engine_id, state=EnginePrompt.State.LOST)
    return lost.filter(error=str(error)).count() >= ATTEMPTS - 1


def _not_through(engine: Engine, error: UploadBroken) -> NotInstalled:
    words = _(
        "Sending %(file)s to %(engine)s broke off %(times)d times, and the engine answers otherwise. "
        "A proxy before it may not let so much through."
    )
    facts = {"file": error.name, "engine": engines.title(engine), "times": ATTEMPTS}
    return NotInstalled(error.name, words % facts, error.detail)


def _try_again(prompt: EnginePrompt, task: GenerationTask, error: ComfyError) -> None:
    """Lost, not refused: the picture is free to be claimed again, unless engines lost it too often."""
    prompt.end(EnginePrompt.State.LOST, str(error))
    places = EnginePrompt.objects.filter(task=task, index=prompt.index, state=EnginePrompt.State.LOST)
    # What never reached an engine is no attempt: an engine may be away for a day.
    given = places.filter(posted_at__isnull=False).count()
    if given >= ATTEMPTS:
        fail_task(task, faults.kind_of(error), str(error), error.detail)
        return
    tries = places.count()
    if tries > 1:
        _rest(task, min(BACK_OFF * 2 ** (tries - 2), LONGEST_BACK_OFF))


def _rest(task: GenerationTask, seconds: float) -> None:
    from generation import tasks

    GenerationTask.objects.filter(pk=task.pk).update(not_before=Now() + timedelta(seconds=seconds))
    tasks.work.schedule(delay=seconds + 0.1)


def _give_up(prompt: EnginePrompt, task: GenerationTask, error: ComfyError) -> None:
    """The engine's word is final: trying the same again would end the same."""
    unclean = isinstance(error, PromptStalled) and not stop_on_engine(prompt)
    prompt.end(EnginePrompt.State.FAILED, str(error), unclean=unclean)
    if isinstance(error, OutOfMemory):
        _out_of_memory(prompt.engine)
    kind = "interrupted" if isinstance(error, PromptInterrupted) else faults.kind_of(error)
    field = faults.field_of(error) if isinstance(error, GraphInvalid) else ""
    fail_task(task, kind, str(error), error.detail, field)


def _out_of_memory(engine: Engine) -> None:
    """Let it unload what it holds. After three in a row it gets no more work."""
    with suppress(ComfyError, TimeoutError):
        engines.pool.loop.call(engines.pool.client(engine).free(), timeout=TELL_TIMEOUT)
    rows = Engine.objects.filter(pk=engine.pk)
    rows.update(ooms=F("ooms") + 1, warm="")
    if rows.filter(ooms__gte=engines.MOST_OOMS).exists():
        engines.take_out(engine, "", Engine.Health.EXHAUSTED)


def is_hopeless(prompt: EnginePrompt) -> bool:
    """Whether to make a parked picture elsewhere: its engine is gone for good, or long and another one can."""
    engine = prompt.engine
    if not engine.active:
        return True
    if engine.health == Engine.Health.OK or timezone.now() - engine.health_since < ELSEWHERE:
        return False
    others = [other for other in engines.serving() if other.is_preview == engine.is_preview]
    files, stored = graphs.files(prompt.task), installs.stored_of(prompt.task)
    return any(installs.is_able(other, files, (), stored) for other in others)
