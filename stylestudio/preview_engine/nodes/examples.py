"""The node classes by which models take a picture as an example, as ComfyUI 0.33.0 describes them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from PIL import ImageOps

from stylestudio.preview_engine.files import Files
from stylestudio.preview_engine.nodes.families import EXPERIMENTAL, combo, second
from stylestudio.preview_engine.nodes.node_class import Conditioning, Images, InputSpecs, Latent, NodeClass, Stage
from stylestudio.preview_engine.nodes.pictures import RESAMPLING

METHODS = ["offset", "index", "uxo/uno", "index_timestep_zero"]
# The sizes that FluxKontextImageScale makes, each the other way round too.
SIZES = (
    (1024, 1024), (944, 1104), (880, 1184), (832, 1248), (800, 1328), (752, 1392), (720, 1456), (688, 1504), (672, 1568)
)  # fmt: skip


def _refer(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    """The last of several references counts: a sketch is like one picture."""
    conditioning: Conditioning = inputs["conditioning"]
    latent: Latent | None = inputs.get("latent")
    return (replace(conditioning, example=latent.decode(stage.painter)[0]) if latent else conditioning,)


def _encode_edit(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    """As in the real node, without a VAE the picture is only looked at."""
    images: Images = inputs.get("image1", ()) if inputs.get("vae") else ()
    return (Conditioning(inputs["prompt"], example=images[0] if images else None),)


def _same_conditioning(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    return (inputs["conditioning"],)


def _same_model(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    return (inputs["model"],)


def _scale_as_kontext(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    """Cut and scaled to the nearest of the known shapes."""
    images: Images = inputs["image"]
    shape = images[0].width / images[0].height
    known = [*SIZES, *((high, wide) for wide, high in SIZES)]
    size = min(known, key=lambda each: abs(shape - each[0] / each[1]))
    return (tuple(ImageOps.fit(image, size, RESAMPLING["lanczos"]) for image in images),)


def _scale_to_total(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    images: Images = inputs["image"]
    step = inputs["resolution_steps"]
    scale = math.sqrt(inputs["megapixels"] * 2**20 / (images[0].width * images[0].height))
    width, height = (max(1, round(side * scale / step)) * step for side in images[0].size)
    return (tuple(image.resize((width, height), RESAMPLING[inputs["upscale_method"]]) for image in images),)


def _optional_images(files: Files) -> InputSpecs:
    return {"vae": ["VAE", {}], **{f"image{number}": ["IMAGE", {}] for number in (1, 2, 3)}}


EXAMPLE_NODES: tuple[NodeClass, ...] = (
    replace(
        second("model/conditioning", "comfy_extras.nodes_edit_model")(
            "ReferenceLatent",
            "Set Reference Latent",
            lambda files: {"conditioning": ["CONDITIONING", {}]},
            ("CONDITIONING",),
            _refer,
        ),
        optional=lambda files: {"latent": ["LATENT", {}]},
    ),
    replace(
        second("model/conditioning/qwen image", "comfy_extras.nodes_qwen")(
            "TextEncodeQwenImageEditPlus",
            None,
            lambda files: {
                "clip": ["CLIP", {}],
                "prompt": ["STRING", {"multiline": True, "dynamicPrompts": True}],
            },
            ("CONDITIONING",),
            _encode_edit,
        ),
        optional=_optional_images,
    ),
    second("model/conditioning/flux", "comfy_extras.nodes_flux")(
        "FluxKontextImageScale", None, lambda files: {"image": ["IMAGE", {}]}, ("IMAGE",), _scale_as_kontext
    ),
    replace(
        second("model/conditioning/flux", "comfy_extras.nodes_flux")(
            "FluxKontextMultiReferenceLatentMethod",
            "Edit Model Reference Method",
            lambda files: {
                "conditioning": ["CONDITIONING", {}],
                "reference_latents_method": ["COMBO", {"advanced": True, "multiselect": False, "options": METHODS}],
            },
            ("CONDITIONING",),
            _same_conditioning,
        ),
        more=EXPERIMENTAL,
    ),
    replace(
        second("advanced/guidance", "comfy_extras.nodes_cfg")(
            "CFGNorm",
            None,
            lambda files: {
                "model": ["MODEL", {}],
                "strength": ["FLOAT", {"default": 1.0, "min": 0.0, "max": 100.0, "step": 0.01}],
            },
            ("MODEL",),
            _same_model,
        ),
        output_names=("patched_model",),
        optional=lambda files: {"pre_cfg": ["BOOLEAN", {"default": False}]},
        more=EXPERIMENTAL,
    ),
    second("image/upscaling", "comfy_extras.nodes_post_processing")(
        "ImageScaleToTotalPixels",
        "Scale Image to Total Pixels",
        lambda files: {
            "image": ["IMAGE", {}],
            "upscale_method": combo(list(RESAMPLING)),
            "megapixels": ["FLOAT", {"default": 1.0, "min": 0.01, "max": 16.0, "step": 0.01}],
            "resolution_steps": ["INT", {"advanced": True, "default": 1, "min": 1, "max": 256}],
        },
        ("IMAGE",),
        _scale_to_total,
    ),
)
