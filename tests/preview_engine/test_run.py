"""What an accepted prompt does and what its client hears of it."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from stylestudio.preview_engine.troubles import FailNode, Hold, SlowSteps
from tests.pixels import pixel
from tests.preview_engine.conftest import Graphs, Player

Frames = list[tuple[str, dict[str, Any]]]


def names(frames: Frames, *, without: tuple[str, ...] = ("progress_state",)) -> list[str]:
    return [name for name, _ in frames if name not in without]


async def test_a_cold_prompt_sends_the_frames_of_a_real_engine_in_their_order(
    player: Player, picture_graph: Graphs
) -> None:
    heard = await player.listen()
    first, told = await heard.next()
    assert (first, told) == ("status", {"status": {"exec_info": {"queue_remaining": 0}}, "sid": "me"})
    status, answer = await player.queue(picture_graph(), prompt_id="p1")
    assert (status, answer) == (200, {"prompt_id": "p1", "number": 0, "node_errors": {}})
    frames = await heard.until_idle()
    assert names(frames) == [
        "status",
        "status",
        "execution_start",
        "execution_cached",
        *["executing"] * 7,
        *["progress", "preview"] * 4,
        "executing",
        "executing",
        "executed",
        "execution_success",
        "status",
        "executing",
    ]
    assert [data["status"]["exec_info"]["queue_remaining"] for name, data in frames if name == "status"] == [1, 1, 0]
    assert all(data["prompt_id"] == "p1" for name, data in frames if name not in ("status", "preview"))
    assert [data["value"] for name, data in frames if name == "progress"] == [1, 2, 3, 4]
    executed = dict(frames)["executed"]
    assert executed["output"] == {"images": [{"filename": "p_00001_.png", "subfolder": "", "type": "output"}]}
    assert executed["node"] == executed["display_node"] == "9"


async def test_progress_state_holds_every_node_that_ran_so_far(player: Player, picture_graph: Graphs) -> None:
    heard = await player.listen()
    await player.queue(picture_graph(), prompt_id="p1")
    states = [data for name, data in await heard.until_idle() if name == "progress_state"]
    assert list(states[0]["nodes"]) == ["1"]
    assert states[0]["nodes"]["1"] == {
        "value": 0.0,
        "max": 1.0,
        "state": "running",
        "node_id": "1",
        "prompt_id": "p1",
        "display_node_id": "1",
        "parent_node_id": None,
        "real_node_id": "1",
    }
    last = states[-1]["nodes"]
    assert {entry["state"] for entry in last.values()} == {"finished"}
    assert (last["7"]["value"], last["7"]["max"]) == (4, 4)
    assert sorted(last) == list("123456789")


async def test_previews_are_jpegs_and_name_their_prompt_only_after_the_handshake(
    player: Player, picture_graph: Graphs
) -> None:
    plain = await player.listen("plain")
    await player.queue(picture_graph(seed=5), "plain", prompt_id="a")
    frames = await plain.until_idle()
    legacy = [data for name, data in frames if name == "preview"]
    assert [(data["event"], data["image_type"]) for data in legacy] == [(1, 1)] * 4
    order = names(frames, without=("progress_state", "status"))
    assert order[order.index("preview") - 1] == "progress"

    modern = await player.listen("modern", handshake=True)
    await player.queue(picture_graph(seed=6), "modern", prompt_id="b")
    frames = await modern.until_idle()
    previews = [data for name, data in frames if name == "preview"]
    assert len(previews) == 4
    for data in previews:
        assert (data["event"], data["prompt_id"], data["node_id"]) == (4, "b", "7")
        assert Image.open(io.BytesIO(data["image"])).format == "JPEG"
    order = names(frames, without=("status",))
    assert order[order.index("preview") - 1 : order.index("preview") + 2] == ["progress_state", "preview", "progress"]


async def test_feature_flags_count_only_as_the_first_message(player: Player) -> None:
    heard = await player.listen()
    await heard.ws.send_json({"type": "hello"})
    await heard.ws.send_json({"type": "feature_flags", "data": {"supports_preview_metadata": True}})
    await player.queue({"1": {"class_type": "PreviewAny", "inputs": {"source": "x"}}})
    assert "feature_flags" not in names(await heard.until_idle())


async def test_preview_method_none_turns_previews_off(player: Player, picture_graph: Graphs) -> None:
    heard = await player.listen()
    await player.queue(picture_graph(), extra_data={"preview_method": "none"})
    order = names(await heard.until_idle())
    assert "preview" not in order
    assert order.count("progress") == 4


async def test_the_same_graph_again_is_cached_and_repeats_the_old_file_name(
    player: Player, picture_graph: Graphs
) -> None:
    first = await player.run(picture_graph())
    heard = await player.listen()
    await player.queue(picture_graph(), prompt_id="again")
    frames = await heard.until_idle()
    assert names(frames, without=("status",)) == [
        "execution_start",
        "execution_cached",
        "executed",
        "progress_state",
        "execution_success",
        "executing",
    ]
    facts = dict(frames)
    assert sorted(facts["execution_cached"]["nodes"]) == list("123456789")
    assert facts["executed"]["output"] == first["outputs"]["9"]
    entry = (await player.json("/history/again"))["again"]
    assert entry["outputs"] == first["outputs"]


async def test_a_cached_output_is_told_as_finished_and_whole(player: Player, picture_graph: Graphs) -> None:
    await player.run(picture_graph())
    heard = await player.listen()
    await player.queue(picture_graph(), prompt_id="again")
    (state,) = [data for name, data in await heard.until_idle() if name == "progress_state"]
    entry = state["nodes"]["9"]
    assert (entry["state"], entry["value"], entry["max"]) == ("finished", 1, 1)


async def test_a_cached_prompt_without_a_client_id_has_no_outputs(player: Player, picture_graph: Graphs) -> None:
    await player.run(picture_graph())
    entry = await player.run(picture_graph(), None)
    assert entry["outputs"] == {}
    assert entry["status"]["status_str"] == "success"


async def test_another_prefix_saves_anew_and_keeps_the_sampling(player: Player, picture_graph: Graphs) -> None:
    await player.run(picture_graph())
    entry = await player.run(picture_graph(prefix="studio/7"))
    assert entry["outputs"]["9"]["images"] == [{"filename": "7_00001_.png", "subfolder": "studio", "type": "output"}]
    cached = dict(entry["status"]["messages"])["execution_cached"]["nodes"]
    assert sorted(cached) == list("12345678")


async def test_the_cache_keeps_only_the_nodes_of_the_previous_prompt(
    player: Player, picture_graph: Graphs, plain_graph: Graphs
) -> None:
    await player.run(picture_graph())
    await player.run(plain_graph())
    entry = await player.run(picture_graph())
    assert dict(entry["status"]["messages"])["execution_cached"]["nodes"] == []
    assert entry["outputs"]["9"]["images"][0]["filename"] == "p_00002_.png"


async def test_an_unknown_input_joins_the_cache_key(player: Player, plain_graph: Graphs) -> None:
    await player.run(plain_graph())
    graph = plain_graph()
    graph["2"]["inputs"]["_nonce"] = 7
    entry = await player.run(graph)
    assert dict(entry["status"]["messages"])["execution_cached"]["nodes"] == ["1"]
    assert entry["outputs"]["2"]["images"][0]["filename"] == "e_00002_.png"


async def test_free_empties_the_cache(player: Player, plain_graph: Graphs) -> None:
    await player.run(plain_graph())
    assert (await player.post("/free", {"free_memory": True}))[0] == 200
    entry = await player.run(plain_graph())
    assert dict(entry["status"]["messages"])["execution_cached"]["nodes"] == []


async def test_history_tells_what_was_asked_and_what_came(player: Player, plain_graph: Graphs) -> None:
    graph = plain_graph()
    entry = await player.run(graph, "zz", prompt_id="job-1", extra_data={"own": {"job": 7}})
    number, prompt_id, kept, extra_data, outputs = entry["prompt"]
    assert (number, prompt_id, kept, outputs) == (0, "job-1", graph, ["2"])
    assert extra_data.pop("create_time") > 1_700_000_000_000
    assert extra_data == {"own": {"job": 7}, "client_id": "zz"}
    assert entry["status"]["completed"] is True
    assert [event for event, _ in entry["status"]["messages"]] == [
        "execution_start",
        "execution_cached",
        "execution_success",
    ]
    assert entry["meta"] == {"2": {"node_id": "2", "display_node": "2", "parent_node": None, "real_node_id": "2"}}


async def test_history_is_written_after_success_and_before_the_last_frame(player: Player, plain_graph: Graphs) -> None:
    before, after = Hold(before="history"), Hold(before="idle")
    player.engine.troubles.add(before)
    player.engine.troubles.add(after)
    heard = await player.listen()
    await player.queue(plain_graph(), prompt_id="p")
    await heard.until("execution_success")
    await before.reached()
    assert await player.json("/history/p") == {}
    before.release()
    await after.reached()
    assert (await player.json("/history/p"))["p"]["status"]["completed"] is True
    after.release()
    assert names(await heard.until_idle()) == ["status", "executing"]


async def test_frames_go_to_the_prompts_client_and_status_to_all(player: Player, picture_graph: Graphs) -> None:
    mine, other = await player.listen("me"), await player.listen("other")
    await player.queue(picture_graph(), "me")
    await mine.until_idle()
    await player.queue({"1": {"class_type": "PreviewAny", "inputs": {"source": "x"}}}, "other")
    assert names(await other.until("execution_start")) == ["status"] * 6 + ["execution_start"]


async def test_a_nameless_prompt_broadcasts_progress_and_nothing_else(player: Player, picture_graph: Graphs) -> None:
    heard = await player.listen("bystander")
    await player.queue(picture_graph(), None)
    await player.queue({"1": {"class_type": "PreviewAny", "inputs": {"source": "x"}}}, "bystander")
    frames = await heard.until("execution_start")
    assert set(names(frames[:-1], without=())) == {"status", "progress_state", "progress", "preview"}


async def test_a_late_listener_hears_which_node_runs_and_then_the_live_frames(
    player: Player, picture_graph: Graphs
) -> None:
    hold = player.engine.troubles.add(Hold(after_step=2))
    await player.queue(picture_graph(), "late")
    await hold.reached()
    heard = await player.listen("late")
    await heard.until("executing")
    hold.release()
    frames = await heard.until_idle()
    assert heard.frames[0][1]["status"]["exec_info"]["queue_remaining"] == 1
    assert heard.frames[1] == ("executing", {"node": "7"})
    assert [data["value"] for name, data in frames if name == "progress"] == [3, 4]
    again = await player.listen("late")
    await again.ws.send_json({})
    await player.queue({"1": {"class_type": "PreviewAny", "inputs": {"source": "x"}}}, "late")
    assert names(await again.until("execution_start"))[0] == "status"


async def test_a_newer_socket_goes_deaf_when_the_older_one_of_its_client_ends(
    player: Player, plain_graph: Graphs
) -> None:
    old = await player.listen("twin")
    new = await player.listen("twin")
    await new.next()
    await old.ws.close()
    watcher = await player.listen("watcher")
    await player.queue(plain_graph(), "twin")
    await watcher.until("status", status={"exec_info": {"queue_remaining": 0}})
    await watcher.until("status", status={"exec_info": {"queue_remaining": 0}})
    await new.ws.ping()
    fresh = await player.listen("twin")
    await player.queue(plain_graph(color=3), "twin", prompt_id="second")
    await fresh.until_idle()
    assert names(new.frames) == ["status"]


async def test_a_failing_node_ends_the_prompt_and_keeps_what_was_saved_before(
    player: Player, plain_graph: Graphs
) -> None:
    await player.session.post(f"{player.url}/upload/image", data={"image": _named(b"no picture", "bad.png")})
    graph = plain_graph()
    graph["3"] = {"class_type": "LoadImage", "inputs": {"image": "bad.png"}}
    graph["4"] = {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "x"}}
    heard = await player.listen()
    await player.queue(graph, prompt_id="half")
    frames = await heard.until_idle()
    assert names(frames)[-3:] == ["execution_error", "status", "executing"]
    error = dict(frames)["execution_error"]
    assert (error["node_id"], error["node_type"]) == ("3", "LoadImage")
    assert error["exception_type"] == "PIL.UnidentifiedImageError"
    assert error["exception_message"].endswith("\n")
    assert sorted(error["executed"]) == ["1", "2"]
    assert error["current_inputs"] == {"image": ["bad.png"]}
    assert error["traceback"]
    entry = (await player.json("/history/half"))["half"]
    assert (entry["status"]["status_str"], entry["status"]["completed"]) == ("error", False)
    assert list(entry["outputs"]) == ["2"]
    assert entry["status"]["messages"][-1][0] == "execution_error"


def _named(data: bytes, name: str) -> io.BytesIO:
    file = io.BytesIO(data)
    file.name = name
    return file


async def test_equal_briefs_give_equal_pixels_and_a_batch_gives_different_ones(
    player: Player, picture_graph: Graphs, plain_graph: Graphs
) -> None:
    async def pixels(**changes: Any) -> list[bytes]:
        entry = await player.run(picture_graph(**changes))
        await player.run(plain_graph())
        files = [await player.view(image) for image in entry["outputs"]["9"]["images"]]
        return [Image.open(io.BytesIO(file)).tobytes() for file in files]

    batch = await pixels(seed=1, batch_size=3)
    assert len(set(batch)) == 3
    assert await pixels(seed=2) == [batch[1]]
    assert await pixels(seed=1, negative="anything else") == [batch[0]]
    assert await pixels(seed=1, cfg=2.0) != [batch[0]]
    assert await pixels(seed=2**64 - 1) != [batch[0]]


async def test_a_latents_sides_are_floored_to_multiples_of_8(player: Player, picture_graph: Graphs) -> None:
    entry = await player.run(picture_graph(width=164, height=100))
    image = Image.open(io.BytesIO(await player.view(entry["outputs"]["9"]["images"][0])))
    assert image.size == (160, 96)


async def test_image_to_image_starts_from_the_uploaded_picture(player: Player, picture_graph: Graphs) -> None:
    buffer = io.BytesIO()
    Image.new("RGBA", (80, 40), (255, 0, 0, 0)).save(buffer, "PNG")
    answer = await player.session.post(f"{player.url}/upload/image", data={"image": _named(buffer.getvalue(), "r.png")})
    name = (await answer.json())["name"]

    async def color(denoise: float) -> tuple[int, ...]:
        graph = picture_graph(denoise=denoise, latent_image=["11", 0])
        del graph["6"]
        graph["10"] = {"class_type": "LoadImage", "inputs": {"image": name}}
        scale = {"image": ["10", 0], "upscale_method": "lanczos", "width": 75, "height": 64, "crop": "center"}
        graph["12"] = {"class_type": "ImageScale", "inputs": scale}
        graph["11"] = {"class_type": "VAEEncode", "inputs": {"pixels": ["12", 0], "vae": ["1", 2]}}
        entry = await player.run(graph)
        image = Image.open(io.BytesIO(await player.view(entry["outputs"]["9"]["images"][0])))
        assert image.size == (72, 64)
        return pixel(image, (5, 5))

    assert await color(0.0) == (255, 0, 0)
    near, far = await color(0.1), await color(1.0)
    assert near[0] > 225
    assert near != far


async def test_orientation_is_applied_to_a_loaded_picture(player: Player) -> None:
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (80, 40), (0, 200, 0)).save(buffer, "JPEG", exif=exif)
    await player.session.post(f"{player.url}/upload/image", data={"image": _named(buffer.getvalue(), "turned.jpg")})
    graph = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "turned.jpg"}},
        "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
    }
    images = (await player.run(graph))["outputs"]["2"]["images"]
    assert images[0]["type"] == "temp"
    assert Image.open(io.BytesIO(await player.view(images[0]))).size == (40, 80)


async def test_a_picture_carries_its_graph_and_the_extra_data_meant_for_it(player: Player, plain_graph: Graphs) -> None:
    info = {"workflow": {"id": "w"}, "studio": {"note": "é"}}
    entry = await player.run(plain_graph(), extra_data={"extra_pnginfo": info})
    image = Image.open(io.BytesIO(await player.view(entry["outputs"]["2"]["images"][0])))
    assert isinstance(image, PngImageFile)
    assert json.loads(image.text["prompt"]) == plain_graph()
    assert {key: json.loads(image.text[key]) for key in info} == info
    assert image.mode == "RGB"


@pytest.mark.parametrize("prefix", ["../esc", "/outside/esc", "a/../../esc"])
async def test_a_prefix_that_leaves_the_output_folder_fails_at_run(
    player: Player, plain_graph: Graphs, prefix: str
) -> None:
    entry = await player.run(plain_graph(prefix=prefix))
    event, data = entry["status"]["messages"][-1]
    assert event == "execution_error"
    assert "outside the output folder" in data["exception_message"]


async def test_a_prefix_knows_the_size_and_the_date_and_nothing_else(player: Player, plain_graph: Graphs) -> None:
    entry = await player.run(plain_graph(prefix="m/%width%x%height%_%Empty.x%"))
    image = entry["outputs"]["2"]["images"][0]
    assert (image["subfolder"], image["filename"]) == ("m", "64x64_%Empty.x%_00001_.png")


async def test_text_shows_in_history(player: Player) -> None:
    entry = await player.run({"1": {"class_type": "PreviewAny", "inputs": {"source": "hello"}}})
    assert entry["outputs"] == {"1": {"text": ["hello"]}}


async def test_a_picture_is_described_by_the_colours_of_a_twentieth_of_it_or_more(player: Player) -> None:
    async def described(red_rows: int) -> list[str]:
        graph = {
            "1": {"class_type": "LoadImage", "inputs": {"image": f"lake-{red_rows}.png"}},
            "2": {"class_type": "DescribeColours", "inputs": {"image": ["1", 0]}},
            "3": {"class_type": "PreviewAny", "inputs": {"source": ["2", 0]}},
        }
        picture, buffer = Image.new("RGB", (320, 320), (20, 40, 200)), io.BytesIO()
        picture.paste((220, 20, 20), (0, 0, 320, red_rows))
        picture.save(buffer, "PNG")
        form = {"image": _named(buffer.getvalue(), f"lake-{red_rows}.png")}
        await player.session.post(f"{player.url}/upload/image", data=form)
        words: list[str] = (await player.run(graph))["outputs"]["3"]["text"]
        return words

    assert await described(red_rows=10) == ["blue, 320 × 320 pixels"]
    assert await described(red_rows=20) == ["blue, red, 320 × 320 pixels"]


async def test_an_interrupt_of_the_running_prompt_takes_effect_within_a_step(
    player: Player, picture_graph: Graphs
) -> None:
    player.engine.troubles.add(SlowSteps(seconds=30))
    heard = await player.listen()
    await player.queue(picture_graph(), prompt_id="run")
    await player.queue(picture_graph(seed=2), prompt_id="wait")
    await heard.until("progress", value=1)
    await player.post("/interrupt", {"prompt_id": "wait"})
    await player.post("/interrupt", {"prompt_id": "nobody"})
    assert (await player.json("/queue"))["queue_running"][0][1] == "run"
    player.engine.troubles.clear()
    await player.post("/interrupt", {"prompt_id": "run"})
    frames = await heard.until_idle()
    interrupted = dict(frames)["execution_interrupted"]
    assert (interrupted["prompt_id"], interrupted["node_id"], interrupted["node_type"]) == ("run", "7", "KSampler")
    entry = (await player.json("/history/run"))["run"]
    assert entry["status"]["status_str"] == "error"
    assert entry["status"]["messages"][-1][0] == "execution_interrupted"
    await heard.until_idle()
    assert (await player.json("/history/wait"))["wait"]["status"]["status_str"] == "success"


async def test_a_global_interrupt_stops_what_runs_and_has_no_later_effect(
    player: Player, picture_graph: Graphs
) -> None:
    assert (await player.request("POST", "/interrupt", data=b""))[0] == 200
    assert (await player.run(picture_graph()))["status"]["status_str"] == "success"
    hold = player.engine.troubles.add(Hold(before="KSampler"))
    heard = await player.listen()
    await player.queue(picture_graph(seed=3), prompt_id="x")
    await hold.reached()
    assert (await player.request("POST", "/interrupt", data=b"not json"))[0] == 200
    assert "execution_interrupted" in names(await heard.until_idle())


async def test_the_next_prompt_runs_after_a_failure(player: Player, picture_graph: Graphs) -> None:
    player.engine.troubles.add(FailNode("KSampler", "ValueError", "no luck"))
    failed = await player.run(picture_graph())
    assert failed["status"]["messages"][-1][1]["exception_message"] == "no luck\n"
    assert (await player.run(picture_graph()))["status"]["status_str"] == "success"
