"""Who is next: the fair rule by which workers take pictures, and how a dead worker's picture is taken over."""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import Count, F, Max, Q, QuerySet
from django.db.models.functions import Now

from generation import engines, graphs, installs, recovery
from generation.models import Engine, EnginePrompt, GenerationTask
from stylestudio.comfy import graph
from stylestudio.jobs import ACTIVE, LEASE, Status

TAKEN = (*EnginePrompt.LIVE, EnginePrompt.State.DONE)
PASSES = 2  # pictures that may go first because the engine has their files in memory


@dataclass(frozen=True, slots=True)
class Claim:
    """A picture to make. `attach`: an earlier worker may have posted it, so ask the engine first."""

    prompt: EnginePrompt
    attach: bool


class Held:
    """The prompts that threads of this process work on. The heartbeat renews their leases."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._prompts: dict[int, int] = {}

    @contextmanager
    def hold(self, prompt: EnginePrompt) -> Iterator[None]:
        """While the block runs, the prompt is this process's."""
        with self._lock:
            self._prompts[prompt.pk] = prompt.task_id
        try:
            yield
        finally:
            with self._lock:
                self._prompts.pop(prompt.pk, None)

    def __contains__(self, pk: int) -> bool:
        return pk in self._prompts

    def renew(self) -> None:
        """Push the end of all leases away; called by the worker's heartbeat."""
        with self._lock:
            prompts, tasks = list(self._prompts), set(self._prompts.values())
        if prompts:
            EnginePrompt.objects.filter(pk__in=prompts).update(lease_until=Now() + LEASE)
            GenerationTask.objects.running().filter(pk__in=tasks).update(lease_until=Now() + LEASE)


held = Held()


ORPHANS_EVERY = 5.0  # seconds between looks for pictures that a dead worker left
_turn = threading.RLock()  # one thread of a process claims at a time, so that AT_ONCE is kept
_orphans_due = 0.0


def claim(worker: str) -> Claim | None:
    """The next picture for this worker, or None. A lost worker's pictures come first.

    Nothing is locked in the database: the row of the prompt is the claim, and of two workers that take the same
    picture the constraint lets one through.
    """
    with _turn:
        if orphan := _due_orphan(worker):
            return Claim(orphan, attach=True)
        for _try in range(5):
            try:
                with transaction.atomic():
                    prompt = _take(worker)
            except IntegrityError:
                continue  # another worker took the same picture; look again
            return Claim(prompt, attach=False) if prompt else None
    return None


@contextmanager
def next_picture(worker: str) -> Iterator[Claim | None]:
    """`claim`, held while the block runs.

    It is held before another thread may claim: that one would take it for the picture of an earlier life.
    """
    with ExitStack() as stack:
        with _turn:
            claimed = claim(worker)
            if claimed:
                stack.enter_context(held.hold(claimed.prompt))
        yield claimed


def look_for_orphans() -> None:
    """Let the next claim look for pictures of dead workers, whenever the last look was."""
    global _orphans_due
    _orphans_due = 0.0


def _due_orphan(worker: str) -> EnginePrompt | None:
    global _orphans_due
    if time.monotonic() < _orphans_due:
        return None
    orphan = _adopt(worker)
    if orphan is None:
        _orphans_due = time.monotonic() + ORPHANS_EVERY
    return orphan


def anything_open() -> bool:
    """Whether some task has pictures that nobody works on."""
    return _open_tasks().exists()


def _adopt(worker: str) -> EnginePrompt | None:
    """Take over a picture whose lease is over, or that this worker held in an earlier life; its engine must answer.

    What nobody wants any more ends here, and what its engine keeps for too long becomes free for another one.
    """
    over = EnginePrompt.objects.filter(Q(lease_until__lt=Now()) | Q(worker=worker), state__in=EnginePrompt.LIVE)
    asked: frozenset[int] | None = None
    for prompt in over.select_related("task__reference", "engine").order_by("pk"):
        if prompt.pk in held:
            continue
        if not prompt.task.is_active:
            recovery.leave(prompt)
            continue
        if prompt.output:
            asked = _asked_for_pictures() if asked is None else asked
            if prompt.engine_id in asked:
                continue
        if prompt.engine.health == Engine.Health.OK:
            mine = EnginePrompt.objects.filter(
                pk=prompt.pk, state__in=EnginePrompt.LIVE, worker=prompt.worker, lease_until=prompt.lease_until
            )
            if mine.update(worker=worker, lease_until=Now() + LEASE):
                return prompt
        elif recovery.is_hopeless(prompt):
            recovery.gone(prompt)
    return None


def _asked_for_pictures() -> frozenset[int]:
    """Engines from which somebody fetches a picture that did not come at once: one at a time, so that work goes on."""
    made = EnginePrompt.objects.filter(state__in=EnginePrompt.LIVE, output__isnull=False, lease_until__gte=Now())
    return frozenset(made.exclude(worker="").values_list("engine", flat=True))


def _open_tasks() -> QuerySet[GenerationTask]:
    """Active tasks with pictures that nobody works on, but those that rest after an engine was lost.

    Those that only fetch what engines have begin no picture.
    """
    taken = Count("prompts", filter=Q(prompts__state__in=TAKEN))
    rested = Q(not_before=None) | Q(not_before__lte=Now())
    active = GenerationTask.objects.filter(rested, status__in=ACTIVE, fetching=False)
    return active.annotate(taken=taken).filter(taken__lt=F("count"))


@cache
def _open_sql(vendor: str) -> tuple[str, tuple[Any, ...]]:
    """The question for open tasks, put into words once: that takes longer than the answer."""
    rows = _open_tasks().order_by("-priority", "queued_at", "pk").values_list("pk", "owner_id", "priority")
    sql, params = rows.query.sql_with_params()
    return sql, tuple(params)


def _open_rows() -> list[tuple[int, int, int]]:
    """(task, owner, priority) of open tasks, in the order in which one person's are served."""
    with connection.cursor() as cursor:
        cursor.execute(*_open_sql(connection.vendor))
        return list(cursor.fetchall())


@dataclass(frozen=True, slots=True)
class _Live:
    """What is on engines now: prompts by engine, and by person the tasks they belong to, one for each prompt."""

    load: Counter[int]
    tasks: Mapping[int, list[int]]

    @classmethod
    def look(cls) -> _Live:
        # A picture that is made and waits to be fetched takes no place on its engine.
        rows = EnginePrompt.objects.filter(~EnginePrompt.MADE, state__in=EnginePrompt.LIVE).order_by()
        load: Counter[int] = Counter()
        tasks: defaultdict[int, list[int]] = defaultdict(list)
        for engine, owner, task in rows.values_list("engine_id", "task__owner_id", "task_id"):
            load[engine] += 1
            tasks[owner].append(task)
        return cls(load, tasks)

    def lets_in(self, owner: int, task: int) -> bool:
        """Whether this person may have one more task on engines, where there is a limit."""
        mine = set(self.tasks.get(owner, ()))
        return not settings.MAX_RUNNING or task in mine or len(mine) < settings.MAX_RUNNING


def _take(worker: str) -> EnginePrompt | None:
    candidates, now = engines.serving(), _Live.look()
    free = [engine for engine in candidates if now.load[engine.pk] < engines.AT_ONCE and not engine.is_held]
    chosen = _choose(candidates, free, now) if free else None
    if chosen is None:
        return None
    task, engine = chosen
    index, attempt = _place(task)
    prompt_id = uuid.uuid4()
    filled = graphs.build(task, index, prompt_id)
    prompt = EnginePrompt.objects.create(
        task=task,
        index=index,
        attempt=attempt,
        prompt_id=prompt_id,
        engine=engine,
        worker=worker,
        lease_until=Now() + LEASE,
        graph=filled,
        graph_sha256=graph.sha256(filled),
    )
    if engine.warm != (warmth := graphs.warmth(task)):
        Engine.objects.filter(pk=engine.pk).update(warm=warmth)
    if task.status == Status.RUNNING:
        task.renew(worker)
    return prompt


def _choose(candidates: list[Engine], free: list[Engine], now: _Live) -> tuple[GenerationTask, Engine] | None:
    """Whose turn it is. One for whom an engine would have to load other files is passed over, but not for long."""
    cold: tuple[GenerationTask, Engine] | None = None
    for task in _by_turn(now):
        engine = _engine_for(task, candidates, free, now)
        if engine is None:
            continue
        if engine.warm in ("", graphs.warmth(task)):
            return task, engine
        if cold is None:
            cold = task, engine
            if not _may_wait(task):
                break
    return cold


def _may_wait(task: GenerationTask) -> bool:
    """Whether fewer than PASSES pictures were begun since this person's turn came."""
    mine = EnginePrompt.objects.filter(task__owner=task.owner_id).aggregate(last=Max("pk"))["last"] or 0
    newest = EnginePrompt.objects.order_by("-pk")[:PASSES]
    return sum(1 for other in newest if other.pk > mine and other.claimed_at > task.queued_at) < PASSES


def _by_turn(now: _Live) -> Iterator[GenerationTask]:
    """The next task of each waiting person, in the order of their turns; inside a person their own order."""
    first: dict[int, tuple[int, int]] = {}
    for pk, owner, priority in _open_rows():
        if owner not in first and now.lets_in(owner, pk):
            first[owner] = (priority, pk)
    for owner in _turns(first, now) if len(first) > 1 else first:
        yield GenerationTask.objects.get(pk=first[owner][1])


def _turns(first: Mapping[int, tuple[int, int]], now: _Live) -> list[int]:
    """Whom somebody moved to the front, then round-robin: fewest pictures on engines, then longest without one."""
    rows = EnginePrompt.objects.filter(task__owner__in=first).values("task__owner")
    last = {row["task__owner"]: row["at"] for row in rows.annotate(at=Max("pk"))}
    return sorted(first, key=lambda owner: (-first[owner][0], len(now.tasks.get(owner, ())), last.get(owner, 0)))


def _engine_for(task: GenerationTask, candidates: list[Engine], free: list[Engine], now: _Live) -> Engine | None:
    """The least busy of the free engines that have what the task needs, or else of those that can be given it.

    Of several it is one that has the files in memory. Where no engine has them, the task waits for one that is away;
    and where none such is known any engine gets it, so that its own words say what is missing.
    """
    files, classes, warmth = graphs.files(task), graphs.classes(task), graphs.warmth(task)
    ready = able = [engine for engine in candidates if engines.has_all(engine, files, classes)]
    if len(ready) < len(candidates):
        stored = installs.stored_of(task)
        able = [engine for engine in candidates if installs.is_able(engine, files, classes, stored)]
        if not able and any(installs.is_able(engine, files, classes, stored) for engine in engines.away()):
            return None

    able = recovery.preferred(task, able)

    def rank(engine: Engine) -> tuple[bool, int, bool, int]:
        return engine not in ready, now.load[engine.pk], engine.warm != warmth, engine.pk

    return min((engine for engine in free if engine in able or not able), key=rank, default=None)


def _place(task: GenerationTask) -> tuple[int, int]:
    """The first picture that nobody works on, and which attempt at it this is."""
    rows = list(task.prompts.values_list("index", "state"))
    taken = {index for index, state in rows if state in TAKEN}
    index = next(index for index in range(task.count) if index not in taken)
    return index, 1 + sum(1 for other, _state in rows if other == index)
