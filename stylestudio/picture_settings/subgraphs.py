"""Subgraphs of graphs that ComfyUI's page saves, taken apart into the nodes that are run.

A node whose type is the id of a definition stands for the nodes in it, whose keys are then "75:66", as in the graph
that is run. In a definition the links from node -10 come from the instance's inputs, those to node -20 go to its
outputs. Of 644 graphs in comfyui-workflow-templates 0.11.97, 214 have some, 16 of them one in another.

131 of the 311 instances there hold the values of fields inside: in `widgets_values`, in the order of those inputs of
the definition that lead to fields, linked or not. Others name the fields in `proxyWidgets`, and the values are inside.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from stylestudio.picture_settings.links import MOST_NODES

INPUTS, OUTPUTS = "-10", "-20"
MUTED, BYPASSED = 2, 4
_MOST_DEEP = 20  # subgraphs in one another, and links through their sides
_FIELD_TYPES = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}


class Level:
    """The nodes of a graph, or of one instance of a definition. `prefix` stands before their keys."""

    def __init__(self, saved: Mapping[str, Any], prefix: str = "", parent: Level | None = None, key: str = "") -> None:
        self.prefix, self._parent, self._key = prefix, parent, key
        nodes = saved.get("nodes")
        self.nodes = {
            str(node.get("id")): node
            for node in (nodes if isinstance(nodes, list) else [])[:MOST_NODES]
            if isinstance(node, dict)
        }
        links = saved.get("links")
        ends = [_ends(link) for link in (links if isinstance(links, list) else [])[: 10 * MOST_NODES]]
        self._origins = {link: (node, slot) for link, node, slot, *_to in ends}
        self.out = {at: (node, slot) for _link, node, slot, to, at in ends if to == OUTPUTS}
        self._targets = {slot: (to, at) for _link, node, slot, to, at in ends if node == INPUTS}
        self._sides = [side for side in _list(saved.get("inputs")) if isinstance(side, dict)]
        self.levels: dict[str, Level] = {}  # of the instances
        self._given = self._fields() if parent else {}

    @classmethod
    def of(cls, saved: Mapping[str, Any]) -> list[Level]:
        """The graph itself and each instance in it, as long as there are not too many nodes."""
        found = _list(_mapping(saved.get("definitions")).get("subgraphs"))
        definitions = {str(each.get("id")): each for each in found[:MOST_NODES] if isinstance(each, dict)}
        levels = [cls(saved)]
        left = MOST_NODES - len(levels[0].nodes)
        for level in levels:  # which grows meanwhile
            for key, node in level.nodes.items():
                is_run = node.get("mode") not in (MUTED, BYPASSED)
                definition = definitions.get(str(node.get("type"))) if is_run else None
                if definition is None or left <= 0 or level.prefix.count(":") >= _MOST_DEEP:
                    continue
                inner = level.levels[key] = cls(definition, f"{level.prefix}{key}:", level, key)
                left -= len(inner.nodes) + 1
                levels.append(inner)
        return levels

    def own_nodes(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Its nodes by key, without those that stand for others."""
        return ((self.prefix + key, node) for key, node in self.nodes.items() if key not in self.levels)

    def linked(self, node: Mapping[str, Any]) -> dict[str, Any]:
        """The inputs of a node that are linked, by name: where they come from, or the value that an instance gives."""
        found = {}
        for entry in _list(node.get("inputs"))[:500]:
            link = entry.get("link") if isinstance(entry, dict) else None
            if isinstance(link, int | str) and link in self._origins:
                source = self.source(*self._origins[link])
                if source is not None:
                    found[str(entry.get("name"))] = source[0]
        return found

    def source(self, node: str, slot: Any, deep: int = 0) -> tuple[Any] | None:
        """What comes out of a node here, a link or a value, in a tuple. None if nothing is known of it."""
        if deep > _MOST_DEEP:
            return None
        if node == INPUTS and self._parent:
            side = self._sides[slot] if isinstance(slot, int) and 0 <= slot < len(self._sides) else {}
            return self._parent.into(self._key, str(side.get("name")), deep) or self._given.get(slot)
        if inner := self.levels.get(node):
            return inner.source(*inner.out[slot], deep + 1) if _is_key(slot) and slot in inner.out else None
        return ([self.prefix + node, slot],)

    def into(self, key: str, name: str, deep: int) -> tuple[Any] | None:
        """What is linked to an input of an instance here."""
        for entry in _list(self.nodes[key].get("inputs"))[:500]:
            if isinstance(entry, dict) and str(entry.get("name")) == name:
                link = entry.get("link")
                known = isinstance(link, int | str) and link in self._origins
                return self.source(*self._origins[link], deep + 1) if known else None
        return None

    def _fields(self) -> dict[Any, tuple[Any]]:
        """The values that the instance gives, by the number of the input."""
        assert self._parent is not None
        values = self._parent.nodes[self._key].get("widgets_values")
        if not isinstance(values, list) or not values:
            return {}
        by_target = [slot for slot in range(len(self._sides)) if self._leads_to_field(slot)]
        by_type = [slot for slot, side in enumerate(self._sides) if str(side.get("type")) in _FIELD_TYPES]
        slots = next((each for each in (by_target, by_type) if len(each) == len(values)), [])
        given = zip(slots, values, strict=False)
        return {slot: (value,) for slot, value in given if isinstance(value, str | int | float)}

    def _leads_to_field(self, slot: int) -> bool:
        node, at = self._targets.get(slot, ("", None))
        entries = _list(self.nodes.get(node, {}).get("inputs"))
        entry = entries[at] if isinstance(at, int) and 0 <= at < len(entries) else None
        return isinstance(entry, dict) and "widget" in entry


def _ends(link: Any) -> tuple[Any, str, Any, str, Any]:
    """A link's number, from which output of which node it comes, to which input of which one it goes: it is a list of
    these, or an object.
    """
    if isinstance(link, list) and len(link) > 2 and _is_key(link[0]):
        to, at = (link[3], link[4]) if len(link) > 4 else (None, None)
        return link[0], str(link[1]), link[2], str(to), at if _is_key(at) else None
    if isinstance(link, dict) and _is_key(link.get("id")):
        slot, at = link.get("origin_slot"), link.get("target_slot")
        ends = link["id"], str(link.get("origin_id")), slot if _is_key(slot) else None
        return *ends, str(link.get("target_id")), at if _is_key(at) else None
    return None, "", None, "", None


def _is_key(value: Any) -> bool:
    return isinstance(value, int | str)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
