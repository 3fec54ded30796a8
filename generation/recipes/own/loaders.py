"""The pictures that a workflow loads: what each of them seems to be for, and how its loaders become those of a recipe.

Pictures of the studio have no transparency. So a mask comes from a loader of its own, which reads a grey picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from stylestudio.comfy.graphs.graph import Graph
from stylestudio.comfy.graphs.wiring import link

PICTURE, MASK = "LoadImage", "LoadImageMask"
LOADERS = frozenset({PICTURE, MASK})
_IMAGE, _MASK = "IMAGE", "MASK"
_MASK_OUTPUT = "MASK:MASK"
_CHANNELS = ("red", "green", "blue")  # of grey pictures all are the same
_LATENT = "latent_image"  # what samplers call the input that they begin with
_NO_PICTURE = frozenset({"mask", "model", "clip", "vae", "positive", "negative", "conditioning"})


class Flow(Protocol):
    """What is asked of a workflow."""

    nodes: Graph

    def type_of(self, key: str, slot: int | None) -> str:
        """The type of an output."""

    def links(self, key: str) -> Iterator[tuple[str, str, int | None]]:
        """The links of a node."""

    def in_order(self, keys: Iterable[str]) -> list[str]:
        """These nodes as they stand in the workflow."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A picture that a workflow loads. `role` is what it seems to be for, the first of `uses` or another of them."""

    role: str
    uses: tuple[str, ...]


def loaded(flow: Flow, keys: Iterable[str]) -> dict[str, Loaded]:
    """The loaders among these nodes, as these nodes use them.

    The picture that reaches the sampler as its latent is the one to start from, and of several the nearest; without
    any, the first that reaches the end.
    """
    wanted = flow.in_order(keys)
    gives = {key: _taken(flow, key, wanted) for key in wanted if flow.nodes[key]["class_type"] in LOADERS}
    pictures = [key for key in gives if _MASK not in gives[key] or _IMAGE in gives[key]]
    latents = [source for key in wanted for name, source, _slot in flow.links(key) if name == _LATENT]
    ends = [key for key in wanted if not any(source == key for user in wanted for _n, source, _s in flow.links(user))]
    near = [*_behind(flow, latents, wanted, _NO_PICTURE), *_behind(flow, ends, wanted, frozenset())]
    start = next((key for key in near if key in pictures), "")
    masks = [key for key in gives if key not in pictures]
    if start and _MASK in gives[start]:
        masks.insert(0, start)
    return {key: _loaded(key, gives[key], start, masks[0] if start and masks else "") for key in gives}


def _loaded(key: str, gives: frozenset[str], start: str, mask: str) -> Loaded:
    if _MASK not in gives:
        return Loaded("reference" if key == start else "picture", ("reference", "picture"))
    if _IMAGE not in gives:
        return Loaded("mask" if key == mask else "picture", ("mask", "picture"))
    return Loaded("both" if key == start else "picture", ("both", "reference", "picture"))


def _taken(flow: Flow, key: str, users: Iterable[str]) -> frozenset[str]:
    """The types of the outputs that these nodes take from a node."""
    taken = (slot for user in users for _name, source, slot in flow.links(user) if source == key)
    return frozenset(flow.type_of(key, slot) for slot in taken)


def _behind(flow: Flow, starts: Iterable[str], wanted: Iterable[str], passed_over: frozenset[str]) -> Iterator[str]:
    """Go back from these nodes, the nearest first, but not along inputs with these names."""
    left, among = list(dict.fromkeys(starts)), {*wanted}
    seen = {*left}
    for key in left:  # it grows meanwhile
        yield key
        for name, source, _slot in sorted(flow.links(key)):  # image1 before image2, whatever a file has first
            if name not in passed_over and source in among and source not in seen:
                seen.add(source)
                left.append(source)


def rewired(flow: Flow, graph: Graph, uses: Mapping[str, str]) -> tuple[Graph, str]:
    """The graph with masks from loaders of their own, and the one of the part to make anew, "" if there is none. `uses`
    are those of its loaders, whose placeholders are in the graph already.
    """
    made: dict[str, Any] = dict(graph)
    masks: dict[str, str] = {}  # by loader: where its mask comes from then
    keys = [key for key in graph if key in flow.nodes]
    for key, use in uses.items():
        gives = _taken(flow, key, keys)
        if use == "both":
            made[masks.setdefault(key, free(made))] = _mask_loader("{{mask}}", graph[key])
        elif _MASK in gives and _IMAGE not in gives:
            masks[key] = key
            made[key] = _mask_loader(graph[key]["inputs"]["image"], graph[key])
    for key, node in made.items():
        inputs = {name: _redirected(flow, value, masks) for name, value in node["inputs"].items()}
        made[key] = {**node, "inputs": inputs}
    return made, next((masks[key] for key, use in uses.items() if use in ("mask", "both")), "")


def _mask_loader(picture: str, instead_of: Mapping[str, Any]) -> dict[str, Any]:
    channel = instead_of["inputs"].get("channel")
    inputs = {"image": picture, "channel": channel if channel in _CHANNELS else _CHANNELS[0]}
    return {**instead_of, "class_type": MASK, "inputs": inputs}


def _redirected(flow: Flow, value: Any, masks: Mapping[str, str]) -> Any:
    source = link(value)
    if source is None or source.node not in masks:
        return value
    is_mask = (flow.type_of(source.node, source.slot) or source.type) == _MASK
    return [masks[source.node], _MASK_OUTPUT] if is_mask else value


def free(graph: Mapping[str, Any]) -> str:
    """A key that no node of a graph has."""
    return next(str(number) for number in range(1, 10**6) if str(number) not in graph)
