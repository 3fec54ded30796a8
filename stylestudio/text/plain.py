"""Neutralises foreign text, so that it cannot end its line, reverse or hide the text beside it."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

# Marks that change the direction of adjacent text. Those that join letters (as in emoji) are kept.
TURNS = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_BREAKS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_MARKS = re.compile(f"[{TURNS}]")
_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")


def line(text: str) -> str:
    """`text` as one line of a log or a terminal: invisible characters are written as escapes, such as \\n."""
    if text.isprintable():
        return text
    return "".join(sign if sign == "\t" or not _is_invisible(sign) else _escape(sign) for sign in text)


def name(text: str) -> str:
    """A name from a file or an engine without line breaks, other control characters and direction marks."""
    return _BREAKS.sub(" ", _MARKS.sub("", text)).strip()


def storable(text: str) -> str:
    """Replace what databases reject but JSON can contain: NUL characters and lone surrogates."""
    return _UNSTORABLE.sub("\ufffd", text)


def storable_json(value: Any) -> Any:
    """Apply `storable` to every text in a JSON value."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, list):
        return [storable_json(each) for each in value]
    if isinstance(value, dict):
        return {storable(name): storable_json(each) for name, each in value.items()}
    return value


def turns(sign: str) -> bool:
    """Whether a character changes the direction of adjacent text."""
    return bool(_MARKS.match(sign))


def _is_invisible(sign: str) -> bool:
    return unicodedata.category(sign) in _INVISIBLE


def _escape(sign: str) -> str:
    return sign.encode("unicode_escape").decode("ascii")
