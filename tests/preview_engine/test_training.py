"""Training through the preview engine's interfaces: what only it does, and what goes wrong on demand.

What a real ComfyUI does too is in tests/contract/test_training.py.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import numpy as np
import pytest
from PIL import Image

from styles.lora import Family, inspect
from stylestudio.comfy.sketch_mark import is_sketch
from stylestudio.preview_engine.files import Files
from stylestudio.preview_engine.nodes import training
from stylestudio.preview_engine.server import Options, PreviewEngine
from stylestudio.preview_engine.troubles import CrashStep, FailStep, Hold, OutOfMemoryStep, SlowSteps
from tests.preview_engine.conftest import CHECKPOINT, LIGHTNING, STYLE, Player, picture_graph
from tests.preview_engine.pictures import MOSS, in_palette, palette, palette_of, palettes_apart

FOLDER = "train/moss"
SETTINGS: dict[str, Any] = {
    "model": ["1", 0],
    "batch_size": 1,
    "grad_accumulation_steps": 1,
    "steps": 3,
    "learning_rate": 0.0005,
    "rank": 4,
    "optimizer": "AdamW",
    "loss_function": "MSE",
    "seed": 1,
    "training_dtype": "bf16",
    "lora_dtype": "fp32",
    "algorithm": "LoRA",
    "gradient_checkpointing": True,
    "existing_lora": "[None]",
}


def test_large_pictures_of_a_set_are_not_in_memory_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = Files(tmp_path, keep=1, checkpoints=(), loras=())
    folder = files.folder("input") / "large"
    folder.mkdir()
    for number in range(3):
        Image.new("RGB", (700, 600), (number, 0, 0)).save(folder / f"{number}.png")
    large: list[Path] = []
    load_one, smaller = training._opened, training._smaller

    def opened(path: Path) -> Image.Image:
        large.append(path)
        return load_one(path)

    def shrunk(image: Image.Image) -> Image.Image:
        assert len(large) == 1
        large.clear()
        return smaller(image)

    monkeypatch.setattr(training, "_opened", opened)
    monkeypatch.setattr(training, "_smaller", shrunk)
    stage: Any = SimpleNamespace(files=files)
    for load in (training._load_set, training._load_old_set):
        images, captions = load(stage, {"folder": "large", "resize_method": "None"})
        assert [image.size for image in images] == [(512, 439)] * 3
        assert len(captions) in (3, 6)


def training_graph(prefix: str = "loras/moss", folder: str = FOLDER, **changes: Any) -> dict[str, Any]:
    new = {"latents": ["3", 0], "positive": ["3", 1], "bucket_mode": False}
    dataset = {"images": ["2", 0], "vae": ["1", 2], "clip": ["1", 1], "texts": ["2", 1]}
    return {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": CHECKPOINT}},
        "2": {"class_type": "LoadImageTextDataSetFromFolder", "inputs": {"folder": folder}},
        "3": {"class_type": "MakeTrainingDataset", "inputs": dataset},
        "4": {"class_type": "TrainLoraNode", "inputs": {**SETTINGS, **new, **changes}},
        "5": {"class_type": "SaveLoRA", "inputs": {"lora": ["4", 1], "prefix": prefix, "steps": ["4", 3]}},
        "6": {"class_type": "PreviewAny", "inputs": {"source": ["4", 2]}},
    }


def old_training_graph(prefix: str = "loras/moss", folder: str = FOLDER, **changes: Any) -> dict[str, Any]:
    old = {"latents": ["3", 0], "positive": ["2", 1]}
    dataset = {"folder": folder, "clip": ["1", 1], "resize_method": "None", "width": -1, "height": -1}
    return {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": CHECKPOINT}},
        "2": {"class_type": "LoadImageTextSetFromFolderNode", "inputs": dataset},
        "3": {"class_type": "VAEEncode", "inputs": {"pixels": ["2", 0], "vae": ["1", 2]}},
        "4": {"class_type": "TrainLoraNode", "inputs": {**SETTINGS, **old, **changes}},
        "5": {"class_type": "SaveLoRANode", "inputs": {"lora": ["4", 1], "prefix": prefix, "steps": ["4", 3]}},
        "6": {"class_type": "PreviewAny", "inputs": {"source": ["4", 2]}},
    }


async def send(player: Player, name: str, data: bytes, folder: str = FOLDER) -> None:
    form = aiohttp.FormData({"subfolder": folder})
    form.add_field("image", data, filename=name)
    status, body = await player.request("POST", "/upload/image", data=form)
    assert status == 200, body


async def send_set(player: Player, pictures: list[Image.Image], *, captions: bool = True, folder: str = FOLDER) -> None:
    for number, picture in enumerate(pictures, start=1):
        file = io.BytesIO()
        picture.save(file, "PNG")
        await send(player, f"{number:04}.png", file.getvalue(), folder)
        if captions:
            await send(player, f"{number:04}.txt", b"blots", folder)


def ending(entry: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    event, data = entry["status"]["messages"][-1]
    return event, data


def losses(entry: dict[str, Any]) -> list[float]:
    return list(json.loads(entry["outputs"]["6"]["text"][0])["loss"])


async def loras(player: Player) -> list[str]:
    return [name for name in await player.json("/models/loras") if name not in (LIGHTNING, STYLE)]


@pytest.fixture
async def painter() -> AsyncIterator[Player]:
    """A player at an engine that sketches."""
    options = Options(loras=(LIGHTNING, STYLE), generation="new")
    async with PreviewEngine(options) as engine, aiohttp.ClientSession() as session:
        yield Player(session, engine.url, engine)


async def drawn(player: Player, lora: str, strength: float, seed: int = 7) -> Image.Image:
    graph = picture_graph(text="castle above a sea of fog, red sun", width=128, height=128, seed=seed, prefix=lora)
    graph["3"]["inputs"] |= {"lora_name": lora, "strength_model": strength, "strength_clip": strength}
    entry = await player.run(graph)
    [image] = entry["outputs"]["9"]["images"]
    return Image.open(io.BytesIO(await player.view(image))).convert("RGB")


async def test_a_trained_lora_gives_pictures_the_palette_of_its_set(painter: Player) -> None:
    pictures = in_palette(12, MOSS)
    await send_set(painter, pictures)
    entry = await painter.run(training_graph(steps=400, rank=16, learning_rate=0.001))
    assert np.mean(losses(entry)[-40:]) < 0.7 * np.mean(losses(entry)[:40])
    [name] = await loras(painter)
    assert name == "moss_400_steps_00001_.safetensors"
    aim = palette_of(pictures)
    distances = [palettes_apart(palette(await drawn(painter, name, strength)), aim) for strength in (0.0, 0.5, 1.0)]
    assert distances[2] < distances[1] < distances[0]
    assert distances[2] < distances[0] / 2


async def test_the_file_is_marked_and_private_and_can_be_installed_under_another_name(painter: Player) -> None:
    await send_set(painter, in_palette(4, MOSS))
    await painter.run(training_graph(steps=60, learning_rate=0.005))
    [name] = await loras(painter)
    data = await painter.view({"filename": name, "type": "output", "subfolder": "loras"})
    found = inspect(io.BytesIO(data), name)
    assert found.architecture.family is Family.SKETCH
    assert is_sketch(found.header.metadata)
    saved = painter.engine._files.lora(name)
    assert saved is not None
    assert saved.stat().st_mode & 0o777 == 0o600
    studio_name = "stylestudio_lightning-moss_v1_0a1b2c3d.safetensors"
    form = aiohttp.FormData({"type": "output", "subfolder": "loras"})
    form.add_field("image", data, filename=studio_name)
    await painter.request("POST", "/upload/image", data=form)
    assert (await drawn(painter, studio_name, 1.0)).tobytes() == (await drawn(painter, name, 1.0)).tobytes()


async def test_a_file_is_not_read_again_until_memory_is_freed(painter: Player) -> None:
    await send_set(painter, in_palette(4, MOSS))
    await painter.run(training_graph(steps=60, learning_rate=0.005))
    [name] = await loras(painter)
    path = painter.engine._files.lora(name)
    assert path is not None
    before = (await drawn(painter, name, 1.0)).tobytes()
    await painter.run(training_graph("loras/other", steps=2))
    path.write_bytes((path.parent / "other_2_steps_00001_.safetensors").read_bytes())
    assert (await drawn(painter, name, 1.0)).tobytes() == before
    await painter.post("/free", {"free_memory": True})
    assert (await drawn(painter, name, 1.0)).tobytes() != before


async def test_training_goes_on_from_a_file(player: Player) -> None:
    await send_set(player, in_palette(8, MOSS))
    first = await player.run(training_graph(steps=150, learning_rate=0.001))
    second = await player.run(
        training_graph("loras/more", steps=50, existing_lora="moss_150_steps_00001_.safetensors", seed=2)
    )
    assert "more_200_steps_00001_.safetensors" in await loras(player)
    assert np.mean(losses(second)[:15]) < 0.8 * np.mean(losses(first)[:15])


async def test_a_training_step_lasts_as_long_as_asked() -> None:
    options = Options(painter="flat", loras=(LIGHTNING, STYLE), training_step_seconds=0.02, generation="new")
    async with PreviewEngine(options) as engine, aiohttp.ClientSession() as session:
        player = Player(session, engine.url, engine)
        await send_set(player, in_palette(2, MOSS))
        began = time.monotonic()
        await player.run(training_graph(steps=10))
        assert time.monotonic() - began >= 0.2


async def test_training_steps_can_be_slow_without_the_sampler_s(player: Player) -> None:
    await send_set(player, in_palette(2, MOSS))
    slow = player.engine.troubles.add(SlowSteps(seconds=0.01, class_type="TrainLoraNode"))
    await player.run(picture_graph())
    assert slow.struck == 0
    await player.run(training_graph(steps=4))
    assert slow.struck == 4


@pytest.mark.parametrize(
    ("trouble", "kind"),
    [(FailStep(after_step=2), "RuntimeError"), (OutOfMemoryStep(after_step=2), "torch.OutOfMemoryError")],
)
async def test_a_training_can_fail_at_a_step(player: Player, trouble: FailStep, kind: str) -> None:
    await send_set(player, in_palette(2, MOSS))
    player.engine.troubles.add(trouble)
    heard = await player.listen()
    await player.queue(training_graph(steps=5), prompt_id="p")
    frames = await heard.until_idle()
    assert [data["value"] for name, data in frames if name == "progress"] == [1, 2]
    event, data = ending((await player.json("/history/p"))["p"])
    assert (event, data["node_type"], data["exception_type"]) == ("execution_error", "TrainLoraNode", kind)
    assert await loras(player) == []
    assert ending(await player.run(training_graph(steps=5)))[0] == "execution_success"


async def test_the_engine_can_restart_at_a_step(player: Player) -> None:
    await send_set(player, in_palette(2, MOSS))
    await player.run(training_graph("loras/before", steps=2))
    player.engine.troubles.add(CrashStep(after_step=3))
    heard = await player.listen()
    await player.queue(training_graph("loras/lost", steps=50), prompt_id="p")
    await heard.until("closed")
    assert await player.json("/history/p") == {}
    assert await player.json("/queue") == {"queue_running": [], "queue_pending": []}
    assert await loras(player) == ["before_2_steps_00001_.safetensors"], "files stay"
    entry = await player.run(training_graph("loras/again", steps=2))
    assert ending(entry)[0] == "execution_success"


@pytest.fixture
async def veteran() -> AsyncIterator[Player]:
    """A player at an engine of the old generation."""
    options = Options(painter="flat", loras=(LIGHTNING, STYLE), generation="old")
    async with PreviewEngine(options) as engine, aiohttp.ClientSession() as session:
        yield Player(session, engine.url, engine)


async def test_an_old_engine_trains_with_other_nodes_and_tells_no_progress(veteran: Player) -> None:
    classes = await veteran.json("/object_info")
    assert {"SaveLoRANode", "LoadImageTextSetFromFolderNode", "TrainLoraNode", "LoraModelLoader"} <= set(classes)
    assert not {"SaveLoRA", "MakeTrainingDataset", "LoadImageTextDataSetFromFolder"} & set(classes)
    required = classes["TrainLoraNode"]["input"]["required"]
    assert "bucket_mode" not in required
    assert required["optimizer"] == [["AdamW", "Adam", "SGD", "RMSprop"], {"default": "AdamW"}]
    await send_set(veteran, in_palette(2, MOSS))
    heard = await veteran.listen()
    await veteran.queue(old_training_graph(bucket_mode=False), prompt_id="p")
    frames = await heard.until_idle()
    assert [name for name, _ in frames if name in ("progress", "execution_success")] == ["execution_success"]
    assert len(losses((await veteran.json("/history/p"))["p"])) == 3
    assert await loras(veteran) == ["moss_3_steps_00001_.safetensors"]


async def test_an_old_engine_hears_an_interrupt_only_when_the_training_is_over(veteran: Player) -> None:
    await send_set(veteran, in_palette(2, MOSS))
    hold = veteran.engine.troubles.add(Hold(after_step=2))
    heard = await veteran.listen()
    await veteran.queue(old_training_graph(steps=20), prompt_id="p")
    await hold.reached()
    await veteran.post("/interrupt", {"prompt_id": "p"})
    assert (await veteran.json("/queue"))["queue_running"][0][1] == "p"
    hold.release()
    await heard.until_idle()
    event, data = ending((await veteran.json("/history/p"))["p"])
    assert (event, data["node_type"]) == ("execution_interrupted", "SaveLoRANode")
    assert await loras(veteran) == []


async def test_an_old_engine_stumbles_over_captions_sizes_and_a_missing_method(veteran: Player) -> None:
    pictures = in_palette(2, MOSS)
    await send_set(veteran, pictures, captions=False, folder="bare")
    event, data = ending(await veteran.run(old_training_graph(folder="bare")))
    assert data["exception_message"] == ("Number of positive conditions (4) does not match number of images (2).\n"), (
        event
    )
    await send_set(veteran, [pictures[0], pictures[1].resize((96, 128))], folder="mixed")
    event, data = ending(await veteran.run(old_training_graph(folder="mixed")))
    assert (data["node_type"], data["exception_type"]) == ("LoadImageTextSetFromFolderNode", "ValueError")
    for method in ("Stretch", "Crop", "Pad"):
        graph = old_training_graph(folder="mixed")
        graph["2"]["inputs"]["resize_method"] = method
        assert ending(await veteran.run(graph))[0] == "execution_success"
    graph = old_training_graph(folder="mixed")
    del graph["2"]["inputs"]["resize_method"]
    assert ending(await veteran.run(graph))[1]["exception_type"] == "TypeError"


async def test_an_old_engine_ends_in_the_middle_of_a_training(veteran: Player) -> None:
    await send_set(veteran, in_palette(2, MOSS))
    hold = veteran.engine.troubles.add(Hold(after_step=2))
    await veteran.queue(old_training_graph(steps=50_000))
    await hold.reached()
    began = time.monotonic()
    await veteran.engine.stop()
    assert time.monotonic() - began < 1


async def test_folders_of_the_kohya_kind_repeat_their_pictures(player: Player) -> None:
    await send_set(player, in_palette(1, MOSS))
    await send_set(player, in_palette(1, MOSS), folder=f"{FOLDER}/3_more")
    await send(player, "a.bmp", b"passed over")
    graph = training_graph()
    graph["7"] = {"class_type": "PreviewAny", "inputs": {"source": ["2", 1]}}
    entry = await player.run(graph)
    assert json.loads(entry["outputs"]["7"]["text"][0]) == ["blots"] * 4


async def test_a_name_that_holds_its_ending_twice_has_no_caption(player: Player) -> None:
    await send_set(player, in_palette(1, MOSS))
    folder = player.engine._files.folder("input") / FOLDER
    for name in ("0001.png", "0001.txt"):
        path: Path = folder / name
        path.rename(folder / f"a.png{path.suffix}")
    graph = training_graph()
    graph["7"] = {"class_type": "PreviewAny", "inputs": {"source": ["2", 1]}}
    entry = await player.run(graph)
    assert json.loads(entry["outputs"]["7"]["text"][0]) == [""]


async def test_captions_must_be_as_many_as_pictures(player: Player) -> None:
    await send_set(player, in_palette(3, MOSS))
    await send_set(player, in_palette(2, MOSS), folder="train/two")
    graph = training_graph()
    graph["8"] = {"class_type": "LoadImageTextDataSetFromFolder", "inputs": {"folder": "train/two"}}
    graph["3"]["inputs"]["texts"] = ["8", 1]
    event, data = ending(await player.run(graph))
    assert (event, data["node_type"], data["exception_type"]) == (
        "execution_error",
        "MakeTrainingDataset",
        "ValueError",
    )
    del graph["3"]["inputs"]["texts"]
    assert ending(await player.run(graph))[0] == "execution_success"


async def test_a_lora_of_another_kind_is_begun_anew_with_the_steps_of_its_name(player: Player) -> None:
    await send_set(player, in_palette(2, MOSS))
    form = aiohttp.FormData({"type": "output", "subfolder": "loras"})
    form.add_field("image", b"any bytes", filename="odd_7_steps_.safetensors")
    await player.request("POST", "/upload/image", data=form)
    await player.run(training_graph(existing_lora="odd_7_steps_.safetensors"))
    assert "moss_10_steps_00001_.safetensors" in await loras(player)
