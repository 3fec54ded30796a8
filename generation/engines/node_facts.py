"""The part of an engine's node information that is stored, so that nobody has to request it again.

It holds the names of all classes, and the outputs and inputs of those our graphs use, so that a page can say at once
what an engine lacks for a graph. Lists of files are left out, for they change while the engine runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from stylestudio.comfy.errors import ComfyError
from stylestudio.comfy.graphs.wiring import FROM_DISK
from stylestudio.host import rooms
from stylestudio.text import plain

if TYPE_CHECKING:  # aiohttp comes with it, which only processes that talk to engines load
    from stylestudio.comfy.client import ComfyClient

MOST_CHOICES = 100  # per input; longer lists are of files
_SETTINGS = ("default", "min", "max", "forceInput", "options", "template")


@cache
def _kept() -> frozenset[str]:
    """The node classes that the rooms' graphs use: their details are stored with each engine."""
    return frozenset(name for classes in rooms.contributed("node_classes") for name in classes())


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """`classes` are the names of all available node classes, `infos` the stored details of some of them."""

    classes: frozenset[str]
    infos: dict[str, Any]


async def fetch_facts(client: ComfyClient) -> NodeFacts:
    """Fetch all node classes of an engine. The answer is large: call it rarely. Raises ComfyError."""
    return of(await client.object_infos(), await _replaced(client))


def of(infos: Mapping[str, Any], replaced: Mapping[str, str]) -> NodeFacts:
    """Extract the facts from an answer of /object_info.
    `replaced` maps old classes to those the engine uses instead.
    """
    there = {old for old, new in replaced.items() if new in infos}
    known = {name: _cut(infos[name]) for name in sorted(_kept() & infos.keys()) if isinstance(infos[name], dict)}
    return NodeFacts(frozenset(infos) | there, plain.storable_json(known))


async def _replaced(client: ComfyClient) -> dict[str, str]:
    try:
        return {old: new.name for old, new in (await client.replacements()).items()}
    except ComfyError:  # optional: other requests reveal an engine in trouble
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
    """An input without its tooltip, and without its list of choices if that is of files."""
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
