"""Building the graph that an engine runs for a task."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from generation.engines.models import Engine
from generation.pictures.models import GenerationTask, patterns
from stylestudio.comfy.errors import GraphInvalid
from stylestudio.comfy.file_names import canonical
from stylestudio.comfy.graphs import graph, wiring
from stylestudio.comfy.lack import Lack

WORKFLOWS = {"text": "txt2img_sdxl_lightning", "image": "img2img_sdxl_lightning"}
# The settings SDXL Lightning's 4-step LoRA was distilled for (ByteDance/SDXL-Lightning model card).
STEPS, CFG, SAMPLER, SCHEDULER, DENOISE = 4, 1.0, "euler", "sgm_uniform", 0.6


@cache
def workflow(mode: str) -> graph.Workflow:
    """The workflow file of a mode."""
    return graph.load(Path(__file__).parent / "workflows" / f"{WORKFLOWS[mode]}.json")


def build(task: GenerationTask, index: int, prompt_id: uuid.UUID) -> graph.Graph:
    """Build the graph of picture `index` from the task's snapshot alone."""
    snapshot = task.snapshot
    values: dict[str, object] = {
        "checkpoint": snapshot["checkpoint"],
        "lightning": snapshot["lightning"],
        "positive": snapshot["final_prompt"],
        "negative": snapshot["negative"],
        "width": snapshot["width"],
        "height": snapshot["height"],
        "seed": snapshot["seeds"][index],
        "steps": snapshot["steps"],
        "cfg": snapshot["cfg"],
        "sampler": snapshot["sampler"],
        "scheduler": snapshot["scheduler"],
        "filename_prefix": patterns.file_prefix(task.pk, index, prompt_id),
    }
    if snapshot["reference"]:
        values |= {"reference": patterns.reference_name(snapshot["reference"]), "denoise": snapshot["denoise"]}
    filled = workflow(snapshot["mode"]).fill(values)
    return graph.chain_loras(filled, [graph.Lora(name, weight, weight) for name, weight in loras(task)])


def loras(task: GenerationTask) -> list[tuple[str, float]]:
    """(file name, weight) of the styles that have a file, in order."""
    return [(canonical(style["lora"]), style["weight"]) for style in task.snapshot["styles"] if style["lora"]]


def files(task: GenerationTask) -> list[tuple[str, str]]:
    """(folder, canonical name) of every file that the engine needs."""
    names = [canonical(task.snapshot["lightning"]), *(name for name, _weight in loras(task))]
    return [("checkpoints", canonical(task.snapshot["checkpoint"])), *(("loras", name) for name in names)]


def classes(task: GenerationTask) -> frozenset[str]:
    """The node classes that the engine needs."""
    return workflow(task.snapshot["mode"]).classes


def every_class() -> frozenset[str]:
    """The node classes of all graphs that make pictures."""
    return frozenset(node["class_type"] for nodes in _samples() for node in nodes.values())


def lack(infos: Mapping[str, Any]) -> Lack | None:
    """Why an engine with these node classes cannot run our graphs; None if it can, or if it lacks some of the classes.

    Does not check its files.
    """
    for nodes in _samples():
        if all(node["class_type"] in infos for node in nodes.values()):
            try:
                wiring.adapt(nodes, infos, strict=True)
            except GraphInvalid as error:
                return error.lack
    return None


def lack_of(engine: Engine) -> Lack | None:
    """`lack`, from the stored details of the engine's node classes. Cached as long as these stay the same."""
    return _lack_in(json.dumps(engine.node_infos, sort_keys=True))


@lru_cache(maxsize=32)
def _lack_in(infos: str) -> Lack | None:
    return lack(json.loads(infos))


def _samples() -> Iterator[graph.Graph]:
    """A graph of each mode, with a style in it."""
    usual = {"steps": STEPS, "cfg": CFG, "sampler": SAMPLER, "scheduler": SCHEDULER}
    texts = dict.fromkeys(("checkpoint", "lightning", "positive", "negative", "filename_prefix", "reference"), "")
    values = {**texts, **usual, "width": 1024, "height": 1024, "seed": 0, "denoise": DENOISE}
    for mode in WORKFLOWS:
        file = workflow(mode)
        filled = file.fill({name: values[name] for name in file.placeholders})
        yield graph.chain_loras(filled, [graph.Lora("", 1.0, 1.0)])


def warmth(task: GenerationTask) -> str:
    """A key of the files that the engine has in memory after this task: with equal keys nothing has to be loaded."""
    return hashlib.sha256(repr(files(task)).encode()).hexdigest()
