"""Who is next: the fair rule by which workers take pictures, and how a dead worker's picture is taken over."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.db.models import Count, F, Max, Q, QuerySet
from django.db.models.functions import Now

from generation import engines, graphs
from generation.engines import E
from generation.models import EnginePrompt, GenerationTask
from stylestudio.comfy import graph
from stylestudio.jobs import ACTIVE, LEASE, Status

TAKEN = (*EnginePrompt.LIVE, EnginePrompt.State.DONE)


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
    """Take over a picture whose lease is over, or that this worker held in an earlier life."""
    over = EnginePrompt.objects.filter(Q(lease_until__lt=Now()) | Q(worker=worker), state__in=EnginePrompt.LIVE)
    for prompt in over.select_related("task", "engine").order_by("pk"):
        if prompt.pk in held:
            continue
        mine = EnginePrompt.objects.filter(
            pk=prompt.pk, state__in=EnginePrompt.LIVE, worker=prompt.worker, lease_until=prompt.lease_until
        )
        if mine.update(worker=worker, lease_until=Now() + LEASE):
            return prompt
    return None


def _open_tasks() -> QuerySet[GenerationTask]:
    """Active tasks with pictures that nobody works on."""
    taken = Count("prompts", filter=Q(prompts__state__in=TAKEN))
    return GenerationTask.objects.filter(status__in=ACTIVE).annotate(taken=taken).filter(taken__lt=F("count"))


def _take(worker: str) -> EnginePrompt | None:
    waiting = Count("prompts", filter=Q(prompts__state__in=EnginePrompt.LIVE))
    candidates = engines.chosen(engines.ready().annotate(waiting=waiting).order_by("waiting", "pk"))
    free = {engine.pk for engine in candidates if engine.waiting < engines.AT_ONCE}
    pairs = ((task, _engine_for(task, candidates, free)) for task in _by_turn()) if free else iter(())
    task, engine = next(((task, engine) for task, engine in pairs if engine), (None, None))
    if task is None or engine is None:
        return None
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
    if task.status == Status.RUNNING:
        task.renew(worker)
    return prompt


def _by_turn() -> Iterator[GenerationTask]:
    """The next task of each waiting person, in the order of their turns; inside a person their own order."""
    first: dict[int, int] = {}
    for pk, owner in _open_tasks().order_by("-priority", "queued_at", "pk").values_list("pk", "owner_id"):
        first.setdefault(owner, pk)
    for owner in _turns(first) if len(first) > 1 else first:
        yield GenerationTask.objects.select_related("reference").get(pk=first[owner])


def _turns(owners: Iterable[int]) -> list[int]:
    """Round-robin: fewest pictures on engines first, then whose last picture was claimed longest ago."""
    rows = EnginePrompt.objects.filter(task__owner__in=owners).values("task__owner")
    last = {row["task__owner"]: row["at"] for row in rows.annotate(at=Max("pk"))}
    live = rows.filter(state__in=EnginePrompt.LIVE).annotate(live=Count("pk"))
    busy = {row["task__owner"]: row["live"] for row in live}
    return sorted(owners, key=lambda owner: (busy.get(owner, 0), last.get(owner, 0)))


def _engine_for(task: GenerationTask, candidates: Sequence[E], free: set[int]) -> E | None:
    """The least busy free engine that has the task's files; where no engine lists them, any free one."""
    files = graphs.files(task)
    able = [engine for engine in candidates if engines.has_all(engine, files)]
    return next((engine for engine in able or candidates if engine.pk in free), None)


def _place(task: GenerationTask) -> tuple[int, int]:
    """The first picture that nobody works on, and which attempt at it this is."""
    rows = list(task.prompts.values_list("index", "state"))
    taken = {index for index, state in rows if state in TAKEN}
    index = next(index for index in range(task.count) if index not in taken)
    return index, 1 + sum(1 for other, _state in rows if other == index)
