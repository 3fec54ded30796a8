"""Training a LoRA with ComfyUI's own nodes: what is said on the way, what is saved, what goes wrong."""

from __future__ import annotations

import io
import json
import struct
from contextlib import suppress
from typing import Any
from uuid import uuid4

import pytest
from PIL import Image

from stylestudio.comfy.errors import ComfyError, PromptInterrupted
from stylestudio.comfy.graphs.graph import Graph
from stylestudio.comfy.graphs.node_info import combo_options
from stylestudio.comfy.protocol.events import Cached, Completed, Executing, Progress

from .conftest import Engine

pytestmark = pytest.mark.every_generation("current", "new")

TRAIN, SAVE, LOSSES, STEPS = "4", "5", "6", "7"
TRAINING_CLASSES = (
    "LoadImageTextDataSetFromFolder",
    "MakeTrainingDataset",
    "TrainLoraNode",
    "SaveLoRA",
    "LoraModelLoader",
    "LossGraphNode",
    "PreviewAny",
)


@pytest.fixture
async def engine(engine: Engine) -> Engine:
    """One that has said what its training nodes are like."""
    for name in TRAINING_CLASSES:
        engine.infos[name] = await engine.client.object_info(name)
    if not engine.since(0, 8) and not all(engine.infos.values()):
        pytest.skip("this ComfyUI trains with other nodes: tests/preview_engine/test_training.py says which")
    return engine


def out(engine: Engine, kind: str) -> list[Any]:
    """A link to the output of this type, whichever place it has."""
    return [TRAIN, engine.infos["TrainLoraNode"]["output"].index(kind)]


def filled(engine: Engine, class_type: str, inputs: dict[str, Any]) -> dict[str, Any]:
    """A node with these inputs, and the defaults of what its class requires besides."""
    required = engine.infos[class_type]["input"]["required"]
    defaults = {name: spec[1]["default"] for name, spec in required.items() if name not in inputs}
    return {"class_type": class_type, "inputs": {**defaults, **inputs}}


def png(colour: tuple[int, int, int], size: tuple[int, int] = (64, 64)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


async def upload(engine: Engine, folder: str, name: str, data: bytes) -> None:
    await engine.client.upload_image(data, name, subfolder=folder)


async def a_set(engine: Engine, *sizes: tuple[int, int]) -> str:
    """A folder of pictures with captions, under a new name."""
    folder = f"contract/{uuid4().hex}"
    for number, size in enumerate(sizes or ((64, 64), (64, 64)), start=1):
        await upload(engine, folder, f"{number:04}.png", png((200, 40 * number, 30), size))
        await upload(engine, folder, f"{number:04}.txt", f"a thing {number}".encode())
    return folder


def a_name() -> str:
    return f"contract_{uuid4().hex}"


def training(engine: Engine, folder: str, prefix: str, **changes: Any) -> Graph:
    """Trains two steps, saves, and tells losses and steps. `steps_named` false leaves them out of the file's name."""
    named = changes.pop("steps_named", True)
    inputs = {
        "model": ["1", 0],
        "latents": ["3", 0],
        "positive": ["3", 1],
        "batch_size": 1,
        "grad_accumulation_steps": 1,
        "steps": 2,
        "learning_rate": 0.0005,
        "rank": 4,
        "optimizer": "AdamW",
        "loss_function": "MSE",
        "seed": 1,
        "training_dtype": "fp32",
        "lora_dtype": "bf16",
        "algorithm": "LoRA",
        "gradient_checkpointing": False,
        "existing_lora": "[None]",
        "bucket_mode": False,
    }
    saving: dict[str, Any] = {"lora": out(engine, "LORA_MODEL"), "prefix": f"loras/{prefix}"}
    if named:
        saving["steps"] = out(engine, "INT")
    dataset = {"images": ["2", 0], "vae": ["1", 2], "clip": ["1", 1], "texts": ["2", 1]}
    return {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": engine.checkpoint}},
        "2": {"class_type": "LoadImageTextDataSetFromFolder", "inputs": {"folder": folder}},
        "3": {"class_type": "MakeTrainingDataset", "inputs": dataset},
        TRAIN: filled(engine, "TrainLoraNode", {**inputs, **changes}),
        SAVE: {"class_type": "SaveLoRA", "inputs": saving},
        LOSSES: {"class_type": "PreviewAny", "inputs": {"source": out(engine, "LOSS_MAP")}},
        STEPS: {"class_type": "PreviewAny", "inputs": {"source": out(engine, "INT")}},
    }


async def history(engine: Engine, graph: Graph) -> dict[str, Any]:
    """Runs the graph to its end, good or bad, and gives its history entry."""
    prompt_id = str(uuid4())
    with suppress(ComfyError):  # what went wrong is looked at in the history
        await engine.follow(graph, prompt_id).end()
    return await engine.entry(prompt_id)


def failure(entry: dict[str, Any]) -> tuple[str, str, str]:
    """Node class, type and message of what went wrong."""
    event, data = entry["status"]["messages"][-1]
    assert event == "execution_error", event
    return data["node_type"], data["exception_type"], data["exception_message"].strip()


def losses(entry: dict[str, Any]) -> list[float]:
    said = json.loads(entry["outputs"][LOSSES]["text"][0])
    assert list(said) == ["loss"]
    return list(said["loss"])


async def loras(engine: Engine, prefix: str) -> list[str]:
    return sorted(name for name in await engine.client.models("loras") if name.startswith(prefix))


async def test_the_training_nodes_are_there_and_take_what_ours_does(engine: Engine) -> None:
    infos = engine.infos
    assert all(infos.values())
    graph = training(engine, "x", "y")
    for node in graph.values():
        info = infos.get(node["class_type"])
        if info:
            known = {**info["input"]["required"], **info["input"].get("optional", {})}
            assert set(info["input"]["required"]) <= set(node["inputs"]) <= set(known), node["class_type"]
    train = infos["TrainLoraNode"]
    outputs = ["LORA_MODEL", "LOSS_MAP", "INT"]
    assert train["output"] == (outputs if engine.since(0, 11) else ["MODEL", *outputs])
    assert train["output_name"][-3:] == ["lora", "loss_map", "steps"]
    required = train["input"]["required"]
    assert combo_options(required["optimizer"]) == ("AdamW", "Adam", "SGD", "RMSprop")
    assert combo_options(required["loss_function"]) == ("MSE", "L1", "Huber", "SmoothL1")
    existing = combo_options(required["existing_lora"]) or ()
    assert set(existing) == {*await engine.client.models("loras"), "[None]"}
    assert (required["rank"][0], required["rank"][1]["max"]) == ("INT", 128)
    if engine.since(0, 14):
        assert required["checkpoint_depth"][:1] == ["INT"]
        assert required["checkpoint_depth"][1].items() >= {"default": 1, "min": 1, "max": 5}.items()
    newer = {"quantized_backward", "checkpoint_depth", "offloading", "bypass_mode"}
    dtypes = combo_options(required["training_dtype"])
    if engine.since(0, 33):
        assert newer <= set(required)
        assert dtypes == ("bf16", "fp32", "none")
    if not engine.since(0, 11):
        assert not newer & set(required)
        assert dtypes == ("bf16", "fp32")


async def test_an_uploaded_folder_can_be_chosen_at_once(engine: Engine) -> None:
    folder = await a_set(engine)
    engine.client.forget()
    info = await engine.client.object_info("LoadImageTextDataSetFromFolder")
    assert info is not None
    folders = combo_options(info["input"]["required"]["folder"]) or ()
    assert {folder, "contract"} <= set(folders)


async def test_a_training_tells_its_steps_its_losses_and_saves_under_its_prefix(engine: Engine) -> None:
    prefix, prompt_id = a_name(), str(uuid4())
    run = engine.follow(training(engine, await a_set(engine), prefix, steps=3), prompt_id)
    await run.end()

    assert {step.node for step in run.of(Progress)} == {TRAIN}
    engine.told_all(run, 3)
    executing = [event.node for event in run.of(Executing)]
    assert executing.index("2") < executing.index("3") < executing.index(TRAIN) < executing.index(SAVE)
    entry = await engine.entry(prompt_id)
    assert set(entry["outputs"]) == {LOSSES, STEPS}, "the name of the file is not told"
    assert len(losses(entry)) == 3
    assert all(isinstance(loss, float) and loss >= 0 for loss in losses(entry))
    assert entry["outputs"][STEPS] == {"text": ["3"]}
    assert await loras(engine, prefix) == [f"{prefix}_3_steps_00001_.safetensors"]


async def test_the_saved_file_is_a_lora_that_can_be_fetched(engine: Engine) -> None:
    prefix = a_name()
    await history(engine, training(engine, await a_set(engine), prefix, rank=2))
    name = f"{prefix}_2_steps_00001_.safetensors"
    status, data = await engine.get("/view", filename=name, type="output", subfolder="loras")
    assert status == 200
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    ups = [key for key in header if key.endswith("lora_up.weight")]
    assert ups
    for key in ups:
        stem = key.removesuffix("lora_up.weight")
        assert header[key]["shape"][1] == header[f"{stem}lora_down.weight"]["shape"][0] == 2
        assert header[f"{stem}alpha"]["shape"] == []
    assert {tensor["dtype"] for tensor in header.values()} == {"BF16"}


async def test_accumulation_tells_every_micro_step_and_counts_whole_ones(engine: Engine) -> None:
    prefix, prompt_id = a_name(), str(uuid4())
    graph = training(engine, await a_set(engine), prefix, steps=2, grad_accumulation_steps=2)
    run = engine.follow(graph, prompt_id)
    await run.end()
    engine.told_all(run, 4)
    assert len(losses(await engine.entry(prompt_id))) == 4
    assert await loras(engine, prefix) == [f"{prefix}_2_steps_00001_.safetensors"]


async def test_a_training_continues_and_adds_up_its_steps(engine: Engine) -> None:
    folder, first, second = await a_set(engine), a_name(), a_name()
    await history(engine, training(engine, folder, first))
    start = f"{first}_2_steps_00001_.safetensors"
    entry = await history(engine, training(engine, folder, second, steps=1, existing_lora=start))
    assert entry["outputs"][STEPS] == {"text": ["3"]}
    assert await loras(engine, second) == [f"{second}_3_steps_00001_.safetensors"]


async def test_a_name_without_steps_cannot_be_continued(engine: Engine) -> None:
    folder, prefix = await a_set(engine), a_name()
    await history(engine, training(engine, folder, prefix, steps_named=False))
    assert await loras(engine, prefix) == [f"{prefix}_00001_.safetensors"]
    start = f"{prefix}_00001_.safetensors"
    entry = await history(engine, training(engine, folder, a_name(), existing_lora=start))
    node, kind, message = failure(entry)
    assert (node, kind) == ("TrainLoraNode", "ValueError")
    assert message.startswith("invalid literal for int()")


async def test_a_third_training_under_the_same_prefix_replaces_the_second(engine: Engine) -> None:
    folder, prefix = await a_set(engine), a_name()
    for seed in (1, 2, 3):
        await history(engine, training(engine, folder, prefix, seed=seed, steps=2))
    assert await loras(engine, prefix) == [
        f"{prefix}_2_steps_00001_.safetensors",
        f"{prefix}_2_steps_00003_.safetensors",
    ]


async def test_the_same_graph_again_trains_nothing(engine: Engine) -> None:
    prefix = a_name()
    graph = training(engine, await a_set(engine), prefix)
    await history(engine, graph)
    run = engine.follow(graph)
    await run.end()
    [cached] = run.of(Cached)
    assert set(cached.nodes) == set(graph)
    assert run.of(Progress) == []
    assert len(await loras(engine, prefix)) == 1


async def test_pictures_that_come_later_are_not_seen_under_the_same_name(engine: Engine) -> None:
    folder = await a_set(engine)
    await history(engine, training(engine, folder, a_name()))
    await upload(engine, folder, "0009.png", b"no picture at all")
    run = engine.follow(training(engine, folder, a_name(), seed=2))
    await run.end()
    [cached] = run.of(Cached)
    assert {"2", "3"} <= set(cached.nodes)


async def test_an_interrupt_ends_a_training_and_nothing_is_saved(engine: Engine) -> None:
    prefix, prompt_id = a_name(), str(uuid4())
    run = engine.follow(training(engine, await a_set(engine), prefix, steps=5000), prompt_id)
    await run.until(Progress)
    await engine.client.interrupt(prompt_id)
    with pytest.raises(PromptInterrupted):
        await run.end()
    assert await loras(engine, prefix) == []
    assert len(losses(await history(engine, training(engine, await a_set(engine), prefix)))) == 2


async def test_all_inputs_are_required_and_checked(engine: Engine) -> None:
    folder = await a_set(engine)
    for name in training(engine, folder, "x")[TRAIN]["inputs"]:
        graph = training(engine, folder, "x")
        del graph[TRAIN]["inputs"][name]
        status, body = await engine.post({"prompt": graph})
        assert status == 400, name
        [error] = body["node_errors"][TRAIN]["errors"]
        assert (error["type"], error["extra_info"]["input_name"]) == ("required_input_missing", name)
    for changes, kind in (
        ({"existing_lora": "nope.safetensors"}, "value_not_in_list"),
        ({"optimizer": "Lion"}, "value_not_in_list"),
        ({"rank": 129}, "value_bigger_than_max"),
        ({"steps": 0}, "value_smaller_than_min"),
    ):
        status, body = await engine.post({"prompt": training(engine, folder, "x", **changes)})
        assert status == 400
        assert [error["type"] for error in body["node_errors"][TRAIN]["errors"]] == [kind]
    status, body = await engine.post({"prompt": training(engine, f"contract/{uuid4().hex}", "x")})
    assert status == 400
    assert body["node_errors"]["2"]["errors"][0]["type"] == "value_not_in_list"


async def test_a_folder_without_pictures_and_a_broken_picture_fail_in_words(engine: Engine) -> None:
    empty, broken = f"contract/{uuid4().hex}", f"contract/{uuid4().hex}"
    await upload(engine, empty, "0001.txt", b"only words")
    await upload(engine, broken, "0001.png", b"no picture at all")
    node, kind, message = failure(await history(engine, training(engine, empty, a_name())))
    assert (node, kind) == ("LoadImageTextDataSetFromFolder", "ValueError")
    assert message == "No valid images found in input"
    node, kind, message = failure(await history(engine, training(engine, broken, a_name())))
    assert (node, kind) == ("LoadImageTextDataSetFromFolder", "PIL.UnidentifiedImageError")
    assert message.startswith("cannot identify image file")


async def test_captions_may_be_missing_and_sizes_may_differ(engine: Engine) -> None:
    folder = await a_set(engine, (64, 64), (96, 64), (70, 50))
    await upload(engine, folder, "0004.png", png((10, 20, 200)))
    await upload(engine, f"{folder}/2_more", "0001.webp", webp((30, 200, 20)))
    prompt = training(engine, folder, a_name(), batch_size=8)
    prompt["8"] = {"class_type": "PreviewAny", "inputs": {"source": ["2", 1]}}
    entry = await history(engine, prompt)
    assert entry["status"]["status_str"] == "success"
    assert len(losses(entry)) == 2


def webp(colour: tuple[int, int, int]) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 64), colour).save(file, "WEBP")
    return file.getvalue()


async def test_a_prefix_that_leads_out_fails_after_training(engine: Engine) -> None:
    prompt = training(engine, await a_set(engine), "x")
    prompt[SAVE]["inputs"]["prefix"] = "../../x"
    node, _kind, message = failure(await history(engine, prompt))
    assert node == "SaveLoRA"
    assert "outside the output folder" in message


async def test_a_loss_graph_of_one_step_fails_and_one_of_more_is_a_picture(engine: Engine) -> None:
    folder = await a_set(engine)
    graph = {"class_type": "LossGraphNode", "inputs": {"loss": out(engine, "LOSS_MAP"), "filename_prefix": "anything"}}
    short = training(engine, folder, a_name(), steps=1) | {"9": graph}
    assert failure(await history(engine, short))[:2] == ("LossGraphNode", "ZeroDivisionError")
    entry = await history(engine, training(engine, folder, a_name(), steps=3) | {"9": graph})
    [image] = entry["outputs"]["9"]["images"]
    assert (image["type"], image["subfolder"]) == ("temp", "")
    assert image["filename"].startswith("ComfyUI_temp_")


async def test_a_fresh_lora_can_be_used_in_the_same_graph_and_by_its_file(engine: Engine) -> None:
    prefix = a_name()
    graph = training(engine, await a_set(engine), prefix, steps=4, learning_rate=0.01)
    plain = engine.txt2img(seed=5)
    sampler = next(key for key, node in plain.items() if node["class_type"] == "KSampler")
    both = {f"p{key}": relinked(node) for key, node in plain.items()} | graph
    trained = {
        "model": both[f"p{sampler}"]["inputs"]["model"],
        "lora": out(engine, "LORA_MODEL"),
        "strength_model": 1.0,
    }
    both["20"] = filled(engine, "LoraModelLoader", trained)
    both[f"p{sampler}"]["inputs"]["model"] = ["20", 0]
    run = engine.follow(both)
    completed = await run.end()
    assert isinstance(completed, Completed)
    [images] = [found for found in completed.outputs.values() if found]
    inline = Image.open(io.BytesIO(await engine.client.fetch(images[0]))).convert("RGB")
    without = (await engine.picture(await engine.make(plain))).convert("RGB")
    assert inline.tobytes() != without.tobytes()


def relinked(node: dict[str, Any]) -> dict[str, Any]:
    """A node of a graph whose ids all got a p before them."""
    inputs = {
        name: [f"p{value[0]}", value[1]] if isinstance(value, list) else value for name, value in node["inputs"].items()
    }
    return {**node, "inputs": inputs}
