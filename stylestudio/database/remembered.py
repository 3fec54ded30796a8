"""Rows that are only ever added: a process that has seen one need not look for it again."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from functools import partial
from typing import Any, Generic, TypeVar
from weakref import WeakSet

from django.db import transaction

K = TypeVar("K", bound=Hashable)
_all: WeakSet[Remembered[Any]] = WeakSet()


class Remembered(Generic[K]):
    """The keys of rows by what they are found by, at most `most` of them.

    What a transaction has found or added is remembered once it is committed: of one that is rolled back nothing stays.
    """

    def __init__(self, most: int = 10_000) -> None:
        self._most = most
        self._keys: dict[K, int] = {}
        _all.add(self)

    def of(self, wanted: Iterable[K]) -> dict[K, int]:
        """The keys of those that are known."""
        known = self._keys
        return {each: known[each] for each in wanted if each in known}

    def note(self, keys: Mapping[K, int]) -> None:
        """Remember these, as soon as what this transaction does is certain."""
        if any(each not in self._keys for each in keys):
            transaction.on_commit(partial(self._keep, dict(keys)))

    def _keep(self, keys: Mapping[K, int]) -> None:
        if len(self._keys) + len(keys) > self._most:
            self._keys = {}  # another thread may be reading the old ones
        self._keys.update(keys)

    def forget(self) -> None:
        """Know nothing."""
        self._keys = {}


def forget_all() -> None:
    """Know nothing any more, for the database is another one."""
    for each in list(_all):
        each.forget()
