"""Who is next: the fair rule by which workers take pictures, and how a dead worker's picture is taken over."""

from __future__ import annotations

import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Count, F, Max, Q, QuerySet
from django.db.models.functions import Now

from generation import engines, graphs, recovery
from generation.engines import E
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
    for prompt in over.select_related("task__reference", "engine").order_by("pk"):
        if prompt.pk in held:
            continue
        if not prompt.task.is_active:
            prompt.end(EnginePrompt.State.CANCELLED, unclean=True)
        elif prompt.engine.health == Engine.Health.OK:
            mine = EnginePrompt.objects.filter(
                pk=prompt.pk, state__in=EnginePrompt.LIVE, worker=prompt.worker, lease_until=prompt.lease_until
            )
            if mine.update(worker=worker, lease_until=Now() + LEASE):
                return prompt
        elif recovery.is_hopeless(prompt):
            prompt.end(EnginePrompt.State.LOST, "The engine did not come back.", unclean=True)
    return None


def _open_tasks() -> QuerySet[GenerationTask]:
    """Active tasks with pictures that nobody works on, but those that rest after an engine was lost."""
    taken = Count("prompts", filter=Q(prompts__state__in=TAKEN))
    rested = Q(not_before=None) | Q(not_before__lte=Now())
    return GenerationTask.objects.filter(rested, status__in=ACTIVE).annotate(taken=taken).filter(taken__lt=F("count"))


def _take(worker: str) -> EnginePrompt | None:
    waiting = Count("prompts", filter=Q(prompts__state__in=EnginePrompt.LIVE))
    candidates = engines.chosen(engines.ready().annotate(waiting=waiting).order_by("waiting", "pk"))
    load = {engine.pk: engine.waiting for engine in candidates if engine.waiting < engines.AT_ONCE}
    chosen = _choose(candidates, load) if load else None
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


def _choose(candidates: Sequence[E], load: Mapping[int, int]) -> tuple[GenerationTask, E] | None:
    """Whose turn it is. One for whom an engine would have to load other files is passed over, but not for long."""
    cold: tuple[GenerationTask, E] | None = None
    for task in _by_turn():
        engine = _engine_for(task, candidates, load)
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


def _by_turn() -> Iterator[GenerationTask]:
    """The next task of each waiting person, in the order of their turns; inside a person their own order."""
    first: dict[int, tuple[int, int]] = {}
    full = _full_owners() if settings.MAX_RUNNING else {}
    rows = _open_tasks().order_by("-priority", "queued_at", "pk").values_list("pk", "owner_id", "priority")
    for pk, owner, priority in rows:
        if owner not in full or pk in full[owner]:
            first.setdefault(owner, (priority, pk))
    for owner in _turns(first) if len(first) > 1 else first:
        yield GenerationTask.objects.select_related("reference").get(pk=first[owner][1])


def _full_owners() -> dict[int, set[int]]:
    """People who have as many jobs on engines as one may have, and those jobs: only they go on."""
    rows = EnginePrompt.objects.filter(state__in=EnginePrompt.LIVE).values_list("task__owner", "task").distinct()
    running: defaultdict[int, set[int]] = defaultdict(set)
    for owner, task in rows:
        running[owner].add(task)
    return {owner: tasks for owner, tasks in running.items() if len(tasks) >= settings.MAX_RUNNING}


def _turns(first: Mapping[int, tuple[int, int]]) -> list[int]:
    """Whom somebody moved to the front, then round-robin: fewest pictures on engines, then longest without one."""
    rows = EnginePrompt.objects.filter(task__owner__in=first).values("task__owner")
    last = {row["task__owner"]: row["at"] for row in rows.annotate(at=Max("pk"))}
    live = rows.filter(state__in=EnginePrompt.LIVE).annotate(live=Count("pk"))
    busy = {row["task__owner"]: row["live"] for row in live}
    return sorted(first, key=lambda owner: (-first[owner][0], busy.get(owner, 0), last.get(owner, 0)))


def _engine_for(task: GenerationTask, candidates: Sequence[E], load: Mapping[int, int]) -> E | None:
    """The least busy engine of those in `load` (prompts by engine) that has what the task needs.

    Of several it is one that has the files in memory. Where no engine has them, the task waits for one that is away;
    and where none such is known any engine gets it, so that its own words say what is missing.
    """
    files, classes, warmth = graphs.files(task), graphs.classes(task), graphs.warmth(task)
    able = [engine for engine in candidates if engines.has_all(engine, files, classes)]
    if not able and any(engines.has_all(engine, files, classes) for engine in engines.away()):
        return None
    fit = [engine for engine in able or candidates if engine.pk in load]
    return min(fit, key=lambda engine: (load[engine.pk], engine.warm != warmth, engine.pk), default=None)


def _place(task: GenerationTask) -> tuple[int, int]:
    """The first picture that nobody works on, and which attempt at it this is."""
    rows = list(task.prompts.values_list("index", "state"))
    taken = {index for index, state in rows if state in TAKEN}
    index = next(index for index in range(task.count) if index not in taken)
    return index, 1 + sum(1 for other, _state in rows if other == index)
