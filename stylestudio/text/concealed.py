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

_lock = threading.Lock()
_known: dict[str, None] = {}
_pattern: re.Pattern[str] = re.compile(r"(?!)")


def pattern(secrets: Iterable[str]) -> re.Pattern[str]:
    """Matches any of `secrets`, the longest first; nothing if there are none."""
    words = sorted({secret for secret in secrets if secret}, key=len, reverse=True)
    return re.compile("|".join(map(_word, words)) or r"(?!)")


def remember(secrets: Iterable[str]) -> None:
    """From now on `conceal` takes these out."""
    global _pattern
    with _lock:
        new = [secret for secret in secrets if secret and secret not in _known]
        if not new:
            return
        _known.update(dict.fromkeys(new))
        while len(_known) > _MOST:
            del _known[next(iter(_known))]
        _pattern = pattern(_known)


def conceal(text: str) -> str:
    """`text` without known secrets, and without the user and password of any address in it."""
    text = _pattern.sub(HIDDEN, text)
    return _USER_IN_ADDRESS.sub(f"{HIDDEN}@", text) if "://" in text else text


def _word(secret: str) -> str:
    escaped = re.escape(secret)
    return rf"(?<!\w){escaped}(?!\w)" if len(secret) <= _SHORT else escaped
