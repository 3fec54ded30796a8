"""The next picture: claiming it for this worker, and taking over a dead worker's picture."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from django.db.models.functions import Now

from generation.engines import roster
from generation.engines.models import Engine
from generation.making import fetching, recovery, verdicts
from generation.making.choosing import locks, turns
from generation.making.choosing.candidates import Candidate
from generation.making.choosing.turns import Choice, Live
from generation.pictures import graphs
from generation.pictures.models import EnginePrompt, GenerationTask
from generation.recipes import registry
from stylestudio.database.prepared import Prepared, Rows, instance
from stylestudio.host.cadence import Every
from stylestudio.jobs.holding import Holder
from stylestudio.jobs.kinds import LEASE, Status
from stylestudio.live import publisher
from stylestudio.processes import workers

TRIES = 20  # attempts at claiming a picture if other workers are faster


@dataclass(frozen=True, slots=True)
class Claim:
    """A picture to make. `attach`: an earlier worker may have posted it, so ask the engine first."""

    prompt: EnginePrompt
    attach: bool


def _renew(prompts: Mapping[int, int]) -> None:
    EnginePrompt.objects.filter(pk__in=prompts).update(lease_until=Now() + LEASE)
    GenerationTask.everything.running().filter(pk__in=set(prompts.values())).update(lease_until=Now() + LEASE)


# The prompts that threads of this process work on, and their tasks.
held: Holder[int] = Holder(_renew)
orphans = Every(5.0)  # seconds between looks for pictures of dead workers


class LostRace(IntegrityError):
    """Another worker claimed the chosen picture first, or took the last place on the engine or in the limit."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a picture of a task is started: its index, the number of this attempt at it, the engine and its slot."""

    index: int
    attempt: int
    engine: Candidate
    slot: int


def claim(worker: str, *, hold: bool = False) -> Claim | None:
    """Claim the next picture for this worker; None if there is none. A lost worker's pictures come first.

    `hold`: the prompt is held before anybody can see it, until the caller drops it. Raises IntegrityError if others
    were faster TRIES times in a row.
    """
    prompt = orphan = _due_orphan(worker, hold=hold)
    if orphan is None:
        if locks.is_contended():
            prompt = _take_one(worker, hold=hold)
        else:
            with held.turn:  # SQLite has one writer, and those that wait for it sleep much longer
                prompt = _take_one(worker, hold=hold)
    workers.looked.set()
    return Claim(prompt, attach=orphan is not None) if prompt else None


class _OneFewer(Exception):
    """A task failed instead of being started: look again."""


def _take_one(worker: str, *, hold: bool) -> EnginePrompt | None:
    """Claim a picture that nobody has. If another worker was faster, look again."""
    tries = 0
    while True:
        busy: list[int] = []
        try:
            prompt = _take(worker, busy, hold=hold)
        except _OneFewer:
            continue
        except IntegrityError:
            tries += 1
            if tries == TRIES:
                raise
            continue
        if prompt or not busy:
            return prompt
        # Whatever could be claimed, others are claiming for the same people: there may be more when they are done. This
        # ends, because a worker that stands still loses its locks.
        locks.wait_for_person(busy[0])


def _take(worker: str, busy: list[int], *, hold: bool) -> EnginePrompt | None:
    """Claim the first picture in turn that can be started. `busy` is given the people for whom others claim now.

    Raises _OneFewer if a task turned out to be one that nobody can make.
    """
    now = Live.look() if locks.is_contended() else None  # on SQLite nothing changes after the transaction began
    claimed: list[int] = []
    is_gone = False
    try:
        with transaction.atomic():
            for choice in turns.choices(now or Live.look()):
                person, engine = choice.party.owner, choice.engines[0].pk
                asked = _task.question(choice.task), _neighbours.question(choice.task, engine)
                locked = locks.lock(person, engine, *asked)
                if not locked.person:
                    busy.append(person)
                    continue
                [rows, around] = locked.answers
                task = _still_open(rows)
                try:
                    prompt = _start(worker, task, _place(choice, task, locked.engine, around), locked.at)
                except registry.RecipeGone:
                    task.fail("recipe_gone")
                    transaction.on_commit(partial(publisher.changed, task))
                    is_gone = True
                    break
                if hold:
                    held.take(prompt.pk, prompt.task_id)
                    claimed.append(prompt.pk)
                return prompt
    except BaseException:
        for pk in claimed:
            held.drop(pk)
        raise
    if is_gone:
        raise _OneFewer
    return None


@contextmanager
def next_picture(worker: str) -> Iterator[Claim | None]:
    """`claim`, with the prompt held while the block runs.

    It is held before another thread may see it: that one would otherwise take it for a picture of an earlier process.
    """
    claimed = claim(worker, hold=True)
    try:
        yield claimed
    finally:
        if claimed:
            held.drop(claimed.prompt.pk)


def claimable() -> bool:
    """Whether a worker that asked now would get a picture. Claims none."""
    return next(turns.choices(Live.look()), None) is not None


def look_for_orphans() -> None:
    """Let the next claim look for pictures of dead workers, however recent the last look was."""
    orphans.hurry()


def wake_for_orphans() -> None:
    """Wake workers as long as this one may take over a picture; with every heartbeat.

    What is sent when a worker starts or an engine returns may reach another worker, which may not take over what this
    one held.
    """
    left = _left_to(workers.worker_name()).filter(engine__health=Engine.Health.OK)
    if any(pk not in held for pk in left.order_by().values_list("pk", flat=True)):
        look_for_orphans()
        GenerationTask.wake()


def _left_to(worker: str) -> QuerySet[EnginePrompt]:
    """Prompts whose lease has expired, and those of this worker, of this life and of earlier ones."""
    return EnginePrompt.objects.live().filter(Q(lease_until__lt=Now()) | Q(worker=worker))


@cache
def _keys_left_to(worker: str) -> Prepared:
    return Prepared(lambda: _left_to(worker).order_by().values_list("pk"))


def _due_orphan(worker: str, *, hold: bool) -> EnginePrompt | None:
    if not orphans.is_due:
        return None
    workers.give_connection_back()  # to the thread that looks now: keeping it would cause a deadlock
    with held.turn:
        orphan = _adopt(worker) if orphans.is_due else None
        if orphan is None:
            orphans.done()
        elif hold:
            held.take(orphan.pk, orphan.task_id)
    return orphan


def anything_open() -> bool:
    """Whether any task has pictures that nobody works on."""
    return bool(_any_open.rows())


def _adopt(worker: str) -> EnginePrompt | None:
    """Take over a picture whose lease has expired, or that this worker held before its restart, if its engine answers.

    Pictures that nobody wants any more end here, and those that their engine keeps too long are freed for another one.
    """
    asked: frozenset[int] | None = None
    left = [pk for [pk] in _keys_left_to(worker).rows() if pk not in held]
    if not left:
        return None
    for prompt in _left_to(worker).filter(pk__in=left).select_related("task__reference", "engine").order_by("pk"):
        if not prompt.task.is_active:
            verdicts.apply(prompt, prompt.task, recovery.left(prompt, prompt.task))
            continue
        if prompt.output:
            asked = _asked_for_pictures() if asked is None else asked
            if prompt.engine_id in asked:
                continue
        if prompt.engine.health == Engine.Health.OK:
            mine = EnginePrompt.objects.live().filter(
                pk=prompt.pk, worker=prompt.worker, lease_until=prompt.lease_until
            )
            if mine.update(worker=worker, lease_until=Now() + LEASE):
                return prompt
        elif recovery.is_hopeless(prompt):
            verdicts.apply(prompt, prompt.task, recovery.gone(prompt))
            fetching.end_fetching(prompt.task)
    return None


def _asked_for_pictures() -> frozenset[int]:
    """Engines from which a picture is being fetched that could not be fetched at once: only one at a time, so that the
    engine's other work goes on.
    """
    made = EnginePrompt.objects.live().filter(output__isnull=False, lease_until__gte=Now())
    return frozenset(made.exclude(worker="").values_list("engine", flat=True))


def _still_open(rows: Rows) -> GenerationTask:
    """The task as it is now that nobody else can claim for its owner. Raises LostRace if it has ended meanwhile."""
    for row in rows:
        task = instance(GenerationTask, row)
        if task.is_active and not task.fetching:
            return task
    raise LostRace("The task has ended.")


def _place(choice: Choice, task: GenerationTask, has_engine: bool, around: Rows) -> _Place:
    """Where to start the next picture of this choice. `around`: what is around it, on its first engine.

    Raises LostRace if all pictures are taken, all engines are full, or the owner has as many tasks on engines as
    allowed.
    """
    _take_seat(task)
    for engine, rows in _locked_engines(choice, has_engine, around):
        index, attempt = _free_index(task, rows)
        if slot := _free_slot(engine, rows, lone=choice.lone):
            return _Place(index, attempt, engine, slot)
    raise LostRace(f"No engine has room for task {task.pk} any more.")


def _locked_engines(choice: Choice, has_first: bool, around: Rows) -> Iterator[tuple[Candidate, Rows]]:
    """The engines of this choice that others do not claim for now, locked, with what is around the next picture there.
    If others claim for all of them, the first one when they are done.
    """
    first, *others = choice.engines
    if has_first:
        yield first, around
    waits = not has_first
    for engine in others:
        if locks.lock_engine(engine.pk):
            waits = False
            yield engine, _neighbours.rows(choice.task, engine.pk)
    if waits:
        locks.wait_for_engine(first.pk)
        yield first, _neighbours.rows(choice.task, first.pk)


def _row(task: int) -> QuerySet[GenerationTask]:
    return GenerationTask.everything.filter(pk=task)


def _around(task: int, engine: int) -> QuerySet[Any, Any]:
    """All attempts at pictures of this task, and what this engine works on."""
    works = Q(ended_at__isnull=True, state__in=EnginePrompt.LIVE) & ~EnginePrompt.MADE
    rows = EnginePrompt.objects.filter(Q(task=task) | works & Q(engine=engine)).order_by()
    works_on = ExpressionWrapper(works, output_field=BooleanField())
    fields = ("task", "index", "state", "attempt", "engine", "on_it", "slot")
    return rows.annotate(on_it=works_on).values_list(*fields)


_task, _neighbours = Prepared(_row), Prepared(_around)
_any_open = Prepared(lambda: turns.open_tasks().order_by().values_list("pk")[:1])


def _free_index(task: GenerationTask, rows: Rows) -> tuple[int, int]:
    """The first picture that nobody works on, and the number of this attempt at it.
    Raises LostRace if there is none.
    """
    mine = [(index, state, attempt) for pk, index, state, attempt, *_engine in rows if pk == task.pk]
    taken = {index for index, state, _attempt in mine if state in turns.TAKEN}
    index = next((index for index in range(task.count) if index not in taken), None)
    if index is None:
        raise LostRace(f"All pictures of task {task.pk} are taken.")
    return index, 1 + max((attempt for other, _state, attempt in mine if other == index), default=0)


def _free_slot(engine: Candidate, rows: Rows, *, lone: bool) -> int:
    """The engine's first free slot, from 1; 0 if it is full, or if it has anything and this must be `lone`."""
    slots = [slot for *_attempt, pk, on_it, slot in rows if pk == engine.pk and on_it]
    if len(slots) >= roster.AT_ONCE or (lone and slots):
        return 0
    return next(slot for slot in range(1, roster.AT_ONCE + 1) if slot not in slots)


def _take_seat(task: GenerationTask) -> None:
    """Number the task among those of its owner that engines work on, if their number is limited. Raises LostRace."""
    if not settings.MAX_RUNNING:
        return
    mine = GenerationTask.everything.filter(owner=task.owner_id, is_face=task.is_face, seat__isnull=False)
    live = EnginePrompt.objects.live().filter(~EnginePrompt.MADE, task__owner=task.owner_id, task__is_face=task.is_face)
    on_engines = set(live.order_by().values_list("task", flat=True))
    if task.pk in on_engines:
        return
    if len(on_engines) >= settings.MAX_RUNNING:  # those that are there since the limit was higher have other numbers
        raise LostRace(f"The owner of task {task.pk} has as many tasks on engines as allowed.")
    mine.exclude(pk__in=on_engines).update(seat=None)
    taken = set(mine.values_list("seat", flat=True))
    seat = next(number for number in range(1, settings.MAX_RUNNING + 1) if number not in taken)
    GenerationTask.everything.filter(pk=task.pk).update(seat=seat)
    task.seat = seat


def _start(worker: str, task: GenerationTask, place: _Place, at: datetime) -> EnginePrompt:
    """Write the claim."""
    prompt_id = uuid.uuid4()
    prompt = EnginePrompt(
        task=task,
        index=place.index,
        attempt=place.attempt,
        prompt_id=prompt_id,
        engine_id=place.engine.pk,
        slot=place.slot,
        worker=worker,
        lease_until=at + LEASE,
        claimed_at=at,
    )
    prompt.graph = graphs.build(task, place.index, prompt_id)
    prompt.share()
    prompt.save(force_insert=True)
    if place.engine.warm != (warmth := graphs.warmth(task)):
        Engine.objects.filter(pk=place.engine.pk).update(warm=warmth)
    if task.status == Status.RUNNING:
        task.renew(worker)
    return prompt
