"""The graph of a segment fits whatever generation of training nodes an engine has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stylestudio.comfy.errors import GraphInvalid
from stylestudio.preview_engine.files import Files
from stylestudio.preview_engine.nodes.catalogue import GENERATIONS
from training.trainers.comfyui import graph

VALUES: dict[str, object] = {
    "checkpoint": "sd_xl_base_1.0.safetensors",
    "folder": "train/a",
    "batch_size": 2,
    "accumulation": 1,
    "steps": 5,
    "learning_rate": 5e-4,
    "rank": 8,
    "optimizer": "AdamW",
    "loss_function": "smooth_l1",
    "dtype": "bf16",
    "gradient_checkpointing": True,
    "seed": 3,
    "existing_lora": graph.NOTHING,
    "prefix": "loras/stylestudio_training1_abc",
}


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """The folders of an engine that has one checkpoint."""
    return Files(tmp_path, ["sd_xl_base_1.0.safetensors"], [], 10)


def told(files: Files, generation: str) -> dict[str, Any]:
    """What an engine of a generation says about its node classes."""
    return {name: known.info(files) for name, known in GENERATIONS[generation].items()}


class Told:
    """A client that knows what an engine says about its node classes."""

    def __init__(self, infos: dict[str, Any]) -> None:
        self._infos = infos

    async def object_info(self, name: str) -> dict[str, Any] | None:
        return self._infos.get(name)


@pytest.fixture(params=["new", "old"])
def infos(request: pytest.FixtureRequest, files: Files) -> dict[str, Any]:
    return told(files, request.param)


async def test_every_required_input_is_there_and_no_other(infos: dict[str, Any]) -> None:
    client: Any = Told(infos)
    found = await graph.detect(client)
    assert found is not None
    ready = await graph.adapted(client, found, VALUES)
    for node in ready.values():
        known = infos[node["class_type"]]["input"]
        required, optional = set(known["required"]), set(known.get("optional", {}))
        assert required <= node["inputs"].keys() <= required | optional
    assert ready[graph.TRAINING]["inputs"]["loss_function"] == "SmoothL1"


async def test_an_input_that_a_later_version_needs_gets_its_default(infos: dict[str, Any]) -> None:
    infos["TrainLoraNode"]["input"]["required"]["bypass_mode"] = ["BOOLEAN", {"default": False}]
    client: Any = Told(infos)
    found = await graph.detect(client)
    assert found is not None
    assert (await graph.adapted(client, found, VALUES))[graph.TRAINING]["inputs"]["bypass_mode"] is False


async def test_the_saving_node_is_found_under_either_name(files: Files) -> None:
    infos = told(files, "new")
    infos["SaveLoRANode"] = infos.pop("SaveLoRA")
    client: Any = Told(infos)
    found = await graph.detect(client)
    assert found is graph.NEW
    assert (await graph.adapted(client, found, VALUES))[graph.LORA]["class_type"] == "SaveLoRANode"


async def test_a_choice_that_the_engine_does_not_have_is_said(files: Files) -> None:
    client: Any = Told(told(files, "new"))
    with pytest.raises(GraphInvalid, match="Prodigy"):
        await graph.adapted(client, graph.NEW, {**VALUES, "optimizer": "Prodigy"})


@pytest.mark.parametrize("missing", ["TrainLoraNode", "MakeTrainingDataset", "PreviewAny", "SaveLoRA"])
def test_an_engine_without_one_of_the_nodes_cannot_train(missing: str) -> None:
    classes = set(GENERATIONS["new"])
    assert graph.generation(classes) is graph.NEW
    assert graph.generation(classes - {missing}) is None


def test_nodes_are_where_the_trainer_looks_for_them() -> None:
    for each in (graph.NEW, graph.OLD):
        nodes = graph.workflow(each).nodes
        assert nodes[graph.LOADER]["class_type"] == each.loader
        assert nodes[graph.TRAINING]["class_type"] == "TrainLoraNode"
        assert nodes[graph.LORA]["inputs"]["steps"] == [graph.TRAINING, "steps:INT"], (
            "or the file cannot be gone on from"
        )
        assert nodes[graph.LOSS]["inputs"]["source"] == [graph.TRAINING, "loss_map:LOSS_MAP"]
