"""Graphs in ComfyUI's API format, and what can be said of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from stylestudio.comfy.errors import folder_of_input
from stylestudio.comfy.file_names import canonical as canonical_name
from stylestudio.comfy.file_names import is_listed
from stylestudio.comfy.graphs.wiring import link

Graph: TypeAlias = dict[str, dict[str, Any]]


class GraphError(ValueError):
    """One of our workflows, or a value to fill in, is invalid."""


def missing_files(graph: Graph, models: Mapping[str, Iterable[str]]) -> tuple[tuple[str, str], ...]:
    """(folder, name) of every file that the graph takes from a folder in `models` and that is not listed there."""
    present = {folder: frozenset(names) for folder, names in models.items()}
    wanted = (
        (folder, canonical_name(value))
        for node in graph.values()
        for name, value in node["inputs"].items()
        if isinstance(value, str) and (folder := folder_of_input(node["class_type"], name))
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
