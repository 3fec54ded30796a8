"""What ComfyUI does, as tests: against the preview engine, or with --comfyui-url against a live server.

A live server keeps its queue, cache and files between tests, so no test may depend on a clean one. What a test posted
ends with it, also when the test fails. Tests that say what changed between versions ask `engine.since`; they are marked
`every_generation` and run against each generation of the preview engine, the others only against the default one.
"""

from __future__ import annotations

import asyncio
import io
import json
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from PIL import Image

from stylestudio.comfy.client import ComfyClient
from stylestudio.comfy.graphs.graph import Graph
from stylestudio.comfy.graphs.workflow import load
from stylestudio.comfy.protocol.events import Completed, ImageRef, Progress
from tests.comfy.following import Follower

# The version that each generation of the preview engine speaks like.
GENERATIONS = {"current": (0, 33, 0), "new": (0, 8, 0), "old": (0, 3, 64)}
WORKFLOWS = Path(__file__).parents[2] / "generation" / "recipes" / "shipped" / "sdxl-lightning"


@dataclass
class Engine:
    """The engine under test: the client, a bare session for what the client would never send, and graphs for it."""

    url: str
    live: bool
    version: tuple[int, ...]
    client: ComfyClient
    session: aiohttp.ClientSession
    checkpoint: str
    lightning: str
    followers: list[Follower] = field(default_factory=list)
    posted: set[str] = field(default_factory=set)
    infos: dict[str, Any] = field(default_factory=dict)  # what it says of its training nodes, for their tests

    @property
    def patience(self) -> float:
        """Seconds until a test gives up on the engine. A real one may have to load its models first, on a slow disk."""
        return 600.0 if self.live else 20.0

    def since(self, *version: int) -> bool:
        """Whether this ComfyUI is of that version or later."""
        return self.version >= version

    def txt2img(self, **changes: object) -> Graph:
        return load(WORKFLOWS / "text.json").fill({**self._values(), **changes})

    def img2img(self, reference: str, **changes: object) -> Graph:
        values = {**self._values(), "reference": reference, "denoise": 0.6, **changes}
        return load(WORKFLOWS / "image.json").fill(values)

    def endless(self) -> Graph:
        """Samples for long unless it is stopped. Of fewer steps a live server tells more."""
        return self.txt2img(steps=600 if self.live else 2000)

    def follow(self, graph: Graph, prompt_id: str | None = None, **options: Any) -> Follower:
        run = self.client.run(graph, prompt_id or str(uuid4()), **options)
        self.followers.append(Follower(run, limit=self.patience))
        return self.followers[-1]

    def told_all(self, run: Follower, total: int, node: str | None = None) -> None:
        """Asserts that the run told its steps, from the first to the last: all of them, or those that come slowly."""
        steps = [step for step in run.of(Progress) if node is None or step.node == node]
        values = [step.value for step in steps]
        assert {step.max for step in steps} == {total}
        if self.since(0, 9, 2):
            assert values == sorted(set(values))
            assert (values[0], values[-1]) == (1, total)
        else:
            assert values == list(range(1, total + 1))

    async def make(self, graph: Graph) -> Completed:
        return await self.follow(graph).end()

    async def picture(self, completed: Completed) -> Image.Image:
        (ref,) = only(completed)
        return Image.open(io.BytesIO(await self.client.fetch(ref)))

    async def post(self, payload: object) -> tuple[int, Any]:
        async with self.session.post(f"{self.url}/prompt", json=payload) as answer:
            told: Any = await answer.json() if answer.content_type == "application/json" else await answer.text()
        if answer.status == 200:
            self.posted.add(told["prompt_id"])
        return answer.status, told

    async def entry(self, prompt_id: str) -> dict[str, Any]:
        """The history entry, which comes a moment after the last word of the run."""
        async with asyncio.timeout(self.patience):
            while not (entries := json.loads((await self.get(f"/history/{prompt_id}"))[1])):
                await asyncio.sleep(0.02)
        return dict(entries[prompt_id])

    async def leave_nothing(self) -> None:
        """Ends whatever this test has running or waiting on the engine, by id, and waits until it is gone."""
        for follower in self.followers:
            await follower.leave()
        async with asyncio.timeout(self.patience):
            while own := await self._own():
                await self._send("/queue", {"delete": own})
                for prompt_id in own:
                    await self._send("/interrupt", {"prompt_id": prompt_id})
                await asyncio.sleep(0.05)

    async def _own(self) -> list[str]:
        """The prompts of this test that run or wait, however they were posted."""
        queue = json.loads((await self.get("/queue"))[1])
        return [
            prompt_id
            for _number, prompt_id, _graph, extra_data, _outputs in queue["queue_running"] + queue["queue_pending"]
            if prompt_id in self.posted or extra_data.get("client_id") == self.client.client_id
        ]

    async def _send(self, path: str, payload: object) -> None:
        async with self.session.post(f"{self.url}{path}", json=payload) as answer:
            assert answer.status == 200

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
def previews() -> Iterator[dict[str, str]]:
    """The address of a preview engine of each generation, started when it is first asked for."""
    with ExitStack() as stack:
        yield _Previews(stack)


class _Previews(dict[str, str]):
    """Addresses by generation."""

    def __init__(self, stack: ExitStack) -> None:
        super().__init__()
        self._stack = stack

    def __missing__(self, generation: str) -> str:
        from stylestudio.preview_engine.server import Options, PreviewThread

        options = Options(painter="flat", step_seconds=0.01, generation=generation)  # type: ignore[arg-type]  # one of GENERATIONS
        self[generation] = self._stack.enter_context(PreviewThread(options)).url
        return self[generation]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Which generations of the preview engine a test runs against; a live server has but one."""
    if "generation" not in metafunc.fixturenames:
        return
    marked = metafunc.definition.get_closest_marker("every_generation")
    generations: Sequence[str] = marked.args or tuple(GENERATIONS) if marked else ("current",)
    if metafunc.config.getoption("--comfyui-url"):
        generations = ("live",)
    metafunc.parametrize("generation", generations)


@pytest.fixture
async def engine(generation: str, previews: dict[str, str], live_url: str) -> AsyncIterator[Engine]:
    url = live_url or previews[generation]
    async with aiohttp.ClientSession() as session:
        client = ComfyClient(session, url, client_id=uuid4().hex)
        checkpoints, loras = await client.models("checkpoints"), await client.models("loras")
        lightning = [name for name in loras if "lightning" in name.lower()]
        assert checkpoints, "the engine has no checkpoint"
        assert lightning, "the engine has no LoRA with Lightning in its name"
        engine = Engine(
            url,
            bool(live_url),
            GENERATIONS.get(generation) or _numbers((await client.system_stats()).version),
            client,
            session,
            _preferred(checkpoints, "sd_xl_base_1.0.safetensors"),
            _preferred(lightning, "sdxl_lightning_4step_lora.safetensors"),
        )
        try:
            yield engine
        finally:
            await engine.leave_nothing()
            await client.close()


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def _preferred(names: list[str] | tuple[str, ...], wanted: str) -> str:
    return wanted if wanted in names else names[0]
