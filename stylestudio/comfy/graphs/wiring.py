"""Fits graphs to the node classes of an engine: chooses by type and name which output feeds which input.

Every graph passes through here before it is posted, because node classes change between versions of ComfyUI: outputs
move, inputs are added and renamed. A graph that cannot be wired is rejected with words that name the reason
(`lack.Lack`).

A link is [node, output]. Files exported by ComfyUI refer to an output by its number; ours may use "name:TYPE" instead,
such as "steps:INT". An input whose name ends with "?" is set only on engines that know it.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from stylestudio.comfy import lack
from stylestudio.comfy.errors import FILE_INPUTS, lacking
from stylestudio.comfy.file_names import canonical
from stylestudio.comfy.graphs import node_info
from stylestudio.comfy.graphs.node_info import Input, NodeInfo, Output
from stylestudio.comfy.lack import Lack, LackKind

Graph: TypeAlias = dict[str, dict[str, Any]]
Node: TypeAlias = Mapping[str, Any]

_NAMED = re.compile(r"([^:\[\]{}]*):([A-Z*][A-Z0-9_,*]*)")
_SIMPLE_DEFAULTS: dict[str, object] = {"STRING": "", "BOOLEAN": False, "INT": 0, "FLOAT": 0.0}
_NUMBERS: dict[str, type[int | float]] = {"INT": int, "FLOAT": float}
# Choices among files: these lists change while an engine runs, so the engine has the last word.
FROM_DISK = FILE_INPUTS.keys() | {"image", "folder", "existing_lora", "model_name"}


@dataclass(frozen=True, slots=True)
class Link:
    """The source of an input: the output of `node` with the number `slot`, or with that name and type."""

    node: str
    slot: int | None
    name: str = ""
    type: str = ""

    @property
    def words(self) -> str:
        """The output in words."""
        if self.slot is not None:
            return f"output {self.slot}"
        return self.type if self.name in ("", self.type) else f"{self.name} ({self.type})"


def link(value: object) -> Link | None:
    """Parse a value of a graph as a link; None if it is a plain value."""
    if not (isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)):
        return None
    node, output = value
    if isinstance(output, int):
        return Link(node, output)
    if isinstance(output, str) and (named := _NAMED.fullmatch(output)):
        return Link(node, None, named[1], named[2])
    return None


def adapt(graph: Graph, infos: Mapping[str, NodeInfo | None], *, strict: bool = False) -> Graph:
    """Adapt the graph to this engine. `infos` holds an entry of /object_info for every class in it.

    Links get the output number of this engine. A link to an input that the engine names differently goes to the only
    other one of its type. Missing required inputs get the engine's default, and file names the engine's path separator.
    Values that the class does not know are dropped.

    `strict` is for our own graphs, in which every value counts: a value that has no place, or does not fit, is
    rejected. Raises GraphInvalid, with a `lack`, for a class, output or input that the engine lacks, and for a missing
    input that has no default.
    """
    return {node_id: _Fitting(graph, infos, node_id, strict).fitted() for node_id in graph}


class _Fitting:
    """One node of a graph while it is adapted to the engine."""

    def __init__(self, graph: Graph, infos: Mapping[str, NodeInfo | None], node_id: str, strict: bool) -> None:
        self._graph = graph
        self._infos = infos
        self._id = node_id
        self._strict = strict
        self._node = graph[node_id]
        self._maybe = {name.removesuffix("?") for name in self._node["inputs"] if name.endswith("?")}
        self._given = {name.removesuffix("?"): value for name, value in self._node["inputs"].items()}
        self._known = node_info.inputs(self._info(node_id), self._given)

    def fitted(self) -> dict[str, Any]:
        """The node with its inputs adapted."""
        placed: dict[str, Any] = {}
        for name, value in self._given.items():
            if wanted := link(value):
                placed |= self._linked(name, wanted, value, placed)
            else:
                placed |= self._valued(name, value)
        for name, entry in self._known.items():
            if entry.required and name not in placed:
                placed[name] = self._default(entry)
        return {**self._node, "inputs": placed}

    def _info(self, node_id: str) -> NodeInfo:
        info = self._infos.get(self._graph[node_id]["class_type"])
        if info is None:
            raise lacking(self._lack("class", node_id=node_id))
        return info

    def _lack(self, kind: LackKind, name: str = "", *, node_id: str = "", **facts: Any) -> Lack:
        node_id = node_id or self._id
        return Lack(kind, node_id, self._graph[node_id]["class_type"], title(self._graph[node_id]), name, **facts)

    # Links.

    def _linked(self, name: str, wanted: Link, raw: object, placed: Mapping[str, object]) -> dict[str, Any]:
        there = node_info.outputs(self._info(wanted.node))
        entry = self._known.get(name) or self._renamed(there, wanted, placed)
        if entry is None:
            return self._homeless(name, wanted, raw)
        output = _chosen(there, wanted, entry)
        if output is None and not self._strict and wanted.slot is not None and wanted.slot < len(there):
            return {name: copy.deepcopy(raw)}  # some nodes check types themselves: let the engine decide
        if output is None:
            facts = {"type": wanted.words if wanted.slot is None else entry.type, "taker": self._called()}
            has = tuple(f"{each.name} ({each.type})" if each.name != each.type else each.type for each in there)
            raise lacking(self._lack("output", name, node_id=wanted.node, has=has, **facts))
        return {entry.name: [wanted.node, output.slot]}

    def _renamed(self, there: Sequence[Output], wanted: Link, placed: Mapping[str, object]) -> Input | None:
        """The one input of exactly this type that nothing is given to; None if there are several."""
        output = _told(there, wanted)
        free = [
            entry
            for name, entry in self._known.items()
            if output and entry.type == output.type and entry.wants_link and name not in {*self._given, *placed}
        ]
        return free[0] if len(free) == 1 else None

    def _homeless(self, name: str, wanted: Link, raw: object) -> dict[str, Any]:
        """A link to an input that the class does not list. In somebody else's file the engine may know better."""
        if name in self._maybe or self._is_passed_over(name):
            return {}
        if self._strict or wanted.slot is None:
            raise lacking(self._lack("input", name, type=wanted.type, has=tuple(self._known)))
        return {name: copy.deepcopy(raw)}

    # Plain values.

    def _valued(self, name: str, value: object) -> dict[str, Any]:
        entry = self._known.get(name)
        if entry is not None:
            return {name: self._spelled(entry, value)}
        if self._is_opaque(name):
            return {name: copy.deepcopy(value)}
        if self._strict and name not in self._maybe and not self._is_passed_over(name):
            raise lacking(self._lack("value", name, has=tuple(self._known)))
        return {}

    def _head(self, name: str) -> Input | None:
        head, dot, _rest = name.rpartition(".")
        return self._known.get(head) or (self._head(head) if dot else None)

    def _is_opaque(self, name: str) -> bool:
        """Whether it belongs to a dynamic input that does not list what it has."""
        head = self._head(name)
        return head is not None and not head.choices

    def _is_passed_over(self, name: str) -> bool:
        """Whether it belongs to a choice of a dynamic combo that was not chosen."""
        head = self._head(name)
        return head is not None and bool(head.choices)

    def _spelled(self, entry: Input, value: object) -> object:
        """The value as the engine spells it. In our own graphs, and for dynamic combos, it has to fit."""
        choices = entry.choices or ()
        lasting = self._strict and entry.name not in FROM_DISK
        if isinstance(value, str):
            # Two files may differ only in case; the words that a node knows do not.
            ways = _ALIKE if lasting else _ALIKE[:2]
            value = next((choice for alike in ways for choice in choices if alike(choice) == alike(value)), value)
        # The engine does not check dynamic combos: it would start and then fail.
        if choices and value not in choices and (lasting or entry.type == node_info.DYNAMIC_COMBO):
            raise lacking(self._lack("choice", entry.name, type=str(value), has=choices))
        if self._strict:
            self._check(entry, value)
        return copy.deepcopy(value)

    def _check(self, entry: Input, value: Any) -> None:
        """Check that the value has the input's type and is within its limits."""
        if not entry.takes_values:
            raise lacking(self._lack("link", entry.name, type=entry.type))
        if not _is_within(entry, value):
            limits = "…".join(str(entry.settings[name]) for name in ("min", "max") if name in entry.settings)
            raise lacking(self._lack("range", entry.name, type=str(value), has=(f"{entry.type} {limits}".strip(),)))

    def _default(self, entry: Input) -> object:
        settings = entry.settings
        if not settings.get("forceInput") and entry.takes_values:
            if entry.type == node_info.DYNAMIC_COMBO and (key := node_info.default_key(entry)):
                return key
            if "default" in settings:
                return copy.deepcopy(settings["default"])
            if entry.choices:
                return entry.choices[0]
            if entry.type in _SIMPLE_DEFAULTS:
                return settings.get("min", _SIMPLE_DEFAULTS[entry.type])
        raise lacking(self._lack("need", entry.name, type=entry.type))

    def _called(self) -> str:
        return called(self._node)


def _chosen(there: Sequence[Output], wanted: Link, entry: Input) -> Output | None:
    """The output for an input: among those it accepts, the one that the link refers to."""
    fit = [output for output in there if entry.accepts(output)]
    if wanted.slot is None:
        return _named(fit, wanted)
    if entry.type == "*":
        return _told(there, wanted)
    exact = [output for output in fit if output.type == entry.type] or fit
    return _told(exact, wanted) or (exact[0] if len(exact) == 1 else None)


def _told(there: Sequence[Output], wanted: Link) -> Output | None:
    """The output that a link refers to by itself, regardless of what the input accepts."""
    if wanted.slot is None:
        return _named(there, wanted)
    return next((output for output in there if output.slot == wanted.slot), None)


def _named(there: Sequence[Output], wanted: Link) -> Output | None:
    """The only output of that type; if there are several or none, the one of that name."""
    alike = [output for output in there if output.type == wanted.type]
    if len(alike) != 1:
        alike = [output for output in alike or there if output.name == wanted.name]
    return alike[0] if len(alike) == 1 else None


def _is_within(entry: Input, value: Any) -> bool:
    number = _NUMBERS.get(entry.type)
    if number is None:
        return True
    try:
        found = number(value)
        least, most = (entry.settings.get(name, found) for name in ("min", "max"))
        return bool(least <= found <= most)
    except (TypeError, ValueError, OverflowError):
        return False


def title(node: Node) -> str:
    """The title of a node in a graph; "" if it has none."""
    meta = node.get("_meta")
    told = meta.get("title") if isinstance(meta, dict) else None
    return told if isinstance(told, str) else ""


def called(node: Node) -> str:
    """A node in a sentence: its class, and its title if it has one."""
    return lack.called(str(node["class_type"]), title(node))


def _plain(name: str) -> str:
    return name.casefold().replace("_", "")


# How else a choice may be spelled, closest first: a Windows path, huber for Huber, smooth_l1 for SmoothL1.
_ALIKE = (str, canonical, _plain)


@dataclass(frozen=True, slots=True)
class Replacement:
    """A node class that replaces another. `inputs`: (new name, old name or None, value); `slots`: old to new."""

    name: str
    inputs: tuple[tuple[str, str | None, Any], ...] = ()
    slots: Mapping[int, int] | None = None


def replaced(graph: Graph, by: Mapping[str, Replacement]) -> Graph:
    """The graph with the classes in `by` replaced, as ComfyUI itself does before validating."""
    there = {node_id: by[node["class_type"]] for node_id, node in graph.items() if node["class_type"] in by}
    return {node_id: _replaced(node, there.get(node_id), there) for node_id, node in graph.items()}


def _replaced(node: Node, new: Replacement | None, there: Mapping[str, Replacement]) -> dict[str, Any]:
    inputs = {name: _moved(value, there) for name, value in node["inputs"].items()}
    if new is None:
        return {**node, "inputs": inputs}
    mapped = {name: inputs[old] if old else value for name, old, value in new.inputs if not old or old in inputs}
    return {**node, "class_type": new.name, "inputs": mapped if new.inputs else inputs}


def _moved(value: object, there: Mapping[str, Replacement]) -> object:
    """Renumber the output in a link to a replaced node."""
    if (wanted := link(value)) and wanted.slot is not None and wanted.node in there:
        slots = there[wanted.node].slots or {}
        return [wanted.node, slots.get(wanted.slot, wanted.slot)]
    return copy.deepcopy(value)


class NodeInfoSource(Protocol):
    """A source of node classes: the client of an engine."""

    async def object_info(self, class_type: str) -> dict[str, Any] | None:
        """/object_info for one node class."""

    async def replacements(self) -> Mapping[str, Replacement]:
        """The classes that the engine replaces by others, by their old name."""


# Inputs that differ from one picture to the next, and are checked again each time.
_VARIES = frozenset({"text", "seed", "noise_seed", "filename_prefix"})
_MOST_FITS = 100  # graphs, which differ in more than that


class Fits:
    """Graphs of ours as `adapt` has adapted them to one engine. Good as long as its node classes are the same."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Graph, dict[tuple[str, str], Input]]] = {}

    def find(self, graph: Graph) -> Graph | None:
        """The graph adapted, if one that differs only in inputs that vary was noted, and their values fit."""
        key, values = _without_varying(graph)
        adapted, entries = self._known.get(key, ({}, {}))
        if not adapted or not all(_is_within(entries[place], value) for place, value in values.items()):
            return None
        made = {node_id: {**node, "inputs": dict(node["inputs"])} for node_id, node in adapted.items()}
        for (node_id, name), value in values.items():
            made[node_id]["inputs"][name] = value
        return made

    def note(self, graph: Graph, infos: Mapping[str, NodeInfo | None], adapted: Graph) -> None:
        """Remember what `adapt` made of a graph, unless an input that varies is more than a text or a number there."""
        key, values = _without_varying(graph)
        entries: dict[tuple[str, str], Input] = {}
        for node_id, name in values:
            node = graph[node_id]
            entry = node_info.inputs(infos[node["class_type"]] or {}, node["inputs"]).get(name)
            if entry is None or entry.choices is not None or entry.type not in ("STRING", *_NUMBERS):
                return
            entries[node_id, name] = entry
        if len(self._known) >= _MOST_FITS:
            self._known.clear()
        self._known[key] = (adapted, entries)


def _without_varying(graph: Graph) -> tuple[str, dict[tuple[str, str], str | int | float]]:
    """The graph as text, with the types of values that vary in their place; and these values by node and input."""
    values = {
        (node_id, name): value
        for node_id, node in graph.items()
        for name, value in node["inputs"].items()
        if name in _VARIES and isinstance(value, str | int | float)
    }
    types = [[*place, type(value).__name__] for place, value in values.items()]
    bare = {node_id: {**node, "inputs": dict(node["inputs"])} for node_id, node in graph.items()}
    for node_id, name in values:
        bare[node_id]["inputs"][name] = None
    return json.dumps([bare, types]), values


async def fitted(client: NodeInfoSource, graph: Graph, *, strict: bool = False) -> Graph:
    """`adapt` for the engine of `client`. A missing class that the engine replaces by one it has counts as present."""
    infos = await _infos(client, graph)
    if lacks := [name for name, info in infos.items() if info is None]:
        known = await client.replacements()
        by = {old: known[old] for old in lacks if old in known and await client.object_info(known[old].name)}
        graph = replaced(graph, by)
        infos |= await _infos(client, graph)
    return adapt(graph, infos, strict=strict)


async def fitted_once(client: NodeInfoSource, graph: Graph, fits: Fits) -> Graph:
    """A graph of ours, `fitted` to the engine of `client`; noted in `fits`."""
    adapted = await fitted(client, graph, strict=True)
    infos = await _infos(client, graph)
    if None not in infos.values():
        fits.note(graph, infos, adapted)
    return adapted


async def _infos(client: NodeInfoSource, graph: Graph) -> dict[str, NodeInfo | None]:
    classes = sorted({str(node["class_type"]) for node in graph.values()})
    return {name: await client.object_info(name) for name in classes}
