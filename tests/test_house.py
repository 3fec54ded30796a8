"""The house: folders that can be looked over, files that can be read in one go, rooms that say what they hold."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
MOST_FILES, MOST_LINES = 16, 500
# Pure data: what the painter can draw, a list of strokes for each name.
DATA = {f"stylestudio/preview_engine/painter/subjects/{name}.py" for name in ("items", "creatures", "buildings")}
DIARIES = re.compile(r"/migrations/|/database/earlier/\w+/")
DJANGOS_OWN = re.compile(r"/(management|templatetags)/")  # folders that have to have this name
VAGUE = re.compile(r"\d|(^|_)(more|misc|utils?|helpers?)(_|$)")


def modules() -> Iterator[str]:
    """The Python files of the house, but for migrations: a diary is as long as it takes."""
    for top in (".", "stylestudio", "styles", "generation", "training", "tests"):
        for path in (ROOT / top).glob("*.py" if top == "." else "**/*.py"):
            name = path.relative_to(ROOT).as_posix()
            if not DIARIES.search(name):
                yield name


def test_no_folder_is_fuller_than_can_be_looked_over() -> None:
    full = Counter(str(Path(name).parent) for name in modules())
    assert not {folder: count for folder, count in full.items() if count > MOST_FILES}


def test_no_file_is_longer_than_can_be_read_in_one_go() -> None:
    lines = {name: len((ROOT / name).read_text().splitlines()) for name in modules()}
    assert {name for name, count in lines.items() if count > MOST_LINES} == DATA


def test_a_name_says_what_a_file_holds() -> None:
    assert not [name for name in modules() if VAGUE.search(Path(name).stem)]


def test_every_room_says_what_it_holds_and_where_to_begin() -> None:
    rooms = [name for name in modules() if name.endswith("__init__.py") and not DJANGOS_OWN.search(name)]
    assert not [name for name in rooms if not ast.get_docstring(ast.parse((ROOT / name).read_text()))]


def test_templates_of_an_app_stand_in_the_rooms_of_the_code_that_renders_them() -> None:
    folders = {
        path.parent.relative_to(ROOT / "templates").as_posix()
        for app in ("generation", "styles", "training")
        for path in (ROOT / "templates" / app).rglob("*.html")
    }
    assert not [folder for folder in folders if not (ROOT / folder / "__init__.py").is_file()]
