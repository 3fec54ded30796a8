"""What the engine does not accept, and what fails while it runs."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID, uuid4

import pytest

from stylestudio.comfy.errors import ExecutionFailed, GraphInvalid, MissingFile
from stylestudio.comfy.graphs.workflow import Lora, chain_loras
from stylestudio.comfy.protocol.events import Posted, Started

from .conftest import Engine

OWN_ID = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"


async def _refusal(engine: Engine, graph: dict[str, Any]) -> GraphInvalid:
    run = engine.follow(graph)
    with pytest.raises(GraphInvalid) as caught:
        await run.end()
    assert run.of(Posted) == []
    return caught.value


async def test_an_unknown_checkpoint_is_named(engine: Engine) -> None:
    error = await _refusal(engine, engine.txt2img(checkpoint="nope.safetensors"))
    assert isinstance(error, MissingFile)
    assert (error.folder, error.name) == ("checkpoints", "nope.safetensors")
    assert str(error) == "The engine does not have the checkpoint nope.safetensors."


async def test_an_unknown_lora_is_named(engine: Engine) -> None:
    graph = chain_loras(engine.txt2img(), [Lora("ink_v9.safetensors", 1.0, 1.0)], model=("2", 0), clip=("1", 1))
    error = await _refusal(engine, graph)
    assert isinstance(error, MissingFile)
    assert (error.folder, error.name) == ("loras", "ink_v9.safetensors")


async def test_an_absent_reference_is_named(engine: Engine) -> None:
    error = await _refusal(engine, engine.img2img("nofile.png"))
    assert isinstance(error, MissingFile)
    assert (error.folder, error.name) == ("input", "nofile.png")
    assert [reason.type for reason in error.node_errors] == ["custom_validation_failed"]


async def test_a_missing_input_is_named(engine: Engine) -> None:
    graph = engine.txt2img()
    del graph["6"]["inputs"]["seed"]
    (reason,) = (await _refusal(engine, graph)).node_errors
    assert (reason.node_id, reason.class_type, reason.type, reason.input_name) == (
        "6",
        "KSampler",
        "required_input_missing",
        "seed",
    )


async def test_every_value_out_of_range_is_told(engine: Engine) -> None:
    error = await _refusal(engine, engine.txt2img(steps=99999, cfg=-1.0, sampler="foo"))
    assert {(reason.type, reason.input_name) for reason in error.node_errors} == {
        ("value_bigger_than_max", "steps"),
        ("value_smaller_than_min", "cfg"),
        ("value_not_in_list", "sampler_name"),
    }


async def test_what_is_no_number_is_refused(engine: Engine) -> None:
    (reason,) = (await _refusal(engine, engine.txt2img(steps="abc"))).node_errors
    assert (reason.type, reason.input_name) == ("invalid_input_type", "steps")


async def test_links_of_the_wrong_type_or_shape_are_refused(engine: Engine) -> None:
    wrong_type, wrong_shape, nowhere = engine.txt2img(), engine.txt2img(), engine.txt2img()
    wrong_type["6"]["inputs"]["model"] = ["1", 1]
    wrong_shape["6"]["inputs"]["model"] = ["2", 0, 1]
    nowhere["7"]["inputs"]["samples"] = ["77", 0]
    assert [reason.type for reason in (await _refusal(engine, wrong_type)).node_errors] == ["return_type_mismatch"]
    assert [reason.type for reason in (await _refusal(engine, wrong_shape)).node_errors] == ["bad_linked_input"]
    error = await _refusal(engine, nowhere)
    assert [reason.type for reason in error.node_errors] == ["exception_during_inner_validation"]
    assert ".py" not in str(error)


@pytest.mark.every_generation
async def test_an_unknown_class_is_named(engine: Engine) -> None:
    graph = engine.txt2img()
    graph["6"] |= {"class_type": "NoSuchNode", "_meta": {"title": "My sampler"}}
    error = await _refusal(engine, graph)
    assert error.node_errors == ()
    status, answer = await engine.post({"prompt": graph})
    assert (status, answer["error"]["details"], answer["node_errors"]) == (400, "Node ID '#6'", {})
    if engine.since(0, 12):
        assert answer["error"]["type"] == "missing_node_type"
        assert answer["error"]["message"] == "Node 'My sampler' not found. The custom node may not be installed."
        assert answer["error"]["extra_info"] == {
            "node_id": "6",
            "class_type": "NoSuchNode",
            "node_title": "My sampler",
        }
    else:
        assert answer["error"]["type"] == "invalid_prompt"
        assert "NoSuchNode" in answer["error"]["message"]
        assert answer["error"]["extra_info"] == {}


@pytest.mark.every_generation
async def test_a_node_without_a_class_is_refused(engine: Engine) -> None:
    graph = engine.txt2img()
    del graph["6"]["class_type"]
    status, answer = await engine.post({"prompt": graph})
    assert (status, answer["error"]["details"], answer["node_errors"]) == (400, "Node ID '#6'", {})
    assert answer["error"]["type"] == ("missing_node_type" if engine.since(0, 12) else "invalid_prompt")


@pytest.mark.every_generation("current", "new")
async def test_a_cycle_of_links_is_refused(engine: Engine) -> None:
    graph = engine.img2img("x.png")
    scaled = next(key for key, node in graph.items() if node["class_type"] == "ImageScale")
    graph[scaled]["inputs"]["image"] = [scaled, 0]
    status, answer = await engine.post({"prompt": graph})
    assert (status, answer["error"]["type"]) == (400, "prompt_outputs_failed_validation")
    if engine.since(0, 33):
        [reason] = answer["node_errors"][scaled]["errors"]
        assert (reason["type"], reason["message"]) == ("dependency_cycle", "Dependency cycle detected")
        assert reason["details"] == f"{scaled} (ImageScale) -> {scaled} (ImageScale)"
        assert reason["extra_info"] == {"node_id": scaled, "cycle_nodes": [scaled]}


@pytest.mark.every_generation
async def test_an_id_must_be_a_canonical_uuid_since_0_25(engine: Engine) -> None:
    graph = engine.txt2img()
    wrong = ("abc", "", 12, OWN_ID.upper(), OWN_ID.replace("-", ""), f"{{{OWN_ID}}}")
    if not engine.since(0, 25):
        for told in wrong:
            status, answer = await engine.post({"prompt": graph, "prompt_id": told})
            assert (status, answer["prompt_id"]) == (200, str(told))
        return
    _status, before = await engine.post({"prompt": graph})
    for told in wrong:
        status, answer = await engine.post({"prompt": graph, "prompt_id": told})
        assert (status, answer["error"]["type"], answer["node_errors"]) == (400, "invalid_prompt_id", {})
    _status, after = await engine.post({"prompt": graph, "prompt_id": None})
    assert after["number"] == before["number"] + len(wrong) + 1, "a refused id takes a number too"
    assert str(UUID(after["prompt_id"])) == after["prompt_id"], "null asks for a new one"


@pytest.mark.every_generation
async def test_a_graph_without_an_output_is_refused(engine: Engine) -> None:
    graph = engine.txt2img()
    del graph["8"]
    for outputless in (graph, {}):
        status, answer = await engine.post({"prompt": outputless, "client_id": engine.client.client_id})
        assert (status, answer["error"]["type"], answer["node_errors"]) == (400, "prompt_no_outputs", {})
    status, answer = await engine.post({"prompt": []})
    if engine.since(0, 14):
        assert (status, answer.splitlines()[0]) == (500, "500 Internal Server Error")
    else:
        assert (status, answer["error"]["type"], answer["node_errors"]) == (400, "prompt_no_outputs", {})
    assert "no outputs" in str(await _refusal(engine, graph))


async def test_a_body_without_a_prompt_is_refused(engine: Engine) -> None:
    status, answer = await engine.post({})
    assert (status, answer["error"]["type"]) == (400, "no_prompt")


@pytest.mark.parametrize("body", [b"", b"{nonsense", b'{"prompt": [1]}'], ids=["empty", "not-json", "list"])
async def test_a_body_that_makes_no_sense_is_a_500_in_plain_text(engine: Engine, body: bytes) -> None:
    async with engine.session.post(f"{engine.url}/prompt", data=body) as answer:
        assert (answer.status, answer.content_type) == (500, "text/plain")
        assert (await answer.text()).startswith("500 Internal Server Error")


async def test_what_is_accepted_in_part_is_started(engine: Engine) -> None:
    graph, prompt_id = engine.endless(), str(uuid4())
    graph["20"] = {"class_type": "SaveImage", "inputs": {"images": ["7", 0]}}
    payload = {"prompt": graph, "prompt_id": prompt_id, "client_id": engine.client.client_id}
    status, answer = await engine.post(payload)
    assert (status, answer["prompt_id"], list(answer["node_errors"])) == (200, prompt_id, ["20"])
    [reason] = answer["node_errors"]["20"]["errors"]
    assert (reason["type"], reason["extra_info"]["input_name"]) == ("required_input_missing", "filename_prefix")
    started = engine.follow({}, prompt_id, attach=True)
    await started.until(Started)
    [running] = json.loads((await engine.get("/queue"))[1])["queue_running"]
    assert (running[1], running[4]) == (prompt_id, ["8"])


async def test_a_graph_of_which_only_a_part_is_accepted_counts_as_refused(engine: Engine) -> None:
    graph = engine.txt2img(steps=2000)
    graph["20"] = {"class_type": "SaveImage", "inputs": {"images": ["7", 0]}}
    prompt_id = str(uuid4())
    with pytest.raises(GraphInvalid) as caught:
        await engine.follow(graph, prompt_id).end()
    assert [(reason.node_id, reason.input_name) for reason in caught.value.node_errors] == [("20", "filename_prefix")]
    following = await engine.make(engine.txt2img())
    assert following.outputs
    queue = await engine.client.queue()
    assert prompt_id not in queue.running + queue.pending


async def test_inputs_that_a_class_does_not_know_are_ignored(engine: Engine) -> None:
    graph = engine.txt2img()
    graph["6"]["inputs"]["_nonce"] = 7
    assert (await engine.make(graph)).outputs


async def test_a_file_that_is_no_picture_fails_when_it_is_loaded(engine: Engine) -> None:
    ref = await engine.client.upload_image(b"not a picture", f"{uuid4().hex}.png")
    prompt_id = str(uuid4())
    with pytest.raises(ExecutionFailed) as caught:
        await engine.follow(engine.img2img(ref.filename), prompt_id).end()
    assert (caught.value.node_type, caught.value.node_id) == ("LoadImage", "9")
    assert caught.value.exception_type == "PIL.UnidentifiedImageError"
    assert "/" not in str(caught.value).replace(ref.filename, "")

    raw = json.loads((await engine.get(f"/history/{prompt_id}"))[1])
    if raw:
        status = raw[prompt_id]["status"]
        assert (status["status_str"], status["completed"]) == ("error", False)


async def test_a_prefix_that_leaves_the_output_folder_fails_while_running(engine: Engine) -> None:
    run = engine.follow(engine.txt2img(filename_prefix="../../outside"))
    with pytest.raises(ExecutionFailed) as caught:
        await run.end()
    assert caught.value.node_type == "SaveImage"
    assert len(run.of(Posted)) == 1
