"""The modules of the script: short, those of a page all loaded at once, and what they import is there."""

from __future__ import annotations

import re
from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path
from posixpath import normpath

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "static/js"
LONGEST, WIDEST, MOST = 200, 120, 16  # lines of a module, columns of a line, modules beside each other
# What each part of a page's head loads, and the template that does.
ENTRIES = {"studio.js": "shell/_script.html", "editing/editor.js": "generation/editing/_script.html"}
MODULES = {file.relative_to(FOLDER).as_posix(): file.read_text() for file in FOLDER.rglob("*.js")}
MODULES = dict(sorted(MODULES.items()))
IMPORT = re.compile(r'^import (?:\{([^}]*)\} from )?"(\.{1,2}/[^"]+)";$', re.MULTILINE)
EXPORT = re.compile(r"^export (?:async )?(?:function|const|let|class) (\w+)", re.MULTILINE)


def imports(module: str) -> list[tuple[list[str], str]]:
    """What a module imports: the names, and the module they are from."""
    return [
        ([name.strip() for name in names.split(",") if name.strip()], normpath(f"{Path(module).parent}/{other}"))
        for names, other in IMPORT.findall(MODULES[module])
    ]


def test_modules_are_short_their_lines_too_and_they_are_few() -> None:
    assert {name: lines for name, text in MODULES.items() if (lines := len(text.splitlines())) > LONGEST} == {}
    assert [(name, line) for name, text in MODULES.items() for line in text.splitlines() if len(line) > WIDEST] == []
    beside = Counter(Path(name).parent for name in MODULES)
    assert max(beside.values()) <= MOST


def reached(entry: str) -> set[str]:
    """An entry, and all that it imports."""
    found, new = set[str](), {entry}
    while new:
        found |= new
        new = {name for module in new for _names, name in imports(module)} - found
    return found


def test_a_page_loads_its_entries_and_asks_for_all_that_they_import_at_once() -> None:
    loaded: list[str] = []
    for entry, template in ENTRIES.items():
        head = (ROOT / "templates" / template).read_text()
        assert re.findall(r'<script src="{% static "js/([^"]+)" %}" type="module">', head) == [entry]
        asked = [*re.findall(r'"modulepreload" href="{% static "js/([^"]+)" %}"', head), entry]
        assert {*asked} == reached(entry) - {*loaded}
        loaded += asked
    assert sorted(loaded) == list(MODULES)


def test_what_is_imported_is_exported_and_what_is_exported_is_imported() -> None:
    wanted = {(other, name) for module in MODULES for names, other in imports(module) for name in names}
    given = {(module, name) for module, text in MODULES.items() for name in EXPORT.findall(text)}
    assert wanted == given


def test_every_import_is_used_and_none_goes_in_a_circle() -> None:
    for module, text in MODULES.items():
        names = [name for group, _module in imports(module) for name in group]
        rest = IMPORT.sub("", text)
        assert [name for name in names if not re.search(rf"\b{name}\b", rest)] == [], module
    needs = {module: {other for _names, other in imports(module)} for module in MODULES}
    assert {*TopologicalSorter(needs).static_order()} == MODULES.keys()


def test_what_another_module_exports_is_imported_where_it_is_called() -> None:
    given = {name for text in MODULES.values() for name in EXPORT.findall(text)}
    for module, text in MODULES.items():
        imported = {name for group, _module in imports(module) for name in group}
        called = set(re.findall(r"(?<![.\w])(\w+)\(", re.sub(r"//.*", "", text)))
        own = set(re.findall(r"(?:function|const|let|class) (\w+)", text)) | set(re.findall(r", (\w+) = ", text))
        assert sorted(called & given - imported - own) == [], module
