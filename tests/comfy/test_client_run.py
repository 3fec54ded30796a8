"""Following a prompt: the short way when all is well, and the truth when it is not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from stylestudio.comfy.client import ComfyClient
from stylestudio.comfy.connection import event_socket
from stylestudio.comfy.errors import (
    BadResponse,
    EngineUnreachable,
    ExecutionFailed,
    GraphInvalid,
    OutOfMemory,
    PromptInterrupted,
    PromptLost,
    PromptStalled,
)
from stylestudio.comfy.graphs.graph import Graph
from stylestudio.comfy.protocol.events import Completed, Executed, Posted, Progress, Started, Waiting
from stylestudio.preview_engine import troubles as t
from stylestudio.preview_engine.server import PreviewEngine

from .following import Follower

Make = Callable[..., Graph]


def _follow(client: ComfyClient, graph: Graph, prompt_id: str = "", **options: Any) -> Follower:
    return Follower(client.run(graph, prompt_id or str(uuid4()), **options))


@pytest.fixture
def quick_reconnect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_socket, "PAUSE_AFTER_CLOSE", 0.01)


async def test_a_healthy_run_asks_nothing_between_the_post_and_the_picture(
    preview: PreviewEngine, client: ComfyClient, graph: Make
) -> None:
    for _ in range(2):
        completed = await _follow(client, graph()).end()
        ((ref,),) = completed.outputs.values()
        assert (await client.fetch(ref)).startswith(b"\x89PNG")
    assert list(preview.requests) == ["GET /ws", "POST /prompt", "GET /view", "POST /prompt", "GET /view"]


async def test_many_prompts_share_one_socket_and_each_hears_only_its_own(
    preview: PreviewEngine, client: ComfyClient, graph: Make
) -> None:
    ids = [str(uuid4()) for _ in range(5)]
    runs = [_follow(client, graph(), prompt_id) for prompt_id in ids]
    results = [await run.end() for run in runs]
    assert preview.requests.count("GET /ws") == 1
    assert len({str(result.outputs) for result in results}) == 5
    for prompt_id, run in zip(ids, runs, strict=True):
        assert {event.prompt_id for event in run.seen} <= {prompt_id, None}
        assert [step.value for step in run.of(Progress)] == [1, 2, 3, 4]


async def test_a_socket_that_breaks_in_the_middle_costs_nothing_but_frames(
    preview: PreviewEngine, client: ComfyClient, graph: Make
) -> None:
    preview.troubles.add(t.DropSockets(after="progress"))
    run = _follow(client, graph())
    completed = await run.end()
    assert len(run.of(Completed)) == len(run.of(Started)) == 1
    ((ref,),) = completed.outputs.values()
    assert await client.fetch(ref)
    assert preview.requests.count("POST /prompt") == 1


async def test_after_a_break_the_rest_of_the_steps_is_heard_again(
    preview: PreviewEngine, client: ComfyClient, graph: Make, quick_reconnect: None
) -> None:
    hold = preview.troubles.add(t.Hold(after_step=2))
    run = _follow(client, graph())
    await run.until(Progress, lambda step: step.value == 2)
    preview.troubles.add(t.DropSockets())
    while preview.requests.count("GET /ws") < 2:
        await asyncio.sleep(0.005)
    while "GET /queue" not in preview.requests:
        await asyncio.sleep(0.005)
    hold.release()
    assert (await run.end()).outputs
    assert [step.value for step in run.of(Progress)] == [1, 2, 3, 4]


async def test_a_reconnect_waits_until_the_engine_has_noticed_the_end(
    preview: PreviewEngine, client: ComfyClient, graph: Make
) -> None:
    await _follow(client, graph()).end()
    loop = asyncio.get_running_loop()
    before = loop.time()
    await client.close()
    await _follow(client, graph()).end()
    assert loop.time() - before >= event_socket.PAUSE_AFTER_CLOSE


async def test_a_socket_that_hears_nothing_any_more_is_replaced(
    preview: PreviewEngine, client: ComfyClient, graph: Make, quick_reconnect: None
) -> None:
    hold = preview.troubles.add(t.Hold(after_step=1))
    run = _follow(client, graph(), silence=0.1)
    await run.until(Progress)
    preview.troubles.add(t.SilentSockets())
    while preview.requests.count("GET /ws") < 2:
        await asyncio.sleep(0.005)
    while preview.requests[-1] != "GET /queue":
        await asyncio.sleep(0.005)
    hold.release()
    assert (await run.end()).outputs
    assert run.of(Progress)[-1].value == 4


async def test_a_run_ends_without_a_socket_when_none_can_be_had(
    preview: PreviewEngine, client: ComfyClient, graph: Make, quick_reconnect: None
) -> None:
    hold = preview.troubles.add(t.Hold(after_step=1))
    run = _follow(client, graph())
    await run.until(Progress)
    preview.troubles.add(t.Answer(path="/ws", status=502, times=None))
    preview.troubles.add(t.DropSockets())
    while "GET /queue" not in preview.requests:
        await asyncio.sleep(0.005)
    hold.release()
    assert (await run.end()).outputs


@pytest.mark.parametrize("kind", ["execution_success", "executed", "executing"])
async def test_lost_frames_of_one_kind_do_not_lose_the_result(
    preview: PreviewEngine, client: ComfyClient, graph: Make, kind: str
) -> None:
    preview.troubles.add(t.LoseFrames(event=kind))
    assert (await _follow(client, graph(), silence=0.1).end()).outputs


async def test_history_that_comes_late_is_waited_for(preview: PreviewEngine, client: ComfyClient, graph: Make) -> None:
    preview.troubles.add(t.LoseFrames(event="executed"))
    preview.troubles.add(t.LateHistory(times=3))
    assert (await _follow(client, graph()).end()).outputs


async def test_duplicate_reordered_and_foreign_frames_change_nothing(
    preview: PreviewEngine, client: ComfyClient, graph: Make
) -> None:
    for trouble in (t.DuplicateFrames(), t.ReorderFrames(), t.ForeignFrames()):
        added = preview.troubles.add(trouble)
        run = _follow(client, graph(), silence=0.2)
        completed = await run.end()
        assert len(completed.outputs) == 1
        assert len(run.of(Started)) == len(run.of(Completed)) == 1
        assert {step.prompt_id for step in run.of(Progress)} == {completed.prompt_id}
        added.release()


async def test_frames_that_all_carry_a_wrong_id_leave_the_truth_to_history(
    preview: PreviewEngine, client: ComfyClient, graph: Make
) -> None:
    preview.troubles.add(t.WrongIds())
    run = _follow(client, graph(), silence=0.1)
    assert (await run.end()).outputs
    assert run.of(Executed) == []


async def test_a_post_whose_answer_is_lost_goes_on_when_the_engine_has_it(
    preview: PreviewEngine, client: ComfyClient, graph: Make
) -> None:
    preview.troubles.add(t.LoseAnswer())
    run = _follow(client, graph())
    assert (await run.end()).outputs
    assert run.of(Posted)[0].number is None
    assert preview.requests.count("POST /prompt") == 1


async def test_a_post_whose_answer_never_comes_goes_on_when_the_engine_has_it(
    preview: PreviewEngine, client: ComfyClient, graph: Make
) -> None:
    hold = preview.troubles.add(t.HoldAnswer())
    client.transport.timeout = 0.3
    run = _follow(client, graph())
    assert (await run.end()).outputs
    hold.release()
    assert preview.requests.count("POST /prompt") == 1


async def test_a_post_that_never_arrived_is_lost_and_not_repeated(
    preview: PreviewEngine, client: ComfyClient, graph: Make
) -> None:
    preview.troubles.add(t.LoseAnswer(handled=False))
    with pytest.raises(PromptLost):
        await _follow(client, graph()).end()
    assert preview.requests.count("POST /prompt") == 1


async def test_a_500_to_the_post_is_an_error_when_nothing_was_queued(
    preview: PreviewEngine, client: ComfyClient, graph: Make
) -> None:
    preview.troubles.add(t.Answer(path="/prompt", method="POST"))
    with pytest.raises(BadResponse) as caught:
        await _follow(client, graph()).end()
    assert "500" in str(caught.value)
    assert "itself in trouble" in caught.value.detail


async def test_a_page_of_a_proxy_in_place_of_the_answer_is_no_comfyui(
    preview: PreviewEngine, client: ComfyClient, graph: Make
) -> None:
    preview.troubles.add(
        t.Answer(path="/prompt", method="POST", status=403, body="<html>Sign in</html>", content_type="text/html")
    )
    with pytest.raises(BadResponse, match="is not ComfyUI"):
        await _follow(client, graph()).end()
    assert preview.requests[-1] == "POST /prompt"


async def test_an_engine_that_restarts_has_lost_the_prompt(
    preview: PreviewEngine, client: ComfyClient, graph: Make
) -> None:
    hold = preview.troubles.add(t.Hold(after_step=1))
    run = _follow(client, graph())
    await run.until(Progress)
    preview.troubles.add(t.Restart())
    with pytest.raises(PromptLost):
        await run.end()
    hold.release()
    assert (await _follow(client, graph()).end()).outputs


async def test_an_engine_that_goes_away_is_waited_for_as_long_as_patience_says(
    client: ComfyClient, graph: Make, preview: PreviewEngine
) -> None:
    preview.troubles.add(t.Hold(after_step=1))
    run = _follow(client, graph(), patience=0.6)
    await run.until(Progress)
    await preview.stop()
    with pytest.raises(EngineUnreachable):
        await run.end()


async def test_an_engine_that_is_not_there_is_told_at_once(session: aiohttp.ClientSession, graph: Make) -> None:
    client = ComfyClient(session, "http://127.0.0.1:9", client_id="studio")
    with pytest.raises(EngineUnreachable, match=r"Nothing answers at http://127\.0\.0\.1:9"):
        await _follow(client, graph()).end()


async def test_a_failing_node_is_named_with_the_engines_reason(
    preview: PreviewEngine, client: ComfyClient, graph: Make
) -> None:
    preview.troubles.add(t.FailNode("VAEDecode", "ValueError", "cannot read '/srv/comfy/models/vae/x.pt'\nmore"))
    with pytest.raises(ExecutionFailed) as caught:
        await _follow(client, graph()).end()
    assert str(caught.value) == "The engine failed in VAEDecode: cannot read 'x.pt'"
    assert (caught.value.node_id, caught.value.exception_type) == ("7", "ValueError")
    assert "/srv/comfy/models/vae/x.pt" in caught.value.detail


@pytest.mark.parametrize(
    ("exception_type", "message"),
    [
        ("torch.OutOfMemoryError", "Allocation on device \nThis error means you ran out of memory on your GPU."),
        ("torch.cuda.OutOfMemoryError", "CUDA out of memory. Tried to allocate 20.00 MiB"),
        ("torch.OutOfMemoryError", ""),
        ("RuntimeError", "CUDA error: out of memory"),
        ("RuntimeError", "[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried"),
        ("RuntimeError", "MPS backend out of memory (MPS allocated: 8.00 GB)"),
        ("RuntimeError", "cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        ("numpy._core._exceptions._ArrayMemoryError", "Unable to allocate 4.00 GiB for an array"),
        ("MemoryError", ""),
    ],
)
async def test_every_way_to_run_out_of_memory_is_known(
    preview: PreviewEngine, client: ComfyClient, graph: Make, exception_type: str, message: str
) -> None:
    preview.troubles.add(t.FailNode("KSampler", exception_type, message))
    with pytest.raises(OutOfMemory, match="ran out of memory in KSampler"):
        await _follow(client, graph()).end()


@pytest.mark.parametrize("lost", [False, True], ids=["told", "from-history"])
async def test_failures_and_interrupts_are_told_by_frames_or_by_history(
    preview: PreviewEngine, client: ComfyClient, graph: Make, lost: bool
) -> None:
    if lost:
        preview.troubles.add(t.LoseFrames(event="execution_error"))
        preview.troubles.add(t.LoseFrames(event="execution_interrupted"))
    preview.troubles.add(t.OutOfMemory())
    with pytest.raises(OutOfMemory):
        await _follow(client, graph()).end()
    preview.troubles.add(t.Hold(after_step=1))
    run = _follow(client, graph(), prompt_id := str(uuid4()))
    await run.until(Progress)
    await client.cancel(prompt_id)
    with pytest.raises(PromptInterrupted):
        await run.end()


async def test_an_interrupt_that_came_too_early_is_repeated(
    preview: PreviewEngine, client: ComfyClient, graph: Make
) -> None:
    hold = preview.troubles.add(t.Hold(before="start", deaf=True))
    run = _follow(client, graph(steps=10_000), prompt_id := str(uuid4()))
    await hold.reached()
    cancelling = asyncio.create_task(client.cancel(prompt_id))
    while preview.requests[-1] != "GET /queue":
        await asyncio.sleep(0.005)
    hold.release()
    await cancelling
    with pytest.raises(PromptInterrupted):
        await run.end()


async def test_cancelling_one_prompt_touches_no_other(preview: PreviewEngine, client: ComfyClient, graph: Make) -> None:
    hold = preview.troubles.add(t.Hold(after_step=1))
    running = _follow(client, graph())
    await running.until(Progress)
    waiting_id = str(uuid4())
    waiting = _follow(client, graph(), waiting_id, silence=0.2)
    await waiting.until(Posted)
    await client.cancel(waiting_id)
    with pytest.raises(PromptLost):
        await waiting.end()
    hold.release()
    assert (await running.end()).outputs


async def test_waiting_tells_how_many_are_ahead_as_it_changes(
    preview: PreviewEngine, client: ComfyClient, graph: Make
) -> None:
    holds = [preview.troubles.add(t.Hold(after_step=1)) for _ in range(3)]
    runs = []
    for _ in range(3):
        runs.append(_follow(client, graph()))
        await runs[-1].until(Posted)
    last = runs[-1]
    assert (await last.until(Waiting)).position == 2
    for hold in holds:
        hold.release()
    assert (await last.end()).outputs
    assert [event.position for event in last.of(Waiting)] in ([2], [2, 1])


async def test_a_node_without_progress_stalls_but_waiting_in_the_queue_does_not(
    preview: PreviewEngine, client: ComfyClient, graph: Make
) -> None:
    preview.troubles.add(t.Hold(after_step=1))
    running = _follow(client, graph(), silence=0.1, stall_timeout=0.8)
    await running.until(Progress)
    waiting_id = str(uuid4())
    waiting = _follow(client, graph(), waiting_id, silence=0.1, stall_timeout=0.2)
    with pytest.raises(PromptStalled):
        await running.end()
    assert (await waiting.until(Waiting)).position == 1
    preview.troubles.clear()
    assert (await waiting.end()).outputs


async def test_an_engine_whose_worker_died_stalls(preview: PreviewEngine, client: ComfyClient, graph: Make) -> None:
    preview.troubles.add(t.DeadWorker())
    with pytest.raises(PromptStalled, match="stopped working through its queue"):
        await _follow(client, graph(), silence=0.1, stall_timeout=0.3).end()


async def test_leaving_a_run_lets_the_prompt_go_on(preview: PreviewEngine, client: ComfyClient, graph: Make) -> None:
    hold = preview.troubles.add(t.Hold(after_step=1))
    prompt_id = str(uuid4())
    async with aclosing(client.run(graph(), prompt_id)) as events:
        async for event in events:
            if isinstance(event, Progress):
                break
    hold.release()
    assert (await _follow(client, {}, prompt_id, attach=True).end()).outputs
    assert "POST /interrupt" not in preview.requests


async def test_one_prompt_cannot_be_followed_twice_by_one_client(
    preview: PreviewEngine, client: ComfyClient, graph: Make
) -> None:
    hold = preview.troubles.add(t.Hold(after_step=1))
    prompt_id = str(uuid4())
    run = _follow(client, graph(), prompt_id)
    await run.until(Progress)
    with pytest.raises(ValueError, match="followed already"):
        await _follow(client, {}, prompt_id, attach=True).end()
    hold.release()
    assert (await run.end()).outputs


async def test_attaching_to_an_unknown_prompt_says_that_it_is_lost(preview: PreviewEngine, client: ComfyClient) -> None:
    with pytest.raises(PromptLost):
        await _follow(client, {}, attach=True).end()
    assert "POST /prompt" not in preview.requests


async def test_a_graph_that_is_refused_leaves_nothing_behind(
    preview: PreviewEngine, client: ComfyClient, graph: Make
) -> None:
    partly = graph()
    partly["20"] = {"class_type": "SaveImage", "inputs": {"images": ["7", 0]}}
    preview.troubles.add(t.Hold(before="start"))
    with pytest.raises(GraphInvalid) as caught:
        await _follow(client, partly).end()
    assert caught.value.node_errors[0].input_name == "filename_prefix"
    queue = await client.queue()
    assert queue.pending == ()
