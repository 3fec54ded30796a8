"""The life of a list's order: rows are put into the queue a few at a time, each of them once.

So whoever ordered 2,000 rows can still order a picture, which then waits for a few of these and not for all; and the
list can stop. A row and its job are stored in one transaction, and the job has an id that follows from the row:
whatever kills the worker, no row is lost or doubled. Between two rows the order waits like a job that nobody works on,
and the end of each job of a row wakes it.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F

from generation.lists import holding
from generation.lists.models import ListRow, ListRun, OrderList, RowTask
from generation.lists.planning import Planner
from generation.making import runner
from generation.ordering import orders
from generation.pictures import signals
from generation.pictures.models import GeneratedImage, GenerationTask
from stylestudio.database.prepared import Prepared
from stylestudio.images.decoding import BadPicture
from stylestudio.jobs import kinds
from stylestudio.jobs.kinds import ACTIVE, Status
from stylestudio.live import publisher
from stylestudio.processes import worker_jobs, workers
from stylestudio.processes.worker_jobs import Stopped

AT_ONCE = 20  # jobs of one list that wait or run together


def facts(job: ListRun) -> dict[str, object]:
    """What scripts get besides status and progress."""
    return {"list": job.order_list_id, "name": job.order_list.name, "paused": job.order_list.is_paused, **job.told()}


def sweep() -> None:
    """Free what a dead worker left."""
    life.sweep()


# Asked for each job of the studio that ends, and hardly any is of a list.
_links = Prepared(lambda task: RowTask.objects.filter(task=task).order_by().values_list("pk"))


def follow(task: GenerationTask, **_sent: Any) -> None:
    """A job has ended: if it was one of a row, the next row may come."""
    if _links.rows(task.pk):
        ListRun.wake()


def follow_retry(task: GenerationTask, again: GenerationTask, **_sent: Any) -> None:
    """A job is made again, from wherever: its pictures are those of its row."""
    of = RowTask.objects.filter(task=task).first()
    if of is not None:
        RowTask.objects.get_or_create(
            task=again, defaults={"row_id": of.row_id, "revision": of.revision, "is_retry": True}
        )


def cancel(job: ListRun) -> None:
    """Cancel the order and all of its jobs that wait or run. Pictures that are there stay."""
    life.cancel(job)
    mine = RowTask.objects.filter(row__order_list=job.order_list_id).values("task")
    for task in GenerationTask.everything.active().filter(pk__in=mine):
        if task.cancel():
            publisher.changed(task)
            signals.ended.send(GenerationTask, task=task)
    publisher.counts_changed()
    runner.publish_waiting()


def pause(found: OrderList, *, paused: bool) -> None:
    """Put no more rows into the queue, or go on. What is in it is made."""
    OrderList.objects.filter(pk=found.pk).update(is_paused=paused)
    for job in ListRun.objects.active().filter(order_list=found).select_related("order_list", "owner"):
        job.touch()
        publisher.changed(job)
        if not paused:
            job.wake()


@dataclass(slots=True)
class State:
    """How far the order of a list is, in pictures. `to_order` are keys of rows, `to_retry` jobs to make again."""

    total: int = 0
    done: int = 0
    made: int = 0
    on_their_way: int = 0
    to_order: list[int] = field(default_factory=list)
    to_retry: list[int] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        """Whether all that can be ordered has ended."""
        return not (self.on_their_way or self.to_order or self.to_retry)


def look(job: ListRun) -> State:
    """How far it is now."""
    newest: dict[int, tuple[int, str, Any]] = {}
    tasks = RowTask.objects.filter(row__order_list=job.order_list_id, revision=F("row__revision")).order_by("task_id")
    for row, task, status, queued in tasks.values_list("row_id", "task_id", "task__status", "task__queued_at"):
        newest[row] = task, status, queued
    state, wrong = State(), job.report.get("wrong", {})
    rows = ListRow.objects.filter(order_list=job.order_list_id, is_left_out=False).order_by("position")
    for row, pictures in rows.values_list("pk", "pictures"):
        state.total += pictures
        if str(row) in wrong:
            state.done += pictures
            continue
        if row not in newest:
            state.to_order.append(row)
            continue
        task, status, queued = newest[row]
        if status in ACTIVE:
            state.on_their_way += 1
        elif job.makes_again and status != Status.COMPLETED and queued < job.queued_at:
            state.to_retry.append(task)
        else:
            state.done += pictures
    mine = RowTask.objects.filter(
        row__order_list=job.order_list_id, revision=F("row__revision"), row__is_left_out=False
    )
    state.made = GeneratedImage.everything.filter(task__in=mine.values("task")).count()
    return state


def _room(job: ListRun, state: State) -> int:
    """How many rows may be put into the queue now."""
    if job.order_list.is_paused:
        return 0
    room = AT_ONCE - state.on_their_way
    if settings.MAX_WAITING:
        room = min(room, settings.MAX_WAITING - kinds.limited_waiting(job.owner))
    return max(0, min(room, len(state.to_order) + len(state.to_retry)))


def _ready() -> Iterable[ListRun]:
    """The orders for which there is something to do now. The others wait for the end of a job."""
    for job in life.waiting("order_list"):
        state = look(job)
        if job.started_at is None or state.is_over or state.done != job.done or _room(job, state):
            yield job


def _attempt(job: ListRun) -> None:
    run, worker = worker_jobs.Run(job), job.worker
    state = look(job)
    if "begun" not in job.report:
        run.step(state.done, state.total, now=True, begun=state.done)
    room = _room(job, state)
    planner = Planner(OrderList.objects.select_related("owner").get(pk=job.order_list_id))
    for task in state.to_retry[:room]:
        _retry(job, worker, task)
    for pk in state.to_order[: room - len(state.to_retry[:room])]:
        _order(job, worker, pk, planner)
        workers.give_connection_back()
    state = look(job)
    run.step(state.done, state.total, now=True, made=state.made, failed=max(0, state.done - state.made))
    if not state.is_over:
        raise Stopped


def _hold(job: ListRun, worker: str) -> None:
    """Keep everybody else from the job until the transaction ends. Raises Stopped if it is not ours any more."""
    if workers.stopping.is_set():
        raise Stopped
    mine = ListRun.objects.running().filter(pk=job.pk, worker=worker)
    if not list(mine.select_for_update().values_list("pk")):
        raise Stopped


def _order(job: ListRun, worker: str, pk: int, planner: Planner) -> None:
    with transaction.atomic():
        _hold(job, worker)
        row = ListRow.objects.select_for_update().get(pk=pk)
        planned = planner.one(row)
        reason = " ".join(f"{title}: {why}" for title, why in planned.told)
        if not reason and planned.order:
            try:
                with transaction.atomic():
                    held = holding.given(planner.list.held, planned.order, planner.person)
                    task = orders.place(
                        replace(planned.order, given=held),
                        planner.person,
                        request_id=_press_of(row),
                        visibility=planner.list.visibility,
                    )
                    known = {"row": row, "revision": row.revision, "is_retry": False}
                    RowTask.objects.get_or_create(**known, defaults={"task": task})
                    row.pictures = planned.order.count
                    if planner.list.chooses_words:
                        row.frozen = planned.chosen
                    row.save(update_fields=["pictures", "frozen"])
            except BadPicture as error:
                reason = str(error)
            except ValidationError as error:
                # Somebody whose queue has become full in this moment has made no mistake.
                reason = "" if _is_full(job) else " ".join(error.messages)
        if reason:
            _note_wrong(job, row, reason)


def _is_full(job: ListRun) -> bool:
    """Whether its owner has as many waiting jobs as one person may."""
    return bool(settings.MAX_WAITING) and kinds.limited_waiting(job.owner) >= settings.MAX_WAITING


def _press_of(row: ListRow) -> uuid.UUID:
    """The id of this row's job: of the same row in the same revision it is the same, and makes no second job."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"list row {row.pk} revision {row.revision}")


def _retry(job: ListRun, worker: str, task: int) -> None:
    with transaction.atomic():
        _hold(job, worker)
        before = GenerationTask.everything.get(pk=task)
        try:
            with transaction.atomic():
                orders.retry(before, job.owner)
        except ValidationError as error:
            if not _is_full(job):
                _note_wrong(job, before.list_row.row, " ".join(error.messages))


def _note_wrong(job: ListRun, row: ListRow, reason: str) -> None:
    """A row that could be ordered when the person pressed the button, and cannot be any more: it is told why."""
    job.advance(report={**job.report, "wrong": {**job.report.get("wrong", {}), str(row.pk): [row.number, reason]}})


# One per worker: the database writes one after the other anyway.
life = worker_jobs.Life(ListRun, _attempt, ready=_ready)
