"""Graphs as ComfyUI's page saves them ("workflow"), turned into those that are run, as far as their widgets are known.

In this format a node's fields have no names, or only since 2025 and in some files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stylestudio.picture_settings.links import Node
from stylestudio.picture_settings.subgraphs import BYPASSED, MUTED, Level

_SEED = ("seed", "control_after_generate")
_NOISE_SEED = ("noise_seed", "control_after_generate")
# The widgets of ComfyUI's own nodes, in order (of 0.3 to 0.33; the same since 2023).
_WIDGETS: dict[str, tuple[str, ...]] = {
    "KSampler": (*_SEED, "steps", "cfg", "sampler_name", "scheduler", "denoise"),
    "KSamplerAdvanced": (
        "add_noise", *_NOISE_SEED, "steps", "cfg", "sampler_name", "scheduler", "start_at_step", "end_at_step",
        "return_with_leftover_noise",
    ),
    "SamplerCustom": ("add_noise", *_NOISE_SEED, "cfg"),
    "RandomNoise": _NOISE_SEED,
    "KSamplerSelect": ("sampler_name",),
    "BasicScheduler": ("scheduler", "steps", "denoise"),
    "CFGGuider": ("cfg",),
    "CheckpointLoaderSimple": ("ckpt_name",),
    "CheckpointLoader": ("config_name", "ckpt_name"),
    "UNETLoader": ("unet_name", "weight_dtype"),
    "LoraLoader": ("lora_name", "strength_model", "strength_clip"),
    "LoraLoaderModelOnly": ("lora_name", "strength_model"),
    "CLIPSetLastLayer": ("stop_at_clip_layer",),
    "CLIPTextEncode": ("text",),
    "CLIPTextEncodeSDXL": (
        "width", "height", "crop_w", "crop_h", "target_width", "target_height", "text_g", "text_l",
    ),
    "CLIPTextEncodeFlux": ("clip_l", "t5xxl", "guidance"),
    "EmptyLatentImage": ("width", "height", "batch_size"),
    "EmptySD3LatentImage": ("width", "height", "batch_size"),
    "PrimitiveNode": ("value", "control_after_generate"),
    "SaveImage": ("filename_prefix",),
}  # fmt: skip


def nodes_of(saved: Mapping[str, Any]) -> dict[str, Node]:
    """The nodes by key, as in the graph that is run. Muted ones are left out; bypassed ones pass their links on."""
    if not isinstance(saved.get("nodes"), list) or not isinstance(saved.get("links"), list):
        return {}
    found: dict[str, Node] = {}
    for level in Level.of(saved):
        for key, node in level.own_nodes():
            if node.get("mode") == MUTED:
                continue
            kind, linked = str(node.get("type", ""))[:200], level.linked(node)
            if node.get("mode") == BYPASSED:
                kind, inputs = "Bypassed", linked
            else:
                inputs = {**_values(node, kind), **linked}
            found[key] = {"class_type": kind, "inputs": inputs}
    return found


def _values(node: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """The fields of a node by name. Of an unknown one the first text counts as its words."""
    values = node.get("widgets_values")
    if isinstance(values, dict):
        return dict(list(values.items())[:500])
    if not isinstance(values, list):
        return {}
    if kind in _WIDGETS:
        return dict(zip(_WIDGETS[kind], values, strict=False))
    if "lora" in kind.lower() and (tables := [value for value in values[:50] if isinstance(value, dict)]):
        return {f"lora_{number}": each for number, each in enumerate(tables, 1) if "lora" in each}
    words = [value for value in values[:500] if isinstance(value, str)]
    return {"text": words[0]} if words else {}
