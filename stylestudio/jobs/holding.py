"""Holding leases: the heartbeat renews what threads of this process work on, so that nobody else takes it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Generic, TypeVar

from stylestudio.jobs.kinds import Job, JobQuerySet

Place = TypeVar("Place")
J = TypeVar("J", bound=Job)


class Holder(Generic[Place]):
    """Rows of one kind that this process holds, by primary key, each with what it occupies: an engine, or a task.

    `renew` gets all of them and pushes the end of their leases away. Threads claim under `turn`, one at a time: what is
    claimed is held before the next one looks, which would take it for something of an earlier life. A claim may wait
    for the database, so the heartbeat does not wait for its turn.
    """

    def __init__(self, renew: Callable[[Mapping[int, Place]], None]) -> None:
        self.turn = threading.RLock()
        self._lock = threading.Lock()
        self._renew = renew
        self._held: dict[int, Place] = {}

    def __contains__(self, pk: int) -> bool:
        return pk in self._held

    def __len__(self) -> int:
        return len(self._held)

    @property
    def places(self) -> dict[int, Place]:
        """What is held now, and what each occupies."""
        with self._lock:
            return dict(self._held)

    def take(self, pk: int, place: Place) -> None:
        """Hold a row until `drop`."""
        with self._lock:
            self._held[pk] = place

    def drop(self, pk: int) -> Place | None:
        """Hold it no longer. What it occupied; None if it was not held."""
        with self._lock:
            return self._held.pop(pk, None)

    @contextmanager
    def hold(self, pk: int, place: Place) -> Iterator[None]:
        """Hold a row while the block runs."""
        self.take(pk, place)
        try:
            yield
        finally:
            self.drop(pk)

    def renew(self) -> None:
        """Push the end of all leases away; called by the worker's heartbeat."""
        if held := self.places:
            self._renew(held)

    def recover(self, jobs: JobQuerySet[J], worker: str) -> list[J]:
        """Of `jobs` free those whose worker is gone, and those that an earlier life of `worker` left. Returns them."""
        with self.turn:
            left = list(jobs.abandoned(worker, self.places))
        return [job for job in left if job.recover()]
