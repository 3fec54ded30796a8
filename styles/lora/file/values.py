"""Untrusted metadata values: each is sanitised, or dropped."""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime
from typing import Any

from stylestudio.text import plain

# Parsed JSON takes up to 25 times its size in memory, and half a second per megabyte. Tag counts of a thousand
# captioned pictures take 300 kB; nothing else that is parsed here is longer than a page.
MOST_JSON = 512 * 2**10
MOST_SHORT_JSON = 32 * 2**10
SHORT = 200
LONG = 4_000

# What a database or a page cannot hold: control characters other than tab and line feed, and lone surrogates; and
# bidirectional controls, which reorder the text around them.
_UNFIT = re.compile(rf"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff{plain.TURNS}]")


def text(value: object, most: int = SHORT) -> str:
    """A string without control characters, at most `most` characters long. Empty for a None that a trainer wrote."""
    if not isinstance(value, str):
        return ""
    cut = _UNFIT.sub("", value[: 2 * most].replace("\r\n", "\n")).strip()[:most].rstrip()
    return "" if cut in {"None", "null"} else cut


def number(value: object) -> float | None:
    """A finite number, from a number or its digits."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    if isinstance(value, str) and len(value) > 40:
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def whole(value: object) -> int | None:
    """A whole number from 0 to a billion."""
    found = number(value)
    return int(found) if found is not None and found == int(found) and 0 <= found <= 1e9 else None


def parsed(value: object, most: int = MOST_SHORT_JSON) -> Any:
    """Parse a JSON string; None if it is not a string, broken, or longer than `most` characters."""
    if not isinstance(value, str) or len(value) > most:
        return None
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None


def moment(value: object) -> datetime | None:
    """A time from seconds since 1970 or an ISO date. Without a time zone it counts as UTC."""
    seconds = number(value)
    try:
        if seconds is not None:
            return datetime.fromtimestamp(seconds, UTC)
        found = datetime.fromisoformat(text(value))
    except (ValueError, OverflowError, OSError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def size(value: object) -> tuple[int, int] | None:
    """Width and height in pixels from "1024x1024", "1024", "(1024, 1024)" or the like."""
    sides = [int(side) for side in re.findall(r"\d+", text(value, 40)) if len(side) < 6]
    if len(sides) == 1:
        sides *= 2
    return (sides[0], sides[1]) if len(sides) == 2 and all(0 < side <= 16384 for side in sides) else None
