"""The queue: order, deleting, interrupting, and what the engine remembers."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest

from stylestudio.comfy.errors import ExecutionFailed, PromptInterrupted, PromptLost
from stylestudio.comfy.protocol.events import Completed, Posted, Progress, Started, Waiting

from .conftest import Engine


async def test_prompts_run_one_after_the_other_in_the_order_they_came(engine: Engine) -> None:
    first = engine.follow(engine.endless())
    await first.until(Progress)
    ids = [f"{letter}{str(uuid4())[1:]}" for letter in "cab"]
    waiting = []
    for prompt_id in ids:
        waiting.append(engine.follow(engine.txt2img(), prompt_id))
        await waiting[-1].until(Posted)
    queue = await engine.client.queue()
    assert (len(queue.running), list(queue.pending)) == (1, ids)
    assert [(await run.until(Waiting)).position for run in waiting] == [1, 2, 3]

    await engine.client.cancel(queue.running[0])
    with pytest.raises(PromptInterrupted):
        await first.end()
    for run in waiting:
        await run.end()
    entries = [json.loads((await engine.get(f"/history/{prompt_id}"))[1])[prompt_id] for prompt_id in ids]
    began = [dict(entry["status"]["messages"])["execution_start"]["timestamp"] for entry in entries]
    assert began == sorted(began)


async def test_deleting_a_waiting_prompt_leaves_no_trace_and_touches_no_other(engine: Engine) -> None:
    running_id, waiting_id, last_id = (str(uuid4()) for _ in range(3))
    running = engine.follow(engine.endless(), running_id)
    await running.until(Progress)
    waiting = engine.follow(engine.txt2img(), waiting_id, silence=0.5)
    await waiting.until(Posted)
    last = engine.follow(engine.txt2img(), last_id)
    await last.until(Posted)

    await engine.client.delete([waiting_id, str(uuid4()), running_id])
    with pytest.raises(PromptLost):
        await waiting.end()
    assert await engine.client.history(waiting_id) is None
    queue = await engine.client.queue()
    assert (queue.running, queue.pending) == ((running_id,), (last_id,))
    await engine.client.cancel(running_id)
    assert isinstance(await last.end(), Completed)
    with pytest.raises(PromptInterrupted):
        await running.end()


async def test_cancelling_the_running_prompt_lets_the_next_one_through(engine: Engine) -> None:
    running_id = str(uuid4())
    running = engine.follow(engine.endless(), running_id)
    await running.until(Progress)
    following = engine.follow(engine.txt2img())
    await following.until(Posted)
    await engine.client.cancel(running_id)
    with pytest.raises(PromptInterrupted):
        await running.end()
    assert (await following.end()).outputs


async def test_interrupting_a_waiting_prompt_does_nothing(engine: Engine) -> None:
    running_id, waiting_id = str(uuid4()), str(uuid4())
    running = engine.follow(engine.endless(), running_id)
    await running.until(Progress)
    waiting = engine.follow(engine.txt2img(), waiting_id)
    await waiting.until(Posted)
    steps = len(running.of(Progress))

    await engine.client.interrupt(waiting_id)
    await engine.client.interrupt(str(uuid4()))
    await running.until(Progress, lambda step: step.value > steps + 2)
    queue = await engine.client.queue()
    assert (queue.running, queue.pending) == ((running_id,), (waiting_id,))
    await engine.client.cancel(running_id)
    assert (await waiting.end()).outputs
    with pytest.raises(PromptInterrupted):
        await running.end()


async def test_cancelling_what_has_ended_or_never_was_changes_nothing(engine: Engine) -> None:
    prompt_id = str(uuid4())
    await engine.follow(engine.txt2img(), prompt_id).end()
    await engine.client.cancel(prompt_id)
    await engine.client.cancel(str(uuid4()))
    entry = await engine.client.history(prompt_id)
    assert entry is not None
    assert entry.status == "success"
    assert (await engine.make(engine.txt2img())).outputs


async def test_history_knows_a_prompt_only_once_it_has_ended(engine: Engine) -> None:
    prompt_id = str(uuid4())
    run = engine.follow(engine.endless(), prompt_id)
    await run.until(Progress)
    assert await engine.client.history(prompt_id) is None
    assert await engine.client.history(str(uuid4())) is None
    await engine.client.cancel(prompt_id)
    with pytest.raises(PromptInterrupted):
        await run.end()


async def test_history_tells_an_interrupted_prompt_from_a_failed_one(engine: Engine) -> None:
    interrupted_id, failed_id = str(uuid4()), str(uuid4())
    run = engine.follow(engine.endless(), interrupted_id)
    await run.until(Progress)
    await engine.client.cancel(interrupted_id)
    with pytest.raises(PromptInterrupted):
        await run.end()
    with pytest.raises(ExecutionFailed):
        await engine.follow(engine.txt2img(filename_prefix="../../outside"), failed_id).end()
    await engine.make(engine.txt2img())

    interrupted, failed = await engine.client.history(interrupted_id), await engine.client.history(failed_id)
    assert interrupted is not None
    assert failed is not None
    assert (interrupted.status, failed.status) == ("interrupted", "failed")
    assert failed.failure is not None
    assert failed.failure.node_type == "SaveImage"
    assert isinstance(failed.error(), ExecutionFailed)
    raw = json.loads((await engine.get(f"/history/{interrupted_id}"))[1])[interrupted_id]["status"]
    assert (raw["status_str"], raw["completed"], raw["messages"][-1][0]) == ("error", False, "execution_interrupted")


async def test_a_prompt_is_found_again_in_every_state(engine: Engine) -> None:
    running_id, waiting_id, done_id = (str(uuid4()) for _ in range(3))
    done = await engine.follow(engine.txt2img(), done_id).end()
    running = engine.follow(engine.endless(), running_id)
    await running.until(Progress)
    waiting = engine.follow(engine.txt2img(), waiting_id)
    await waiting.until(Posted)
    await running.leave()
    await waiting.leave()

    again = engine.follow({}, done_id, attach=True)
    assert (await again.end()).outputs == done.outputs
    running = engine.follow({}, running_id, attach=True)
    await running.until(Started)
    waiting = engine.follow({}, waiting_id, attach=True)
    assert (await waiting.until(Waiting)).position == 1
    await running.until(Progress)
    await engine.client.cancel(running_id)
    with pytest.raises(PromptInterrupted):
        await running.end()
    assert (await waiting.end()).outputs
    with pytest.raises(PromptLost):
        await engine.follow({}, str(uuid4()), attach=True).end()
