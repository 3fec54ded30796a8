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

import stylestudio
from docs.build import foreign, requests
from docs.write_reference import (
    commands,
    commands_page,
    modules,
    own_actions,
    settings_page,
    variables_read,
)
from tests.processes.test_studio import Studio, environment

ROOT = Path(__file__).parents[1]
PAGES = tuple(sorted(page.relative_to(ROOT).as_posix() for page in (ROOT / "docs").rglob("*.md")))
DOCUMENTS = (
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "findings/README.md",
    *PAGES,
)
# Every host that a document may name, so that nothing else (a package registry, a machine of ours) slips in.
HOSTS = {"github.com", "huggingface.co", "semver.org", "studio.example.org", "gpu2.example.org"}


@cache
def text(name: str) -> str:
    """A document."""
    return (ROOT / name).read_text(encoding="utf-8")


def pins(name: str) -> dict[str, set[str]]:
    """The versions that a requirements file pins, by package; several where they differ between systems."""
    found: dict[str, set[str]] = {}
    for package, version in re.findall(r"^([\w.-]+)(?:\[[^\]]+\])?==([^\s;\\\\]+)", text(name), re.MULTILINE):
        found.setdefault(package.lower().replace("_", "-"), set()).add(version)
    return found


def variables_documented() -> set[str]:
    """What the headings of the reference name."""
    headings = re.findall(r"^### (.+)$", text("docs/reference/settings.md"), re.MULTILINE)
    return {name for heading in headings for name in re.findall(r"`([^`]+)`", heading)}


@cache
def options() -> dict[str, set[str]]:
    """The long options that each of our commands adds to Django's."""
    return {
        name: {option for action in own_actions(parser) for option in action.option_strings if option.startswith("--")}
        for name, parser in commands().items()
    }


def anchors(name: str) -> set[str]:
    """The anchors that headings of a document get."""
    headings = re.findall(r"^#+ (.+)$", outside_code(name), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def outside_code(name: str) -> str:
    """A document without its blocks of code."""
    return re.sub(r"^```.*?^```", "", text(name), flags=re.MULTILINE | re.DOTALL)


def test_the_reader_of_variables_sees_every_way_to_read_one() -> None:
    source = """
A = env.text("A", "x"); B = env.integer("B", 1); C = os.environ["C"]; D = os.environ.get("D", "")
E = os.getenv("E"); F = Door.from_environment("F") or None; G = "G" in os.environ
H = [x for x in (os.environ.get(name) for name in ("H", "I"))]
J = other.text("not read")
"""
    assert set(variables_read(source)) == set("ABCDEFGHI")


def test_every_environment_variable_that_is_read_is_in_the_reference_and_no_other() -> None:
    read = {name for file in modules() for name in variables_read(file.read_text(encoding="utf-8"))}
    assert variables_documented() - read == set(), "described in the reference, but read nowhere"
    assert read - variables_documented() == set(), "read, but missing in the reference"


def test_the_reference_is_what_the_code_says() -> None:
    again = "write it anew: .venv/bin/python docs/write_reference.py"
    assert text("docs/reference/settings.md") == settings_page(), again
    assert text("docs/reference/commands.md") == commands_page(), again


def test_every_command_of_ours_has_its_heading_and_its_options_in_the_reference() -> None:
    assert {"studio", "worker", "generate", "doctor", "backup", "preview_engine"} <= options().keys()
    for name in options():
        section = text("docs/reference/commands.md").split(f"\n## manage.py {name}\n")[1].split("\n## ")[0]
        missing = {option for option in options()[name] if not re.search(rf"`[^`]*{option}\b[^`]*`", section)}
        assert not missing, f"options of {name}"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_commands_that_a_document_shows_know_their_options(name: str) -> None:
    for command, rest in re.findall(r"manage\.py (\w+)((?: [^`\n]+)?)", text(name)):
        if command in options():
            unknown = set(re.findall(r"--[a-z-]+", rest)) - options()[command] - {"--help"}
            assert not unknown, f"options of {command}"


def links(name: str) -> Iterator[tuple[str, str]]:
    """The documents and pictures that a document links to, and their anchors. Addresses elsewhere are left out."""
    for target in re.findall(r"\]\(([^)\s]+)\)", outside_code(name)):
        if not target.startswith("https://"):
            path, _, anchor = target.partition("#")
            yield (os.path.normpath(Path(name).parent / path) if path else name), anchor


@pytest.mark.parametrize("name", DOCUMENTS)
def test_relative_links_lead_somewhere(name: str) -> None:
    for target, anchor in links(name):
        assert (ROOT / target).exists(), target
        if anchor:
            assert anchor in anchors(target), f"{target}#{anchor}"


def test_from_the_readme_links_lead_to_every_page_and_every_picture() -> None:
    seen, ahead = set[str](), ["README.md"]
    while ahead:
        name = ahead.pop()
        if name not in seen:
            seen.add(name)
            ahead += [target for target, _anchor in links(name)] if name.endswith(".md") else []
    assert set(PAGES) - seen == set()
    assert {picture.relative_to(ROOT).as_posix() for picture in (ROOT / "docs/pictures").iterdir()} - seen == set()


def test_what_is_read_first_is_short() -> None:
    assert len(text("README.md").splitlines()) <= 150
    assert len(text("ARCHITECTURE.md").splitlines()) <= 250


@pytest.mark.parametrize("name", DOCUMENTS)
def test_files_that_a_document_names_exist(name: str) -> None:
    for file in re.findall(r"`([\w.-]+(?:/[\w.-]+)+\.(?:py|json|html|css|js|toml|po))`", outside_code(name)):
        assert (ROOT / file).is_file(), file


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_name_no_host_but_the_few_they_need(name: str) -> None:
    named = set(re.findall(r"\b(?:[a-z0-9-]+\.)+(?:org|com|net|io|dev|co|ai)\b", text(name).lower()))
    assert named <= HOSTS


def test_the_architecture_names_every_room_and_none_that_is_gone() -> None:
    section = text("ARCHITECTURE.md").split("\n## The rooms\n")[1].split("\n## ")[0]
    named = set(re.findall(r"`((?:stylestudio|styles|generation|training)/(?:\w+/)*)`", section))
    rooms = {
        f"{file.parent.relative_to(ROOT).as_posix()}/"
        for app in ("stylestudio", "styles", "generation", "training")
        for file in (ROOT / app).glob("*/__init__.py")
        if file.parent.name not in ("management", "migrations", "templatetags")
    }
    assert named >= rooms - {"styles/lora/"} | {"styles/", "styles/lora/"}
    assert all((ROOT / room).is_dir() for room in named)


def test_every_module_says_itself_what_it_holds() -> None:
    ours = [file for file in modules() if "earlier" not in file.parts]
    assert [file for file in ours if not ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))] == []


def test_version_numbers_agree() -> None:
    project = tomllib.loads(text("pyproject.toml"))["project"]["version"]
    newest = re.findall(r"^## (\d+\.\d+\.\d+)", text("CHANGELOG.md"), re.MULTILINE)[0]
    assert stylestudio.__version__ == project == newest


@pytest.mark.parametrize("picture", sorted((ROOT / "docs/pictures").iterdir()), ids=lambda file: file.name)
def test_pictures_are_small_enough_to_keep(picture: Path) -> None:
    assert picture.suffix == ".webp"
    assert 10_000 < picture.stat().st_size < 250_000


def test_packages_for_the_site_agree_with_those_beside_them() -> None:
    for name in ("requirements.txt", "requirements-dev.txt", "requirements-scale.txt"):
        theirs, ours = pins(name), pins("requirements-docs.txt")
        assert {package: (theirs[package], ours[package]) for package in theirs.keys() & ours.keys()} == {
            package: (theirs[package], theirs[package]) for package in theirs.keys() & ours.keys()
        }, name


def test_what_a_page_fetches_from_foreign_hosts_is_found_and_what_it_links_to_is_not() -> None:
    fetched = """<script src="https://a.example/x.js"></script><link rel="stylesheet" href="//b.example/x.css">
<img src="/here.webp" srcset="one.webp 1x, https://c.example/two.webp 2x"><i style="background: url(http://d.example/x)"></i>
<style>@import "https://e.example/x.css"; body { font: url('//f.example/x.woff2') }</style>
<a href="https://linked.example/">A link</a> https://told.example/"""
    assert [address.split("/")[2].split(".")[0] for address in foreign("x.html", fetched)] == [
        "a",
        "b",
        "c",
        "d",
        "e",
        "f",
    ]
    assert foreign("x.css", "@import url(https://a.example/x); b { mask: url(x.svg) }") == ["https://a.example/x"]
    assert foreign("x.js", 'fetch("https://a.example/x"); // https://b.example') == ["https://a.example/x"]
    assert foreign("x.js", 'document.createElementNS("http://www.w3.org/2000/svg", "svg")') == []


def test_a_site_is_looked_through_whole(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "index.html").write_text('<img src="pictures/x.webp">')
    assert list(requests(tmp_path)) == []
    (tmp_path / "deep/page.html").write_text('<img src="https://a.example/x.webp">')
    assert list(requests(tmp_path)) == ["deep/page.html asks for https://a.example/x.webp"]


@pytest.mark.heavy
def test_the_script_in_the_reference_prints_what_happens_to_a_job(tmp_path: Path) -> None:
    (script,) = re.findall(r"^```python\n(.*?)^```", text("docs/reference/scripts.md"), re.MULTILINE | re.DOTALL)
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
