"""The next picture: the fair scheduling of pictures to workers, and taking over a dead worker's picture."""

from __future__ import annotations

import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache, cached_property
from typing import Any, NamedTuple, Self

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import Count, F, Q, QuerySet
from django.db.models.functions import Now

from generation.engines import installs, roster
from generation.engines.models import Engine
from generation.making import fetching, installable, recovery, verdicts
from generation.pictures import graphs
from generation.pictures.models import EnginePrompt, GenerationTask
from stylestudio.comfy.graphs import graph
from stylestudio.host.cadence import Every
from stylestudio.jobs.holding import Holder
from stylestudio.jobs.kinds import LEASE, Status
from stylestudio.processes import workers

TAKEN = (*EnginePrompt.LIVE, EnginePrompt.State.DONE)
PASSES = 2  # pictures that may go first because the engine has their files in memory
PEOPLE_FIRST = 10  # people's pictures made while previews wait, before one of those is made
# The newest pictures considered for turns. A party without any of these comes before those that have one; claiming must
# not become slower with every picture ever made.
LATELY = 200
TRIES = 5  # attempts at claiming a picture if other workers are faster
# PostgreSQL's lock for claims (any number that nothing else locks), and how long a worker that hangs while holding it
# may block the others.
CLAIMS, STANDING_STILL, LONGEST_LOCK_WAIT = 7_361_002, "10s", "20s"


@dataclass(frozen=True, slots=True)
class Claim:
    """A picture to make. `attach`: an earlier worker may have posted it, so ask the engine first."""

    prompt: EnginePrompt
    attach: bool


def _renew(prompts: Mapping[int, int]) -> None:
    EnginePrompt.objects.filter(pk__in=prompts).update(lease_until=Now() + LEASE)
    GenerationTask.everything.running().filter(pk__in=set(prompts.values())).update(lease_until=Now() + LEASE)


# The prompts that threads of this process work on, and their tasks. `_one_at_a_time` serialises claims between
# processes.
held: Holder[int] = Holder(_renew)
orphans = Every(5.0)  # seconds between looks for pictures of dead workers


class LostRace(IntegrityError):
    """Another worker claimed the chosen picture first."""


def claim(worker: str) -> Claim | None:
    """Claim the next picture for this worker; None if there is none. A lost worker's pictures come first.

    Raises IntegrityError if others were faster TRIES times in a row.
    """
    with held.turn:
        orphan = _due_orphan(worker)
        prompt = orphan or _take_one(worker)
    workers.looked.set()
    return Claim(prompt, attach=orphan is not None) if prompt else None


def _take_one(worker: str) -> EnginePrompt | None:
    """Claim a picture that nobody has. The constraint lets only one of two workers succeed;
    the other one tries again.
    """
    tries = 0
    while True:
        try:
            with transaction.atomic():
                _one_at_a_time()
                return _take(worker)
        except IntegrityError:
            tries += 1
            if tries == TRIES:
                raise


def _one_at_a_time() -> None:
    """Prevent other workers from claiming until the transaction ends: turns and limits apply to the whole studio.

    SQLite's transactions begin with such a lock.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                f"SET LOCAL idle_in_transaction_session_timeout = '{STANDING_STILL}';"
                f"SET LOCAL lock_timeout = '{LONGEST_LOCK_WAIT}'; SELECT pg_advisory_xact_lock({CLAIMS})"
            )


@contextmanager
def next_picture(worker: str) -> Iterator[Claim | None]:
    """`claim`, with the prompt held while the block runs.

    It is held before another thread may claim: that one would otherwise take it for a picture of an earlier process.
    """
    workers.give_connection_back()  # to the thread whose turn it is: keeping it would cause a deadlock
    with ExitStack() as stack:
        with held.turn:
            claimed = claim(worker)
            if claimed:
                stack.enter_context(held.hold(claimed.prompt.pk, claimed.prompt.task_id))
        yield claimed


def claimable() -> bool:
    """Whether a worker that asked now would get a picture. Claims none."""
    candidates, now = roster.serving(), _Live.look()
    return _choose(candidates, now) is not None


def look_for_orphans() -> None:
    """Let the next claim look for pictures of dead workers, however recent the last look was."""
    orphans.hurry()


def _due_orphan(worker: str) -> EnginePrompt | None:
    if not orphans.is_due:
        return None
    orphan = _adopt(worker)
    if orphan is None:
        orphans.done()
    return orphan


def anything_open() -> bool:
    """Whether any task has pictures that nobody works on."""
    return _open_tasks().exists()


def _adopt(worker: str) -> EnginePrompt | None:
    """Take over a picture whose lease has expired, or that this worker held before its restart, if its engine answers.

    Pictures that nobody wants any more end here, and those that their engine keeps too long are freed for another one.
    """
    over = EnginePrompt.objects.live().filter(Q(lease_until__lt=Now()) | Q(worker=worker))
    asked: frozenset[int] | None = None
    for prompt in over.select_related("task__reference", "engine").order_by("pk"):
        if prompt.pk in held:
            continue
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


def _open_tasks() -> QuerySet[GenerationTask]:
    """Active tasks with pictures that nobody works on, except those that rest after an engine was lost.

    Tasks that only fetch what engines have start no pictures.
    """
    taken = Count("prompts", filter=Q(prompts__state__in=TAKEN))
    rested = Q(not_before=None) | Q(not_before__lte=Now())
    active = GenerationTask.everything.active().filter(rested, fetching=False)
    return active.annotate(taken=taken).filter(taken__lt=F("count"))


class Party(NamedTuple):
    """A party that takes turns: a person with their own orders, or the previews of styles in that person's name.

    Nobody waits for previews, comparisons, strength strips and samples of trainings as for a picture of their own.
    """

    owner: int
    previews: bool

    @classmethod
    def of(cls, task: GenerationTask) -> Self:
        """The party of this task."""
        return cls(task.owner_id, task.is_face)


class First(NamedTuple):
    """The first task that a party waits with."""

    priority: int
    task: int


@cache
def _open_sql(vendor: str) -> tuple[str, tuple[Any, ...]]:
    """The SQL for open tasks, compiled once, because compiling takes longer than executing it."""
    rows = _open_tasks().order_by("-priority", "queued_at", "pk").values_list("pk", "owner_id", "is_face", "priority")
    sql, params = rows.query.sql_with_params()
    return sql, tuple(params)


def _open_rows() -> list[tuple[int, int, bool, int]]:
    """(task, owner, is it a preview, priority) of open tasks, in serving order within each party."""
    with connection.cursor() as cursor:
        cursor.execute(*_open_sql(connection.vendor))
        return list(cursor.fetchall())


@dataclass(frozen=True)
class _Live:
    """What is on engines now: the number of prompts per engine, and per party the tasks of its prompts,
    one for each.
    """

    load: Counter[int]
    tasks: Mapping[Party, list[int]]

    @classmethod
    def look(cls) -> _Live:
        # A picture that is made and waits to be fetched takes up no slot on its engine.
        rows = EnginePrompt.objects.live().filter(~EnginePrompt.MADE).order_by()
        load: Counter[int] = Counter()
        tasks: defaultdict[Party, list[int]] = defaultdict(list)
        for engine, owner, is_face, task in rows.values_list("engine_id", "task__owner_id", "task__is_face", "task_id"):
            load[engine] += 1
            tasks[Party(owner, is_face)].append(task)
        return cls(load, tasks)

    @cached_property
    def lately(self) -> list[tuple[Party, datetime]]:
        """The parties of the newest pictures and when these were claimed; the newest first."""
        rows = EnginePrompt.objects.order_by("-pk").values_list("task__owner_id", "task__is_face", "claimed_at")
        return [(Party(owner, is_face), at) for owner, is_face, at in rows[:LATELY]]

    def ago(self, party: Party) -> int:
        """How many pictures were started since this party's last one; LATELY if that is longer ago."""
        return next((number for number, (other, _at) in enumerate(self.lately) if other == party), LATELY)

    def lets_in(self, party: Party, task: int) -> bool:
        """Whether this party may have one more task on engines, if there is a limit per person.

        A person's previews count their own pictures, but not the other way round.
        """
        mine = set(self.tasks.get(party, ()))
        if party.previews:
            mine.update(self.tasks.get(Party(party.owner, False), ()))
        return not settings.MAX_RUNNING or task in mine or len(mine) < settings.MAX_RUNNING

    def may_wait(self, task: GenerationTask) -> bool:
        """Whether fewer than PASSES pictures were started since it was this party's turn."""
        newest = self.lately[:PASSES]
        passed = [at for party, at in newest if party != Party.of(task) and at > task.queued_at]
        return len(passed) < PASSES

    def previews_are_due(self, tasks: Iterable[int]) -> bool:
        """Whether people had PEOPLE_FIRST pictures in a row while one of these previews waited."""
        newest = self.lately[:PEOPLE_FIRST]
        if len(newest) < PEOPLE_FIRST or any(party.previews for party, _at in newest):
            return False
        return GenerationTask.everything.filter(pk__in=list(tasks), queued_at__lt=newest[-1][1]).exists()


def _take(worker: str) -> EnginePrompt | None:
    chosen = _choose(roster.serving(), _Live.look())
    if chosen is None:
        return None
    task, engine = chosen
    index, attempt = _place(task)
    prompt_id = uuid.uuid4()
    filled = graphs.build(task, index, prompt_id)
    prompt = EnginePrompt(
        task=task,
        index=index,
        attempt=attempt,
        prompt_id=prompt_id,
        engine=engine,
        worker=worker,
        lease_until=Now() + LEASE,
        graph_sha256=graph.sha256(filled),
    )
    prompt.graph = filled
    prompt.save(force_insert=True)
    if engine.warm != (warmth := graphs.warmth(task)):
        Engine.objects.filter(pk=engine.pk).update(warm=warmth)
    if task.status == Status.RUNNING:
        task.renew(worker)
    return prompt


def _choose(candidates: list[Engine], now: _Live) -> tuple[GenerationTask, Engine] | None:
    """The next task and its engine. A task for which an engine would have to load other files is passed over, but not
    for long.

    An engine gets one preview at a time, so that a person who comes waits for one at most.
    """
    free = [engine for engine in candidates if now.load[engine.pk] < roster.AT_ONCE and not engine.is_held]
    if not free:
        return None
    waiting = _waiting(now)
    due = _previews_are_due(waiting, now)
    idle = free if due else [engine for engine in free if not now.load[engine.pk]]
    cold: tuple[GenerationTask, Engine] | None = None
    for party in _turns(waiting, now, due=due):
        if cold and party.previews and not cold[0].is_face:
            break  # no preview passes a person, whatever the engine has in memory
        task = GenerationTask.everything.get(pk=waiting[party].task)
        engine = _engine_for(task, candidates, idle if party.previews else free, now)
        if engine is None:
            continue
        if engine.warm in ("", graphs.warmth(task)):
            return task, engine
        if cold is None:
            cold = task, engine
            if not now.may_wait(task):
                break
    return cold


def _waiting(now: _Live) -> dict[Party, First]:
    """The next task of each party that may have one more on engines, in the party's own order."""
    first: dict[Party, First] = {}
    for pk, owner, is_face, priority in _open_rows():
        party = Party(owner, bool(is_face))
        if party not in first and now.lets_in(party, pk):
            first[party] = First(priority, pk)
    return first


def _previews_are_due(waiting: Mapping[Party, First], now: _Live) -> bool:
    """Whether one preview goes before people who wait: otherwise none would be made while anybody orders pictures."""
    previews = [first.task for party, first in waiting.items() if party.previews]
    return 0 < len(previews) < len(waiting) and now.previews_are_due(previews)


def _turns(waiting: Mapping[Party, First], now: _Live, *, due: bool) -> list[Party]:
    """Parties by turn: those moved to the front, then people, then previews, unless these are due.

    Within each group it is round-robin: fewest pictures on engines, then longest without one.
    """

    def turn(party: Party) -> tuple[int, bool, int, int]:
        return -waiting[party].priority, party.previews != due, len(now.tasks.get(party, ())), -now.ago(party)

    return sorted(waiting, key=turn) if len(waiting) > 1 else list(waiting)


def _engine_for(task: GenerationTask, candidates: list[Engine], free: list[Engine], now: _Live) -> Engine | None:
    """The least busy of the free engines that have what the task needs, or else of those that can be given it.

    Engines whose nodes do not fit our graphs come last. Among equals, one that has the files in memory is preferred. If
    no engine has them, the task waits for one that is away; if none such is known either, any engine gets it, so that
    its own message says what is missing.
    """
    files, classes, warmth = graphs.files(task), graphs.classes(task), graphs.warmth(task)
    fit = [engine for engine in candidates if graphs.lack_of(engine) is None]
    ready = able = [engine for engine in fit if roster.has_all(engine, files, classes)]
    if len(ready) < len(candidates):
        stored = installable.stored(task)
        able = [engine for engine in fit if installs.is_able(engine, files, classes, stored)]
        if not able and any(installs.is_able(engine, files, classes, stored) for engine in roster.away()):
            return None

    able = recovery.preferred(task, able)

    def rank(engine: Engine) -> tuple[bool, int, bool, int]:
        return engine not in ready, now.load[engine.pk], engine.warm != warmth, engine.pk

    return min((engine for engine in free if engine in able or not able), key=rank, default=None)


def _place(task: GenerationTask) -> tuple[int, int]:
    """The first picture that nobody works on, and the number of this attempt at it.
    Raises LostRace if there is none.
    """
    rows = list(task.prompts.values_list("index", "state", "attempt"))
    taken = {index for index, state, _attempt in rows if state in TAKEN}
    index = next((index for index in range(task.count) if index not in taken), None)
    if index is None:
        raise LostRace(f"All pictures of task {task.pk} are taken.")
    return index, 1 + max((attempt for other, _state, attempt in rows if other == index), default=0)
