"""The documents say what the code does: settings, commands, options, modules, links, versions."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from django.core.management import load_command_class
from django.core.management.base import BaseCommand

import stylestudio
from tests.processes.test_studio import Studio, environment

ROOT = Path(__file__).parents[1]
DOCUMENTS = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")
APPS = ("stylestudio", "styles", "generation", "training")
# Every host that a document may name, so that nothing else (a package registry, a machine of ours) slips in.
HOSTS = {"github.com", "huggingface.co", "semver.org", "studio.example.org", "gpu2.example.org"}
LOOK_UPS = {"get", "setdefault", "pop"}  # of os.environ


@cache
def text(name: str) -> str:
    """A document."""
    return (ROOT / name).read_text(encoding="utf-8")


def modules() -> Iterator[Path]:
    """Every module of the program, without migrations and empty packages."""
    yield from (ROOT / "run.py", ROOT / "manage.py")
    for app in APPS:
        for file in sorted((ROOT / app).rglob("*.py")):
            if "migrations" not in file.parts and file.name != "__init__.py":
                yield file


def literals(node: ast.AST) -> list[str]:
    """All strings in an expression."""
    return [one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str)]


def variables_read(source: str) -> set[str]:
    """The environment variables that a module names where it reads them."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="env")), args=[name, *_]):
                found.update(literals(name))
            case ast.Call(
                func=ast.Attribute(value=ast.Attribute(value=ast.Name(id="os"), attr="environ"), attr=attr),
                args=[name, *_],
            ) if attr in LOOK_UPS:
                found.update(literals(name))
            case ast.Call(func=ast.Attribute(value=ast.Name(id="os"), attr="getenv"), args=[name, *_]):
                found.update(literals(name))
            case ast.Call(func=ast.Attribute(attr="from_environment"), args=[name, *_]):
                found.update(literals(name))
            case ast.Subscript(value=ast.Attribute(value=ast.Name(id="os"), attr="environ"), slice=name):
                found.update(literals(name))
            case ast.Compare(
                left=name, ops=[ast.In()], comparators=[ast.Attribute(value=ast.Name(id="os"), attr="environ")]
            ):
                found.update(literals(name))
            # os.environ.get(name) for name in ("A", "B")
            case ast.GeneratorExp(elt=elt, generators=[ast.comprehension(iter=names)]) if "os.environ" in ast.unparse(
                elt
            ):
                found.update(literals(names))
    return found


def variables_documented() -> set[str]:
    """What stands in the first column of the README's tables of variables."""
    section = text("README.md").split("\n## Settings\n")[1].split("\n## ")[0]
    cells = re.findall(r"^\| (`[^|]+) \|", section, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def commands() -> dict[str, BaseCommand]:
    """Our management commands."""
    return {
        file.stem: load_command_class(file.parts[-4], file.stem)
        for app in APPS
        for file in (ROOT / app).glob("management/commands/*.py")
        if not file.stem.startswith("_")
    }


def options(command: BaseCommand) -> set[str]:
    """The long options that the command adds to Django's."""

    def known(to: BaseCommand) -> set[str]:
        parser = to.create_parser("manage.py", "command")
        return {name for action in parser._actions for name in action.option_strings if name.startswith("--")}

    return known(command) - known(BaseCommand())


def anchors(name: str) -> set[str]:
    """The anchors that headings of a document get."""
    headings = re.findall(r"^#+ (.+)$", outside_code(name), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def outside_code(name: str) -> str:
    """A document without its blocks of code."""
    return re.sub(r"^```.*?^```", "", text(name), flags=re.MULTILINE | re.DOTALL)


def tree() -> Iterator[str]:
    """The paths in ARCHITECTURE.md's tree; folders end with a slash."""
    block = text("ARCHITECTURE.md").split("\n## The tree\n")[1].split("```")[1]
    above: list[str] = []
    for line in block.strip("\n").splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        name = line.split()[0]
        above[depth:] = [name]
        yield "".join(above)


def test_the_reader_of_variables_sees_every_way_to_read_one() -> None:
    source = """
A = env.text("A", "x"); B = env.integer("B", 1); C = os.environ["C"]; D = os.environ.get("D", "")
E = os.getenv("E"); F = Door.from_environment("F") or None; G = "G" in os.environ
H = [x for x in (os.environ.get(name) for name in ("H", "I"))]
J = other.text("not read")
"""
    assert variables_read(source) == set("ABCDEFGHI")


def test_every_environment_variable_that_is_read_is_in_the_readme_and_no_other() -> None:
    read = set().union(*(variables_read(file.read_text(encoding="utf-8")) for file in modules()))
    assert variables_documented() - read == set(), "described in the README, but read nowhere"
    assert read - variables_documented() == set(), "read, but missing in the README's tables"


def test_every_command_of_ours_has_its_heading_and_its_options_in_the_readme() -> None:
    section = text("README.md").split("\n## Commands\n")[1].split("\n## ")[0]
    assert {"studio", "worker", "generate", "doctor", "backup", "preview_engine"} <= commands().keys()
    for name, command in commands().items():
        assert f"### manage.py {name}\n" in section
        missing = {option for option in options(command) if not re.search(rf"`[^`]*{option}\b[^`]*`", section)}
        assert not missing, f"options of {name}"


def test_commands_that_the_readme_shows_know_their_options() -> None:
    for name, rest in re.findall(r"manage\.py (\w+)((?: [^`\n]+)?)", text("README.md")):
        if name in commands():
            unknown = set(re.findall(r"--[a-z-]+", rest)) - options(commands()[name]) - {"--help"}
            assert not unknown, f"options of {name}"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_relative_links_lead_somewhere(name: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", outside_code(name)):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        assert (ROOT / path).exists() if path else True, target
        if anchor:
            assert anchor in anchors(path or name), target


@pytest.mark.parametrize("name", DOCUMENTS)
def test_files_that_a_document_names_exist(name: str) -> None:
    for file in re.findall(r"`([\w.-]+(?:/[\w.-]+)+\.(?:py|json|html|css|js|toml|po))`", outside_code(name)):
        assert (ROOT / file).is_file(), file


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_name_no_host_but_the_few_they_need(name: str) -> None:
    named = set(re.findall(r"\b(?:[a-z0-9-]+\.)+(?:org|com|net|io|dev|co|ai)\b", text(name).lower()))
    assert named <= HOSTS


def test_the_tree_in_the_architecture_names_every_module_and_nothing_that_is_gone() -> None:
    listed = set(tree())
    leaves = {
        path for path in listed if path.endswith("/") and not any(o != path and o.startswith(path) for o in listed)
    }
    for path in listed:
        assert (ROOT / path).exists(), path
    for module in modules():
        path = module.relative_to(ROOT).as_posix()
        assert path in listed or any(path.startswith(folder) for folder in leaves), f"{path} is not in the tree"


def test_version_numbers_agree() -> None:
    project = tomllib.loads(text("pyproject.toml"))["project"]["version"]
    newest = re.findall(r"^## (\d+\.\d+\.\d+)", text("CHANGELOG.md"), re.MULTILINE)[0]
    assert stylestudio.__version__ == project == newest


def test_the_picture_in_the_readme_is_small_enough_to_keep() -> None:
    assert 10_000 < (ROOT / "docs/studio.webp").stat().st_size < 250_000


@pytest.mark.heavy
def test_the_script_in_the_readme_prints_what_happens_to_a_job(tmp_path: Path) -> None:
    (script,) = re.findall(r"^```python\n(.*?)^```", text("README.md"), re.MULTILINE | re.DOTALL)
    studio = Studio(tmp_path / "data")
    reader: subprocess.Popen[str] | None = None
    try:
        studio.until("is running at")
        name = ("--username", "ada", "--email", "")
        manage(studio, "createsuperuser", "--noinput", *name, DJANGO_SUPERUSER_PASSWORD="drawing-room-7")
        studio.health(status="ok", comfyui="preview")
        reader = subprocess.Popen(
            [sys.executable, "-c", script],
            env=os.environ | {"STUDIO": f"http://127.0.0.1:{studio.port}", "STUDIO_PASSWORD": "drawing-room-7"},
            stdout=subprocess.PIPE,
            text=True,
        )
        # Long enough for the script to sign in meanwhile: it hears of running jobs, not of ended ones.
        told = manage(studio, "generate", "--prompt", "a fox", "--size", "64x64", "--count", "8", "--json")
        assert '"status": "completed", "progress": 100' in told.splitlines()[-1]
        patience = threading.Timer(20, reader.kill)
        patience.daemon = True
        patience.start()
        assert reader.stdout is not None
        assert "generation 1: completed, 100 %\n" in reader.stdout
    finally:
        if reader:
            reader.kill()
            reader.communicate()
        studio.end()


def manage(studio: Studio, *arguments: str, **extra: str) -> str:
    """What a command beside the studio prints."""
    command = [sys.executable, "manage.py", *arguments]
    env = environment(studio.data) | extra
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True, timeout=120).stdout
