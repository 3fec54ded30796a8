"""What an engine lacks for a graph, as facts that can be put into words in any language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# class: it does not know the node. output: a node has no such output. input: a node has no such input for a link.
# value: a node has no such setting. need: a node needs an input that the graph does not set. choice, range: a value is
# not one that the node accepts. link: a node accepts no plain value there.
LackKind = Literal["class", "output", "input", "value", "need", "choice", "range", "link"]


MOST_NAMED = 24  # how many alternatives are listed


@dataclass(frozen=True, slots=True)
class Lack:
    """One reason why a graph cannot be wired.

    `name` is the input; for "output" it is the input of `taker` that would receive it. `type` is the type of a link, or
    the value that does not fit. `has` lists what exists instead.
    """

    kind: LackKind
    node_id: str
    class_type: str
    title: str = ""
    name: str = ""
    type: str = ""
    has: tuple[str, ...] = ()
    taker: str = ""

    @property
    def node(self) -> str:
        """The node in a sentence: its class, and its title if it has one."""
        return called(self.class_type, self.title)

    @property
    def words(self) -> str:
        """The lack as one plain sentence."""
        facts = {"node": self.node, "name": self.name, "type": self.type, "taker": self.taker}
        return _SENTENCES[self.kind].format(**facts, has=self.listed or "nothing")

    @property
    def listed(self) -> str:
        """What exists instead, the first few of many; "" for nothing."""
        return ", ".join(self.has[:MOST_NAMED]) + (", …" if len(self.has) > MOST_NAMED else "")


def called(class_type: str, title: str) -> str:
    """A node in a sentence: its class, and its title if it has one."""
    return f"{class_type} (“{title}”)" if title else class_type


_SENTENCES: dict[LackKind, str] = {
    "class": "The engine does not know the node {node}. Update its ComfyUI or install what provides it.",
    "output": "The engine's node {node} has no output {type}, which {taker} takes as {name}. It has {has}.",
    "input": "The engine's node {node} has no input {name}, which this workflow feeds. It has {has}.",
    "value": "The engine's node {node} has no input {name}, which this workflow sets. It has {has}.",
    "need": "The engine's node {node} needs the input {name}, which this workflow does not give it.",
    "choice": "The engine's node {node} does not know {type} as {name}. It knows {has}.",
    "range": "The engine's node {node} does not take {type} as {name}. It takes {has}.",
    "link": "The engine's node {node} takes no value as {name}, but the output of another node ({type}).",
}
