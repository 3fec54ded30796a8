"""Styles on an engine: LoRAs are put on it, chained after Lightning, and do what they are there for."""

from __future__ import annotations

import io
import itertools
import json
import math
from uuid import uuid4

import numpy as np
import pytest

from stylestudio.comfy.errors import NotInstalled
from stylestudio.comfy.graphs.graph import Graph
from stylestudio.comfy.graphs.workflow import Lora, chain_loras
from tests.styles.lora.files import Shapes, framed, lora

from .conftest import Engine

# Of the two text encoders, which are the same in every SDXL checkpoint, whatever its U-Net is like.
LAYERS: Shapes = {
    name: shape
    for encoder, wide in (("te1", 768), ("te2", 1280))
    for layer in range(4)
    for part in ("q", "v")
    for name, shape in lora(
        f"lora_{encoder}_text_model_encoder_layers_{layer}_self_attn_{part}_proj", wide, wide
    ).items()
}


def noise(seed: int) -> bytes:
    """A LoRA that changes a lot, at random."""
    random, data, header = np.random.default_rng(seed), b"", dict[str, object]()
    for name, shape in LAYERS.items():
        values = random.normal(0.0, 0.3, shape) if shape else np.array(4.0)
        content = values.astype("<f2").tobytes()
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    return framed(text + b" " * (-len(text) % 8), data)


async def installed(engine: Engine, data: bytes) -> str:
    """Its name on the engine."""
    name = f"stylestudio_contract_v1_{uuid4().hex[:8]}.safetensors"
    await engine.client.install_lora(io.BytesIO(data), len(data), name)
    return name


async def pixels(engine: Engine, graph: Graph) -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    """The picture of a graph."""
    picture = await engine.picture(await engine.make(graph))
    return np.asarray(picture.convert("RGB")).astype(np.int16)


def mixed(engine: Engine, *styles: tuple[str, float]) -> Graph:
    """A graph with these styles; always the same prompt and seed."""
    return chain_loras(
        engine.txt2img(seed=7), [Lora(name, weight, weight) for name, weight in styles], model=("2", 0), clip=("1", 1)
    )


def chain(graph: Graph) -> list[tuple[str, float]]:
    """The LoRAs from the checkpoint to the sampler, with their strengths."""
    [sampler] = [node for node in graph.values() if node["class_type"] == "KSampler"]
    found, node = [], graph[sampler["inputs"]["model"][0]]
    while "lora_name" in node["inputs"]:
        found.append((node["inputs"]["lora_name"], node["inputs"]["strength_model"]))
        node = graph[node["inputs"]["model"][0]]
    return found[::-1]


async def test_two_styles_come_after_lightning_in_order_and_their_picture_differs_from_either_alone(
    engine: Engine,
) -> None:
    ink, glow = [await installed(engine, noise(seed)) for seed in (1, 2)]
    graphs = {
        "neither": mixed(engine),
        "ink": mixed(engine, (ink, 0.9)),
        "glow": mixed(engine, (glow, 0.7)),
        "both": mixed(engine, (ink, 0.9), (glow, 0.7)),
        "less glow": mixed(engine, (ink, 0.9), (glow, 0.2)),
    }
    assert chain(graphs["both"]) == [(engine.lightning, 1.0), (ink, 0.9), (glow, 0.7)]
    assert {ink, glow} <= set(await engine.client.models("loras"))
    drawn = {name: await pixels(engine, graph) for name, graph in graphs.items()}
    for one, other in itertools.combinations(drawn, 2):
        difference = float(np.abs(drawn[one] - drawn[other]).mean())
        print(f"{one} / {other}: {difference:.3f} of 255")
        assert difference > 0.1, (one, other)
    again = mixed(engine, (ink, 0.9), (glow, 0.7))
    assert math.isclose(float(np.abs(await pixels(engine, again) - drawn["both"]).max()), 0.0, abs_tol=1.0)


async def test_a_part_of_a_lora_is_listed_known_by_its_size_and_replaced(engine: Engine) -> None:
    whole = noise(3)
    name = await installed(engine, whole[: len(whole) // 2])
    assert await engine.client.has_lora(name), "it looks like any other"
    assert await engine.client.lora_size(name) == len(whole) // 2
    with pytest.raises(NotInstalled, match="already has another file"):
        await engine.client.install_lora(io.BytesIO(whole), len(whole), name)
    await engine.client.install_lora(io.BytesIO(whole), len(whole), name, overwrite=True)
    assert await engine.client.lora_size(name) == len(whole)
    assert (await pixels(engine, mixed(engine, (name, 1.0)))).any()


async def test_what_was_not_installed_has_no_size(engine: Engine) -> None:
    assert await engine.client.lora_size(engine.lightning) is None
    assert await engine.client.lora_size("nowhere.safetensors") is None
