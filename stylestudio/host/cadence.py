"""State for things that a process does at intervals or once, each as a named object."""

from __future__ import annotations

import time
from collections.abc import Callable


class Every:
    """Something that this process does at most once in `seconds`; it is due immediately at first."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._due = 0.0

    @property
    def is_due(self) -> bool:
        """Whether `seconds` have passed since `done`."""
        return time.monotonic() >= self._due

    def done(self) -> None:
        """Record that it was done now."""
        self._due = time.monotonic() + self._seconds

    def hurry(self) -> None:
        """Make it due now."""
        self._due = 0.0


class UntilYes:
    """A check that is repeated until it returns True, which is then cached for the life of the process."""

    def __init__(self, ask: Callable[[], bool]) -> None:
        self._ask = ask
        self._yes = False

    def __call__(self) -> bool:
        """Return the cached True, or run the check."""
        self._yes = self._yes or self._ask()
        return self._yes

    def forget(self) -> None:
        """Drop the cached answer."""
        self._yes = False


class FirstFew:
    """Reports each name as new once, and at most `most` names: a stranger must not fill the log."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._seen: set[str] = set()

    def is_new(self, name: str) -> bool:
        """Whether `name` is seen for the first time and is one of the first `most`."""
        if name in self._seen or len(self._seen) >= self._most:
            return False
        self._seen.add(name)
        return True
