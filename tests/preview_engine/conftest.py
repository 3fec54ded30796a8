"""A person at the preview engine's own interfaces: real HTTP, a real socket."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from stylestudio.preview_engine.server import Options, PreviewEngine

Graphs = Callable[..., dict[str, Any]]

CHECKPOINT = "sd_xl_base_1.0.safetensors"
LIGHTNING = "sdxl_lightning_4step_lora.safetensors"
STYLE = "style_test.safetensors"


def picture_graph(**changes: Any) -> dict[str, Any]:
    """Text to image at 64 x 64. `changes` go to the sampler, or to the node they name: text=…, width=…, prefix=…."""
    graph: dict[str, Any] = {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": CHECKPOINT}},
        "2": _lora(["1", 0], ["1", 1], LIGHTNING, 1.0),
        "3": _lora(["2", 0], ["2", 1], STYLE, 0.8),
        "4": {"class_type": "CLIPTextEncode", "inputs": {"text": changes.pop("text", "a cat"), "clip": ["3", 1]}},
        "5": {"class_type": "CLIPTextEncode", "inputs": {"text": changes.pop("negative", "blurry"), "clip": ["3", 1]}},
        "6": {
            "class_type": "EmptyLatentImage",
            "inputs": {
                "width": changes.pop("width", 64),
                "height": changes.pop("height", 64),
                "batch_size": changes.pop("batch_size", 1),
            },
        },
        "8": {"class_type": "VAEDecode", "inputs": {"samples": ["7", 0], "vae": ["1", 2]}},
        "9": {"class_type": "SaveImage", "inputs": {"images": ["8", 0], "filename_prefix": changes.pop("prefix", "p")}},
    }
    sampler = {
        "model": ["3", 0],
        "positive": ["4", 0],
        "negative": ["5", 0],
        "latent_image": ["6", 0],
        "seed": 1,
        "steps": 4,
        "cfg": 1.0,
        "sampler_name": "euler",
        "scheduler": "sgm_uniform",
        "denoise": 1.0,
    }
    graph["7"] = {"class_type": "KSampler", "inputs": {**sampler, **changes}}
    return graph


def plain_graph(color: int = 255, prefix: str = "e", **changes: Any) -> dict[str, Any]:
    size = {"width": 64, "height": 64, "batch_size": 1, "color": color, **changes}
    return {
        "1": {"class_type": "EmptyImage", "inputs": size},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": prefix}},
    }


def _lora(model: list[Any], clip: list[Any], name: str, strength: float) -> dict[str, Any]:
    inputs = {"model": model, "clip": clip, "lora_name": name, "strength_model": strength, "strength_clip": strength}
    return {"class_type": "LoraLoader", "inputs": inputs}


@dataclass
class Heard:
    """One socket and what came over it: (type, data) for text, ("preview", {…, "image": bytes}) for previews."""

    ws: aiohttp.ClientWebSocketResponse
    frames: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    async def next(self) -> tuple[str, dict[str, Any]]:
        message = await asyncio.wait_for(self.ws.receive(), 10)
        if message.type is aiohttp.WSMsgType.TEXT:
            told = json.loads(message.data)
            frame = (told["type"], told["data"])
        elif message.type is aiohttp.WSMsgType.BINARY:
            frame = ("preview", _preview(message.data))
        else:
            frame = ("closed", {"code": self.ws.close_code})
        self.frames.append(frame)
        return frame

    async def until(self, event: str, **facts: Any) -> list[tuple[str, dict[str, Any]]]:
        """The frames up to the first of this type with these facts, that one included."""
        start = len(self.frames)
        while True:
            name, data = await self.next()
            if name == event and all(data.get(key) == value for key, value in facts.items()):
                return self.frames[start:]
            if name == "closed":
                raise AssertionError(f"The socket closed before {event}: {[name for name, _ in self.frames]}")

    async def until_idle(self) -> list[tuple[str, dict[str, Any]]]:
        return await self.until("executing", node=None)


def _preview(data: bytes) -> dict[str, Any]:
    event, second = struct.unpack(">II", data[:8])
    if event == 1:
        return {"event": 1, "image_type": second, "image": data[8:]}
    return {"event": event, **json.loads(data[8 : 8 + second]), "image": data[8 + second :]}


@dataclass
class Player:
    """Talks to one engine."""

    session: aiohttp.ClientSession
    url: str
    engine: PreviewEngine

    async def request(self, method: str, path: str, **options: Any) -> tuple[int, bytes]:
        async with self.session.request(method, self.url + path, **options) as response:
            return response.status, await response.read()

    async def json(self, path: str) -> Any:
        status, body = await self.request("GET", path)
        assert status == 200, body
        return json.loads(body)

    async def post(self, path: str, told: Any) -> tuple[int, Any]:
        status, body = await self.request("POST", path, json=told)
        return status, json.loads(body) if body.startswith((b"{", b"[")) else body.decode()

    async def queue(self, graph: Any, client_id: str | None = "me", **more: Any) -> tuple[int, Any]:
        named = {} if client_id is None else {"client_id": client_id}
        return await self.post("/prompt", {"prompt": graph, **named, **more})

    async def listen(self, client_id: str = "me", *, handshake: bool = False) -> Heard:
        heard = Heard(await self.session.ws_connect(f"{self.url}/ws?clientId={client_id}"))
        if handshake:
            await heard.ws.send_json({"type": "feature_flags", "data": {"supports_preview_metadata": True}})
            await heard.until("feature_flags")
        return heard

    async def run(self, graph: Any, client_id: str | None = "me", **more: Any) -> dict[str, Any]:
        """Queues a graph, waits for its end and gives its history entry."""
        heard = await self.listen("watcher")
        status, answer = await self.queue(graph, client_id, **more)
        assert status == 200, answer
        prompt_id = answer["prompt_id"]
        while not (history := await self.json(f"/history/{prompt_id}")):
            await heard.until("status")
        await heard.ws.close()
        entry: dict[str, Any] = history[prompt_id]
        return entry

    async def view(self, image: dict[str, str]) -> bytes:
        async with self.session.get(f"{self.url}/view", params=image) as response:
            assert response.status == 200
            return await response.read()


@pytest.fixture
def options() -> Options:
    # Every step is told, and an id may be any word, so that a story is easier to read. test_current.py is for the rest.
    return Options(painter="flat", loras=(LIGHTNING, STYLE), scriptable=True, generation="new")


@pytest.fixture
async def player(options: Options) -> AsyncIterator[Player]:
    async with PreviewEngine(options) as engine, aiohttp.ClientSession() as session:
        yield Player(session, engine.url, engine)


@pytest.fixture(name="picture_graph")
def picture_graph_fixture() -> Graphs:
    return picture_graph


@pytest.fixture(name="plain_graph")
def plain_graph_fixture() -> Graphs:
    return plain_graph
