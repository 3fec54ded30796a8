"""The graph of one segment, for either generation of ComfyUI's training nodes."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from stylestudio.comfy.client import ComfyClient
from stylestudio.comfy.errors import GraphInvalid
from stylestudio.comfy.graphs import node_info, wiring
from stylestudio.comfy.graphs import workflow as workflows
from stylestudio.comfy.graphs.graph import Graph
from stylestudio.comfy.lack import Lack
from training.runs import parameters

# Node ids in both workflows.
LOADER, TRAINING, LORA, LOSS = "2", "4", "5", "6"
NOTHING = "[None]"  # the training node's choice for no LoRA
_SAVERS = ("SaveLoRA", "SaveLoRANode")  # the same node under two names
_TRAINER = "TrainLoraNode"
SWITCHES = ("offloading", "bypass_mode")  # off if a version does not have them
# Placeholders for files and settings when only the wiring is checked.
_ANY_VALUES = {"checkpoint": "", "folder": "", "steps": 2, "seed": 2, "existing_lora": NOTHING, "prefix": "loras/x"}
_USUAL = {"batch_size": 1, "accumulation": 1, "learning_rate": 1e-4, "rank": 8}


@dataclass(frozen=True, slots=True)
class Generation:
    """A generation of the training nodes.

    `tells`: it reports each step and can be interrupted. `mixed`: pictures may differ in size and lack a caption.
    """

    workflow: str
    loader: str
    tells: bool
    mixed: bool


NEW = Generation("train_lora", "LoadImageTextDataSetFromFolder", tells=True, mixed=True)
OLD = Generation("train_lora_v0_3", "LoadImageTextSetFromFolderNode", tells=False, mixed=False)


def generation(classes: Collection[str]) -> Generation | None:
    """The newest generation whose nodes are all among `classes`; None if there is none."""
    for each in (NEW, OLD):
        needed = workflow(each).classes.difference(_SAVERS)
        if needed <= set(classes) and any(saver in classes for saver in _SAVERS):
            return each
    return None


def absent(classes: Collection[str]) -> list[str]:
    """Nodes that an engine with the training node lacks; empty if a generation is complete, or if it cannot train at
    all.
    """
    if _TRAINER not in classes or generation(classes):
        return []
    there = {*classes, *(_SAVERS if any(saver in classes for saver in _SAVERS) else ())}
    needed = [workflow(each).classes.difference(_SAVERS) | {_SAVERS[0]} for each in (NEW, OLD)]
    fewest = min((classes - there for classes in needed), key=len)
    return sorted(fewest)


@cache
def workflow(generation: Generation) -> workflows.Workflow:
    """The workflow file of a generation."""
    return workflows.load(Path(__file__).parent / "workflows" / f"{generation.workflow}.json")


def every_class() -> frozenset[str]:
    """The node classes of both generations."""
    return workflow(NEW).classes | workflow(OLD).classes | set(_SAVERS)


async def detect(client: ComfyClient) -> Generation | None:
    """The generation that an engine has, requested node by node."""
    classes = [name for name in sorted(every_class()) if await client.object_info(name)]
    return generation(classes) or generation([*classes, *await client.replacements()])


def chosen(config: Mapping[str, Any]) -> dict[str, object]:
    """The values that a training's settings fill into a workflow."""
    dtype = str(config.get("dtype", "bf16"))
    computed = str(config.get("training_dtype", parameters.SAME))
    return {
        "batch_size": int(config["batch_size"]),
        "accumulation": int(config["accumulation"]),
        "learning_rate": float(config["learning_rate"]),
        "rank": int(config["rank"]),
        "optimizer": str(config.get("optimizer", "AdamW")),
        "loss_function": str(config.get("loss_function", "MSE")),
        "dtype": dtype,
        "training_dtype": dtype if computed == parameters.SAME else computed,
        "gradient_checkpointing": bool(config.get("gradient_checkpointing", True)),
        **{name: bool(config.get(name, False)) for name in SWITCHES},
    }


async def adapted(client: ComfyClient, generation: Generation, values: Mapping[str, object]) -> Graph:
    """The filled workflow, adapted to this engine.

    Inputs that only a later version needs get the engine's defaults. Raises GraphInvalid if the engine lacks a node, an
    output or an input that is needed, or if a choice is not among its own.
    """
    filled = _filled(generation, values)
    saver = str(filled[LORA]["class_type"])
    if await client.object_info(saver) is None:
        filled = _saved_by(filled, next(name for name in _SAVERS if name != saver))
    return await wiring.fitted(client, filled, strict=True)


def lack(infos: Mapping[str, Any], classes: Collection[str], config: Mapping[str, Any]) -> Lack | None:
    """Why an engine with these node classes cannot run this training; None if it can, or if that is not known.

    `infos` are the stored details of its nodes. Does not check its files.
    """
    found = generation(classes)
    if found is None:
        return None
    filled = _filled(found, {**_ANY_VALUES, **chosen({**_USUAL, **config})})
    saver = next(name for name in _SAVERS if name in classes)
    ready = _saved_by(filled, saver)
    if any(node["class_type"] not in infos for node in ready.values()):
        return None
    try:
        wiring.adapt(ready, infos, strict=True)
    except GraphInvalid as error:
        return error.lack
    return None


def switches(infos: Mapping[str, Any]) -> frozenset[str]:
    """Which of the switches that newer versions introduced the training node has."""
    return frozenset(SWITCHES).intersection(node_info.inputs(infos.get(_TRAINER, {}), {}))


def _filled(generation: Generation, values: Mapping[str, object]) -> Graph:
    """The workflow with these values. A switch that is on is mandatory:
    without it the training would be another one.
    """
    usual = {"training_dtype": values["dtype"], **dict.fromkeys(SWITCHES, False)}
    graph = workflow(generation).fill({**usual, **values})
    inputs = graph[TRAINING]["inputs"]
    graph[TRAINING]["inputs"] = {
        name.removesuffix("?") if name.removesuffix("?") in SWITCHES and value else name: value
        for name, value in inputs.items()
    }
    return graph


def _saved_by(graph: Graph, saver: str) -> Graph:
    return {**graph, LORA: {**graph[LORA], "class_type": saver}}


def losses(texts: Sequence[str], accumulation: int, *, divided: bool) -> list[float]:
    """The loss of each step, from the text the engine shows of its loss map; empty if it is not readable.

    The node counts micro-steps, `accumulation` to a step. `divided`: it has already divided each by that number, as it
    does if pictures differ in size.
    """
    try:
        told = json.loads("".join(texts))
        micro = [float(value) for value in told["loss"]]
    except (ValueError, TypeError, KeyError, OverflowError):
        return []
    groups = [micro[start : start + accumulation] for start in range(0, len(micro), accumulation)]
    return [math.fsum(group) / (1 if divided else len(group)) for group in groups]
