"""What follows when a picture was not made: who tries again, when and where. Decides and writes nothing.

Waiting for an engine that is away is no attempt and may take days. If an engine answers and it does not work, every way
of trying again is bounded: by ATTEMPTS for what was posted, and by MOST_TRIES and TRIED_FOR for everything else.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from generation.engines import installs, listings, roster
from generation.engines.models import Engine
from generation.making import installable
from generation.making.cancelling import TELL_TIMEOUT
from generation.making.verdicts import (
    Ends,
    Fails,
    FileForgotten,
    OutOfMemory,
    Rests,
    TakenOut,
    Tries,
    Verdict,
    Waits,
)
from generation.pictures import faults, graphs, snapshots
from generation.pictures.models import EnginePrompt, GenerationTask
from stylestudio.comfy import errors
from stylestudio.comfy.errors import (
    ComfyError,
    EngineErred,
    EngineTimeout,
    EngineUnreachable,
    FateUnknown,
    GraphInvalid,
    MissingFile,
    NotConnected,
    NotFetched,
    NotInstalled,
    PromptLost,
    PromptStalled,
    QueueStuck,
    SignInNeeded,
    UploadBroken,
)
from stylestudio.comfy.file_names import is_listed
from stylestudio.jobs.kinds import Status

log = logging.getLogger(__name__)

State = EnginePrompt.State

ATTEMPTS = 3  # times that an engine may lose a picture it was given
BACK_OFF = 2.0  # seconds before the third attempt; doubles with each further one
LONGEST_BACK_OFF = 30.0
# How often and for how long something is retried if the engine answers but fails. With the pauses above both limits are
# reached at about the same time. A few tries never exceed the time: the studio may have been stopped between them.
MOST_TRIES = 25
TRIED_FOR = timedelta(minutes=10)
FEW_TRIES = 4
MOST_DAMAGED = 6  # times that a damaged file is fetched: it is probably damaged on the engine's disk
ELSEWHERE = timedelta(seconds=30)  # how long an engine may be away before its pictures are made on another


def judge(prompt: EnginePrompt, task: GenerationTask, error: ComfyError, *, sent: bool) -> Verdict:
    """The verdict on an attempt that raised `error`.

    `sent`: the engine may have the graph. Then a lost connection says nothing about the picture, which may be in the
    making right now: the prompt waits until the engine is back and is then asked for (`claim` adopts it).
    """
    log.warning("Task %s picture %s attempt %s: %s", task.pk, prompt.index + 1, prompt.attempt, error)
    reason = (error.reason if isinstance(error, NotFetched) else None) or error
    broken = isinstance(reason, EngineUnreachable | EngineTimeout)
    away = broken and not still_answers(prompt.engine, reason)
    engine = TakenOut(Engine.Health.UNREACHABLE, str(reason)) if away else None
    # Without a connection the engine never saw the graph, unless it had accepted it before.
    never = isinstance(reason, UploadBroken) or (isinstance(reason, NotConnected) and not prompt.posted_at)
    unsure = sent and broken and not never
    if unsure or isinstance(error, NotFetched | FateUnknown):
        return replace(_ask_again(prompt, task, error, away=away), engine=engine)
    if isinstance(error, QueueStuck):
        # It stays in that queue: as long as prompts wait there and none runs, the engine is known to be stuck.
        again = _try_again(prompt, task, error, answered=True, unclean=True)
        return replace(again, engine=TakenOut(Engine.Health.STUCK, str(error)))
    if isinstance(error, UploadBroken) and _breaks_off(prompt, error):
        return replace(_give_up(prompt, task, _not_through(prompt.engine, error)), engine=engine)
    if broken or isinstance(error, PromptLost | EngineErred):
        # A request that broke off may still arrive, and nobody would fetch its result.
        late = isinstance(error, PromptLost) and not prompt.posted_at
        return replace(_try_again(prompt, task, error, answered=not away, unclean=late), engine=engine)
    if isinstance(error, MissingFile):
        return _missing(prompt, task, error)
    return _give_up(prompt, task, error)


def broke_here(prompt: EnginePrompt, kind: str, said: str, *, sent: bool = False) -> Verdict:
    """The verdict on an attempt that failed on our side: what the engine has made is still there.

    `sent`: the engine may still be making it.
    """
    state = State.UNFETCHED if prompt.output else State.FAILED
    return Verdict(Ends(state, said, unclean=sent and not prompt.output), task=Fails(kind, detail=said))


def no_picture(said: str) -> Verdict:
    """The verdict on an attempt whose engine finished without a valid picture."""
    return Verdict(Ends(State.FAILED, said), task=Fails("no_picture"))


def gone(prompt: EnginePrompt) -> Verdict:
    """The verdict if the engine stays away: the picture is made on another one. Fetching ends."""
    lost = PromptLost("The engine did not come back.")
    return _try_again(prompt, prompt.task, lost, answered=False, unclean=True)


def left(prompt: EnginePrompt, task: GenerationTask, error: str = "", *, unclean: bool = True) -> Verdict:
    """The verdict on an attempt whose task has ended. What an engine has made of a failed job can be fetched again.

    `unclean`: its engine may still hold it.
    """
    if task.fetching or (task.status == Status.FAILED and prompt.output):
        return Verdict(Ends(State.UNFETCHED, error or prompt.error))
    return Verdict(Ends(State.CANCELLED, error, unclean=unclean))


def is_hopeless(prompt: EnginePrompt) -> bool:
    """Whether to make a parked picture elsewhere: its engine is gone for good, or has been away long and another one
    can.
    """
    engine = prompt.engine
    if not engine.active:
        return True
    if prompt.task.fetching:
        return False
    if engine.health == Engine.Health.OK or timezone.now() - engine.health_since < ELSEWHERE:
        return False
    others = [other for other in roster.serving() if other.is_preview == engine.is_preview]
    files, stored = graphs.files(prompt.task), installable.stored(prompt.task)
    return any(installs.is_able(other, files, (), stored) for other in others)


def preferred(task: GenerationTask, able: list[Engine]) -> list[Engine]:
    """Of engines that can make it, those that have not failed it recently; all of them if each one has."""
    if task.not_before is None:
        return able
    lately = task.prompts.filter(state=EnginePrompt.State.LOST, misses__gt=0, ended_at__gt=timezone.now() - TRIED_FOR)
    bad = set(lately.values_list("engine", flat=True))
    return [engine for engine in able if engine.pk not in bad] or able


def still_answers(engine: Engine, error: ComfyError) -> bool:
    """Whether an engine whose connection broke off, or that took too long, answers a small request."""
    on_the_way = isinstance(error, UploadBroken) and not isinstance(error.__cause__, EngineErred)
    # If a sign-in is required on one route only, the engine is well for everybody but this job.
    if on_the_way or (isinstance(error, NotConnected) and not isinstance(error, SignInNeeded)):
        return False
    with suppress(ComfyError, TimeoutError):
        roster.pool.loop.call(roster.pool.client(engine).system_stats(), timeout=TELL_TIMEOUT)
        return True
    return False


def _ask_again(prompt: EnginePrompt, task: GenerationTask, error: ComfyError, *, away: bool) -> Verdict:
    """The engine has made the picture, or may have: ask it when it is back, or after a pause, but not for ever."""
    if away:  # not a try, and the time until it is back does not count
        return Verdict(Waits(Tries(prompt.misses, None)))
    tries = _one_more(prompt)
    damaged = isinstance(error, NotFetched) and error.damaged and tries.misses >= MOST_DAMAGED
    if damaged or _is_enough(tries.misses, tries.since):
        ends = Ends(State.UNFETCHED, str(error), tries=tries)
        if task.fetching:  # the others are asked for first
            return Verdict(ends)
        return Verdict(ends, task=Fails(faults.kind_of(error), str(error), error.detail))
    return Verdict(Waits(tries, _pause(tries.misses), str(error)))


def _one_more(prompt: EnginePrompt) -> Tries:
    """Its tries including this one, which its engine answered."""
    return Tries(prompt.misses + 1, prompt.missed_since or timezone.now())


def _is_enough(tries: int, since: datetime | None) -> bool:
    """Whether that many tries since then are enough to give up."""
    long = since is not None and timezone.now() - since >= TRIED_FOR
    return tries >= MOST_TRIES or (long and tries >= FEW_TRIES)


def _pause(tries: int) -> float:
    """Seconds before the next try."""
    return min(BACK_OFF * 2.0 ** (tries - 1), LONGEST_BACK_OFF)


def _missing(prompt: EnginePrompt, task: GenerationTask, error: MissingFile) -> Verdict:
    """The engine says that it lacks a file: what we knew of it was out of date."""
    if _is_strange(task, error):
        return _give_up(prompt, task, error)
    forgotten = FileForgotten(error.folder, error.name)
    if _may_pass(prompt, task, error):
        again = _try_again(prompt, task, error, answered=True, unclean=_is_left_behind(error))
        return replace(again, engine=forgotten)
    return replace(_give_up(prompt, task, error), engine=forgotten)


def _may_pass(prompt: EnginePrompt, task: GenerationTask, error: MissingFile) -> bool:
    """Whether the same graph may succeed next time: after the input is sent again, or on another engine."""
    if error.folder == "input":
        # It is sent again, once to each engine.
        return not _said_before(prompt, error).filter(engine=prompt.engine_id).exists()
    files, stored = graphs.files(task), installable.stored(task)
    said = {prompt.engine_id, *_said_before(prompt, error).values_list("engine", flat=True)}
    again = _said_before(prompt, error).filter(engine=prompt.engine_id).exists()
    # If it was installed again after the first time, that did not help.
    chances = [engine for engine in roster.serving() if engine.pk not in said]
    if error.name in stored and not again:
        chances.append(listings.without_file(prompt.engine, error.folder, error.name))
    return any(installs.is_able(engine, files, (), stored) for engine in chances)


def _is_strange(task: GenerationTask, error: MissingFile) -> bool:
    """Whether the engine complains about a file that these pictures do not need."""
    if error.folder == "input":
        return not snapshots.sent_in(task.snapshot)
    return (error.folder, error.name) not in graphs.files(task)


def _said_before(prompt: EnginePrompt, error: ComfyError) -> QuerySet[EnginePrompt]:
    """Earlier attempts at the same picture that ended with the same message."""
    lost = EnginePrompt.objects.filter(task=prompt.task_id, index=prompt.index, state=EnginePrompt.State.LOST)
    return lost.filter(error=str(error))


def _breaks_off(prompt: EnginePrompt, error: UploadBroken) -> bool:
    """Whether sending this file there has broken off as often as a picture may be lost."""
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
) -> Verdict:
    """The attempt is lost, not refused: the picture can be claimed again, unless engines have lost it too often.

    `answered`: the engine is there. What never reached one is no attempt: an engine may be away for a day.
    """
    tries = _one_more(prompt) if answered else Tries.of(prompt)
    ends = Ends(State.LOST, str(error), unclean=unclean, tries=tries)
    if task.fetching:
        return Verdict(ends)
    lost = EnginePrompt.objects.filter(task=task, index=prompt.index, state=State.LOST).exclude(pk=prompt.pk)
    posted = lost.filter(posted_at__isnull=False).count() + (prompt.posted_at is not None)
    if posted >= ATTEMPTS or (answered and _tried_enough(lost, prompt)):
        return Verdict(ends, task=Fails(faults.kind_of(error, answered=answered), str(error), error.detail))
    earlier = lost.count()
    return Verdict(ends, task=Rests(_pause(earlier)) if earlier else None)


def _tried_enough(lost: QuerySet[EnginePrompt], prompt: EnginePrompt) -> bool:
    """Whether engines have answered often or long enough, including now, and it never worked."""
    answered = lost.filter(misses__gt=0)
    away = lost.filter(misses=0).order_by("-attempt").values_list("attempt", flat=True).first() or 0
    since = answered.filter(attempt__gt=away).order_by("attempt").values_list("claimed_at", flat=True).first()
    return _is_enough(answered.count() + 1, since or prompt.claimed_at)


def _give_up(prompt: EnginePrompt, task: GenerationTask, error: ComfyError) -> Verdict:
    """The engine's answer is final: trying the same again would end the same way."""
    strange = isinstance(error, MissingFile) and _is_strange(task, error)
    kind = "strange" if strange else faults.kind_of(error)
    field = faults.field_of(error) if isinstance(error, GraphInvalid) and not strange else ""
    return Verdict(
        Ends(State.FAILED, str(error), unclean=_is_left_behind(error), stop=isinstance(error, PromptStalled)),
        OutOfMemory() if isinstance(error, errors.OutOfMemory) else None,
        Fails(kind, _in_words(prompt, error), error.detail, field),
    )


def _is_left_behind(error: ComfyError) -> bool:
    """Whether the engine runs a part of the graph that it refused, and could not be told to stop."""
    return isinstance(error, GraphInvalid) and error.left_behind


def _in_words(prompt: EnginePrompt, error: ComfyError) -> str:
    """The engine's message; if it says that it lacks a file but lists it, that too."""
    if isinstance(error, MissingFile) and error.folder != "input":
        with suppress(ComfyError, TimeoutError):
            asked = roster.pool.client(prompt.engine).models(error.folder)
            if is_listed(error.name, roster.pool.loop.call(asked, timeout=TELL_TIMEOUT)):
                words = _("%(said)s It lists the file all the same: restart ComfyUI there, then press Retry.")
                return words % {"said": error}
    return str(error)
