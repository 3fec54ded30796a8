"""Snapshots as every earlier studio stored them, by schema; none of these may ever change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

# The workflow files that snapshots of schema 1 were made by, which are the graphs of sdxl-lightning.
WORKFLOWS = {
    "text": "38c461dafb64d7afc65c1f06e2064f04c0a6b1353aaa5fd0fe509d3bed07279f",
    "image": "3f231b582cd88745b26b04fc0cbadb702b437c0a1ba94264f441a3289aa6586b",
}
SCHEMA_1: dict[str, Any] = {
    "schema": 1,
    "workflow": {"name": "txt2img_sdxl_lightning", "sha256": WORKFLOWS["text"]},
    "mode": "text",
    "prompt": "a red house",
    "final_prompt": "a red house, ink wash",
    "negative": "fog",
    "width": 64,
    "height": 64,
    "seeds": [7, 8],
    "steps": 4,
    "cfg": 1.0,
    "sampler": "euler",
    "scheduler": "sgm_uniform",
    "denoise": 1.0,
    "reference": None,
    "checkpoint": "sd_xl_base_1.0.safetensors",
    "lightning": "sdxl_lightning_4step_lora.safetensors",
    "styles": [
        {
            "style": "ink",
            "version": 1,
            "lora": "sketch_ink.safetensors",
            "sha256": "",
            "weight": 0.8,
            "triggers": ["ink wash"],
        }
    ],
}
# Of schema 2 with the document of its recipe, as studios keep it.
SNAPSHOT_2 = json.loads((Path(__file__).parent / "snapshots" / "schema_2.json").read_text("utf-8"))
EVERY: dict[int, dict[str, Any]] = {1: SCHEMA_1, 2: SNAPSHOT_2["snapshot"]}
# What an engine was sent for its second picture.
GRAPH_1: dict[str, Any] = {
    "KSampler": {
        "model": ["9", 0], "positive": ["3", 0], "negative": ["4", 0], "latent_image": ["5", 0], "seed": 8, "steps": 4,
        "cfg": 1.0, "sampler_name": "euler", "scheduler": "sgm_uniform", "denoise": 1.0,
    },
    "LoraLoader": {
        "model": ["2", 0], "clip": ["1", 1], "lora_name": "sketch_ink.safetensors", "strength_model": 0.8,
        "strength_clip": 0.8,
    },
    "LoraLoaderModelOnly": {
        "model": ["1", 0], "lora_name": "sdxl_lightning_4step_lora.safetensors", "strength_model": 1.0,
    },
}  # fmt: skip
