"""The style sheets: a name means one thing, and their order is that of the cascade."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "static/css"
LONGEST = 500  # lines
LINKED = re.findall(r'"css/([^"]+)"', (ROOT / "templates/shell/_styles.html").read_text())
RULE = re.compile(r"^  ([.#a-z][^{}@]*?) \{")
LAYER = re.compile(r"^@layer (\w+) \{", re.MULTILINE)


def test_every_sheet_is_linked_and_short() -> None:
    lengths = {file.name: len(file.read_text().splitlines()) for file in FOLDER.iterdir()}
    assert sorted(LINKED) == sorted(lengths)
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST} == {}


def test_the_first_sheet_names_the_layers_in_the_order_in_which_all_follow() -> None:
    order = re.findall(r"^@layer (.+);", (FOLDER / LINKED[0]).read_text(), re.MULTILINE)
    found = [layer for name in LINKED for layer in LAYER.findall((FOLDER / name).read_text())]
    assert order == [", ".join(dict.fromkeys(found))]


def test_no_selector_is_given_a_meaning_twice() -> None:
    """Rules that stand by themselves, in all layers but that of states, which changes what others made."""
    layer, places = "", defaultdict(list)
    for name in LINKED:
        for number, line in enumerate((FOLDER / name).read_text().splitlines(), 1):
            if line.startswith("@layer"):
                layer = line
            elif (found := RULE.match(line)) and not layer.startswith("@layer states"):
                places[found[1]].append(f"{name}:{number}")
    assert places, "the sheets are read"
    assert {name: lines for name, lines in places.items() if len(lines) > 1} == {}
