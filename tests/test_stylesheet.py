"""The one stylesheet: a name means one thing."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

SHEET = Path(__file__).parent.parent / "static/css/studio.css"
RULE = re.compile(r"^  ([.#a-z][^{}@]*?) \{")


def test_no_selector_is_given_a_meaning_twice() -> None:
    """Rules that stand by themselves, in all layers but that of states, which changes what others made."""
    layer, places = "", defaultdict(list)
    for number, line in enumerate(SHEET.read_text().splitlines(), 1):
        if line.startswith("@layer"):
            layer = line
        elif (found := RULE.match(line)) and not layer.startswith("@layer states"):
            places[found[1]].append(number)
    assert places, "the sheet is read"
    assert {name: lines for name, lines in places.items() if len(lines) > 1} == {}
