"""Counts what a worker writes: every INSERT, UPDATE and DELETE that its threads really send to the database."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import connection
from django.db.backends.signals import connection_created

from training.runs.models import TrainingJob

_WRITE = re.compile(r'\s*(INSERT INTO|UPDATE|DELETE FROM) "(\w+)"')
_SET = re.compile(r'"(\w+)" = ')
BEATS = ({"lease_until"}, {"held_until"}, {"heartbeat_at"})  # what the worker's heartbeat renews, and nothing else
OWN = ("runs_trainingjob", "runs_lossblock", "runs_logblock")
# What a change of any of these is, is a change of state. The rest of the row only goes on.
STATE = ("status", "stop", "attempts", "engine", "state", "not_before", "worker")


@dataclass
class Written:
    """What was written, by table; "beats": by the heartbeat. `changes`: of the state of a training."""

    began: float = field(default_factory=time.monotonic)
    tables: Counter[str] = field(default_factory=Counter)
    changes: int = 0
    same: int = 0  # rows of trainings that were written as they were
    rows: dict[int, tuple[Any, ...]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    @property
    def own(self) -> int:
        """Rows of trainings, losses and lines of logs."""
        return sum(self.tables[name] for name in OWN)

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        found = _WRITE.match(sql)
        if not found:
            return execute(sql, params, many, context)
        is_beat = set(_SET.findall(sql.partition(" WHERE ")[0])) in BEATS
        with self.lock:
            self.tables["beats" if is_beat else found[2]] += 1
        result = execute(sql, params, many, context)
        if found[2] == OWN[0] and not is_beat:
            self._compare()
        return result

    def _compare(self) -> None:
        """Whether a training's state is another one now."""
        for job in TrainingJob.objects.all():
            state = (*(getattr(job, name) for name in STATE), job.preparing[:1], job.checkpoints.count())
            whole = (*state, job.step, job.epoch, job.progress, job.preparing, job.paces, job.ends_at)
            with self.lock:
                before = self.rows.get(job.pk)
                self.changes += before is not None and before[0] != state
                self.same += before is not None and before[1] == whole
                self.rows[job.pk] = (state, whole)


@contextmanager
def written() -> Iterator[Written]:
    """Counts while the block runs, in this thread and in those that connect meanwhile."""
    count = Written()

    def watch(connection: Any, **_more: Any) -> None:
        connection.execute_wrappers.append(count)

    connection_created.connect(watch)
    try:
        with connection.execute_wrapper(count):
            count._compare()
            yield count
    finally:
        connection_created.disconnect(watch)
