"""Colours as people write them."""

from __future__ import annotations

import re

MOST_GIVEN = 256


def read_colours(text: str) -> list[tuple[int, int, int]]:
    """The colours of a text such as "#112233 #aabbcc", each once, in order. Raises ValueError if something else is in
    it, or more than 256.
    """
    found: dict[tuple[int, int, int], None] = {}
    for word in re.split(r"[\s,;]+", text.strip()):
        if not word:
            continue
        if not re.fullmatch(r"#?[0-9a-fA-F]{6}", word):
            raise ValueError(word)
        digits = word.removeprefix("#")
        found[int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)] = None
    if len(found) > MOST_GIVEN:
        raise ValueError(str(len(found)))
    return list(found)
