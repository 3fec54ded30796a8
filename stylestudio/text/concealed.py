"""Secrets known to this process: removed from whatever is logged or printed, however they got there.

Secrets do not belong in messages in the first place. This covers the words of others: an engine that repeats the
address it was called at, a driver that prints its connection, a traceback.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable

HIDDEN = "***"
_SHORT = 8  # a secret of up to this many letters may be part of harmless words, so only whole words match
_MOST = 1000  # secrets remembered: engines are few, but a process may run for months
_USER_IN_ADDRESS = re.compile(r"(?<=://)[^\s/@'\"<>]+@")


def pattern(secrets: Iterable[str]) -> re.Pattern[str]:
    """A pattern that matches any of `secrets`, longest first; it matches nothing if there are none."""
    words = sorted({secret for secret in secrets if secret}, key=len, reverse=True)
    return re.compile("|".join(map(_word, words)) or r"(?!)")


def _word(secret: str) -> str:
    escaped = re.escape(secret)
    return rf"(?<!\w){escaped}(?!\w)" if len(secret) <= _SHORT else escaped


class Secrets:
    """The secrets known to one process; if there are too many, the oldest are forgotten."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, None] = {}
        self._pattern = pattern(())

    def remember(self, secrets: Iterable[str]) -> None:
        """Hide these from now on."""
        with self._lock:
            new = [secret for secret in secrets if secret and secret not in self._known]
            if not new:
                return
            self._known.update(dict.fromkeys(new))
            while len(self._known) > _MOST:
                del self._known[next(iter(self._known))]
            self._pattern = pattern(self._known)

    def hide(self, text: str) -> str:
        """Replace each by stars in `text`."""
        return self._pattern.sub(HIDDEN, text)


known = Secrets()


def remember(secrets: Iterable[str]) -> None:
    """Let `conceal` remove these from now on."""
    known.remember(secrets)


def conceal(text: str) -> str:
    """Remove known secrets, and the user and password of any address, from `text`."""
    text = known.hide(text)
    return _USER_IN_ADDRESS.sub(f"{HIDDEN}@", text) if "://" in text else text
