"""Following the links of a graph from anybody: within limits, whatever its types are, and in circles only once."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Node = Mapping[str, Any]

MOST_NODES = 5_000
MOST_STEPS = 100_000  # links followed per graph, all walks together
MOST_DEEP = 100  # links in a row
# Inputs of nodes that only pass a value on, or hold it.
_HOLDERS = (
    "value", "seed", "noise_seed", "int", "float", "number", "Number", "Value", "string", "text", "INT", "FLOAT",
    "ckpt_name", "sampler_name", "scheduler", "width", "height", "a", "input", "any", "source",
)  # fmt: skip


def is_link(value: Any) -> bool:
    """Whether an input is a link: [key of the node, number of its output]."""
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str | int)


def inputs_of(node: Any) -> Mapping[str, Any]:
    """A node's inputs by name."""
    inputs = node.get("inputs") if isinstance(node, dict) else None
    return inputs if isinstance(inputs, dict) else {}


def kind_of(node: Any) -> str:
    """A node's class; "" for what is no text, such as lists in lists, which are too deep to be written as one."""
    kind = node.get("class_type") if isinstance(node, dict) else None
    return kind[:200] if isinstance(kind, str) else ""


class Graph:
    """The nodes of a graph by key, and walks along their links. `is_tangled`: the limits were reached."""

    def __init__(self, nodes: Mapping[str, Node]) -> None:
        self.nodes = dict(list(nodes.items())[:MOST_NODES])
        self.is_tangled = len(nodes) > MOST_NODES
        self.words: dict[tuple[str, str], str] = {}  # what a node says, by its key, for each side of the prompt
        self._steps = 0

    def step(self) -> bool:
        """Count a link that is followed; False once there were too many."""
        self._steps += 1
        self.is_tangled = self.is_tangled or self._steps > MOST_STEPS
        return self._steps <= MOST_STEPS

    def node(self, link: Any) -> Node | None:
        """The node that a link comes from."""
        return self.nodes.get(str(link[0])) if is_link(link) else None

    def behind(self, start: Node, seen: set[int]) -> Iterator[Node]:
        """All nodes that lead to this one, nearest first, but for those `seen` by another walk, which gains them."""
        yield from self.along(start, None, seen)

    def along(self, start: Node, names: Sequence[str] | None, seen: set[int] | None = None) -> Iterator[Node]:
        """The nodes that lead to this one through inputs of these names, nearest first; None means any."""
        queue, seen = deque([start]), {id(start)} if seen is None else seen
        while queue:
            inputs = inputs_of(queue.popleft())
            for name in inputs if names is None else names:
                found = self.node(inputs.get(name))
                if found is None:
                    continue
                if not self.step():
                    return
                if id(found) in seen:
                    continue
                seen.add(id(found))
                queue.append(found)
                yield found

    def plain(self, value: Any) -> Any:
        """The value of an input, looked up where it is linked to a node that holds it; None if nothing is found."""
        for _link in range(MOST_DEEP):
            if not is_link(value):
                return value if isinstance(value, int | float | str) else None
            node = self.node(value)
            if node is None or not self.step():
                return None
            inputs = inputs_of(node)
            value = next((inputs[name] for name in _HOLDERS if name in inputs), None)
        return None

    def value(self, node: Node, names: Sequence[str], helpers: Sequence[str]) -> Any:
        """The first of these inputs of a node, or of the nodes that its helpers lead to; None if there is none."""
        for each in (node, *self.along(node, helpers)):
            inputs = inputs_of(each)
            for name in names:
                if name in inputs and (found := self.plain(inputs[name])) is not None:
                    return found
        return None

    def text(self, node: Node, names: Sequence[str], helpers: Sequence[str]) -> str:
        """The same, if it is a text."""
        found = self.value(node, names, helpers)
        return found if isinstance(found, str) else ""
