"""Which frames are one movement: those that are called alike but for a number at the end."""

from __future__ import annotations

import re
from collections.abc import Iterable

_NUMBERED = re.compile(r"(.*?)[\s_.\-]*(\d+)")


def animations(names: Iterable[str]) -> dict[str, list[str]]:
    """The frames of each animation, in the order of their numbers: walk_2 before walk_10. One frame alone is none."""
    found: dict[str, list[tuple[int, str]]] = {}
    for name in names:
        if (match := _NUMBERED.fullmatch(name)) and match[1]:
            found.setdefault(match[1], []).append((int(match[2]), name))
    return {
        title: [name for _number, name in sorted(frames)] for title, frames in sorted(found.items()) if len(frames) > 1
    }
