"""What follows when a picture did not come: who tries again, when and where, and what engines still hold of ours.

Waiting for an engine that is away is no attempt and may take days. Where an engine answers and it does not work, every
way of trying again is bounded: by ATTEMPTS for what was posted, and by MOST_TRIES and TRIED_FOR for everything else.
"""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager, suppress
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from generation.engines import installs, roster
from generation.engines.models import Engine
from generation.pictures import faults, graphs
from generation.pictures.models import EnginePrompt, GenerationTask
from stylestudio.comfy.connection.transport import NotConnected, SignInNeeded
from stylestudio.comfy.errors import (
    ComfyError,
    EngineErred,
    EngineTimeout,
    EngineUnreachable,
    FateUnknown,
    GraphInvalid,
    MissingFile,
    NotFetched,
    NotInstalled,
    OutOfMemory,
    PromptLost,
    PromptStalled,
    QueueStuck,
    UploadBroken,
)
from stylestudio.comfy.file_names import is_listed
from stylestudio.jobs.kinds import Status

log = logging.getLogger(__name__)

ATTEMPTS = 3  # times that an engine may lose a picture it was given
BACK_OFF = 2.0  # seconds before the third attempt; doubles with each further one
LONGEST_BACK_OFF = 30.0
# How often and how long something is tried again that an engine answers, but does not do. With the pauses above both
# are reached at about the same time. Few tries do not end by time: the studio may have been stopped between them.
MOST_TRIES = 25
TRIED_FOR = timedelta(minutes=10)
FEW_TRIES = 4
MOST_DAMAGED = 6  # times that a damaged file is fetched: it is likely to be so on the engine's disk
ELSEWHERE = timedelta(seconds=30)  # an engine may be away for so long before its pictures are made on another
TELL_TIMEOUT = 10.0  # seconds that an engine has to take a cancellation
MOST_CLEANED = 200  # prompts that an engine is told of at once


def failed(prompt: EnginePrompt, task: GenerationTask, error: ComfyError, *, sent: bool) -> None:
    """End or park an attempt that raised `error`, and decide what becomes of its task.

    `sent`: the engine may have the graph. Then a lost connection says nothing about the picture, which may be made
    there at this moment: the prompt waits for the engine to come back and is asked for (`claim` adopts it).
    """
    log.warning("Task %s picture %s attempt %s: %s", task.pk, prompt.index + 1, prompt.attempt, error)
    reason = (error.reason if isinstance(error, NotFetched) else None) or error
    broken = isinstance(reason, EngineUnreachable | EngineTimeout)
    away = broken and not still_answers(prompt.engine, reason)
    if away:
        roster.take_out(prompt.engine, str(reason))
    # Without a connection the engine never saw the graph, unless it had taken it before.
    never = isinstance(reason, UploadBroken) or (isinstance(reason, NotConnected) and not prompt.posted_at)
    unsure = sent and broken and not never
    if unsure or isinstance(error, NotFetched | FateUnknown):
        _ask_again(prompt, task, error, away=away)
    elif isinstance(error, QueueStuck):
        roster.take_out(prompt.engine, str(error), Engine.Health.STUCK)
        # It stays in that queue: as long as prompts wait there and none runs, the engine is known to be stuck.
        _try_again(prompt, task, error, answered=True, unclean=True)
    elif isinstance(error, UploadBroken) and _breaks_off(prompt, error):
        _give_up(prompt, task, _not_through(prompt.engine, error))
    elif broken or isinstance(error, PromptLost | EngineErred) or _may_pass(prompt, task, error):
        # A request that broke off may still arrive, and nobody would fetch what comes of it.
        late = isinstance(error, PromptLost) and not prompt.posted_at
        _try_again(prompt, task, error, answered=not away, unclean=late or _is_left_behind(error))
    else:
        _give_up(prompt, task, error)


def still_answers(engine: Engine, error: ComfyError) -> bool:
    """Whether an engine to which a connection broke off, or that took too long, answers a small question."""
    on_the_way = isinstance(error, UploadBroken) and not isinstance(error.__cause__, EngineErred)
    # A sign-in may be asked for on one route alone, and then the engine is well to everybody but this job.
    if on_the_way or (isinstance(error, NotConnected) and not isinstance(error, SignInNeeded)):
        return False
    with suppress(ComfyError, TimeoutError):
        roster.pool.loop.call(roster.pool.client(engine).system_stats(), timeout=TELL_TIMEOUT)
        return True
    return False


def gone(prompt: EnginePrompt) -> None:
    """Its engine stays away: the picture is made on another one. What was only to be fetched ends."""
    _try_again(prompt, prompt.task, PromptLost("The engine did not come back."), answered=False, unclean=True)
    end_fetching(prompt.task)


def leave(prompt: EnginePrompt, error: str = "", *, unclean: bool = True) -> None:
    """End an attempt whose task has ended. What an engine made of a job that failed can be fetched again.

    `unclean`: its engine may still hold it.
    """
    task = prompt.task
    if task.fetching or (task.status == Status.FAILED and prompt.output):
        prompt.end(EnginePrompt.State.UNFETCHED, error or prompt.error)
    else:
        prompt.end(EnginePrompt.State.CANCELLED, error, unclean=unclean)


def hands_out_again(engine: Engine) -> None:
    """A picture came that had not come before: the others that it made are due at once."""
    made = EnginePrompt.objects.filter(EnginePrompt.MADE, engine=engine, state__in=EnginePrompt.LIVE)
    made.update(lease_until=Now() - timedelta(milliseconds=1))


def fetch_again(task: GenerationTask) -> bool:
    """Open an ended job once more to fetch what engines made of it. False when there is nothing to fetch.

    Nothing is made anew. The job ends as soon as all that it has on engines came, or is known to be gone.
    """
    over = timezone.now() - timedelta(seconds=1)
    with transaction.atomic():
        unfetched = task.prompts.filter(state=EnginePrompt.State.UNFETCHED).exclude(index__in=task.stored)
        if not unfetched.exists() or not task.reopen(fetching=True, error_field="", not_before=None):
            return False
        task.faces.update(settled=False)
        unfetched.update(
            state=EnginePrompt.State.POSTED, worker="", lease_until=over, ended_at=None, misses=0, missed_since=None
        )
    return True


def end_fetching(task: GenerationTask) -> bool:
    """End a job that was opened to fetch its pictures, once none is left to be waited for. Whether it ended now."""
    if not task.fetching or not task.is_active or task.prompts.filter(state__in=EnginePrompt.LIVE).exists():
        return False
    if task.complete_if_whole():
        return True
    left = task.prompts.filter(state=EnginePrompt.State.UNFETCHED).order_by("-ended_at").first()
    if left:
        fail_task(task, "unfetched" if left.output else "untold", left.error)
    else:
        lost = task.prompts.filter(state=EnginePrompt.State.LOST).exists()
        fail_task(task, "gone" if lost else "not_made")
    return True


def preferred(task: GenerationTask, able: list[Engine]) -> list[Engine]:
    """Of engines that can make it those that have not failed it lately; all of them when each one has."""
    if task.not_before is None:
        return able
    lately = task.prompts.filter(state=EnginePrompt.State.LOST, misses__gt=0, ended_at__gt=timezone.now() - TRIED_FOR)
    bad = set(lately.values_list("engine", flat=True))
    return [engine for engine in able if engine.pk not in bad] or able


def _ask_again(prompt: EnginePrompt, task: GenerationTask, error: ComfyError, *, away: bool) -> None:
    """The engine has made the picture, or may have: ask it when it is back, or after a pause, but not for ever."""
    if away:  # that is no try, and the time until it is back does not count
        prompt.missed_since = None
        prompt.park()
        return
    prompt.miss()
    damaged = isinstance(error, NotFetched) and error.damaged and prompt.misses >= MOST_DAMAGED
    if damaged or _is_enough(prompt.misses, prompt.missed_since):
        with ending():
            prompt.end(EnginePrompt.State.UNFETCHED, str(error))
            if not task.fetching:  # else the others are asked for first
                fail_task(task, faults.kind_of(error), str(error), error.detail)
        return
    pause = _pause(prompt.misses)
    prompt.park(pause, str(error))
    GenerationTask.wake(pause + 0.1)


def _is_enough(tries: int, since: datetime | None) -> bool:
    """Whether so many tries since then are all that is done."""
    long = since is not None and timezone.now() - since >= TRIED_FOR
    return tries >= MOST_TRIES or (long and tries >= FEW_TRIES)


def _pause(tries: int) -> float:
    """Seconds before the next try."""
    return min(BACK_OFF * 2.0 ** (tries - 1), LONGEST_BACK_OFF)


def stop_on_engine(prompt: EnginePrompt) -> bool:
    """Tell the engine that nobody wants this any more. False when it could not be told."""
    return cancel(prompt.engine, str(prompt.prompt_id))


def cancel(engine: Engine, prompt_id: str) -> bool:
    """End a prompt of ours on an engine, in any state. False when it could not be told."""
    with suppress(ComfyError, TimeoutError):
        roster.pool.loop.call(roster.pool.client(engine).cancel(prompt_id), timeout=TELL_TIMEOUT)
        return True
    return False


def clean(engine: Engine) -> None:
    """The engine answers: take from it what was cancelled or given up here while it could not be told."""
    left = EnginePrompt.objects.filter(engine=engine, unclean=True).order_by("pk")
    for prompt in left.select_related("engine")[:MOST_CLEANED]:
        if not stop_on_engine(prompt) and not was_told_enough(engine, prompt.ended_at):
            return
        EnginePrompt.objects.filter(pk=prompt.pk).update(unclean=False)


def was_told_enough(engine: Engine, ended_at: datetime | None) -> bool:
    """Whether an engine that is well has refused for long to drop a prompt that ended here then."""
    since = max(engine.health_since, ended_at or engine.health_since)
    return engine.health == Engine.Health.OK and timezone.now() - since >= TRIED_FOR


def ending() -> AbstractContextManager[object]:
    """An attempt ends with its task, or neither does: in between, the picture would be free to be made once more."""
    return transaction.atomic()


def fail_task(task: GenerationTask, kind: str, error: str = "", detail: str = "", field: str = "") -> None:
    """End the task with a reason. The first reason stays."""
    if task.fail(kind, error, detail, error_field=field):
        log.warning("Task %s failed: %s %s", task.pk, kind, error or detail)


def _may_pass(prompt: EnginePrompt, task: GenerationTask, error: ComfyError) -> bool:
    """Whether the same graph may succeed next time: after the input is sent again, or on another engine."""
    if not isinstance(error, MissingFile) or _is_strange(task, error):
        return False
    if error.folder == "input":
        # It is sent again, once to each engine.
        return not _said_before(prompt, error).filter(engine=prompt.engine_id).exists()
    # The list of what it has was older than the truth.
    roster.forget_file(prompt.engine, error.folder, error.name)
    files, stored = graphs.files(task), graphs.stored(task)
    said = {prompt.engine_id, *_said_before(prompt, error).values_list("engine", flat=True)}
    again = _said_before(prompt, error).filter(engine=prompt.engine_id).exists()
    # Where it was installed anew after the first time, that did not help.
    chances = [engine for engine in roster.serving() if engine.pk not in said]
    if error.name in stored and not again:
        chances.append(Engine.objects.get(pk=prompt.engine_id))
    return any(installs.is_able(engine, files, (), stored) for engine in chances)


def _is_strange(task: GenerationTask, error: MissingFile) -> bool:
    """Whether the engine complains about a file that these pictures do not need."""
    if error.folder == "input":
        return task.reference is None
    return (error.folder, error.name) not in graphs.files(task)


def _said_before(prompt: EnginePrompt, error: ComfyError) -> QuerySet[EnginePrompt]:
    """Earlier attempts at the same picture that ended with the same words."""
    lost = EnginePrompt.objects.filter(task=prompt.task_id, index=prompt.index, state=EnginePrompt.State.LOST)
    return lost.filter(error=str(error))


def _breaks_off(prompt: EnginePrompt, error: UploadBroken) -> bool:
    """Whether sending this file there broke off before, as often as a picture may be lost."""
    lost = EnginePrompt.objects.filter(task=prompt.task_id, engine=prompt.engine_id, state=EnginePrompt.State.LOST)
    return lost.filter(error=str(error)).count() >= ATTEMPTS - 1


def _not_through(engine: Engine, error: UploadBroken) -> NotInstalled:
    if isinstance(error.__cause__, EngineErred):
        words = _("%(said)s That happened %(times)d times. Its disk may be full.")
        return NotInstalled(error.name, words % {"said": error, "times": ATTEMPTS}, error.detail)
    words = _(
        "Sending %(file)s to %(engine)s broke off %(times)d times, and the engine answers otherwise. "
        "A proxy before it may not let so much through."
    )
    facts = {"file": error.name, "engine": roster.title(engine), "times": ATTEMPTS}
    return NotInstalled(error.name, words % facts, error.detail)


def _try_again(
    prompt: EnginePrompt, task: GenerationTask, error: ComfyError, *, answered: bool, unclean: bool = False
) -> None:
    """Lost, not refused: the picture is free to be claimed again, unless engines lost it too often.

    `answered`: the engine is there. What never reached one is no attempt: an engine may be away for a day.
    """
    if answered:
        prompt.miss()
    with ending():
        prompt.end(EnginePrompt.State.LOST, str(error), unclean=unclean)
        if task.fetching:
            return
        lost = EnginePrompt.objects.filter(task=task, index=prompt.index, state=EnginePrompt.State.LOST)
        if lost.filter(posted_at__isnull=False).count() >= ATTEMPTS or (answered and _tried_enough(lost)):
            fail_task(task, faults.kind_of(error, answered=answered), str(error), error.detail)
            return
        tries = lost.count()
        if tries < 2:
            return
        rest = _pause(tries - 1)
        GenerationTask.everything.filter(pk=task.pk).update(not_before=Now() + timedelta(seconds=rest))
    GenerationTask.wake(rest + 0.1)


def _tried_enough(lost: QuerySet[EnginePrompt]) -> bool:
    """Whether engines answered often or long enough, and it never worked."""
    answered = lost.filter(misses__gt=0)
    away = lost.filter(misses=0).order_by("-attempt").values_list("attempt", flat=True).first() or 0
    since = answered.filter(attempt__gt=away).order_by("attempt").values_list("claimed_at", flat=True).first()
    return _is_enough(answered.count(), since)


def _give_up(prompt: EnginePrompt, task: GenerationTask, error: ComfyError) -> None:
    """The engine's word is final: trying the same again would end the same."""
    unclean = _is_left_behind(error) or (isinstance(error, PromptStalled) and not stop_on_engine(prompt))
    strange = isinstance(error, MissingFile) and _is_strange(task, error)
    kind = "strange" if strange else faults.kind_of(error)
    field = faults.field_of(error) if isinstance(error, GraphInvalid) and not strange else ""
    words = _in_words(prompt, error)  # asks the engine, which no transaction waits for
    with ending():
        prompt.end(EnginePrompt.State.FAILED, str(error), unclean=unclean)
        fail_task(task, kind, words, error.detail, field)
    if isinstance(error, OutOfMemory):
        _out_of_memory(prompt.engine)


def _is_left_behind(error: ComfyError) -> bool:
    """Whether the engine runs a part of the graph that it refused, and could not be told to end that."""
    return isinstance(error, GraphInvalid) and error.left_behind


def _in_words(prompt: EnginePrompt, error: ComfyError) -> str:
    """What the engine said; where it says that it lacks a file and lists it, that too."""
    if isinstance(error, MissingFile) and error.folder != "input":
        with suppress(ComfyError, TimeoutError):
            asked = roster.pool.client(prompt.engine).models(error.folder)
            if is_listed(error.name, roster.pool.loop.call(asked, timeout=TELL_TIMEOUT)):
                words = _("%(said)s It lists the file all the same: restart ComfyUI there, then press Retry.")
                return words % {"said": error}
    return str(error)


def _out_of_memory(engine: Engine) -> None:
    """Let it unload what it holds. After three in a row it gets no more work."""
    with suppress(ComfyError, TimeoutError):
        roster.pool.loop.call(roster.pool.client(engine).free(), timeout=TELL_TIMEOUT)
    rows = Engine.objects.filter(pk=engine.pk)
    rows.update(ooms=F("ooms") + 1, warm="")
    if rows.filter(ooms__gte=roster.MOST_OOMS).exists():
        roster.take_out(engine, "", Engine.Health.EXHAUSTED)


def is_hopeless(prompt: EnginePrompt) -> bool:
    """Whether to make a parked picture elsewhere: its engine is gone for good, or long and another one can."""
    engine = prompt.engine
    if not engine.active:
        return True
    if prompt.task.fetching:
        return False
    if engine.health == Engine.Health.OK or timezone.now() - engine.health_since < ELSEWHERE:
        return False
    others = [other for other in roster.serving() if other.is_preview == engine.is_preview]
    files, stored = graphs.files(prompt.task), graphs.stored(prompt.task)
    return any(installs.is_able(other, files, (), stored) for other in others)
