"""Who is next: the fair rule by which workers take pictures, and how a dead worker's picture is taken over."""

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
from generation.making import fetching, recovery, verdicts
from generation.pictures import graphs
from generation.pictures.models import EnginePrompt, GenerationTask
from stylestudio.comfy.graphs import graph
from stylestudio.host.cadence import Every
from stylestudio.jobs.holding import Holder
from stylestudio.jobs.kinds import LEASE, Status
from stylestudio.processes import workers

TAKEN = (*EnginePrompt.LIVE, EnginePrompt.State.DONE)
PASSES = 2  # pictures that may go first because the engine has their files in memory
PEOPLE_FIRST = 10  # pictures that people get, while previews wait, before one of those is made
# Newest pictures that are looked at for whose turn it is. Who had none of so many is before those who had; the claim
# must not become slower with every picture that was ever made.
LATELY = 200
TRIES = 5  # to take a picture that another worker took first
# PostgreSQL's lock of the claim (any number that nothing else locks), and how long a worker that stands still in the
# middle of one may keep the others waiting.
CLAIMS, STANDING_STILL, LONGEST_LOCK_WAIT = 7_361_002, "10s", "20s"


@dataclass(frozen=True, slots=True)
class Claim:
    """A picture to make. `attach`: an earlier worker may have posted it, so ask the engine first."""

    prompt: EnginePrompt
    attach: bool


def _renew(prompts: Mapping[int, int]) -> None:
    EnginePrompt.objects.filter(pk__in=prompts).update(lease_until=Now() + LEASE)
    GenerationTask.everything.running().filter(pk__in=set(prompts.values())).update(lease_until=Now() + LEASE)


# The prompts that threads of this process work on, and their tasks. `_one_at_a_time` gives turns between processes.
held: Holder[int] = Holder(_renew)
orphans = Every(5.0)  # looks for pictures that a dead worker left


class LostRace(IntegrityError):
    """Another worker took the picture that was chosen."""


def claim(worker: str) -> Claim | None:
    """The next picture for this worker, or None where there is none to take. A lost worker's pictures come first.

    Raises IntegrityError where others were faster TRIES times in a row.
    """
    with held.turn:
        orphan = _due_orphan(worker)
        prompt = orphan or _take_one(worker)
    workers.looked.set()
    return Claim(prompt, attach=orphan is not None) if prompt else None


def _take_one(worker: str) -> EnginePrompt | None:
    """A picture that nobody has. The constraint lets one of two workers through; the other one looks again."""
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
    """Let no other worker claim until the end of the transaction: turns and limits hold for the studio as a whole.

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
    """`claim`, held while the block runs.

    It is held before another thread may claim: that one would take it for the picture of an earlier life.
    """
    workers.give_connection_back()  # to whom has the turn: with it they would wait for each other
    with ExitStack() as stack:
        with held.turn:
            claimed = claim(worker)
            if claimed:
                stack.enter_context(held.hold(claimed.prompt.pk, claimed.prompt.task_id))
        yield claimed


def claimable() -> bool:
    """Whether a worker that asked now would get a picture. Takes none."""
    candidates, now = roster.serving(), _Live.look()
    return _choose(candidates, now) is not None


def look_for_orphans() -> None:
    """Let the next claim look for pictures of dead workers, whenever the last look was."""
    orphans.hurry()


def _due_orphan(worker: str) -> EnginePrompt | None:
    if not orphans.is_due:
        return None
    orphan = _adopt(worker)
    if orphan is None:
        orphans.done()
    return orphan


def anything_open() -> bool:
    """Whether some task has pictures that nobody works on."""
    return _open_tasks().exists()


def _adopt(worker: str) -> EnginePrompt | None:
    """Take over a picture whose lease is over, or that this worker held in an earlier life; its engine must answer.

    What nobody wants any more ends here, and what its engine keeps for too long becomes free for another one.
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
    """Engines from which somebody fetches a picture that did not come at once: one at a time, so that work goes on."""
    made = EnginePrompt.objects.live().filter(output__isnull=False, lease_until__gte=Now())
    return frozenset(made.exclude(worker="").values_list("engine", flat=True))


def _open_tasks() -> QuerySet[GenerationTask]:
    """Active tasks with pictures that nobody works on, but those that rest after an engine was lost.

    Those that only fetch what engines have begin no picture.
    """
    taken = Count("prompts", filter=Q(prompts__state__in=TAKEN))
    rested = Q(not_before=None) | Q(not_before__lte=Now())
    active = GenerationTask.everything.active().filter(rested, fetching=False)
    return active.annotate(taken=taken).filter(taken__lt=F("count"))


class Party(NamedTuple):
    """Who has turns: a person with what they asked for, or the previews of styles in that person's name.

    Nobody waits for previews, comparisons, strength strips and samples of trainings as for a picture of one's own.
    """

    owner: int
    previews: bool

    @classmethod
    def of(cls, task: GenerationTask) -> Self:
        """Whose turn this task needs."""
        return cls(task.owner_id, task.is_face)


class First(NamedTuple):
    """The task with which a party waits."""

    priority: int
    task: int


@cache
def _open_sql(vendor: str) -> tuple[str, tuple[Any, ...]]:
    """The question for open tasks, put into words once: that takes longer than the answer."""
    rows = _open_tasks().order_by("-priority", "queued_at", "pk").values_list("pk", "owner_id", "is_face", "priority")
    sql, params = rows.query.sql_with_params()
    return sql, tuple(params)


def _open_rows() -> list[tuple[int, int, bool, int]]:
    """(task, owner, is it a preview, priority) of open tasks, in the order in which one party's are served."""
    with connection.cursor() as cursor:
        cursor.execute(*_open_sql(connection.vendor))
        return list(cursor.fetchall())


@dataclass(frozen=True)
class _Live:
    """What is on engines now: prompts by engine, and by party the tasks they belong to, one for each prompt."""

    load: Counter[int]
    tasks: Mapping[Party, list[int]]

    @classmethod
    def look(cls) -> _Live:
        # A picture that is made and waits to be fetched takes no place on its engine.
        rows = EnginePrompt.objects.live().filter(~EnginePrompt.MADE).order_by()
        load: Counter[int] = Counter()
        tasks: defaultdict[Party, list[int]] = defaultdict(list)
        for engine, owner, is_face, task in rows.values_list("engine_id", "task__owner_id", "task__is_face", "task_id"):
            load[engine] += 1
            tasks[Party(owner, is_face)].append(task)
        return cls(load, tasks)

    @cached_property
    def lately(self) -> list[tuple[Party, datetime]]:
        """Whose the newest pictures were, and when they were begun; the newest first."""
        rows = EnginePrompt.objects.order_by("-pk").values_list("task__owner_id", "task__is_face", "claimed_at")
        return [(Party(owner, is_face), at) for owner, is_face, at in rows[:LATELY]]

    def ago(self, party: Party) -> int:
        """How many pictures were begun since the last one of this party; LATELY where that is longer ago."""
        return next((number for number, (other, _at) in enumerate(self.lately) if other == party), LATELY)

    def lets_in(self, party: Party, task: int) -> bool:
        """Whether this party may have one more task on engines, where there is a limit for each person.

        Previews do not keep their owner's own pictures waiting, but the other way round.
        """
        mine = set(self.tasks.get(party, ()))
        if party.previews:
            mine.update(self.tasks.get(Party(party.owner, False), ()))
        return not settings.MAX_RUNNING or task in mine or len(mine) < settings.MAX_RUNNING

    def may_wait(self, task: GenerationTask) -> bool:
        """Whether fewer than PASSES pictures were begun since the turn of this party came."""
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


def _choose(candidates: list[Engine], now: _Live) -> tuple[GenerationTask, Engine] | None:
    """Whose turn it is. One for whom an engine would have to load other files is passed over, but not for long.

    Of previews an engine has one at a time, so that a person who comes waits for one at most.
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
            break  # no preview passes a person, whatever is in the engine's memory
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
    """The next task of each party that may have one more on engines; inside a party their own order."""
    first: dict[Party, First] = {}
    for pk, owner, is_face, priority in _open_rows():
        party = Party(owner, bool(is_face))
        if party not in first and now.lets_in(party, pk):
            first[party] = First(priority, pk)
    return first


def _previews_are_due(waiting: Mapping[Party, First], now: _Live) -> bool:
    """Whether one preview goes before people who wait: else it would not be made while anybody asks for pictures."""
    previews = [first.task for party, first in waiting.items() if party.previews]
    return 0 < len(previews) < len(waiting) and now.previews_are_due(previews)


def _turns(waiting: Mapping[Party, First], now: _Live, *, due: bool) -> list[Party]:
    """Whom somebody moved to the front, then people, then previews; unless these are due.

    Within each it is round-robin: fewest pictures on engines, then longest without one.
    """

    def turn(party: Party) -> tuple[int, bool, int, int]:
        return -waiting[party].priority, party.previews != due, len(now.tasks.get(party, ())), -now.ago(party)

    return sorted(waiting, key=turn) if len(waiting) > 1 else list(waiting)


def _engine_for(task: GenerationTask, candidates: list[Engine], free: list[Engine], now: _Live) -> Engine | None:
    """The least busy of the free engines that have what the task needs, or else of those that can be given it.

    Engines whose nodes do not fit our graphs come last.

    Of several it is one that has the files in memory. Where no engine has them, the task waits for one that is away;
    and where none such is known any engine gets it, so that its own words say what is missing.
    """
    files, classes, warmth = graphs.files(task), graphs.classes(task), graphs.warmth(task)
    fit = [engine for engine in candidates if graphs.lack_of(engine) is None]
    ready = able = [engine for engine in fit if roster.has_all(engine, files, classes)]
    if len(ready) < len(candidates):
        stored = graphs.stored(task)
        able = [engine for engine in fit if installs.is_able(engine, files, classes, stored)]
        if not able and any(installs.is_able(engine, files, classes, stored) for engine in roster.away()):
            return None

    able = recovery.preferred(task, able)

    def rank(engine: Engine) -> tuple[bool, int, bool, int]:
        return engine not in ready, now.load[engine.pk], engine.warm != warmth, engine.pk

    return min((engine for engine in free if engine in able or not able), key=rank, default=None)


def _place(task: GenerationTask) -> tuple[int, int]:
    """The first picture that nobody works on, and which attempt at it this is. LostRace where there is none."""
    rows = list(task.prompts.values_list("index", "state", "attempt"))
    taken = {index for index, state, _attempt in rows if state in TAKEN}
    index = next((index for index in range(task.count) if index not in taken), None)
    if index is None:
        raise LostRace(f"All pictures of task {task.pk} are taken.")
    return index, 1 + max((attempt for other, _state, attempt in rows if other == index), default=0)
