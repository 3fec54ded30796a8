"""What makes checkpoints faster is told from styles, by more than a part of its name."""

from __future__ import annotations

from io import BytesIO

import pytest

from styles.lora import Sign, accelerator, by_name, inspect
from styles.lora.engines.loader import key_map
from tests.styles.lora.files import Shapes, kohya_sdxl, lora, packed

THEIRS = {
    "spo_sdxl_10ep_4k-data_lora_webui.safetensors": "SPO",
    "sdxl_lightning_8step_lora.safetensors": "SDXL-Lightning", "SDXL-Lightning-2step.safetensors": "SDXL-Lightning",
    "sdxl_lightning_lora_ComfyUI.safetensors": "SDXL-Lightning", "LCM_SDXL_webui.safetensors": "LCM",
    "dmd2_sdxl_4step_lora_fp16.safetensors": "DMD2", "Hyper-SDXL-12steps-CFG-lora.safetensors": "Hyper-SD",
    "lcm-lora-sdxl.safetensors": "LCM", "LCM_LoRA_Weights_SDXL.safetensors": "LCM",
    "sd_xl_turbo_lora_v1.safetensors": "Turbo",
    "pcm_sdxl_normalcfg_8step_converted.safetensors": "PCM", "TCD-SDXL-LoRA.safetensors": "TCD",
    "sub/sdxl_tcd_lora.safetensors": "TCD",
    "SPO_SDXL_4k-p_10ep_LoRA.safetensors": "SPO", "loras\\speed\\dmd2.safetensors": "DMD2",
}  # fmt: skip
STYLES = [
    "lightning_bolts_fx.safetensors", "vfx/lightning strike.safetensors", "Turbo Kart UI.safetensors",
    "hyperrealism_xl.safetensors",
    "hyper detailed ink.safetensors", "lcmarkers.safetensors", "pcm_posters.safetensors",
    "flash_photography.safetensors",
    "sdxl_lora.safetensors", "turbine.safetensors", "ink_v3.safetensors", "4step.safetensors",
]  # fmt: skip


@pytest.mark.parametrize(("name", "family"), THEIRS.items())
def test_names_of_accelerators_are_known_by_all_their_words(name: str, family: str) -> None:
    found = by_name(name)
    assert found is not None and (found.name, found.sign) == (family, Sign.NAME)
    assert accelerator(name, "", {}, [], ("inkwash",)) is None, "a file with trigger words is a style"


@pytest.mark.parametrize("name", STYLES)
def test_names_of_styles_are_left_alone(name: str) -> None:
    assert by_name(name) is None


def test_the_files_that_makers_publish_are_known_whatever_they_are_called() -> None:
    sha256 = "a764e6859b6e04047cd761c08ff0cee96413a8e004c9f07707530cd776b19141"
    found = accelerator("my style.safetensors", sha256, {}, [], ("word",))
    assert found is not None and (found.name, found.sign) == ("LCM", Sign.HASH)


def test_metadata_may_say_it() -> None:
    told = {"modelspec.title": "Speed up", "modelspec.description": "Latent Consistency distillation, 4-8 steps"}
    found = accelerator("x.safetensors", "", told, [], ())
    assert found is not None and found.sign is Sign.METADATA
    assert accelerator("x.safetensors", "", {"modelspec.description": "lightning over a fast river"}, [], ()) is None
    beside = {"modelspec.description": "Made for 4 steps lora and SDXL-Lightning", "ss_output_name": "wet paint"}
    assert accelerator("x.safetensors", "", beside, [], ()) is None, "a trained style says with what it can be used"


def distilled(rank: int = 64) -> Shapes:
    """A small change of every layer of the U-Net."""
    names = sorted(name for name in key_map() if name.startswith(("lora_unet_down", "lora_unet_up", "lora_unet_mid")))
    return {key: shape for name in names for key, shape in lora(name, 1, 1, rank).items()}


def test_a_change_of_the_whole_unet_at_their_rank_and_without_a_training_looks_like_one() -> None:
    shapes = distilled() | lora("lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k", 1, 2048, 64)
    found = inspect(BytesIO(packed(shapes)), "mystery.safetensors").accelerator
    assert found is not None and (found.name, found.sign) == ("", Sign.SHAPE)
    assert inspect(BytesIO(packed(shapes, {"ss_session_id": "1"})), "mystery.safetensors").accelerator is None
    assert inspect(BytesIO(packed(kohya_sdxl())), "mystery.safetensors").accelerator is None
