"""The graph of one segment, for either generation of ComfyUI's training nodes."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from stylestudio.comfy import graph
from stylestudio.comfy.client import ComfyClient
from stylestudio.comfy.errors import GraphInvalid
from stylestudio.comfy.graph import Graph

# Nodes of both workflows.
LOADER, TRAINING, LORA, LOSS = "2", "4", "5", "6"
NOTHING = "[None]"  # what the training node calls no LoRA
_SAVERS = ("SaveLoRA", "SaveLoRANode")  # the same node under two names


@dataclass(frozen=True, slots=True)
class Generation:
    """A generation of the training nodes.

    `tells`: it shows each step and can be interrupted. `mixed`: pictures may differ in size and lack a caption.
    """

    workflow: str
    loader: str
    tells: bool
    mixed: bool


NEW = Generation("train_lora", "LoadImageTextDataSetFromFolder", tells=True, mixed=True)
OLD = Generation("train_lora_v0_3", "LoadImageTextSetFromFolderNode", tells=False, mixed=False)


def generation(classes: Collection[str]) -> Generation | None:
    """The newest generation whose nodes are all among `classes`; None where there is none."""
    for each in (NEW, OLD):
        needed = workflow(each).classes.difference(_SAVERS)
        if needed <= set(classes) and any(saver in classes for saver in _SAVERS):
            return each
    return None


@cache
def workflow(generation: Generation) -> graph.Workflow:
    """The workflow file of a generation."""
    return graph.load(Path(__file__).parents[2] / "workflows" / f"{generation.workflow}.json")


async def detect(client: ComfyClient) -> Generation | None:
    """The generation that an engine has, asked node by node."""
    wanted = {name for each in (NEW, OLD) for name in workflow(each).classes} | set(_SAVERS)
    return generation([name for name in sorted(wanted) if await client.object_info(name)])


async def adapted(client: ComfyClient, generation: Generation, values: Mapping[str, object]) -> Graph:
    """The filled workflow as this engine wants it.

    Inputs that a later version needs besides get the defaults that the engine names. GraphInvalid where it lacks a
    node, or where a choice is not among its own.
    """
    filled = workflow(generation).fill(values)
    if await client.object_info(str(filled[LORA]["class_type"])) is None:
        filled[LORA]["class_type"] = next(name for name in _SAVERS if name != filled[LORA]["class_type"])
    classes = sorted({str(node["class_type"]) for node in filled.values()})
    infos = {name: await client.object_info(name) for name in classes}
    ready = graph.adapt(filled, infos)
    ready[TRAINING]["inputs"] = _chosen(ready[TRAINING]["inputs"], infos["TrainLoraNode"] or {})
    return ready


def _chosen(inputs: Mapping[str, object], info: Mapping[str, Any]) -> dict[str, object]:
    """Choices as the engine spells them: huber is its Huber, smooth_l1 its SmoothL1."""
    required = info.get("input", {}).get("required", {})
    found = dict(inputs)
    for name in ("optimizer", "loss_function", "training_dtype", "lora_dtype"):
        options = graph.combo_options(required.get(name))
        if options:
            found[name] = _option(name, str(inputs[name]), options)
    return found


def _option(name: str, wanted: str, options: Sequence[str]) -> str:
    for option in options:
        if _plain(option) == _plain(wanted):
            return option
    raise GraphInvalid(
        f"The engine's training node does not know {wanted} as {name}. It knows {', '.join(options)}.",
    )


def _plain(name: str) -> str:
    return {"l2": "mse"}.get(name.casefold(), name.casefold().replace("_", ""))


def losses(texts: Sequence[str], accumulation: int, *, divided: bool) -> list[float]:
    """The loss of each step, from what the engine shows of its loss map; empty where it is not readable.

    The node counts micro-steps, `accumulation` to a step. `divided`: it has divided each by that number already, as it
    does where pictures differ in size.
    """
    try:
        told = json.loads("".join(texts))
        micro = [float(value) for value in told["loss"]]
    except (ValueError, TypeError, KeyError, OverflowError):
        return []
    groups = [micro[start : start + accumulation] for start in range(0, len(micro), accumulation)]
    return [math.fsum(group) / (1 if divided else len(group)) for group in groups]
