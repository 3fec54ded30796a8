"""/api/jobs: what is told of one prompt, and cancelling it. And that no test leaves anything on the engine."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest

from stylestudio.comfy.errors import ExecutionFailed, PromptInterrupted
from stylestudio.comfy.protocol.events import Posted, Progress

from .conftest import Engine


async def job(engine: Engine, prompt_id: str) -> dict[str, Any]:
    status, body = await engine.get(f"/api/jobs/{prompt_id}")
    assert status == 200, body
    return dict(json.loads(body))


async def cancel(engine: Engine, prompt_id: str) -> Any:
    async with engine.session.post(f"{engine.url}/api/jobs/{prompt_id}/cancel") as answer:
        return (await answer.json()) if answer.status == 200 else answer.status


@pytest.mark.every_generation("current", "new")
async def test_a_job_tells_its_state_from_waiting_to_its_end(engine: Engine) -> None:
    if not engine.since(0, 8):
        pytest.skip("this engine has no such route")
    running_id, waiting_id, done_id, failed_id = (str(uuid4()) for _ in range(4))
    done = await engine.follow(engine.txt2img(), done_id).end()
    with pytest.raises(ExecutionFailed):
        await engine.follow(engine.txt2img(filename_prefix="../../outside"), failed_id).end()
    running = engine.follow(engine.endless(), running_id)
    await running.until(Progress)
    waiting = engine.follow(engine.txt2img(), waiting_id)
    await waiting.until(Posted)

    assert (await job(engine, running_id))["status"] == "in_progress"
    told = await job(engine, waiting_id)
    assert (told["status"], told["outputs_count"]) == ("pending", 0)
    assert "outputs" not in told
    await engine.entry(done_id)
    told = await job(engine, done_id)
    assert (told["status"], told["outputs_count"]) == ("completed", 1)
    [(node, [picture])] = done.outputs.items()
    assert told["preview_output"] == {
        "filename": picture.filename,
        "subfolder": picture.subfolder,
        "type": "output",
        "nodeId": node,
        "mediaType": "images",
    }
    told = await job(engine, failed_id)
    assert (told["status"], told["execution_error"]["node_type"]) == ("failed", "SaveImage")

    await engine.client.interrupt(running_id)
    with pytest.raises(PromptInterrupted):
        await running.end()
    await engine.entry(running_id)
    told = await job(engine, running_id)
    assert told["status"] == ("cancelled" if engine.since(0, 9) else "failed")
    assert "execution_error" not in told
    assert (await engine.get(f"/api/jobs/{uuid4()}"))[0] == 404


@pytest.mark.every_generation
async def test_cancelling_by_id_ends_what_runs_or_waits_and_nothing_else(engine: Engine) -> None:
    running_id, waiting_id = str(uuid4()), str(uuid4())
    running = engine.follow(engine.endless(), running_id)
    await running.until(Progress)
    waiting = engine.follow(engine.txt2img(), waiting_id, silence=0.5)
    await waiting.until(Posted)
    if not engine.since(0, 26):
        assert await cancel(engine, running_id) == 405
        assert (await engine.client.queue()).running == (running_id,)
        return
    assert await cancel(engine, str(uuid4())) == {"cancelled": False}
    assert await cancel(engine, waiting_id) == {"cancelled": True}
    assert await cancel(engine, waiting_id) == {"cancelled": False}
    queue = await engine.client.queue()
    assert (queue.running, queue.pending) == ((running_id,), ())
    assert await cancel(engine, running_id) == {"cancelled": True}
    with pytest.raises(PromptInterrupted):
        await running.end()
    status = (await engine.entry(running_id))["status"]
    assert (status["status_str"], status["completed"], status["messages"][-1][0]) == (
        "error",
        False,
        "execution_interrupted",
    )
    assert await cancel(engine, running_id) == {"cancelled": False}
    assert json.loads((await engine.get(f"/history/{waiting_id}"))[1]) == {}, "no trace of what waited"


async def test_several_jobs_can_be_cancelled_at_once_and_bad_ids_are_named(engine: Engine) -> None:
    if not engine.since(0, 33):
        pytest.skip("this engine has no such route")
    running_id = str(uuid4())
    running = engine.follow(engine.endless(), running_id)
    await running.until(Progress)
    url = f"{engine.url}/api/jobs/cancel"
    for told, invalid in (({"job_ids": "x"}, None), ([], None), ({"job_ids": [running_id, "x", 3]}, ["x", "3"])):
        async with engine.session.post(url, json=told) as answer:
            assert (answer.status, (await answer.json()).get("invalid_ids")) == (400, invalid)
    assert (await engine.client.queue()).running == (running_id,)
    async with engine.session.post(url, json={"job_ids": [str(uuid4()), running_id]}) as answer:
        assert await answer.json() == {"cancelled": True}
    with pytest.raises(PromptInterrupted):
        await running.end()


async def test_what_a_test_posted_ends_with_it_and_nothing_of_anybody_else(engine: Engine) -> None:
    mine, waiting_mine, foreign = str(uuid4()), str(uuid4()), str(uuid4())
    await engine.follow(engine.endless(), mine).until(Progress)
    await engine.follow(engine.txt2img(), waiting_mine).until(Posted)
    payload = {"prompt": engine.endless(), "prompt_id": foreign, "client_id": uuid4().hex}
    async with engine.session.post(f"{engine.url}/prompt", json=payload) as answer:
        assert answer.status == 200
    await engine.leave_nothing()
    queue = await engine.client.queue()
    assert not {mine, waiting_mine} & {*queue.running, *queue.pending}
    assert foreign in {*queue.running, *queue.pending}
    engine.posted.add(foreign)
