"""A prompt is ended in one step where the engine has that (ComfyUI since 0.26.0), and in the old way elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from stylestudio.comfy.client import ComfyClient
from stylestudio.comfy.errors import EngineErred, EngineUnreachable, PromptInterrupted, PromptLost
from stylestudio.comfy.graphs.graph import Graph
from stylestudio.comfy.protocol.events import Posted, Progress
from stylestudio.preview_engine import troubles as t
from stylestudio.preview_engine.server import Options, PreviewEngine
from tests.comfy.following import Follower

Make = Callable[..., Graph]
OLD_WAY = ["POST /queue", "POST /interrupt"]


@pytest.fixture(params=["current", "new", "old"])
async def preview(request: pytest.FixtureRequest) -> AsyncIterator[PreviewEngine]:
    """An engine of each generation."""
    async with PreviewEngine(Options(painter="flat", generation=request.param)) as engine:
        yield engine


@pytest.fixture
async def current() -> AsyncIterator[PreviewEngine]:
    """One that ends a prompt in one step."""
    async with PreviewEngine(Options(painter="flat", generation="current")) as engine:
        yield engine


def followed(client: ComfyClient, graph: Graph, prompt_id: str, **options: Any) -> Follower:
    return Follower(client.run(graph, prompt_id, **options))


def asked(preview: PreviewEngine) -> list[str]:
    """What the engine was asked to end, without the looks at its queue and history."""
    ending = (*OLD_WAY, "/cancel")
    return [request.replace("/jobs/", "") for request in preview.requests if request.endswith(ending)]


async def test_what_runs_and_what_waits_is_ended_by_its_id_and_nothing_else(
    preview: PreviewEngine, client: ComfyClient, graph: Make
) -> None:
    preview.troubles.add(t.Hold(after_step=1))
    running, waiting, other = (str(uuid4()) for _ in range(3))
    runs = {running: followed(client, graph(), running)}
    await runs[running].until(Progress)
    for prompt_id in (waiting, other):
        runs[prompt_id] = followed(client, graph(), prompt_id, silence=0.2)
        await runs[prompt_id].until(Posted)
    preview.requests.clear()

    await client.cancel(waiting)
    assert (await client.queue()).pending == (other,)
    await client.cancel(running)
    with pytest.raises(PromptInterrupted):
        await runs[running].end()
    with pytest.raises(PromptLost):
        await runs[waiting].end()
    assert (await runs[other].end()).outputs
    entry = await client.history(running)
    assert entry is not None and entry.status == "interrupted"
    assert await client.history(waiting) is None


async def test_an_engine_that_has_the_one_step_is_asked_for_nothing_else(
    current: PreviewEngine, session: aiohttp.ClientSession
) -> None:
    client = ComfyClient(session, current.url, client_id="x")
    ids = [str(uuid4()), str(uuid4())]
    for prompt_id in ids:
        await client.cancel(prompt_id)
    assert list(current.requests) == [f"POST /jobs/{prompt_id}/cancel" for prompt_id in ids]


@pytest.mark.parametrize("preview", ["new", "old"], indirect=True)
async def test_an_engine_without_it_is_asked_for_it_once_until_it_was_away(
    preview: PreviewEngine, client: ComfyClient
) -> None:
    first, second, third = (str(uuid4()) for _ in range(3))
    await client.cancel(first)
    await client.cancel(second)
    assert asked(preview) == [f"POST {first}/cancel", *OLD_WAY, *OLD_WAY]
    client.forget()
    await client.cancel(third)
    assert asked(preview)[5:] == [f"POST {third}/cancel", *OLD_WAY]


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 500},
        {"status": 403},
        {"status": 404, "body": "<h1>Not found</h1>", "content_type": "text/html"},
        {"status": 200, "body": "<h1>ComfyUI</h1>", "content_type": "text/html"},
        {"status": 200, "body": '{"error": "no"}', "content_type": "application/json"},
    ],
    ids=["error", "forbidden", "page-404", "page-200", "another-answer"],
)
async def test_whatever_else_the_route_answers_the_prompt_is_ended(
    current: PreviewEngine, session: aiohttp.ClientSession, graph: Make, answer: dict[str, Any]
) -> None:
    client = ComfyClient(session, current.url, client_id="x")
    current.troubles.add(t.Hold(after_step=2))
    run = followed(client, graph(steps=10_000), prompt_id := str(uuid4()))
    await run.until(Progress)
    current.troubles.add(t.Answer(f"/jobs/{prompt_id}/cancel", "POST", **answer))
    await client.cancel(prompt_id)
    with pytest.raises(PromptInterrupted):
        await run.end()
    await client.close()


async def test_an_error_of_the_route_is_not_remembered(current: PreviewEngine, session: aiohttp.ClientSession) -> None:
    client = ComfyClient(session, current.url, client_id="x")
    first, second = str(uuid4()), str(uuid4())
    current.troubles.add(t.Answer(f"/jobs/{first}/cancel", "POST", status=500))
    await client.cancel(first)
    await client.cancel(second)
    assert asked(current) == [f"POST {first}/cancel", *OLD_WAY, f"POST {second}/cancel"]


async def test_an_engine_that_is_away_is_said_to_be_away(
    current: PreviewEngine, session: aiohttp.ClientSession
) -> None:
    client = ComfyClient(session, current.url, client_id="x")
    current.troubles.add(t.Answer(status=502, body="<h1>Bad gateway</h1>", content_type="text/html", times=None))
    with pytest.raises(EngineUnreachable):
        await client.cancel(str(uuid4()))


async def test_an_end_that_came_before_the_first_node_is_repeated_in_one_step_too(
    current: PreviewEngine, session: aiohttp.ClientSession, graph: Make
) -> None:
    client = ComfyClient(session, current.url, client_id="x")
    hold = current.troubles.add(t.Hold(before="start", deaf=True))
    run = followed(client, graph(steps=10_000), prompt_id := str(uuid4()))
    await hold.reached()
    cancelling = asyncio.create_task(client.cancel(prompt_id))
    while current.requests[-1] != "GET /queue":
        await asyncio.sleep(0.005)
    hold.release()
    await cancelling
    with pytest.raises(PromptInterrupted):
        await run.end()
    assert asked(current)[:2] == [f"POST {prompt_id}/cancel"] * 2 and not set(OLD_WAY) & set(asked(current))
    await client.close()


async def test_a_graph_whose_answer_got_lost_and_that_came_late_does_not_run(
    current: PreviewEngine, session: aiohttp.ClientSession
) -> None:
    client = ComfyClient(session, current.url, client_id="x")
    current.troubles.add(t.Answer("/prompt", "POST", status=500))
    run = followed(client, {}, prompt_id := str(uuid4()))
    with pytest.raises(EngineErred):
        await run.end()
    assert f"POST {prompt_id}/cancel" in asked(current)
    await client.close()
