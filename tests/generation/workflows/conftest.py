"""What an engine says of its node classes, without one that runs."""

from __future__ import annotations

from typing import Any

import pytest

from generation.recipes.own import node_facts
from stylestudio.preview_engine.files import Files
from stylestudio.preview_engine.nodes.catalogue import GENERATIONS


@pytest.fixture(scope="session")
def infos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the preview engine says of all of them."""
    checkpoints, loras = ["sd_xl_base_1.0.safetensors"], ["sdxl_lightning_4step_lora.safetensors"]
    files = Files(tmp_path_factory.mktemp("engine"), checkpoints, loras, 10)
    return node_facts.cut({name: each.info(files) for name, each in GENERATIONS["current"].items()})
