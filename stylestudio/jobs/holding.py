"""Holding leases: the heartbeat renews those of this process's threads, so that nobody else takes over their work."""

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

    `renew` receives all of them and extends their leases. Threads claim under `turn`, one at a time, so that a claimed
    row is held before the next thread looks, which would otherwise take it for one of an earlier life. A claim may
    wait for the database, so the heartbeat does not wait for its turn.
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
        """The rows held now, with what each occupies."""
        with self._lock:
            return dict(self._held)

    def take(self, pk: int, place: Place) -> None:
        """Hold a row until `drop`."""
        with self._lock:
            self._held[pk] = place

    def drop(self, pk: int) -> Place | None:
        """Stop holding a row and return what it occupied; None if it was not held."""
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
        """Extend all leases. Called by the worker's heartbeat."""
        if held := self.places:
            self._renew(held)

    def recover(self, jobs: JobQuerySet[J], worker: str) -> list[J]:
        """Free and return those of `jobs` whose worker is gone or that an earlier life of `worker` left."""
        with self.turn:
            left = list(jobs.abandoned(worker, self.places))
        return [job for job in left if job.recover()]
