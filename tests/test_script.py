"""The modules of the script: short, all loaded at once, and what they import is there."""

from __future__ import annotations

import re
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "static/js"
LONGEST, WIDEST, MOST = 200, 120, 24  # lines of a module, columns of a line, modules beside each other
ENTRY = "studio.js"
MODULES = {file.name: file.read_text() for file in sorted(FOLDER.iterdir())}
IMPORT = re.compile(r'^import (?:\{([^}]*)\} from )?"\./([^"]+)";$', re.MULTILINE)
EXPORT = re.compile(r"^export (?:async )?(?:function|const|let|class) (\w+)", re.MULTILINE)


def test_modules_are_short_their_lines_too_and_they_are_few() -> None:
    assert {name: lines for name, text in MODULES.items() if (lines := len(text.splitlines())) > LONGEST} == {}
    assert [(name, line) for name, text in MODULES.items() for line in text.splitlines() if len(line) > WIDEST] == []
    assert len(MODULES) <= MOST


def test_the_page_loads_the_entry_and_asks_for_all_that_it_imports_at_once() -> None:
    head = (ROOT / "templates/shell/_script.html").read_text()
    assert re.findall(r'<script src="{% static "js/([^"]+)" %}" type="module">', head) == [ENTRY]
    assert sorted([*re.findall(r'"modulepreload" href="{% static "js/([^"]+)" %}"', head), ENTRY]) == list(MODULES)
    reached, new = set[str](), {ENTRY}
    while new:
        reached |= new
        new = {name for module in new for _names, name in IMPORT.findall(MODULES[module])} - reached
    assert sorted(reached) == list(MODULES)


def test_what_is_imported_is_exported_and_what_is_exported_is_imported() -> None:
    wanted = {
        (module, name.strip())
        for text in MODULES.values()
        for names, module in IMPORT.findall(text)
        for name in names.split(",")
        if name.strip()
    }
    given = {(module, name) for module, text in MODULES.items() for name in EXPORT.findall(text)}
    assert wanted == given


def test_every_import_is_used_and_none_goes_in_a_circle() -> None:
    for module, text in MODULES.items():
        names = [name.strip() for group, _module in IMPORT.findall(text) for name in group.split(",") if name.strip()]
        rest = IMPORT.sub("", text)
        assert [name for name in names if not re.search(rf"\b{name}\b", rest)] == [], module
    imports = {module: {name for _names, name in IMPORT.findall(text)} for module, text in MODULES.items()}
    assert list(TopologicalSorter(imports).static_order())[-1] == ENTRY
