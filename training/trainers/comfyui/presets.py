"""The settings that ComfyUI's training nodes honour, and the values of their presets.

The native nodes have alpha 1, which divides what is learned by the rank, so their learning rates are higher than those
of others. They train every layer, so half the rank holds as much; a file of rank 16 (99 MB) also stays within ComfyUI's
default upload limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from training.runs.parameters import SAME

NAME = "comfyui"
SETTINGS = (
        "steps", "rank", "learning_rate", "batch_size", "accumulation", "resolution", "segments", "loss_function",
        "optimizer", "dtype", "training_dtype", "gradient_checkpointing", "offloading", "bypass_mode",
)  # fmt: skip
# The only values the native nodes know.
CHOICES = {"optimizer": ("AdamW", "Adam", "SGD", "RMSprop"), "dtype": ("bf16", "fp32")}
BYTES_PER_RANK = 6_180_000  # of a file at 16 bits: all layers of SDXL's U-Net

_SHARED = {
    "dtype": "bf16", "gradient_checkpointing": True, "loss_function": "MSE", "optimizer": "AdamW",
    "training_dtype": SAME, "offloading": False, "bypass_mode": False,
}  # fmt: skip
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "quick": {
        **_SHARED,
        "steps": 600,
        "rank": 8,
        "learning_rate": 5e-4,
        "batch_size": 2,
        "accumulation": 1,
        "resolution": 768,
        "segments": 4,
    },
    "balanced": {
        **_SHARED,
        "steps": 1500,
        "rank": 16,
        "learning_rate": 4e-4,
        "batch_size": 2,
        "accumulation": 2,
        "resolution": 1024,
        "segments": 4,
    },
    "detail": {
        **_SHARED,
        "steps": 3000,
        "rank": 32,
        "learning_rate": 3e-4,
        "batch_size": 4,
        "accumulation": 1,
        "resolution": 1024,
        "segments": 6,
    },
}
