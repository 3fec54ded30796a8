"""The locks: each belongs to its .in file, and whatever is installed for us has a version and hashes."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCKS = ["requirements", "requirements-dev", "requirements-scale", "requirements-servers"]
RELOCK = "Run .ci/lock and commit what it writes."


def asked(name: str) -> list[Requirement]:
    """What `name`.in names, and the files that it includes."""
    found: list[Requirement] = []
    for line in (ROOT / f"{name}.in").read_text().splitlines():
        if line.startswith("-r "):
            found += asked(line.removeprefix("-r ").removesuffix(".in"))
        elif line and not line.startswith(("#", "-c ")):
            found.append(Requirement(line))
    return found


def locked(name: str) -> dict[Requirement, list[str]]:
    """The requirements in `name`.txt, each with its hashes."""
    text = re.sub(r"^ *#.*\n", "", (ROOT / f"{name}.txt").read_text(), flags=re.MULTILINE)
    entries = [line.split(" --hash=") for line in re.sub(r" *\\\n +", " ", text).splitlines()]
    return {Requirement(head): hashes for head, *hashes in entries}


def here(requirements: list[Requirement]) -> dict[str, Requirement]:
    """Those that this Python on this system needs, by name."""
    return {canonicalize_name(each.name): each for each in requirements if not each.marker or each.marker.evaluate()}


def pin(requirement: Requirement) -> str:
    """The one version that `requirement` allows."""
    exact = re.fullmatch(r"==([\w.]+)", str(requirement.specifier))
    assert exact, f"{requirement} names no exact version"
    return exact.group(1)


@pytest.mark.parametrize("name", LOCKS)
def test_what_is_asked_for_is_in_the_lock_with_its_version_and_marker(name: str) -> None:
    entries = [(canonicalize_name(entry.name), pin(entry), bool(entry.marker)) for entry in locked(name)]
    for requirement in asked(name):
        expected = (canonicalize_name(requirement.name), pin(requirement), bool(requirement.marker))
        assert expected in entries, f"{requirement} is not in {name}.txt so. {RELOCK}"


@pytest.mark.parametrize("name", LOCKS)
def test_every_entry_of_a_lock_has_a_version_and_hashes(name: str) -> None:
    entries = locked(name)
    assert len(entries) > len(asked(name))
    for requirement, hashes in entries.items():
        assert pin(requirement)
        assert hashes, f"{requirement} has no hash"
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", each) for each in hashes)


@pytest.mark.parametrize("name", LOCKS[1:])
def test_every_lock_holds_the_runtime_as_it_is(name: str) -> None:
    versions = {(entry.name, pin(entry)) for entry in locked("requirements")}
    assert versions <= {(entry.name, pin(entry)) for entry in locked(name)}


def test_locks_name_no_index() -> None:
    assert not [name for name in LOCKS if re.search(r"://|^--", (ROOT / f"{name}.txt").read_text(), re.MULTILINE)]


def test_what_the_installed_packages_need_is_installed_as_the_lock_says() -> None:
    pins = here(list(locked("requirements-dev")))
    todo = [(requirement, "") for requirement in here(asked("requirements-dev")).values()]
    seen: set[tuple[str, str]] = set()
    while todo:
        requirement, extra = todo.pop()
        name = canonicalize_name(requirement.name)
        if (requirement.marker and not requirement.marker.evaluate({"extra": extra})) or (name, extra) in seen:
            continue
        seen.add((name, extra))
        assert name in pins, f"{name} is in no lock. {RELOCK}"
        # With hashes pip 23.2 takes no package with an extra that the lock pins without.
        assert requirement.extras <= pins[name].extras, f"{requirement} is pinned without its extra. {RELOCK}"
        assert metadata.version(name) == pin(pins[name]), f"Another {name} is installed; python3 run.py test mends it."
        needs = [Requirement(line) for line in metadata.requires(name) or []]
        todo += [(each, one) for each in needs for one in ("", *requirement.extras)]
    assert len(seen) > len(asked("requirements-dev"))
