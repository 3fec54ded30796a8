"""The settings passed to sd-scripts, and the values of its presets.

Rank 16 to 64, U-Net only, noise offset 0.0357 as the SDXL base model was trained with, min-SNR 5.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NAME = "kohya"
SETTINGS = (
        "steps", "rank", "alpha", "learning_rate", "batch_size", "accumulation", "resolution", "save_count",
        "optimizer", "scheduler", "warmup", "noise_offset", "min_snr_gamma", "caption_dropout", "dtype",
        "gradient_checkpointing",
)  # fmt: skip
BYTES_PER_RANK = 5_300_000  # of a file at 16 bits: the attention of SDXL's U-Net

_SHARED = {
    "dtype": "bf16", "gradient_checkpointing": True, "noise_offset": 0.0357, "min_snr_gamma": 5.0,
    "optimizer": "AdamW8bit", "warmup": 0.05,
}  # fmt: skip
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "quick": {
        **_SHARED,
        "steps": 600,
        "rank": 16,
        "alpha": 8.0,
        "learning_rate": 2e-4,
        "batch_size": 2,
        "accumulation": 1,
        "resolution": 768,
        "save_count": 4,
        "scheduler": "constant_with_warmup",
        "caption_dropout": 0.0,
    },
    "balanced": {
        **_SHARED,
        "steps": 1500,
        "rank": 32,
        "alpha": 16.0,
        "learning_rate": 1e-4,
        "batch_size": 2,
        "accumulation": 2,
        "resolution": 1024,
        "save_count": 10,
        "scheduler": "cosine",
        "caption_dropout": 0.05,
    },
    "detail": {
        **_SHARED,
        "steps": 3000,
        "rank": 64,
        "alpha": 32.0,
        "learning_rate": 7e-5,
        "batch_size": 4,
        "accumulation": 1,
        "resolution": 1024,
        "save_count": 12,
        "scheduler": "cosine",
        "caption_dropout": 0.1,
    },
}
