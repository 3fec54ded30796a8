"""The graph that ComfyUI's editor would run, made of the file that it saves: only where every value is certain.

The editor writes the values of a node without their names, in the order of its class. So the class has to be known, and
each value has to be one that its input takes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from django.utils.translation import gettext as _

from generation.recipes.own.taking import MOST_NODES, NotTaken
from stylestudio.comfy.graphs import node_info
from stylestudio.comfy.graphs.graph import Graph
from stylestudio.comfy.graphs.node_info import Input
from stylestudio.comfy.graphs.wiring import FROM_DISK, link
from stylestudio.picture_settings.subgraphs import BYPASSED, MUTED, Level
from stylestudio.text import plain

NOTES = frozenset({"Note", "MarkdownNote"})
_CONTROL = frozenset({"fixed", "increment", "decrement", "randomize"})
_WIDGETS = frozenset({"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", "COLOR", node_info.DYNAMIC_COMBO})
_SEEDS = frozenset({"seed", "noise_seed"})
_MOST_PASSED = 50  # nodes in a row that only pass on what they get


def classes(saved: Mapping[str, Any]) -> set[str]:
    """The node classes of a file of the editor."""
    nodes = (node for level in Level.of(saved) for _key, node in level.own_nodes() if node.get("mode") != MUTED)
    return {str(node.get("type"))[:200] for node in nodes} - NOTES - {"PrimitiveNode", "Reroute"}


def converted(saved: Mapping[str, Any], infos: Mapping[str, Any]) -> Graph:
    """The graph that is run. Raises NotTaken where it is not certain, with the node in words."""
    found: dict[str, tuple[Mapping[str, Any], dict[str, Any]]] = {}
    for level in Level.of(saved):
        for key, node in level.own_nodes():
            if str(node.get("type")) not in NOTES and node.get("mode") != MUTED:
                found[key] = node, level.linked(node)
    if not found or len(found) > MOST_NODES:
        raise NotTaken(_why(""))
    return _Converting(found, infos).graph()


class _Converting:
    """One file while it is converted."""

    def __init__(self, nodes: Mapping[str, tuple[Mapping[str, Any], dict[str, Any]]], infos: Mapping[str, Any]) -> None:
        self._nodes, self._infos = nodes, infos

    def graph(self) -> Graph:
        """The nodes that are run."""
        graph: Graph = {}
        for key, (node, linked) in self._nodes.items():
            kind = str(node.get("type"))
            if kind in ("PrimitiveNode", "Reroute") or node.get("mode") == BYPASSED:
                continue
            info = self._infos.get(kind)
            if not info:
                raise NotTaken(_("No engine knows the node %s, so the file of the editor cannot be read.") % kind[:80])
            inputs = {**_values(node, info), **self._links(linked)}
            title = node.get("title")
            meta = {"_meta": {"title": plain.name(title)}} if isinstance(title, str) and title else {}
            graph[key] = {"class_type": kind, "inputs": inputs, **meta}
        return graph

    def _links(self, linked: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in linked.items():
            if not link(value):
                found[name] = value
            elif (source := self._source(str(value[0]), value[1], 0)) is not None:
                found[name] = source[0]
        return found

    def _source(self, key: str, slot: Any, deep: int) -> tuple[Any] | None:
        """What comes out of a node, in a tuple: a link, or the value that it only holds. None for nothing."""
        if key not in self._nodes or deep > _MOST_PASSED:
            return None
        node, linked = self._nodes[key]
        kind = node.get("type")
        if kind == "PrimitiveNode":
            values = node.get("widgets_values")
            return (values[0],) if isinstance(values, list) and values else None
        if kind != "Reroute" and node.get("mode") != BYPASSED:
            return ([key, slot],)
        for name, value in linked.items():
            if not link(value):
                continue
            if kind == "Reroute" or _type_in(node, name) == _type_out(node, slot):
                return self._source(str(value[0]), value[1], deep + 1)
        return None


def _type_in(node: Mapping[str, Any], name: str) -> object:
    entries = node.get("inputs")
    rows = entries if isinstance(entries, list) else []
    return next((row.get("type") for row in rows if isinstance(row, dict) and row.get("name") == name), None)


def _type_out(node: Mapping[str, Any], slot: Any) -> object:
    entries = node.get("outputs")
    is_there = isinstance(entries, list) and isinstance(slot, int) and 0 <= slot < len(entries)
    return entries[slot].get("type") if is_there and isinstance(entries[slot], dict) else "?"  # type: ignore[index]


def _values(node: Mapping[str, Any], info: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a node by name. Raises NotTaken unless each has a place that takes it."""
    values = node.get("widgets_values")
    if isinstance(values, dict):
        known = {entry.name: entry for entry in _widgets(info, values)}
        values = [value for name, value in values.items() if name in known]
    # A node without fields may show what it got the last time; the editor stores that too.
    left = list(values) if isinstance(values, list) and any(_widgets(info, {})) else []
    given: dict[str, Any] = {}
    place = 0
    while place < len(entries := list(_widgets(info, given))) and left:
        entry = entries[place]
        place += 1
        value = left.pop(0)
        if not _fits(entry, value):
            raise NotTaken(_why(str(node.get("title") or node.get("type"))))
        given[entry.name] = value
        if left and _is_beside(entry, left[0]):
            left.pop(0)
    if any(value not in (None, "") for value in left):
        raise NotTaken(_why(str(node.get("title") or node.get("type"))))
    return {name: value for name, value in _with_usual(info, given).items() if value is not None}


def _with_usual(info: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """As the editor does: a field that the class has had only since the file was saved begins with its usual value."""
    found = dict(given)
    while missing := [each for each in _widgets(info, found) if each.required and each.name not in found]:
        for entry in missing:  # one that is chosen may bring further fields
            found[entry.name] = entry.settings.get("default", next(iter(entry.choices or ()), None))
    return found


def _widgets(info: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[Input]:
    """The inputs that the editor shows as fields, in its order."""
    for entry in node_info.inputs(info, given).values():
        kinds = {kind.strip() for kind in entry.type.split(",")}
        if (kinds & _WIDGETS or entry.choices is not None) and not entry.settings.get("forceInput"):
            yield entry


def _fits(entry: Input, value: Any) -> bool:
    if value is None:
        return not entry.required
    if entry.choices is not None:
        is_any = entry.name in FROM_DISK or not entry.choices or entry.type != node_info.DYNAMIC_COMBO
        return isinstance(value, str) and (is_any or value in entry.choices)
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    fits = {"INT": is_number and float(value) == int(value) if is_number else False, "FLOAT": is_number}
    fits |= {"BOOLEAN": isinstance(value, bool), **dict.fromkeys(("STRING", "COLOR"), isinstance(value, str))}
    return any(fits.get(kind.strip(), False) for kind in entry.type.split(","))


def _is_beside(entry: Input, value: Any) -> bool:
    """Whether a value is of what the editor shows beside a field: what becomes of a seed, the button of an upload."""
    if entry.type == "INT" and (entry.name in _SEEDS or entry.settings.get("control_after_generate")):
        return isinstance(value, str) and value in _CONTROL
    uploads = ("image_upload", "video_upload", "audio_upload", "upload")
    return value in ("image", None) and any(entry.settings.get(name) for name in uploads)


def _why(node: str) -> str:
    words = _("This is the file of ComfyUI's editor. In ComfyUI choose Workflow, Export (API), and take that file.")
    if not node:
        return words
    return f"{words} " + _("In this one it is not certain which values the node %s has.") % plain.name(node)[:60]
