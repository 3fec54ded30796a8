"""Workflows: graphs in ComfyUI's API format with {{placeholders}}, and how they are filled.

Everything here is pure: functions take graphs and return new ones; nothing is changed in place.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from stylestudio.comfy.graphs.graph import Graph, GraphError
from stylestudio.comfy.graphs.wiring import link

Source: TypeAlias = tuple[str, int]  # a node, and the number of its output

_PLACEHOLDER = re.compile(r"\{\{([a-z][a-z0-9_]*)\}\}")


@dataclass(frozen=True, slots=True)
class Lora:
    """A LoRA file of the engine, with its strengths for the model and for the text encoder."""

    name: str
    strength_model: float
    strength_clip: float


@dataclass(frozen=True, slots=True)
class Form:
    """What holds the form of a picture: the name of an uploaded control picture, the control model's file, and what
    that model calls the kind of picture, "" if it knows one kind alone. `start` and `end` are parts of the steps,
    0 to 1.
    """

    picture: str
    file: str
    type: str
    strength: float
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Workflow:
    """A graph with placeholders. `mixed` are those that stand inside a longer text."""

    name: str
    nodes: Graph
    placeholders: frozenset[str]
    mixed: frozenset[str] = frozenset()

    @property
    def classes(self) -> frozenset[str]:
        """The node classes in it."""
        return frozenset(str(node["class_type"]) for node in self.nodes.values())

    def fill(self, values: Mapping[str, object]) -> Graph:
        """The graph with `values` in place of the placeholders.

        A text that consists of a placeholder alone becomes the value with its type; inside a longer text the value is
        inserted as text. Values are never searched for placeholders. Raises GraphError for a missing value, an unknown
        name, and a value that is not a text, a finite number or a boolean.
        """
        if missing := self.placeholders - values.keys():
            raise GraphError(f"Workflow {self.name} needs a value for {', '.join(sorted(missing))}.")
        if unknown := values.keys() - self.placeholders:
            raise GraphError(f"Workflow {self.name} has no place for {', '.join(sorted(unknown))}.")
        for name, value in values.items():
            if not isinstance(value, str | int | float) or (isinstance(value, float) and not math.isfinite(value)):
                raise GraphError(f"{name} cannot be {value!r} in workflow {self.name}.")

        def substitute(text: str) -> object:
            if "{{" not in text:
                return text
            if whole := _PLACEHOLDER.fullmatch(text):
                return values[whole[1]]
            return _PLACEHOLDER.sub(lambda match: str(values[match[1]]), text)

        return {node_id: _mapped(node, substitute) for node_id, node in self.nodes.items()}


def load(path: Path) -> Workflow:
    """Read a workflow file. Raises GraphError if it is not a graph in API format."""
    try:
        nodes = json.loads(path.read_bytes())
    except ValueError as error:
        raise GraphError(f"{path.name} is not JSON: {error}") from error
    return checked(nodes, path.name)


def checked(nodes: Any, name: str) -> Workflow:
    """The workflow of a graph that was read. Raises GraphError if it is not one in API format."""
    if isinstance(nodes, dict) and isinstance(nodes.get("nodes"), list):
        raise GraphError(f"{name} is in the editor's format. Export it from ComfyUI in the API format.")
    _check(nodes, name)
    found: set[str] = set()
    mixed: set[str] = set()

    def collect(text: str) -> object:
        if whole := _PLACEHOLDER.fullmatch(text):
            found.add(whole[1])
            return text
        mixed.update(_PLACEHOLDER.findall(text))
        if "{{" in _PLACEHOLDER.sub("", text):
            raise GraphError(f"{name} has a malformed placeholder in {text!r}.")
        return text

    _mapped(nodes, collect)
    return Workflow(name.removesuffix(".json"), nodes, frozenset(found | mixed), frozenset(mixed))


def chain_loras(graph: Graph, loras: Sequence[Lora], model: Source, clip: Source | None) -> Graph:
    """Splice `loras` into the graph, in order, titled "Style 1", "Style 2" and so on.

    The first takes the outputs `model` and `clip`; all other consumers of these two get the last LoRA's outputs.
    Without `clip` the LoRAs change the model alone. Nodes that stay as they are are shared with the given graph.
    """
    if not loras:
        return graph
    graph = dict(graph)
    sources = [list(model), list(clip)] if clip else [list(model)]
    consumers = [
        (node_id, name, sources.index(value))
        for node_id, node in graph.items()
        for name, value in node["inputs"].items()
        if value in sources
    ]
    number = max((int(node_id) for node_id in graph if node_id.isdecimal()), default=0)
    for index, lora in enumerate(loras, 1):
        node_id = str(number + index)
        graph[node_id] = {**_loader(lora, sources), "_meta": {"title": f"Style {index}"}}
        sources = [[node_id, output] for output in range(len(sources))]
    for node_id, name, output in consumers:
        graph[node_id] = {**graph[node_id], "inputs": {**graph[node_id]["inputs"], name: list(sources[output])}}
    return graph


def hold_form(graph: Graph, form: Form, positive: Source, negative: Source) -> Graph:
    """Splice a control model into the graph: all consumers of the outputs `positive` and `negative` get what it makes
    of these. Nodes that stay as they are are shared with the given graph.
    """
    number = max((int(node_id) for node_id in graph if node_id.isdecimal()), default=0)
    picture, loader, kind, apply = (str(number + place) for place in range(1, 5))
    sources = [list(positive), list(negative)]
    held = {
        node_id: {**node, "inputs": {name: _instead(value, sources, apply) for name, value in node["inputs"].items()}}
        if any(value in sources for value in node["inputs"].values())
        else node
        for node_id, node in graph.items()
    }
    held[picture] = _node("LoadImage", "Control picture", image=form.picture)
    held[loader] = _node("ControlNetLoader", "Control model", control_net_name=form.file)
    if form.type:
        held[kind] = _node("SetUnionControlNetType", "Kind of control", control_net=[loader, 0], type=form.type)
    held[apply] = _node(
        "ControlNetApplyAdvanced",
        "Form held",
        positive=sources[0],
        negative=sources[1],
        control_net=[kind if form.type else loader, 0],
        image=[picture, 0],
        strength=form.strength,
        start_percent=form.start,
        end_percent=form.end,
    )
    return held


def _instead(value: Any, sources: Sequence[list[Any]], node: str) -> Any:
    return [node, sources.index(value)] if value in sources else value


def _node(class_type: str, title: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs, "_meta": {"title": title}}


def _loader(lora: Lora, sources: Sequence[list[Any]]) -> dict[str, Any]:
    """The node that loads a LoRA behind a model, or behind a model and its text encoder."""
    inputs = {"lora_name": lora.name, "strength_model": lora.strength_model}
    if len(sources) == 1:
        return {"class_type": "LoraLoaderModelOnly", "inputs": {"model": sources[0], **inputs}}
    inputs["strength_clip"] = lora.strength_clip
    return {"class_type": "LoraLoader", "inputs": {"model": sources[0], "clip": sources[1], **inputs}}


def _mapped(value: Any, change: Callable[[str], object]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: _mapped(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [_mapped(item, change) for item in value]
    return value


def _check(nodes: object, name: str) -> None:
    if not isinstance(nodes, dict) or not nodes:
        raise GraphError(f"{name} is not a workflow in the API format.")
    for node_id, node in nodes.items():
        if not (
            isinstance(node, dict) and isinstance(node.get("class_type"), str) and isinstance(node.get("inputs"), dict)
        ):
            raise GraphError(f"Node {node_id} of {name} lacks class_type or inputs.")
        for input_name, value in node["inputs"].items():
            if (source := link(value)) and source.node not in nodes:
                raise GraphError(
                    f"Node {node_id} of {name} takes {input_name} from node {source.node}, which is not there."
                )
