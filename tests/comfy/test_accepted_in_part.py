"""A graph of which the engine accepts and begins a part: that is ended at once, and nobody else's work with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from uuid import uuid4

import aiohttp
import pytest

from stylestudio.comfy.client import ComfyClient
from stylestudio.comfy.errors import GraphInvalid
from stylestudio.comfy.graphs.graph import Graph
from stylestudio.preview_engine import troubles as t
from stylestudio.preview_engine.server import PreviewEngine
from tests.comfy.following import Follower

Make = Callable[..., Graph]


@pytest.fixture
def halved(graph: Make) -> Graph:
    """A graph whose second way to save lacks an input, so that only the first is accepted."""
    return {
        **graph(steps=2000),
        "20": {"class_type": "SaveImage", "inputs": {"images": ["7", 0]}, "_meta": {"title": "Copy"}},
    }


async def refused(client: ComfyClient, graph: Graph, prompt_id: str) -> GraphInvalid:
    with pytest.raises(GraphInvalid) as caught:
        await client.submit(graph, prompt_id, {})
    return caught.value


async def test_what_runs_already_when_the_answer_comes_is_ended_and_the_sentence_names_what_was_refused(
    preview: PreviewEngine, client: ComfyClient, halved: Graph
) -> None:
    runs = preview.troubles.add(t.Hold(after_step=1))
    answer = preview.troubles.add(t.HoldAnswer())
    prompt_id = str(uuid4())
    posting = asyncio.create_task(refused(client, halved, prompt_id))
    await runs.reached()
    answer.release()
    error = await posting
    assert str(error) == (
        "The engine does not accept the workflow (SaveImage (“Copy”), filename_prefix: Required input is missing)."
    )
    assert not error.left_behind
    entry = await client.history(prompt_id)
    assert entry is not None and entry.status == "interrupted"
    queue = await client.queue()
    assert queue.running == queue.pending == ()


async def test_somebody_elses_prompt_goes_on(
    preview: PreviewEngine, client: ComfyClient, halved: Graph, graph: Make, session: aiohttp.ClientSession
) -> None:
    runs = preview.troubles.add(t.Hold(after_step=1))
    other = ComfyClient(session, preview.url, client_id="other")
    theirs = Follower(other.run(graph(), str(uuid4())))
    await runs.reached()
    error = await refused(client, halved, prompt_id := str(uuid4()))
    assert not error.left_behind
    assert prompt_id not in (await client.queue()).pending
    runs.release()
    assert (await theirs.end()).outputs
    await other.close()


async def test_what_was_over_before_it_could_be_ended_is_no_reason_to_interrupt_anybody(
    preview: PreviewEngine, client: ComfyClient, halved: Graph, graph: Make
) -> None:
    answer = preview.troubles.add(t.HoldAnswer())
    short = {**graph(), "20": halved["20"]}
    prompt_id = str(uuid4())
    posting = asyncio.create_task(refused(client, short, prompt_id))
    await answer.reached()
    async with asyncio.timeout(10):
        while await client.history(prompt_id) is None:
            await asyncio.sleep(0.01)
    answer.release()
    assert not (await posting).left_behind
    assert "POST /interrupt" not in preview.requests, "an engine that cannot aim it would end what it runs now"


async def test_a_node_that_hears_no_interrupt_leaves_it_to_be_told_again(
    preview: PreviewEngine, client: ComfyClient, halved: Graph
) -> None:
    runs = preview.troubles.add(t.Hold(after_step=1, deaf=True))
    answer = preview.troubles.add(t.HoldAnswer())
    posting = asyncio.create_task(refused(client, halved, str(uuid4())))
    await runs.reached()
    answer.release()
    assert (await posting).left_behind
    runs.release()


async def test_an_engine_that_cannot_be_told_leaves_it_to_be_told_again(
    preview: PreviewEngine, client: ComfyClient, halved: Graph
) -> None:
    preview.troubles.add(t.Answer(path="/queue", status=502, times=None))
    error = await refused(client, halved, str(uuid4()))
    assert error.left_behind
    assert "filename_prefix" in str(error)
