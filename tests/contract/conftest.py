"""What ComfyUI does, as tests: against the preview engine, or with --comfyui-url against a live server.

A live server keeps its queue, cache and files between tests, so no test may depend on a clean one.
"""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from PIL import Image

from stylestudio.comfy.client import ComfyClient
from stylestudio.comfy.events import Completed, ImageRef
from stylestudio.comfy.graph import Graph, load
from tests.comfy.following import Follower

WORKFLOWS = Path(__file__).parents[2] / "generation" / "workflows"


@dataclass
class Engine:
    """The engine under test: the client, a bare session for what the client would never send, and graphs for it."""

    url: str
    live: bool
    client: ComfyClient
    session: aiohttp.ClientSession
    checkpoint: str
    lightning: str

    def txt2img(self, **changes: object) -> Graph:
        return load(WORKFLOWS / "txt2img_sdxl_lightning.json").fill({**self._values(), **changes})

    def img2img(self, reference: str, **changes: object) -> Graph:
        values = {**self._values(), "reference": reference, "denoise": 0.6, **changes}
        return load(WORKFLOWS / "img2img_sdxl_lightning.json").fill(values)

    def endless(self) -> Graph:
        """Samples for minutes unless it is stopped."""
        return self.txt2img(steps=2000)

    def follow(self, graph: Graph, prompt_id: str | None = None, **options: Any) -> Follower:
        run = self.client.run(graph, prompt_id or str(uuid4()), **options)
        return Follower(run, limit=240 if self.live else 20)

    async def make(self, graph: Graph) -> Completed:
        return await self.follow(graph).end()

    async def picture(self, completed: Completed) -> Image.Image:
        (ref,) = only(completed)
        return Image.open(io.BytesIO(await self.client.fetch(ref)))

    async def post(self, payload: object) -> tuple[int, Any]:
        async with self.session.post(f"{self.url}/prompt", json=payload) as answer:
            return answer.status, await answer.json()

    async def get(self, path: str, **params: str) -> tuple[int, bytes]:
        async with self.session.get(f"{self.url}{path}", params=params) as answer:
            return answer.status, await answer.read()

    def _values(self) -> dict[str, object]:
        return {
            "checkpoint": self.checkpoint,
            "lightning": self.lightning,
            "positive": "a red cube",
            "negative": "blurry",
            "width": 64,
            "height": 64,
            "seed": uuid4().int % 2**48,
            "steps": 4,
            "cfg": 1.0,
            "sampler": "euler",
            "scheduler": "sgm_uniform",
            "filename_prefix": f"contract/{uuid4().hex}",
        }


def only(completed: Completed) -> tuple[ImageRef, ...]:
    """The pictures of the only output node."""
    (images,) = completed.outputs.values()
    return images


@pytest.fixture(scope="session")
def live_url(request: pytest.FixtureRequest) -> str:
    return str(request.config.getoption("--comfyui-url")).rstrip("/")


@pytest.fixture(scope="session")
def engine_url(live_url: str) -> Iterator[str]:
    if live_url:
        yield live_url
        return
    from stylestudio.comfy.preview.server import Options, PreviewThread

    with PreviewThread(Options(painter="flat", step_seconds=0.01)) as preview:
        yield preview.url


@pytest.fixture
async def engine(engine_url: str, live_url: str) -> AsyncIterator[Engine]:
    async with aiohttp.ClientSession() as session:
        client = ComfyClient(session, engine_url, client_id=uuid4().hex)
        checkpoints, loras = await client.models("checkpoints"), await client.models("loras")
        lightning = [name for name in loras if "lightning" in name.lower()]
        assert checkpoints, "the engine has no checkpoint"
        assert lightning, "the engine has no LoRA with Lightning in its name"
        yield Engine(
            engine_url,
            bool(live_url),
            client,
            session,
            _preferred(checkpoints, "sd_xl_base_1.0.safetensors"),
            _preferred(lightning, "sdxl_lightning_4step_lora.safetensors"),
        )
        await client.close()


def _preferred(names: list[str] | tuple[str, ...], wanted: str) -> str:
    return wanted if wanted in names else names[0]
