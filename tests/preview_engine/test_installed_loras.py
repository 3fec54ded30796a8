"""LoRA files that were sent to the preview engine work there like its own: listed, checked, and visible in pictures."""

from __future__ import annotations

import io
import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import aiohttp
import numpy as np
import pytest
from PIL import Image

from stylestudio.comfy.client import ComfyClient
from stylestudio.comfy.errors import MissingFile
from stylestudio.comfy.graphs.workflow import Lora, chain_loras, load
from stylestudio.comfy.protocol.events import Completed
from stylestudio.preview_engine.server import Options, PreviewEngine

INK, MOSS = "stylestudio_ink_v3_0a1b2c3d.safetensors", "stylestudio_moss_v1_4e5f6071.safetensors"
WORKFLOW = load(Path(__file__).parents[2] / "generation" / "recipes" / "shipped" / "sdxl-lightning" / "text.json")


@pytest.fixture
async def client() -> AsyncIterator[ComfyClient]:
    """A client of an engine that sketches."""
    async with PreviewEngine(Options()) as engine, aiohttp.ClientSession() as session:
        client = ComfyClient(session, engine.url, client_id="studio")
        yield client
        await client.close()


async def picture(client: ComfyClient, *styles: tuple[str, float]) -> np.ndarray:
    """The pixels with these styles; all else stays the same."""
    values: dict[str, object] = {
        "checkpoint": "sd_xl_base_1.0.safetensors",
        "lightning": "sdxl_lightning_4step_lora.safetensors",
        "positive": "castle above a sea of fog",
        "negative": "",
        "width": 128,
        "height": 128,
        "seed": 7,
        "steps": 4,
        "cfg": 1.0,
        "sampler": "euler",
        "scheduler": "sgm_uniform",
        "filename_prefix": uuid4().hex,
    }
    graph = chain_loras(
        WORKFLOW.fill(values),
        [Lora(name, strength, strength) for name, strength in styles],
        model=("2", 0),
        clip=("1", 1),
    )
    event = None
    async for event in client.run(graph, str(uuid4())):  # noqa: B007 - the last one is looked at
        pass
    assert isinstance(event, Completed)
    [(ref,)] = event.outputs.values()
    return np.asarray(Image.open(io.BytesIO(await client.fetch(ref))).convert("RGB"), np.float32)


def apart(one: np.ndarray, other: np.ndarray) -> float:
    """Mean difference in grey levels."""
    return float(np.abs(one - other).mean())


async def test_a_lora_can_be_used_as_soon_as_it_was_sent(client: ComfyClient) -> None:
    with pytest.raises(MissingFile):
        await picture(client, (INK, 1.0))
    await client.install_lora(io.BytesIO(b"any bytes"), 9, INK)
    assert apart(await picture(client, (INK, 1.0)), await picture(client)) > 4


async def test_a_style_that_is_called_lightning_shows_too(client: ComfyClient) -> None:
    name = "stylestudio_lightning-over-sea_v1_0a1b2c3d.safetensors"
    await client.install_lora(io.BytesIO(b"any bytes"), 9, name)
    assert apart(await picture(client, (name, 1.0)), await picture(client)) > 4


async def test_strengths_and_mixes_show(client: ComfyClient) -> None:
    for name in (INK, MOSS):
        await client.install_lora(io.BytesIO(b"any bytes"), 9, name)
    plain = await picture(client)
    row = [await picture(client, (INK, strength)) for strength in (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)]
    assert apart(row[0], plain) == 0
    assert all(apart(one, other) > 0.5 for one, other in itertools.pairwise(row)), "each cell of a strip differs"
    both, moss = await picture(client, (INK, 1.0), (MOSS, 1.0)), await picture(client, (MOSS, 1.0))
    assert min(apart(both, row[4]), apart(both, moss), apart(row[4], moss)) > 2
