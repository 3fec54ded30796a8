"""What documents, docstrings and comments point to is there: modules and what is in them, fields of classes, files."""

from __future__ import annotations

import ast
import gc
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("stylestudio", "styles", "generation", "training")
PROGRAM = (*ROOMS, "tests", "docs")
FOLDERS = (*PROGRAM, "templates", "static", "locale", "findings")
DOCUMENTS = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "findings/README.md")
DIARIES = {"migrations", "earlier"}  # they say what was
# Names that look like ours and are not.
OTHERS = {
    "comfy.lora": "a module of ComfyUI",
    "comfy/utils.py": "a file of ComfyUI",
    "sdxl_train_network.py": "the script of sd-scripts",
    "jobs.all": "a group of the channel layer",
    "stylestudio.preview_sketch": "a key in the metadata of a LoRA file",
}
FILE = r"(?:py|html|md|js|css|toml|po)"
TICKED = re.compile(r"`([^`\n]+)`")
DOTTED = re.compile(r"\w+(?:\.\w+)+(?=\(.*\)$|$)")
OF_A_ROOM = re.compile(rf"(?<![\w./@`-])(?:{'|'.join(ROOMS)})(?:\.\w+)+(?![\w/])")
A_FILE = re.compile(rf"[\w-]+\.{FILE}")
A_PATH = re.compile(rf"(?<![\w./:<{{-])(?:[\w-]+/)+[\w-]+\.{FILE}\b")
A_FOLDER = re.compile(rf"(?:{'|'.join(FOLDERS)})(?:/[\w-]+)+/?")
A_DOCUMENT = re.compile(r"(?<![\w./-])[A-Z]{3,}\.md\b")
MAY_POINT = re.compile(rf"`|[A-Z]{{3,}}\.md|[\w-]/[\w/-]+\.{FILE}\b|\b(?:{'|'.join(ROOMS)})\.")
DATA = {"json", "jsonl", "lock", "log", "sqlite3", "suspect", "safetensors", "txt", "png"}  # suffixes, not attributes


@pytest.fixture(autouse=True)
def uncollected() -> Iterator[None]:
    """Syntax trees have millions of parts and are no garbage: looking for some takes longer than parsing."""
    gc.disable()
    yield
    gc.enable()


@dataclass(slots=True)
class Scope:
    """What a module or class defines, by name; `bases` are those that a class inherits from."""

    names: set[str] = field(default_factory=set)
    classes: dict[str, Scope] = field(default_factory=dict)
    bases: list[str] = field(default_factory=list)


def scope(body: list[ast.stmt]) -> Scope:
    """What these statements define."""
    found = Scope()
    for node in body:
        found.names |= set(defined(node))
        if isinstance(node, ast.ClassDef):
            inner = scope(node.body)
            inner.bases = [base for each in node.bases if (base := last_name(each))]
            inner.names |= {
                each.attr
                for each in ast.walk(node)
                if isinstance(each, ast.Attribute)
                and isinstance(each.ctx, ast.Store)
                and last_name(each.value) == "self"
            }
            found.classes[node.name] = inner
    return found


def defined(node: ast.stmt) -> Iterator[str]:
    """The names that a statement binds, those in its blocks too."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        yield node.name
        return
    for each in ast.walk(node):
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
            yield each.id
        elif isinstance(each, ast.alias):
            yield (each.asname or each.name).partition(".")[0]


def last_name(node: ast.expr) -> str:
    """Job of `Job`, `kinds.Job` and `Job["Task"]`."""
    if isinstance(node, ast.Subscript):
        return last_name(node.value)
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def sources() -> Iterator[Path]:
    """Our Python files."""
    yield from (ROOT / "run.py", ROOT / "manage.py")
    for top in PROGRAM:
        yield from sorted(file for file in (ROOT / top).rglob("*.py") if not DIARIES & set(file.parts))


@cache
def parsed(file: Path) -> ast.Module:
    """The module in a file."""
    return ast.parse(file.read_text(encoding="utf-8"))


@cache
def modules() -> dict[tuple[str, ...], Scope]:
    """Every module by the parts of its dotted name."""
    found = {}
    for file in sources():
        parts = file.relative_to(ROOT).with_suffix("").parts
        name = parts[:-1] if parts[-1] == "__init__" else parts
        found[name] = scope(parsed(file).body)
    for top in PROGRAM:
        for folder in (ROOT / top).rglob("*"):
            if folder.is_dir() and any(folder.glob("*.py")):
                found.setdefault(folder.relative_to(ROOT).parts, Scope())
    return found


@cache
def classes() -> dict[str, list[Scope]]:
    """Every class by its name."""
    found: dict[str, list[Scope]] = {}
    for module in modules().values():
        for name, each in module.classes.items():
            found.setdefault(name, []).append(each)
    return found


@cache
def tails() -> dict[str, list[tuple[str, ...]]]:
    """Modules and packages by the last part of their name."""
    found: dict[str, list[tuple[str, ...]]] = {}
    for name in modules():
        found.setdefault(name[-1], []).append(name)
    return found


@cache
def file_names() -> frozenset[str]:
    """The names of all our files."""
    tops = [file for file in ROOT.iterdir() if file.is_file()]
    return frozenset(file.name for file in (*tops, *(each for top in FOLDERS for each in (ROOT / top).rglob("*"))))


def has(owner: Scope, name: str) -> bool:
    """Whether a class has the attribute, inherited from another of ours or not."""
    inherited = (each for base in owner.bases for each in classes().get(base, []))
    return name in owner.names or any(has(each, name) for each in inherited if each is not owner)


def in_module(module: tuple[str, ...], rest: tuple[str, ...]) -> bool:
    """Whether these names lead on from a module: to another, to something in it, to a field of a class in it."""
    if not rest:
        return True
    if (*module, rest[0]) in modules() and in_module((*module, rest[0]), rest[1:]):
        return True
    found = modules()[module]
    if rest[0] not in found.names:
        return False
    owner = found.classes.get(rest[0])
    return len(rest) == 1 or owner is None or has(owner, rest[1])


def leads(name: str) -> bool:
    """Whether a dotted name leads somewhere; also if it is none of ours."""
    first, *others = name.split(".")
    rest = tuple(others)
    if name in OTHERS or rest[-1] in DATA:
        return True
    if first in PROGRAM:
        return in_module((first,), rest)
    if first in classes():
        return any(has(each, rest[0]) for each in classes()[first])
    return first not in tails() or any(in_module(module, rest) for module in tails()[first])


def lost(text: str, near: Path) -> Iterator[str]:
    """What a text in a file of the folder `near` names and is not there."""
    for ticked in TICKED.findall(text):
        if ticked in OTHERS:
            continue
        if A_FILE.fullmatch(ticked):
            if ticked not in file_names():
                yield ticked
        elif A_FOLDER.fullmatch(ticked):
            if not ((ROOT / ticked).exists() or (ROOT / f"{ticked}.py").is_file()):
                yield ticked
        elif (dotted := DOTTED.match(ticked)) and not leads(dotted[0]):
            yield dotted[0]
    folders = (ROOT, ROOT / "templates", near, near.parent)
    for path in A_PATH.findall(text):
        if path not in OTHERS and not any((folder / path).is_file() for folder in folders):
            yield path
    yield from (name for name in A_DOCUMENT.findall(text) if not (ROOT / name).is_file())


def docstrings(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    """Those of a module or a definition, and of what is defined in it."""
    if words := ast.get_docstring(node):
        yield words
    for each in node.body:
        if isinstance(each, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from docstrings(each)


def comments(source: str) -> Iterator[str]:
    """The comments of a module. Few have a word that may point to something; tokens are slow."""
    if any("#" in line and MAY_POINT.search(line.partition("#")[2]) for line in source.splitlines()):
        tokens = tokenize.generate_tokens(io.StringIO(source).readline)
        yield from (token.string for token in tokens if token.type == tokenize.COMMENT)


def said(file: Path) -> str:
    """The docstrings and comments of a module."""
    return "\n".join([*docstrings(parsed(file)), *comments(file.read_text(encoding="utf-8"))])


def documents() -> list[Path]:
    """All documents but the changelog, which says what was."""
    return [*(ROOT / name for name in DOCUMENTS), *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", documents(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_a_document_points_to_is_there(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    assert list(lost(text, page.parent)) == []


def test_what_docstrings_and_comments_point_to_is_there() -> None:
    gone = []
    for file in sources():
        words = said(file)
        names = [name for name in OF_A_ROOM.findall(words) if not leads(name)]
        gone += [(file.relative_to(ROOT).as_posix(), name) for name in (*lost(words, file.parent), *names)]
    assert gone == []


def test_pointers_that_lead_nowhere_are_found() -> None:
    text = """`jobs.kinds` and `kinds.register` are there, `kinds.enrol` is not. `Job.cancel` is, `Job.dance` is not.
`stylestudio/jobs` is there, `stylestudio/work/` and `nowhere.py` are not; tests/test_docs.py is, tests/none.py is not.
`workers.worker_name()` is, `stylestudio.jobs.queue` is not; `task.dance` is nobody's. See GONE.md."""
    assert list(lost(text, ROOT)) == [
        "kinds.enrol",
        "Job.dance",
        "stylestudio/work/",
        "nowhere.py",
        "stylestudio.jobs.queue",
        "tests/none.py",
        "GONE.md",
    ]
    assert OF_A_ROOM.findall("see training.runs.faults. In `styles.models`, styles. training.gone") == [
        "training.runs.faults",
        "training.gone",
    ]
