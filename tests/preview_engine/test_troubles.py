"""Each trouble does what it promises, through real sockets and requests."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from stylestudio.preview_engine.server import Options, PreviewThread
from stylestudio.preview_engine.troubles import (
    KINDS,
    Answer,
    DropSockets,
    DuplicateFrames,
    FailNode,
    ForeignFrames,
    Hold,
    HoldAnswer,
    LateHistory,
    LoseAnswer,
    LoseFrames,
    OutOfMemory,
    ReorderFrames,
    Restart,
    SilentSockets,
    SlowSteps,
    WrongIds,
    from_json,
)
from tests.preview_engine.conftest import Graphs, Player


def names(frames: list[tuple[str, dict[str, Any]]]) -> list[str]:
    return [name for name, _ in frames if name not in ("progress_state", "preview")]


async def test_a_node_fails_as_often_as_asked(player: Player, plain_graph: Graphs) -> None:
    player.engine.troubles.add(FailNode("SaveImage", "ValueError", "disk full", times=2))
    ends = [(await player.run(plain_graph(color=n)))["status"]["messages"][-1] for n in range(3)]
    assert [event for event, _ in ends] == ["execution_error", "execution_error", "execution_success"]
    assert (ends[0][1]["exception_type"], ends[0][1]["exception_message"]) == ("ValueError", "disk full\n")
    assert ends[0][1]["node_type"] == "SaveImage"


async def test_the_sampler_runs_out_of_memory(player: Player, picture_graph: Graphs) -> None:
    player.engine.troubles.add(OutOfMemory())
    event, data = (await player.run(picture_graph()))["status"]["messages"][-1]
    assert event == "execution_error"
    assert data["exception_type"] == "torch.OutOfMemoryError"
    assert data["node_type"] == "KSampler"


async def test_a_held_engine_goes_on_only_when_released(player: Player, picture_graph: Graphs) -> None:
    hold = player.engine.troubles.add(Hold(before="KSampler"))
    heard = await player.listen()
    await player.queue(picture_graph(), prompt_id="p")
    await hold.reached()
    await heard.until("executing", node="7")
    assert (await player.json("/queue"))["queue_running"][0][1] == "p"
    hold.release()
    assert names(await heard.until_idle())[0] == "progress"


async def test_a_deaf_hold_ignores_an_interrupt_until_released(player: Player, picture_graph: Graphs) -> None:
    hold = player.engine.troubles.add(Hold(after_step=2, deaf=True))
    heard = await player.listen()
    await player.queue(picture_graph(), prompt_id="p")
    await hold.reached()
    await player.post("/interrupt", {"prompt_id": "p"})
    await heard.until("progress", value=2)
    assert (await player.json("/queue"))["queue_running"][0][1] == "p"
    hold.release()
    assert "execution_interrupted" in names(await heard.until_idle())


async def test_steps_can_be_slow(player: Player, picture_graph: Graphs) -> None:
    slow = player.engine.troubles.add(SlowSteps(seconds=0.02))
    began = time.monotonic()
    await player.run(picture_graph())
    assert time.monotonic() - began >= 0.08
    assert slow.struck == 4


async def test_an_answer_can_be_replaced(player: Player, plain_graph: Graphs) -> None:
    player.engine.troubles.add(Answer("/prompt", "POST", status=502, body="<html>", content_type="text/html"))
    assert await player.queue(plain_graph()) == (502, "<html>")
    assert (await player.queue(plain_graph()))[0] == 200
    player.engine.troubles.add(Answer("/view", status=200, body="", content_type="image/png"))
    assert await player.request("GET", "/api/view?filename=e_00001_.png") == (200, b"")


@pytest.mark.parametrize(("handled", "arrived"), [(True, 1), (False, 0)])
async def test_the_answer_to_a_prompt_can_get_lost_with_or_without_the_prompt(
    player: Player, plain_graph: Graphs, handled: bool, arrived: int
) -> None:
    hold = player.engine.troubles.add(Hold(before="start"))
    player.engine.troubles.add(LoseAnswer(handled=handled))
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await player.queue(plain_graph())
    assert await player.json("/prompt") == {"exec_info": {"queue_remaining": arrived}}
    hold.release()


async def test_an_answer_can_wait(player: Player, plain_graph: Graphs) -> None:
    hold = player.engine.troubles.add(HoldAnswer())
    asking = asyncio.create_task(player.queue(plain_graph(), prompt_id="p"))
    await hold.reached()
    assert not asking.done()
    hold.release()
    assert (await asking)[1]["prompt_id"] == "p"


async def test_history_can_come_late(player: Player, plain_graph: Graphs) -> None:
    await player.run(plain_graph(), prompt_id="p")
    player.engine.troubles.add(LateHistory(times=2))
    assert await player.json("/history/nobody") == {}
    assert [bool(await player.json("/history/p")) for _ in range(3)] == [False, False, True]


async def test_sockets_break_after_a_frame_and_the_prompt_goes_on(player: Player, picture_graph: Graphs) -> None:
    player.engine.troubles.add(DropSockets(after="progress"))
    heard = await player.listen()
    await player.queue(picture_graph(), prompt_id="p")
    with pytest.raises(AssertionError, match="The socket closed"):
        await heard.until_idle()
    assert heard.frames[-1] == ("closed", {"code": 1006})
    assert heard.frames[-2][0] == "progress"
    watcher = await player.listen("watcher")
    while not (history := await player.json("/history/p")):
        await watcher.until("status")
    assert history["p"]["status"]["completed"] is True


async def test_sockets_can_fall_silent_and_stay_open(player: Player, picture_graph: Graphs) -> None:
    player.engine.troubles.add(SilentSockets(after="execution_start"))
    heard, awake = await player.listen(), None
    hold = player.engine.troubles.add(Hold(before="KSampler"))
    await player.queue(picture_graph(), prompt_id="p")
    await hold.reached()
    awake = await player.listen("awake")
    hold.release()
    await awake.until("status", status={"exec_info": {"queue_remaining": 0}})
    await heard.until("execution_start")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await heard.ws.receive()
    assert not heard.ws.closed


async def test_frames_can_be_lost_doubled_and_swapped(player: Player, plain_graph: Graphs) -> None:
    heard = await player.listen()
    await heard.next()

    async def order(color: int) -> list[str]:
        await player.queue(plain_graph(color))
        return [name for name in names(await heard.until_idle()) if name != "status"]

    normal = await order(1)
    assert normal == [
        "execution_start",
        "execution_cached",
        "executing",
        "executing",
        "executed",
        "execution_success",
        "executing",
    ]
    lost = player.engine.troubles.add(LoseFrames(event="executed"))
    assert await order(2) == [name for name in normal if name != "executed"]
    lost.release()
    doubled = player.engine.troubles.add(DuplicateFrames(event="executed"))
    assert (await order(3)).count("executed") == 2
    doubled.release()
    player.engine.troubles.add(ReorderFrames(event="execution_start"))
    assert (await order(4))[:2] == ["execution_cached", "execution_start"]


async def test_frames_can_carry_another_prompts_id(player: Player, plain_graph: Graphs) -> None:
    heard = await player.listen()
    await heard.next()
    player.engine.troubles.add(WrongIds(event="executed", prompt_id="other"))
    await player.queue(plain_graph(1), prompt_id="p")
    ids = {name: data["prompt_id"] for name, data in await heard.until_idle() if "prompt_id" in data}
    assert (ids["executed"], ids["execution_success"]) == ("other", "p")
    player.engine.troubles.clear()
    player.engine.troubles.add(ForeignFrames(prompt_id="other"))
    await player.queue(plain_graph(2), prompt_id="q")
    frames = await heard.until("executing", node=None, prompt_id="q")
    assert [data["prompt_id"] for name, data in frames if name == "executed"] == ["other", "q"]


async def test_a_restart_forgets_everything_and_breaks_the_sockets(
    player: Player, picture_graph: Graphs, plain_graph: Graphs
) -> None:
    await player.run(plain_graph(), prompt_id="old")
    hold = player.engine.troubles.add(Hold(before="KSampler", deaf=True))
    heard = await player.listen()
    await player.queue(picture_graph(), prompt_id="running")
    await player.queue(plain_graph(), prompt_id="waiting")
    await hold.reached()
    player.engine.troubles.add(Restart())
    with pytest.raises(AssertionError, match="The socket closed"):
        await heard.until("never")
    assert await player.json("/queue") == {"queue_running": [], "queue_pending": []}
    assert await player.json("/history") == {}
    again = await player.listen()
    hold.release()
    assert (await player.queue(plain_graph(), prompt_id="new"))[1]["number"] == 0
    frames = await again.until_idle()
    assert {data["prompt_id"] for _, data in frames if "prompt_id" in data} == {"new"}
    assert list(await player.json("/history")) == ["new"]
    assert dict(frames)["execution_cached"]["nodes"] == []


async def test_troubles_can_be_scripted_over_http(player: Player, picture_graph: Graphs) -> None:
    status, answer = await player.post("/preview/troubles", {"trouble": "hold", "before": "KSampler"})
    assert status == 200
    heard = await player.listen()
    await player.queue(picture_graph(), prompt_id="p")
    number = answer["id"]
    assert await player.json(f"/preview/troubles/{number}/reached") == {}
    assert await player.json("/preview/troubles") == [{"id": number, "trouble": "hold", "struck": 1, "active": False}]
    assert (await player.post(f"/preview/troubles/{number}/release", {}))[0] == 200
    await heard.until_idle()
    assert "POST /prompt" in await player.json("/preview/requests")
    status, answer = await player.post("/preview/troubles", {"trouble": "hold", "befor": "KSampler"})
    assert (status, answer["error"]) == (400, "hold has no befor. It has after_step, before, deaf, times.")
    status, answer = await player.post("/preview/troubles", {"trouble": "flood"})
    assert status == 400
    assert "fail_node" in answer["error"]


async def test_a_script_that_waits_for_somebody_to_be_held_is_told_after_a_while_that_nobody_came(
    player: Player, picture_graph: Graphs
) -> None:
    _status, answer = await player.post("/preview/troubles", {"trouble": "hold", "before": "KSampler"})
    address = f"/preview/troubles/{answer['id']}"
    status, said = await player.request("GET", f"{address}/reached?timeout=0.05")
    assert status == 408 and b"Nothing came to" in said
    await player.queue(picture_graph(), prompt_id="p")
    assert await player.json(f"{address}/reached?timeout=10") == {}
    await player.post(f"{address}/release", {})


@pytest.mark.parametrize("kind", KINDS)
def test_every_trouble_can_be_named_by_a_script(kind: str) -> None:
    trouble = from_json({"trouble": kind})
    assert trouble.active
    assert dataclasses.is_dataclass(trouble)


async def test_an_engine_that_is_not_scriptable_offers_no_troubles(options: Options) -> None:
    with PreviewThread(dataclasses.replace(options, scriptable=False)) as engine:
        async with aiohttp.ClientSession() as session, session.get(f"{engine.url}/preview/troubles") as answer:
            assert answer.status == 404


async def test_an_engine_stops_within_a_second_in_the_middle_of_a_prompt(picture_graph: Graphs) -> None:
    thread = PreviewThread(
        Options(painter="flat", loras=("sdxl_lightning_4step_lora.safetensors", "style_test.safetensors"))
    )
    async with aiohttp.ClientSession() as session:
        with thread as engine:
            hold = engine.troubles.add(Hold(after_step=1, deaf=True))
            ws = await session.ws_connect(f"{engine.url}/ws?clientId=me")
            await session.post(f"{engine.url}/prompt", json={"prompt": picture_graph(), "client_id": "me"})
            await hold.reached()
            began = time.monotonic()
        assert time.monotonic() - began < 1.0
        while (message := await ws.receive()).type is not aiohttp.WSMsgType.CLOSED:
            assert message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY)
        assert ws.close_code == 1006
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(f"{engine.url}/queue")


async def test_an_engine_can_come_back_on_its_port_with_nothing_but_its_files(
    options: Options, plain_graph: Graphs, tmp_path: Path, player: Player
) -> None:
    options = dataclasses.replace(options, folder=tmp_path)
    thread = type(player)(player.session, "", type(player.engine)(options))
    await thread.engine.start()
    thread.url = thread.engine.url
    entry = await thread.run(plain_graph(), prompt_id="p")
    port = int(thread.url.rpartition(":")[2])
    await thread.engine.stop()
    await thread.engine.start(port=port)
    assert thread.engine.url == thread.url
    assert await thread.json("/history") == {}
    assert (await thread.view(entry["outputs"]["2"]["images"][0])).startswith(b"\x89PNG")
    await thread.engine.stop()
