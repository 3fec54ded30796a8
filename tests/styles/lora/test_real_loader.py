"""What is said that ComfyUI reads is what its own loader reads, where there is a ComfyUI to ask.

STYLESTUDIO_COMFYUI_CHECKOUT names a checkout of it, STYLESTUDIO_COMFYUI_PYTHON a Python with its packages. Compared
with 0.3.64, 0.8.0 and 0.33.0.
"""

from __future__ import annotations

import json
import os
import subprocess
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from styles.lora import inspect, read_header, write_copy
from styles.lora.engines.loader import key_map, read_by_engines
from tests.styles.lora.files import Shapes, comfyui_sdxl, encoder, kohya_sdxl, loha, lokr, lora, packed, peft
from tests.styles.lora.test_engines_copy import BLOCK, FLAT, FORMS, diffusers, settings

CHECKOUT, PYTHON = os.environ.get("STYLESTUDIO_COMFYUI_CHECKOUT"), os.environ.get("STYLESTUDIO_COMFYUI_PYTHON")

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(not (CHECKOUT and PYTHON), reason="STYLESTUDIO_COMFYUI_CHECKOUT and _PYTHON name no ComfyUI"),
]

OFT = f"lycoris_{FLAT}_attn2_to_k"
FILES: dict[str, Shapes] = {
    "kohya": kohya_sdxl(),
    "comfyui": comfyui_sdxl(),
    "loha": loha(f"lora_unet_{FLAT}_attn2_to_k", 1280, 2048),
    "lokr": lokr(OFT, [16, 32], [80, 64]),
    "lycoris with original names": lora("lycoris_input_blocks_8_1_transformer_blocks_3_attn2_to_k", 1280, 2048),
    "encoders": {
        **encoder("lora_te1_", 768), **encoder("text_encoder_2.", 1280, dotted=True), **encoder("clip_l.", 768, True),
    },
    "the processors of 2023": diffusers(f"unet.{BLOCK}.attn1.processor.to_out", 1280, 1280),
    "a part of diffusers": {**diffusers(f"unet.{BLOCK}.ff.net.2", 9, 9), **diffusers(f"unet.{BLOCK}.attn2.to_q", 9, 9)},
    "peft": peft(f"base_model.model.{BLOCK}.attn2.to_k", 1280, 2048),
    "oft": {f"{OFT}.oft_blocks": [4, 20, 20], f"{OFT}.alpha": [], f"{OFT}.rescale": [80, 1]},
    "boft": {f"{OFT}.oft_blocks": [2, 4, 20, 20], f"{OFT}.alpha": []},
    "oft of sd-scripts": {f"oft_unet_{FLAT}_attn2_to_k.oft_blocks": [4, 20, 20]},
    "ia3": {f"{OFT}.on_input": [], f"{OFT}.weight": [64]},
    "norms": {f"lora_unet_{FLAT}_norm1.w_norm": [1280], f"lora_unet_{FLAT}_norm1.b_norm": [1280]},
    "unknown": lora("lora_unet_input_blocks_9_1_attn", 64, 64),
}  # fmt: skip


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the real loader says of these files, and of the copies of the ones that it cannot read."""
    folder = tmp_path_factory.mktemp("loras")
    files = {name: packed(shapes) for name, shapes in FILES.items()}
    for name, shapes in FORMS:
        files[f"original {name}"] = source = packed(shapes, settings(r=4, lora_alpha=8))
        files[f"copy {name}"] = copied(source)
    half = packed({f"lora_unet_{FLAT}_attn2_to_k.lora_up.weight": [4, 4]})
    for name, data in (files | {"half": half}).items():
        (folder / f"{name}.safetensors").write_bytes(data)
    assert PYTHON and CHECKOUT
    command = [PYTHON, str(Path(__file__).with_name("real_loader.py")), CHECKOUT, *map(str, sorted(folder.iterdir()))]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert ran.returncode == 0, ran.stderr[-2000:]
    told: dict[str, Any] = json.loads(ran.stdout)
    told["files"] = {Path(name).stem: answer for name, answer in told["files"].items()}
    told["data"] = files
    return told


def copied(data: bytes) -> bytes:
    file, target = BytesIO(data), BytesIO()
    found = inspect(file, "x.safetensors", with_hashes=True)
    assert found.plan and found.hashes
    write_copy(file, found.header, found.plan, target, found.hashes.file)
    return target.getvalue()


def test_the_map_of_names_is_that_of_the_real_loader(answers: dict[str, Any]) -> None:
    assert set(answers["names"]) == key_map()


def test_the_count_of_tensors_is_that_of_the_real_loader(answers: dict[str, Any]) -> None:
    for name, data in answers["data"].items():
        tensors = read_header(BytesIO(data)).tensors
        read = read_by_engines(tensors).read
        passed = set(answers["files"][name]["passed"])
        # The loader counts an alpha as read also where it makes nothing of the layer.
        left = {one for one in tensors.keys() - read if not one.endswith((".alpha", ".dora_scale"))}
        assert left == {one for one in passed if not one.endswith((".alpha", ".dora_scale"))}, name
        assert bool(read) == bool(answers["files"][name]["patched"]), name


def test_every_copy_is_read_in_full(answers: dict[str, Any]) -> None:
    for name, shapes in FORMS:
        assert len(answers["files"][f"original {name}"]["passed"]) == len(shapes), name
        assert answers["files"][f"copy {name}"]["passed"] == [], name


def test_the_loader_fails_at_half_a_layer(answers: dict[str, Any]) -> None:
    assert "lora_down" in answers["files"]["half"]["fails"]
