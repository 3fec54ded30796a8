"""Workflows: graphs in ComfyUI's API format with {{placeholders}}, and how they are prepared before posting.

Everything here is pure: functions take graphs and return new ones; nothing is changed in place.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from stylestudio.comfy.errors import FILE_INPUTS
from stylestudio.comfy.file_names import canonical as canonical_name
from stylestudio.comfy.file_names import is_listed
from stylestudio.comfy.graphs.wiring import link

Graph: TypeAlias = dict[str, dict[str, Any]]

LIGHTNING = "Lightning"
_LORA_LOADERS = {"LoraLoader", "LoraLoaderModelOnly"}
_PLACEHOLDER = re.compile(r"\{\{([a-z][a-z0-9_]*)\}\}")


class GraphError(ValueError):
    """One of our workflows, or a value to fill in, is invalid."""


@dataclass(frozen=True, slots=True)
class Lora:
    """A LoRA file of the engine, with its strengths for the model and for the text encoder."""

    name: str
    strength_model: float
    strength_clip: float


@dataclass(frozen=True, slots=True)
class Workflow:
    """A workflow file. `sha256` is the digest of the file's bytes, in hexadecimal."""

    name: str
    sha256: str
    nodes: Graph
    placeholders: frozenset[str]

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
    data = path.read_bytes()
    try:
        nodes = json.loads(data)
    except ValueError as error:
        raise GraphError(f"{path.name} is not JSON: {error}") from error
    if isinstance(nodes, dict) and isinstance(nodes.get("nodes"), list):
        raise GraphError(f"{path.name} is in the editor's format. Export it from ComfyUI in the API format.")
    _check(nodes, path.name)
    found: set[str] = set()

    def collect(text: str) -> object:
        found.update(_PLACEHOLDER.findall(text))
        if "{{" in _PLACEHOLDER.sub("", text):
            raise GraphError(f"{path.name} has a malformed placeholder in {text!r}.")
        return text

    _mapped(nodes, collect)
    return Workflow(path.stem, hashlib.sha256(data).hexdigest(), nodes, frozenset(found))


def chain_loras(graph: Graph, loras: Sequence[Lora]) -> Graph:
    """Splice `loras` into the graph behind the Lightning LoRA, in order, titled "Style 1", "Style 2" and so on.

    The first takes its model from the node titled "Lightning" and its clip from where the text encoders took theirs;
    all other consumers of these two get the last LoRA's outputs. Nodes that stay as they are are shared with the given
    graph. Raises GraphError if there is no such node.
    """
    if not loras:
        return graph
    graph = dict(graph)
    lightning = _lightning(graph)
    model, clip = [lightning, 0], _clip_source(graph, lightning)
    consumers = [
        (node_id, name, _slot(value))
        for node_id, node in graph.items()
        for name, value in node["inputs"].items()
        if value == model or (value == clip and node_id != lightning)
    ]
    last_model, last_clip = model, clip
    number = max((int(node_id) for node_id in graph if node_id.isdecimal()), default=0)
    for index, lora in enumerate(loras, 1):
        node_id = str(number + index)
        graph[node_id] = {
            "class_type": "LoraLoader",
            "inputs": {
                "model": last_model,
                "clip": last_clip,
                "lora_name": lora.name,
                "strength_model": lora.strength_model,
                "strength_clip": lora.strength_clip,
            },
            "_meta": {"title": f"Style {index}"},
        }
        last_model, last_clip = [node_id, 0], [node_id, 1]
    for node_id, name, value in consumers:
        source = list(last_model if value == _slot(model) else last_clip)
        graph[node_id] = {**graph[node_id], "inputs": {**graph[node_id]["inputs"], name: source}}
    return graph


def missing_files(graph: Graph, models: Mapping[str, Iterable[str]]) -> tuple[tuple[str, str], ...]:
    """(folder, name) of every file that the graph takes from a folder in `models` and that is not listed there."""
    present = {folder: frozenset(names) for folder, names in models.items()}
    wanted = (
        (FILE_INPUTS[name], canonical_name(value))
        for node in graph.values()
        for name, value in node["inputs"].items()
        if name in FILE_INPUTS and isinstance(value, str)
    )
    return tuple(
        dict.fromkeys(
            (folder, name) for folder, name in wanted if folder in present and not is_listed(name, present[folder])
        )
    )


def output_nodes(graph: Graph) -> tuple[str, ...]:
    """The nodes whose outputs no other node uses: those that save or show something."""
    taken = {source.node for node in graph.values() for value in node["inputs"].values() if (source := link(value))}
    return tuple(node_id for node_id in graph if node_id not in taken)


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


def _slot(value: object) -> tuple[str, int] | None:
    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], int):
        return value[0], value[1]
    return None


def _lightning(graph: Graph) -> str:
    for node_id, node in graph.items():
        if node.get("_meta", {}).get("title") == LIGHTNING and node["class_type"] in _LORA_LOADERS:
            return node_id
    raise GraphError(f"The workflow has no LoRA loader titled {LIGHTNING}, behind which styles belong.")


def _clip_source(graph: Graph, lightning: str) -> list[str | int]:
    if graph[lightning]["class_type"] == "LoraLoader":
        return [lightning, 1]
    node_id = lightning
    for _ in graph:
        slot = _slot(graph[node_id]["inputs"].get("model"))
        if slot is None:
            break
        node_id = slot[0]
        if graph[node_id]["class_type"].startswith("CheckpointLoader"):
            return [node_id, 1]
    raise GraphError("The workflow's Lightning LoRA does not get its model from a checkpoint.")
