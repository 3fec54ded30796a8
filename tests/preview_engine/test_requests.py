"""Requests and their answers: validation, queue, history, files, models, who may ask; shapes as recorded."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from PIL import Image

from stylestudio.preview_engine.options import MODELS, Options
from stylestudio.preview_engine.server import PreviewEngine
from stylestudio.preview_engine.troubles import DeadWorker
from tests.preview_engine.conftest import Graphs, Player

CHECKPOINTS = sorted(MODELS["checkpoints"])

TROUBLE = "500 Internal Server Error\n\nServer got itself in trouble"


def change(graph: dict[str, Any], node_id: str, **inputs: Any) -> dict[str, Any]:
    graph[node_id]["inputs"].update(inputs)
    return graph


async def rejected(player: Player, graph: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any]
    status, answer = await player.queue(graph)
    assert status == 400
    return answer


async def test_a_file_the_engine_lacks_is_named_with_the_options_there_are(
    player: Player, picture_graph: Graphs
) -> None:
    answer = await rejected(player, change(picture_graph(), "1", ckpt_name="nope.safetensors"))
    options = CHECKPOINTS
    assert answer == {
        "error": {
            "type": "prompt_outputs_failed_validation",
            "message": "Prompt outputs failed validation",
            "details": "",
            "extra_info": {},
        },
        "node_errors": {
            "1": {
                "errors": [
                    {
                        "type": "value_not_in_list",
                        "message": "Value not in list",
                        "details": f"ckpt_name: 'nope.safetensors' not in {options}",
                        "extra_info": {
                            "input_name": "ckpt_name",
                            "input_config": [options, {}],
                            "received_value": "nope.safetensors",
                        },
                    }
                ],
                "dependent_outputs": ["9"],
                "class_type": "CheckpointLoaderSimple",
            }
        },
    }


async def test_every_wrong_value_of_a_node_is_told_at_once(player: Player, picture_graph: Graphs) -> None:
    graph = picture_graph(sampler_name="foo", steps=99999, cfg=-1)
    errors = (await rejected(player, graph))["node_errors"]["7"]["errors"]
    told = {error["type"]: error for error in errors}
    assert told["value_not_in_list"]["details"].startswith("sampler_name: 'foo' not in (list of length ")
    assert told["value_not_in_list"]["extra_info"]["input_config"] is None
    assert told["value_bigger_than_max"]["message"] == "Value 99999 bigger than max of 10000"
    assert told["value_bigger_than_max"]["details"] == "steps"
    assert told["value_smaller_than_min"]["message"] == "Value -1.0 smaller than min of 0.0"
    assert told["value_smaller_than_min"]["extra_info"]["received_value"] == -1.0
    assert len(errors) == 3


@pytest.mark.parametrize(
    ("node_id", "inputs", "kind", "details", "facts"),
    [
        (
            "7",
            {"steps": "abc"},
            "invalid_input_type",
            "steps, abc, invalid literal for int() with base 10: 'abc'",
            {"received_value": "abc", "exception_message": "invalid literal for int() with base 10: 'abc'"},
        ),
        ("7", {"model": ["3", 0, 1]}, "bad_linked_input", "model", {"received_value": ["3", 0, 1]}),
        (
            "7",
            {"model": ["1", 1]},
            "return_type_mismatch",
            "model, received_type(CLIP) mismatch input_type(MODEL)",
            {"received_type": "CLIP", "linked_node": ["1", 1]},
        ),
        (
            "7",
            {"latent_image": ["77", 0]},
            "exception_during_inner_validation",
            "'77'",
            {"exception_type": "KeyError", "linked_node": ["7", 0], "input_name": "samples"},
        ),
        (
            "7",
            {"model": ["1", 9]},
            "exception_during_inner_validation",
            "tuple index out of range",
            {"exception_type": "IndexError", "linked_node": ["7", 0]},
        ),
    ],
)
async def test_a_bad_input_is_told_as_the_real_engine_tells_it(
    player: Player,
    picture_graph: Graphs,
    node_id: str,
    inputs: dict[str, Any],
    kind: str,
    details: str,
    facts: dict[str, Any],
) -> None:
    answer = await rejected(player, change(picture_graph(), node_id, **inputs))
    assert list(answer["node_errors"]) == [node_id]
    entry = answer["node_errors"][node_id]
    (error,) = entry["errors"]
    assert (error["type"], error["details"], entry["dependent_outputs"]) == (kind, details, ["9"])
    assert facts.items() <= error["extra_info"].items()


async def test_a_missing_input_is_named(player: Player, picture_graph: Graphs) -> None:
    graph = picture_graph()
    del graph["7"]["inputs"]["seed"]
    (error,) = (await rejected(player, graph))["node_errors"]["7"]["errors"]
    assert error == {
        "type": "required_input_missing",
        "message": "Required input is missing",
        "details": "seed",
        "extra_info": {"input_name": "seed"},
    }


@pytest.mark.parametrize("name", ["nofile.png", "../output/o.png", "/etc/hostname"])
async def test_a_picture_that_is_not_in_the_input_folder_is_refused(player: Player, name: str) -> None:
    graph = {
        "1": {"class_type": "LoadImage", "inputs": {"image": name}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}},
    }
    (error,) = (await rejected(player, graph))["node_errors"]["1"]["errors"]
    assert error["type"] == "custom_validation_failed"
    assert error["details"] == f"image - Invalid image file: {name}"
    assert error["extra_info"] == {"input_name": "image"}


@pytest.mark.parametrize(
    ("node", "kind", "message", "details"),
    [
        (
            {"class_type": "Nope", "inputs": {}},
            "invalid_prompt",
            "Cannot execute because node Nope does not exist.",
            "7",
        ),
        ({"inputs": {}}, "invalid_prompt", "Cannot execute because a node is missing the class_type property.", "7"),
    ],
)
async def test_a_node_without_a_known_class_is_named(
    player: Player, picture_graph: Graphs, node: dict[str, Any], kind: str, message: str, details: str
) -> None:
    answer = await rejected(player, {**picture_graph(), "7": node})
    assert answer["error"] == {
        "type": kind,
        "message": message,
        "details": f"Node ID '#{details}'",
        "extra_info": {},
    }
    assert answer["node_errors"] == {}


async def test_a_graph_without_an_output_is_refused(player: Player, picture_graph: Graphs) -> None:
    graph = picture_graph()
    del graph["9"]
    assert (await rejected(player, graph))["error"]["type"] == "prompt_no_outputs"
    assert (await rejected(player, {}))["error"]["type"] == "prompt_no_outputs"


async def test_a_cycle_is_refused_and_hangs_nothing(player: Player, picture_graph: Graphs) -> None:
    answer = await rejected(player, change(picture_graph(), "2", model=["3", 0]))
    assert answer["error"]["type"] == "prompt_outputs_failed_validation"
    assert (await player.run(picture_graph()))["status"]["completed"] is True


@pytest.mark.parametrize("body", [b"[]", b"{}"])
async def test_a_body_without_a_prompt_is_told_so(player: Player, body: bytes) -> None:
    status, answer = await player.request("POST", "/prompt", data=body)
    assert status == 400
    assert json.loads(answer)["error"]["type"] == "no_prompt"


@pytest.mark.parametrize(
    "body",
    [
        b'{"prompt":',
        b"",
        b'{"prompt": [1, 2]}',
        b'{"prompt": {"1": 5}}',
        b'{"prompt": {"1": {"class_type": "PreviewAny", "inputs": {"source": "x"}}}, "extra_data": null}',
        b'{"prompt": {"1": {"class_type": "PreviewAny", "inputs": {"source": "x"}}}, "extra_data": [1]}',
        b'{"prompt": {"1": {"class_type": "PreviewAny", "inputs": {"source": "x"}}}, "number": "abc"}',
    ],
)
async def test_a_malformed_request_is_answered_500_in_plain_text(player: Player, body: bytes) -> None:
    async with player.session.post(f"{player.url}/prompt", data=body) as response:
        assert (response.status, response.content_type) == (500, "text/plain")
        assert await response.text() == TROUBLE


async def test_a_graph_with_one_good_output_runs_it_and_tells_of_the_other(player: Player, plain_graph: Graphs) -> None:
    graph = plain_graph()
    graph["20"] = {"class_type": "SaveImage", "inputs": {"images": ["1", 0]}}
    status, answer = await player.queue(graph, prompt_id="half")
    assert status == 200
    assert answer["node_errors"]["20"]["errors"][0]["details"] == "filename_prefix"
    heard = await player.listen("x")
    while not (history := await player.json("/history/half")):
        await heard.until("status")
    assert history["half"]["prompt"][4] == ["2"]
    assert list(history["half"]["outputs"]) == ["2"]


async def test_plain_values_are_coerced(player: Player, plain_graph: Graphs) -> None:
    entry = await player.run(plain_graph(width="64", height=64.9))
    image = Image.open(io.BytesIO(await player.view(entry["outputs"]["2"]["images"][0])))
    assert image.size == (64, 64)
    assert entry["prompt"][2]["1"]["inputs"]["width"] == 64


async def test_any_prompt_id_becomes_text(player: Player, plain_graph: Graphs) -> None:
    for given, kept in ((12, "12"), (None, "None"), ("", ""), (["a"], "['a']")):
        assert (await player.queue(plain_graph(), prompt_id=given))[1]["prompt_id"] == kept
    assert len((await player.queue(plain_graph()))[1]["prompt_id"]) == 36


async def test_prompts_run_in_the_order_of_their_numbers(player: Player, plain_graph: Graphs) -> None:
    dead = player.engine.troubles.add(DeadWorker())
    numbers = []
    given: dict[str, dict[str, Any]] = {
        "first": {},
        "second": {},
        "front": {"front": True},
        "low": {"number": -500},
        "high": {"number": "99999"},
        "more-front": {"front": True},
        "b": {"number": 7},
        "a": {"number": 7},
        "last-plain": {"front": False},
    }
    for prompt_id, more in given.items():
        numbers.append((await player.queue(plain_graph(), prompt_id=prompt_id, **more))[1]["number"])
    assert numbers == [0, 1, -2, -500.0, 99999.0, -3, 7.0, 7.0, 4]
    assert await player.json("/prompt") == {"exec_info": {"queue_remaining": 9}}
    queue = await player.json("/queue")
    assert queue["queue_running"] == []
    assert len(queue["queue_pending"]) == 9
    number, prompt_id, graph, extra_data, outputs = queue["queue_pending"][0]
    assert (number, prompt_id, graph, outputs) == (-500.0, "low", plain_graph(), ["2"])
    assert extra_data["client_id"] == "me"
    heard = await player.listen()
    dead.release()
    order = []
    for _ in range(9):
        order.append((await heard.until_idle())[-1][1]["prompt_id"])
    assert order == ["low", "more-front", "front", "first", "second", "last-plain", "a", "b", "high"]


async def test_deleted_and_cleared_prompts_leave_no_trace(player: Player, plain_graph: Graphs) -> None:
    player.engine.troubles.add(DeadWorker())
    for prompt_id in ("a", "b", "c"):
        await player.queue(plain_graph(), prompt_id=prompt_id)
    heard = await player.listen()
    assert (await player.post("/queue", {"delete": ["b", "nobody"]}))[0] == 200
    await heard.until("status", status={"exec_info": {"queue_remaining": 2}})
    assert sorted(item[1] for item in (await player.json("/queue"))["queue_pending"]) == ["a", "c"]
    assert await player.json("/history/b") == {}
    assert (await player.post("/queue", {"clear": True}))[0] == 200
    assert await player.json("/queue") == {"queue_running": [], "queue_pending": []}


async def test_history_is_paged_deleted_and_cleared(player: Player, plain_graph: Graphs) -> None:
    for prompt_id in "abcd":
        await player.run(plain_graph(), prompt_id=prompt_id)
    assert list(await player.json("/history")) == list("abcd")
    assert list(await player.json("/history?max_items=2")) == ["c", "d"]
    assert list(await player.json("/history?max_items=2&offset=0")) == ["a", "b"]
    assert (await player.request("GET", "/history?max_items=abc"))[0] == 500
    assert (await player.post("/history", {"delete": ["d", "nobody"]}))[0] == 200
    assert await player.json("/history/d") == {}
    assert (await player.post("/history", {"clear": True}))[0] == 200
    assert await player.json("/history") == {}
    assert await player.json("/history/nobody") == {}


async def test_bodies_of_the_wrong_kind_are_answered_500(player: Player) -> None:
    assert await player.post("/interrupt", [1]) == (500, TROUBLE)
    assert (await player.request("POST", "/free", data=b""))[0] == 500
    assert (await player.request("POST", "/queue", data=b"{"))[0] == 500


async def test_what_the_engine_knows_of_itself(player: Player) -> None:
    stats = await player.json("/system_stats")
    assert stats["system"]["comfyui_version"].startswith("preview-")
    (device,) = stats["devices"]
    assert (device["name"], device["type"]) == ("Preview engine", "cpu")
    assert device["vram_total"] >= device["vram_free"] >= 0
    assert (await player.json("/features"))["supports_preview_metadata"] is True
    infos = await player.json("/object_info")
    assert {"KSampler", "LoraLoaderModelOnly", "SaveImage", "VAEEncode", "ImageScale"} <= infos.keys()
    assert await player.json("/object_info/KSampler") == {"KSampler": infos["KSampler"]}
    assert await player.json("/object_info/NoSuch") == {}
    assert infos["LoadImage"]["input"]["required"]["image"] == [[], {"image_upload": True}]
    save = infos["SaveImage"]
    assert save["output_node"] is True
    assert save["input_order"] == {"required": ["images", "filename_prefix"], "hidden": ["prompt", "extra_pnginfo"]}


async def test_models_are_listed_and_an_uploaded_lora_is_there_at_once(player: Player) -> None:
    assert await player.json("/models/checkpoints") == CHECKPOINTS
    assert "ae.safetensors" in await player.json("/models/vae")
    assert "loras" in await player.json("/models")
    assert (await player.request("GET", "/models/nope"))[0] == 404
    await upload(player, b"weights", "mine.safetensors", type="output", subfolder="loras")
    expected = ["mine.safetensors", "sdxl_lightning_4step_lora.safetensors", "style_test.safetensors"]
    assert await player.json("/models/loras") == expected
    info = await player.json("/object_info/LoraLoader")
    assert info["LoraLoader"]["input"]["required"]["lora_name"][0] == expected


async def test_every_route_lives_below_api_too_and_none_ends_with_a_slash(player: Player) -> None:
    assert await player.json("/api/queue") == await player.json("/queue")
    assert (await player.request("GET", "/queue/"))[0] == 404


async def upload(player: Player, data: bytes, filename: str, **fields: str) -> tuple[int, Any]:
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("image", data, filename=filename, content_type="application/octet-stream")
    for name, value in fields.items():
        form.add_field(name, value)
    status, body = await player.request("POST", "/upload/image", data=form)
    return status, json.loads(body) if status == 200 else body.decode()


async def test_an_upload_never_replaces_other_bytes_unless_told_to(player: Player) -> None:
    async def name(data: bytes, **fields: str) -> str:
        status, answer = await upload(player, data, "u.png", **fields)
        assert status == 200
        given: str = answer["name"]
        return given

    assert await name(b"one") == "u.png"
    assert await name(b"one") == "u.png"
    assert await name(b"two") == "u (1).png"
    assert await name(b"three") == "u (2).png"
    assert await name(b"four", overwrite="true") == "u.png"
    assert await name(b"five", overwrite="True") == "u (3).png"
    assert await player.view({"filename": "u.png", "type": "input"}) == b"four"


async def test_uploads_go_to_folders_and_keep_their_names(player: Player) -> None:
    assert await upload(player, b"x", "猫.txt", subfolder="ds/one") == (
        200,
        {"name": "猫.txt", "subfolder": "ds/one", "type": "input"},
    )
    assert (await upload(player, b"x", "t.png", type="temp"))[1]["type"] == "temp"
    assert await player.view({"filename": "猫.txt", "type": "input", "subfolder": "ds/one"}) == b"x"
    assert (await upload(player, b"", "zero.png"))[0] == 200


@pytest.mark.parametrize(
    ("filename", "fields", "status"),
    [
        ("../evil.txt", {}, 400),
        ("e.txt", {"subfolder": "../.."}, 400),
        ("e.txt", {"subfolder": "/etc"}, 400),
        ("nodir/in.txt", {}, 500),
        ("e.txt", {"type": "bogus"}, 500),
    ],
)
async def test_uploads_that_lead_elsewhere_are_refused(
    player: Player, filename: str, fields: dict[str, str], status: int
) -> None:
    assert (await upload(player, b"x", filename, **fields))[0] == status


async def test_an_upload_without_a_file_is_refused(player: Player) -> None:
    assert (await player.request("POST", "/upload/image", data=b"abc"))[0] == 400
    assert (await player.request("POST", "/upload/image", data={"other": io.BytesIO(b"x")}))[0] == 400


async def test_a_saved_picture_can_be_fetched_whole_in_part_and_smaller(player: Player, plain_graph: Graphs) -> None:
    await player.run(plain_graph(prefix="a/e"))
    where = "/view?filename=e_00001_.png&subfolder=a"
    async with player.session.get(player.url + where) as response:
        whole = await response.read()
        assert response.content_type == "image/png"
        assert response.headers["Content-Disposition"] == 'filename="e_00001_.png"'
    status, part = await player.request("GET", where, headers={"Range": "bytes=0-9"})
    assert (status, part) == (206, whole[:10])
    for asked, kind in (("jpeg;80", "JPEG"), ("webp;90", "WEBP"), ("png", "WEBP")):
        status, smaller = await player.request("GET", f"{where}&preview={asked}")
        assert (status, Image.open(io.BytesIO(smaller)).format) == (200, kind)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 404),
        ("filename=", 400),
        ("filename=none.png", 404),
        ("filename=ds/one/a.txt&type=input", 404),
        ("filename=a.txt&type=input&subfolder=ds/one", 200),
        ("filename=a.txt [input]&subfolder=ds/one", 200),
        ("filename=../../etc/passwd", 400),
        ("filename=/etc/passwd", 400),
        ("filename=passwd&subfolder=/etc", 403),
        ("filename=a.txt&type=input&subfolder=../", 403),
        ("filename=a.txt&type=bogus", 400),
        ("filename=a.txt&type=input&subfolder=ds/one&preview=webp", 500),
    ],
)
async def test_what_may_be_viewed(player: Player, query: str, status: int) -> None:
    await upload(player, b"a caption", "a.txt", subfolder="ds/one")
    assert (await player.request("GET", f"/view?{query}"))[0] == status


async def test_pages_are_never_served_as_pages(player: Player) -> None:
    await upload(player, b"<script>", "x.html")
    async with player.session.get(f"{player.url}/view?filename=x.html&type=input") as response:
        assert response.content_type == "application/octet-stream"


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        (None, "http://example.com", 403),
        (None, "http://127.0.0.1:9", 403),
        (None, "http://localhost:{port}", 403),
        (None, "http://127.0.0.1:{port}", 200),
        (None, "http://127.0.0.1", 200),
        (None, "null", 200),
        ("localhost:8188", "http://localhost:8000", 403),
        ("comfy.internal", "http://evil.com", 200),
        ("example.com", None, 200),
    ],
)
async def test_pages_of_other_sites_may_not_ask_an_engine_on_this_machine(
    player: Player, host: str | None, origin: str | None, status: int
) -> None:
    headers = {}
    if host:
        headers["Host"] = host
    if origin:
        headers["Origin"] = origin.format(port=player.url.rpartition(":")[2])
    assert (await player.request("GET", "/queue", headers=headers))[0] == status


async def test_a_page_of_another_site_may_not_open_a_socket(player: Player) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        await player.session.ws_connect(f"{player.url}/ws", origin="http://example.com")
    assert refusal.value.status == 403


async def test_comfyuis_own_port_is_never_taken(options: Options) -> None:
    with pytest.raises(ValueError, match="8188 belongs to ComfyUI"):
        await PreviewEngine(options).start(port=8188)


async def test_only_the_newest_pictures_are_kept(tmp_path: Path, plain_graph: Graphs, player: Player) -> None:
    options = Options(painter="flat", loras=(), folder=tmp_path, keep_outputs=3)
    async with PreviewEngine(options) as engine:
        other = type(player)(player.session, engine.url, engine)
        for number in range(5):
            await other.run(plain_graph(prefix=f"job{number}/e", color=number))
    left = sorted(path.relative_to(tmp_path / "output").as_posix() for path in (tmp_path / "output").rglob("*"))
    assert left == ["job2", "job2/e_00001_.png", "job3", "job3/e_00001_.png", "job4", "job4/e_00001_.png"]
