"""Secrets that this process knows: taken out of whatever is logged or printed, however it got there.

Secrets do not belong into sentences in the first place. This is for the words of others: an engine that repeats the
address it was called at, a driver that prints its connection, a traceback.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable

HIDDEN = "***"
_SHORT = 8  # letters up to which a secret may be a part of harmless words, and is looked for as a word of its own
_MOST = 1000  # secrets that are remembered: engines are few, but a process may live for months
_USER_IN_ADDRESS = re.compile(r"(?<=://)[^\s/@'\"<>]+@")


def pattern(secrets: Iterable[str]) -> re.Pattern[str]:
    """Matches any of `secrets`, the longest first; nothing if there are none."""
    words = sorted({secret for secret in secrets if secret}, key=len, reverse=True)
    return re.compile("|".join(map(_word, words)) or r"(?!)")


def _word(secret: str) -> str:
    escaped = re.escape(secret)
    return rf"(?<!\w){escaped}(?!\w)" if len(secret) <= _SHORT else escaped


class Secrets:
    """Those that one process knows; the oldest are forgotten when there are too many."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, None] = {}
        self._pattern = pattern(())

    def remember(self, secrets: Iterable[str]) -> None:
        """Take these out from now on."""
        with self._lock:
            new = [secret for secret in secrets if secret and secret not in self._known]
            if not new:
                return
            self._known.update(dict.fromkeys(new))
            while len(self._known) > _MOST:
                del self._known[next(iter(self._known))]
            self._pattern = pattern(self._known)

    def hide(self, text: str) -> str:
        """`text` with stars in place of each."""
        return self._pattern.sub(HIDDEN, text)


known = Secrets()


def remember(secrets: Iterable[str]) -> None:
    """From now on `conceal` takes these out."""
    known.remember(secrets)


def conceal(text: str) -> str:
    """`text` without known secrets, and without the user and password of any address in it."""
    text = known.hide(text)
    return _USER_IN_ADDRESS.sub(f"{HIDDEN}@", text) if "://" in text else text
