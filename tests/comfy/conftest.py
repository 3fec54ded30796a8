from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from stylestudio.comfy.client import ComfyClient
from stylestudio.comfy.graphs.graph import Graph
from stylestudio.comfy.graphs.workflow import load
from stylestudio.preview_engine.server import Options, PreviewEngine

Recordings = Callable[[str], dict[str, Any]]


@pytest.fixture(scope="session")
def recorded() -> Recordings:
    """A recording of a real ComfyUI, cut down to what the tests look at."""
    folder = Path(__file__).parent / "recordings"

    def read(name: str) -> dict[str, Any]:
        recording: dict[str, Any] = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        return recording

    return read


@pytest.fixture
async def preview() -> AsyncIterator[PreviewEngine]:
    # One that tells every step: what is tested here is what the client makes of frames.
    async with PreviewEngine(Options(painter="flat", generation="new")) as engine:
        yield engine


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def client(preview: PreviewEngine, session: aiohttp.ClientSession) -> AsyncIterator[ComfyClient]:
    client = ComfyClient(session, preview.url, client_id="studio", request_timeout=5)
    yield client
    await client.close()


@pytest.fixture
def graph() -> Callable[..., Graph]:
    """Our text to image workflow, small, with a seed and a file name of its own."""
    workflow = load(Path(__file__).parents[2] / "generation" / "recipes" / "shipped" / "sdxl-lightning" / "text.json")

    def fill(**changes: object) -> Graph:
        values: dict[str, object] = {
            "checkpoint": "sd_xl_base_1.0.safetensors",
            "lightning": "sdxl_lightning_4step_lora.safetensors",
            "positive": "a red cube",
            "negative": "",
            "width": 64,
            "height": 64,
            "seed": uuid4().int % 2**32,
            "steps": 4,
            "cfg": 1.0,
            "sampler": "euler",
            "scheduler": "sgm_uniform",
            "filename_prefix": uuid4().hex,
        }
        return workflow.fill({**values, **changes})

    return fill
