"""What the engine does not accept, and what fails while it runs."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest

from stylestudio.comfy.errors import ExecutionFailed, GraphInvalid, MissingFile
from stylestudio.comfy.events import Posted
from stylestudio.comfy.graph import Lora, chain_loras

from .conftest import Engine


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
    graph = chain_loras(engine.txt2img(), [Lora("ink_v9.safetensors", 1.0, 1.0)])
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


async def test_an_unknown_class_is_named(engine: Engine) -> None:
    graph = engine.txt2img()
    graph["6"]["class_type"] = "NoSuchNode"
    error = await _refusal(engine, graph)
    assert error.node_errors == ()
    assert "NoSuchNode" in str(error)


async def test_a_graph_without_an_output_is_refused(engine: Engine) -> None:
    graph = engine.txt2img()
    del graph["8"]
    for outputless in (graph, {}, []):
        status, answer = await engine.post({"prompt": outputless, "client_id": engine.client.client_id})
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
