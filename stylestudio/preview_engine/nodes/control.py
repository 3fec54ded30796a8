"""The node classes that hold the form of pictures, as ComfyUI 0.33.0 describes them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from stylestudio.preview_engine.files import Files
from stylestudio.preview_engine.nodes.families import PLAIN, SECOND
from stylestudio.preview_engine.nodes.node_class import Conditioning, InputSpecs, NodeClass, Stage

TYPES = [
    "auto", "openpose", "depth", "hed/pidi/scribble/ted", "canny/lineart/anime_lineart/mlsd", "normal", "segment",
    "tile", "repaint",
]  # fmt: skip


def _load(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    return (inputs["control_net_name"],)


def _same_model(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    """Pass the model on: lines are lines, whatever they stand for."""
    return (inputs["control_net"],)


def _apply(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    """As in the real node, a strength of 0 changes nothing."""
    positive: Conditioning = inputs["positive"]
    lasts = float(inputs["end_percent"]) - float(inputs["start_percent"])
    strength = min(1.0, float(inputs["strength"])) * max(0.0, min(1.0, lasts))
    held = replace(positive, control=inputs["image"][0], control_strength=strength) if strength else positive
    return held, inputs["negative"]


def _inputs(files: Files) -> InputSpecs:
    part = {"min": 0.0, "max": 1.0, "step": 0.001}
    return {
        "positive": ["CONDITIONING"],
        "negative": ["CONDITIONING"],
        "control_net": ["CONTROL_NET"],
        "image": ["IMAGE"],
        "strength": ["FLOAT", {"default": 1.0, "min": 0.0, "max": 10.0, "step": 0.01}],
        "start_percent": ["FLOAT", {"default": 0.0, **part}],
        "end_percent": ["FLOAT", {"default": 1.0, **part}],
    }


CONTROL_NODES = (
    NodeClass(
        "ControlNetLoader",
        "Load ControlNet Model",
        "model/loaders",
        lambda files: {"control_net_name": [files.models()["controlnet"]]},
        ("CONTROL_NET",),
        _load,
        more=PLAIN,
    ),
    NodeClass(
        "SetUnionControlNetType",
        "Set Union ControlNet Type",
        "model/conditioning/controlnet",
        lambda files: {
            "control_net": ["CONTROL_NET", {}],
            "type": ["COMBO", {"multiselect": False, "options": TYPES}],
        },
        ("CONTROL_NET",),
        _same_model,
        module="comfy_extras.nodes_controlnet",
        more={**SECOND, "output_tooltips": [None]},
    ),
    replace(
        NodeClass(
            "ControlNetApplyAdvanced",
            "Apply ControlNet",
            "model/conditioning/controlnet",
            _inputs,
            ("CONDITIONING", "CONDITIONING"),
            _apply,
            more=PLAIN,
        ),
        output_names=("positive", "negative"),
        optional=lambda files: {"vae": ["VAE"]},
    ),
)
