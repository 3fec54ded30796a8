"""What a preview engine is started with."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from .painter import SKETCH_LORAS

LIGHTNING = "sdxl_lightning_4step_lora.safetensors"


def default_loras() -> tuple[str, ...]:
    """The Lightning LoRA and the sketch styles that the painter can draw."""
    return (LIGHTNING, *SKETCH_LORAS.values())


@dataclass(frozen=True, slots=True)
class Options:
    """`folder` holds input, output and temp; without it a temporary one lives as long as the engine.

    `step_seconds` is the least time one sampling step takes, so that a person sees the picture develop;
    `training_step_seconds` the same for a training step.
    `generation` says which ComfyUI the engine speaks like: current is 0.33.0, new 0.8.0, and old 0.3.64, which trains
    with other node classes, without progress, and deaf to interrupts. What else differs is in `manners`.
    `scriptable` opens /preview/troubles to everyone who can reach the engine: for tests only.
    `max_upload` is how many bytes one request may have; ComfyUI's own limit unless told otherwise.
    `keep_outputs` is how many saved pictures stay on disk; the oldest go first.
    """

    checkpoints: tuple[str, ...] = ("sd_xl_base_1.0.safetensors",)
    loras: tuple[str, ...] = field(default_factory=default_loras)
    folder: Path | None = None
    painter: Literal["sketch", "flat"] = "sketch"
    step_seconds: float = 0.0
    training_step_seconds: float = 0.0
    generation: Literal["current", "new", "old"] = "current"
    scriptable: bool = False
    version: str = "preview-0.1"
    keep_outputs: int = 500
    max_upload: int = 100 * 2**20
