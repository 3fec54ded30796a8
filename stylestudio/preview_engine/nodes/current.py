"""The node classes of ComfyUI 0.33.0, if they differ from those of 0.8.0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from stylestudio.preview_engine.files import Files
from stylestudio.preview_engine.nodes.captions import CAPTION_NODES
from stylestudio.preview_engine.nodes.changes import CHANGE_NODES
from stylestudio.preview_engine.nodes.control import CONTROL_NODES
from stylestudio.preview_engine.nodes.examples import EXAMPLE_NODES
from stylestudio.preview_engine.nodes.families import FAMILY_NODES, PLAIN
from stylestudio.preview_engine.nodes.node_class import InputSpecs, NodeClass, Stage
from stylestudio.preview_engine.nodes.pictures import NODES
from stylestudio.preview_engine.nodes.readings import READING_NODES
from stylestudio.preview_engine.nodes.training import NEW_CLASSES, combo, new_training_inputs, train

NEWER = {
    **PLAIN,
    "output_matchtypes": None,
    "deprecated": False,
    "experimental": True,
    "dev_only": False,
    "api_node": False,
    "essentials_category": None,
}
CATEGORIES = {
    "CheckpointLoaderSimple": "model/loaders",
    "LoraLoader": "model/loaders",
    "LoraLoaderModelOnly": "model/loaders",
    "CLIPTextEncode": "model/conditioning",
    "CLIPSetLastLayer": "model/conditioning",
    "EmptyLatentImage": "model/latent",
    "KSampler": "model/sampling",
    "VAEDecode": "model/latent",
    "VAEEncode": "model/latent",
    "SetLatentNoiseMask": "model/latent",
    "LoadImageMask": "image",
    "PreviewAny": "utilities",
    "LoadImageTextDataSetFromFolder": "image",
    "MakeTrainingDataset": "model/training",
    "TrainLoraNode": "model/training",
    "SaveLoRA": "model/merging",
    "LoraModelLoader": "model/loaders",
    "LossGraphNode": "model/training",
}
TITLES = {
    "EmptyImage": "Empty Image",
    "LoraLoader": "Load LoRA (Model and CLIP)",
    "LoraLoaderModelOnly": "Load LoRA",
    "LoadImageTextDataSetFromFolder": "Load Image-Text (from Folder)",
}
ESSENTIALS = {
    "LoraLoader": "Image Generation",
    "LoraLoaderModelOnly": "Image Generation",
    "LoadImage": "Basics",
    "LoadImageMask": "Image Tools",
    "SaveImage": "Basics",
    "PreviewImage": "Basics",
    "ImageScale": "Image Tools",
}
TAKE_LISTS = {"MakeTrainingDataset", "TrainLoraNode"}
EXPERIMENTAL = {node.name for node in NEW_CLASSES}


def _image(stage: Stage, inputs: dict[str, Any], shown: Any) -> tuple[Any, ...]:
    return (inputs["images"],)


def _text(stage: Stage, inputs: dict[str, Any], shown: Any) -> tuple[Any, ...]:
    return (shown["text"][0],)


# Output nodes whose outputs other nodes may use.
PASS_ON: Mapping[str, dict[str, Any]] = {
    "SaveImage": {"outputs": ("IMAGE",), "output_names": ("images",), "passes": _image},
    "PreviewImage": {"outputs": ("IMAGE",), "output_names": ("images",), "passes": _image},
    "PreviewAny": {"outputs": ("STRING",), "passes": _text},
}


def _training_inputs(files: Files) -> InputSpecs:
    """The inputs of 0.8.0 and those added since, in the order of 0.33.0."""
    older = new_training_inputs(files)
    older["training_dtype"] = combo(["bf16", "fp32", "none"], "bf16")
    inputs: InputSpecs = {}
    for name, spec in older.items():
        inputs[name] = spec
        inputs |= _added_after(name)
    return inputs


def _added_after(name: str) -> InputSpecs:
    off = ["BOOLEAN", {"default": False}]
    added: dict[str, InputSpecs] = {
        "lora_dtype": {"quantized_backward": off},
        "gradient_checkpointing": {
            "checkpoint_depth": ["INT", {"default": 1, "min": 1, "max": 5}],
            "offloading": off,
        },
        "bucket_mode": {"bypass_mode": off},
    }
    return added.get(name, {})


def _train(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    """Without the model, which was the first output until 0.10.0."""
    return train(stage, inputs)[1:]


def _loading_inputs(node: NodeClass, files: Files) -> InputSpecs:
    return {**node.inputs(files), "bypass": ["BOOLEAN", {"default": False}]}


def _texts(files: Files) -> InputSpecs:
    return {"texts": ["STRING", {"forceInput": True, "multiline": False}]}


def _clip_inputs(node: NodeClass, files: Files) -> InputSpecs:
    inputs = node.inputs(files)
    kind, limits = inputs["stop_at_clip_layer"]
    return {**inputs, "stop_at_clip_layer": [kind, {**limits, "advanced": True}]}


def _own(node: NodeClass) -> dict[str, Any]:
    """What differs in this class alone."""
    if node.name == "TrainLoraNode":
        return {
            "inputs": _training_inputs,
            "outputs": node.outputs[1:],
            "output_names": node.output_names[1:],
            "run": _train,
        }
    if node.name == "LoraModelLoader":
        return {"inputs": lambda files: _loading_inputs(node, files)}
    if node.name == "CLIPSetLastLayer":
        return {"inputs": lambda files: _clip_inputs(node, files)}
    if node.name == "MakeTrainingDataset":
        return {"optional": _texts}
    return {}


def _today(node: NodeClass) -> NodeClass:
    more: dict[str, Any] = dict(NEWER if node.name in EXPERIMENTAL else PLAIN)
    if node.name in ESSENTIALS:
        more["essentials_category"] = ESSENTIALS[node.name]
    if node.name in TAKE_LISTS:
        more["is_input_list"] = True
    return replace(
        node,
        category=CATEGORIES.get(node.name, node.category),
        display_name=TITLES.get(node.name, node.display_name),
        more=more,
        **PASS_ON.get(node.name, {}),
        **_own(node),
    )


CURRENT_CLASSES = {node.name: _today(node) for node in (*NODES.values(), *NEW_CLASSES)}
CURRENT_CLASSES |= {
    node.name: node
    for node in (*FAMILY_NODES, *CAPTION_NODES, *CHANGE_NODES, *CONTROL_NODES, *EXAMPLE_NODES, *READING_NODES)
}
