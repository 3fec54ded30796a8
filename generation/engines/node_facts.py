"""What is kept with an engine of what it says about its node classes, so that nobody has to ask it again.

Names of all classes, and of those that our graphs have also the outputs and inputs: by these a page can say at once
what an engine lacks for a graph. The lists of its files are left out, for they change while it runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from stylestudio.comfy.client import ComfyClient
from stylestudio.comfy.errors import ComfyError
from stylestudio.comfy.graphs.wiring import FROM_DISK
from stylestudio.text import plain

MOST_CHOICES = 100  # of an input; longer lists are of files
_SETTINGS = ("default", "min", "max", "forceInput", "options", "template")

# Node classes of our graphs; every app adds its own when it starts.
_kept: set[str] = set()


def keep(classes: Iterable[str]) -> None:
    """Have what engines say of these node classes kept with them."""
    _kept.update(classes)


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """`classes` are all that count as there, `infos` what is kept of some of them."""

    classes: frozenset[str]
    infos: dict[str, Any]


async def ask(client: ComfyClient) -> NodeFacts:
    """Ask an engine for all its node classes. A large answer: ask seldom. Raises ComfyError."""
    return of(await client.object_infos(), await _replaced(client))


def of(infos: Mapping[str, Any], replaced: Mapping[str, str]) -> NodeFacts:
    """The facts in an answer of /object_info. `replaced`: by old class the one that the engine takes in its place."""
    there = {old for old, new in replaced.items() if new in infos}
    known = {name: _cut(infos[name]) for name in sorted(_kept & infos.keys()) if isinstance(infos[name], dict)}
    return NodeFacts(frozenset(infos) | there, plain.storable_json(known))


async def _replaced(client: ComfyClient) -> dict[str, str]:
    try:
        return {old: new.name for old, new in (await client.replacements()).items()}
    except ComfyError:  # a refinement: an engine in trouble is found out by other questions
        return {}


def _cut(info: Mapping[str, Any]) -> dict[str, Any]:
    groups = info.get("input")
    groups = groups if isinstance(groups, dict) else {}
    return {
        "input": {
            kind: {name: _cut_input(name, config) for name, config in groups[kind].items()}
            for kind in ("required", "optional")
            if isinstance(groups.get(kind), dict)
        },
        "output": info.get("output"),
        "output_name": info.get("output_name"),
    }


def _cut_input(name: str, config: object) -> list[Any]:
    """An input without tooltips, and without a list that is of files."""
    if not isinstance(config, list) or not config:
        return []
    head = config[0]
    settings = config[1] if len(config) > 1 and isinstance(config[1], dict) else {}
    short = {key: settings[key] for key in _SETTINGS if key in settings}
    choices = head if isinstance(head, list) else short.get("options")
    if isinstance(choices, list) and (name in FROM_DISK or len(choices) > MOST_CHOICES):
        short.pop("options", None)
        head = "COMBO"
    return [head, short]
