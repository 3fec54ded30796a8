"""What a process does now and then, or once: each such thing is one named object."""

from __future__ import annotations

import time
from collections.abc import Callable


class Every:
    """Says when something is due that this process does at most once in so many seconds; the first time at once."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._due = 0.0

    @property
    def is_due(self) -> bool:
        """Whether so many seconds are over since `done`."""
        return time.monotonic() >= self._due

    def done(self) -> None:
        """It was done now."""
        self._due = time.monotonic() + self._seconds

    def hurry(self) -> None:
        """It is due now, whenever it was done last."""
        self._due = 0.0


class UntilYes:
    """A question that is asked until the answer is yes, which is remembered for the life of the process."""

    def __init__(self, ask: Callable[[], bool]) -> None:
        self._ask = ask
        self._yes = False

    def __call__(self) -> bool:
        """The answer."""
        self._yes = self._yes or self._ask()
        return self._yes

    def forget(self) -> None:
        """Ask again."""
        self._yes = False


class FirstFew:
    """Says of each name once that it is new, and of no more than so many: a stranger must not fill the log."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._seen: set[str] = set()

    def is_new(self, name: str) -> bool:
        """Whether `name` comes for the first time and is one of the first few."""
        if name in self._seen or len(self._seen) >= self._most:
            return False
        self._seen.add(name)
        return True
