"""The options of a preview engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from .painter.sketch_loras import SKETCH_LORAS

LIGHTNING = "sdxl_lightning_4step_lora.safetensors"
ACCELERATORS = (
    LIGHTNING,
    "dmd2_sdxl_4step_lora_fp16.safetensors",
    "Hyper-SDXL-8steps-lora.safetensors",
    "lcm-lora-sdxl.safetensors",
)

# What the recipes of other model families, of captions, of changed pictures and of depth and pose need, by folder.
MODELS: Mapping[str, tuple[str, ...]] = {
    "checkpoints": (
        "sd_xl_base_1.0.safetensors",
        "sd3.5_large_fp8_scaled.safetensors",
        "NoobAI-XL-Vpred-v1.0.safetensors",
        "sdpose_wholebody_fp16.safetensors",
    ),
    "diffusion_models": (
        "Chroma1-HD-fp8mixed.safetensors",
        "flux-2-klein-4b-fp8.safetensors",
        "qwen_image_edit_2511_fp8mixed.safetensors",
        "qwen_image_fp8_e4m3fn.safetensors",
        "z_image_turbo_bf16.safetensors",
    ),
    "text_encoders": (
        "qwen3vl_4b_fp8_scaled.safetensors",
        "qwen_2.5_vl_7b_fp8_scaled.safetensors",
        "qwen_3_4b.safetensors",
        "t5xxl_fp8_e4m3fn_scaled.safetensors",
    ),
    "controlnet": ("diffusion_pytorch_model_promax.safetensors",),
    "vae": ("ae.safetensors", "flux2-vae.safetensors", "qwen_image_vae.safetensors"),
    "background_removal": ("birefnet.safetensors",),
    "geometry_estimation": ("depth_anything_3_mono_large.safetensors",),
    "upscale_models": ("RealESRGAN_x2plus.pth", "RealESRGAN_x4plus.safetensors"),
}


def default_loras() -> tuple[str, ...]:
    """The accelerators, which make no difference to a sketch, and the sketch styles that the painter can draw."""
    return (*ACCELERATORS, *SKETCH_LORAS.values())


@dataclass(frozen=True, slots=True)
class Options:
    """`folder` holds input, output and temp; by default a temporary one that lasts as long as the engine.

    `step_seconds` is the minimum duration of a sampling step, so that people see the picture develop;
    `training_step_seconds` is the same for a training step. `generation` selects the ComfyUI to imitate: current is
    0.33.0, new is 0.8.0, and old is 0.3.64, which trains with other node classes, reports no progress, and ignores
    interrupts while training. `manners` lists the other differences. `scriptable` opens /preview/troubles to everyone
    who can reach the engine: for tests only. `max_upload` is the maximum size of a request body in bytes; by default
    ComfyUI's own limit. `keep_outputs` is how many saved pictures stay on disk; the oldest are deleted first.
    """

    checkpoints: tuple[str, ...] = MODELS["checkpoints"]
    loras: tuple[str, ...] = field(default_factory=default_loras)
    models: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MODELS)  # the other folders
    folder: Path | None = None
    painter: Literal["sketch", "flat"] = "sketch"
    step_seconds: float = 0.0
    training_step_seconds: float = 0.0
    generation: Literal["current", "new", "old"] = "current"
    scriptable: bool = False
    version: str = "preview-0.1"
    keep_outputs: int = 500
    max_upload: int = 100 * 2**20
