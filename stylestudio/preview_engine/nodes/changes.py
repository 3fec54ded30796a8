"""The node classes that change pictures without a prompt, as ComfyUI 0.33.0 describes them: cut out, scale up, blend.

The sketch engine has no models. It takes for the ground what can be reached from the border without crossing an edge,
and resamples where a real engine adds detail.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageFilter, ImageOps

from stylestudio.preview_engine.nodes.families import SECOND, combo, second
from stylestudio.preview_engine.nodes.node_class import Images, NodeClass, Stage

_SIDE = 320  # pixels of the longer side on which the ground is looked for
_EDGE = 9.0  # of 255: a difference between neighbours that the ground does not cross
_LEAST, _MOST = 0.02, 0.995  # shares of a picture that a ground has
_BAND = 5  # pixels of an edge
_FACTOR = re.compile(r"(?<![0-9])([1-8])x|x([1-8])(?![0-9])", re.IGNORECASE)
Bools = NDArray[np.bool_]


def _load(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    return (inputs["bg_removal_name"],)


def _remove_background(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    """The mask of the first picture's subject: white is what stays."""
    return (subject(inputs["image"][0]),)


def subject(image: Image.Image) -> Image.Image:
    """What is in front of the ground, white; all of it if there is no ground, or nothing in front of it."""
    small = image.convert("RGB")
    small.thumbnail((_SIDE, _SIDE), Image.Resampling.BOX)
    calm = _is_calm(small)
    tight = _filtered(calm, ImageFilter.MinFilter(5))  # so that it runs through no gap in an outline
    ground = _filtered(_reached(tight), ImageFilter.MaxFilter(5)) & calm
    if not _LEAST < ground.mean() < _MOST:
        return Image.new("L", image.size, 255)
    mask = Image.fromarray(np.rint(_coverage(small, ground) * 255).astype(np.uint8))
    return mask.resize(image.size, Image.Resampling.BICUBIC)


def _coverage(image: Image.Image, ground: Bools) -> NDArray[np.float32]:
    """How much of each pixel is in front: at edges by how far its colour is from the ground's to that of the inside."""
    pixels = np.asarray(image, np.float32)
    behind, _there = _around(pixels, ground)
    front, there = _around(pixels, _shrunk(~ground))
    way = front - behind
    share = ((pixels - behind) * way).sum(axis=2) / np.maximum((way * way).sum(axis=2), 1)
    share = np.where(there, np.clip(share, 0, 1), 1)
    found: NDArray[np.float32] = np.where(ground, 0, np.where(_shrunk(~ground), 1, share)).astype(np.float32)
    return found


def _shrunk(mask: Bools) -> Bools:
    return _filtered(mask, ImageFilter.MinFilter(2 * _BAND + 1))


def _filtered(mask: Bools, kind: ImageFilter.RankFilter) -> Bools:
    found: Bools = np.asarray(Image.fromarray(mask.astype(np.uint8) * 255).filter(kind)) > 0
    return found


def _around(pixels: NDArray[np.float32], known: Bools) -> tuple[NDArray[np.float32], Bools]:
    """The mean colour of the known pixels near each, and where there are any."""
    weight = _boxed(known.astype(np.float32)[..., None])
    found: NDArray[np.float32] = (_boxed(pixels * known[..., None]) / np.maximum(weight, 1e-6)).astype(np.float32)
    there: Bools = weight[..., 0] > 1e-6
    return found, there


def _boxed(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of what is within two bands of each pixel."""
    side = 4 * _BAND + 1
    sums = np.pad(values, ((2 * _BAND + 1, 2 * _BAND), (2 * _BAND + 1, 2 * _BAND), (0, 0))).astype(np.float64)
    sums = sums.cumsum(0).cumsum(1)
    found = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    made: NDArray[np.float32] = (found / side**2).astype(np.float32)
    return made


def _is_calm(image: Image.Image) -> Bools:
    """Where neighbours look alike."""
    pixels = np.asarray(image.filter(ImageFilter.GaussianBlur(1)), np.float32)
    down = np.abs(np.diff(pixels, axis=0, append=pixels[-1:])).max(axis=2)
    right = np.abs(np.diff(pixels, axis=1, append=pixels[:, -1:])).max(axis=2)
    calm: Bools = np.maximum(down, right) < _EDGE
    return calm


def _reached(calm: Bools) -> Bools:
    """The calm pixels that are connected with the border."""
    found = np.zeros_like(calm)
    found[[0, -1]] = calm[[0, -1]]
    found[:, [0, -1]] = calm[:, [0, -1]]
    count = 0
    while (now := int(found.sum())) > count:
        count = now
        for _again in range(8):
            found[1:] |= found[:-1]
            found[:-1] |= found[1:]
            found[:, 1:] |= found[:, :-1]
            found[:, :-1] |= found[:, 1:]
            found &= calm
    return found


def _mask_to_image(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    return ((inputs["mask"].convert("RGB"),),)


def _blend(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    """Both pictures in the size of the first, of whose proportions the second is cut."""
    factor, mix = inputs["blend_factor"], _MODES[inputs["blend_mode"]]
    second = [image.convert("RGB") for image in inputs["image2"]]
    made = []
    for place, image in enumerate(inputs["image1"]):
        first = image.convert("RGB")
        other = ImageOps.fit(second[place % len(second)], first.size, Image.Resampling.BICUBIC)
        made.append(Image.blend(first, mix(first, other), factor))
    return (tuple(made),)


_MODES: dict[str, Callable[[Image.Image, Image.Image], Image.Image]] = {
    "normal": lambda _first, second: second,
    "multiply": ImageChops.multiply,
    "screen": ImageChops.screen,
    "overlay": ImageChops.overlay,
    "soft_light": ImageChops.soft_light,
    "difference": ImageChops.difference,
}


def _load_upscaler(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    """How many times as large a model makes a picture, by its name; four times as most do."""
    named = _FACTOR.search(inputs["model_name"])
    return (int(named[1] or named[2]) if named else 4,)


def _upscale(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    """Resampled and sharpened. As a real engine does, it tells of each tile."""
    factor: int = inputs["upscale_model"]
    images: Images = inputs["image"]
    large = []
    for number, image in enumerate(images, 1):
        stage.check()
        size = image.width * factor, image.height * factor
        made = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
        large.append(made.filter(ImageFilter.UnsharpMask(radius=factor, percent=60, threshold=2)))
        stage.step(number, len(images), lambda: images[0])
    return (tuple(large),)


def _tips(*texts: str | None) -> dict[str, Any]:
    return {"more": {**SECOND, "output_tooltips": list(texts)}}


CHANGE_NODES: tuple[NodeClass, ...] = (
    replace(
        second("model/loaders", "comfy_extras.nodes_bg_removal")(
            "LoadBackgroundRemovalModel",
            "Load Background Removal Model",
            lambda files: {
                "bg_removal_name": [
                    "COMBO",
                    {
                        "tooltip": "The model used to remove backgrounds from images",
                        "multiselect": False,
                        "options": files.models()["background_removal"],
                    },
                ]
            },
            ("BACKGROUND_REMOVAL",),
            _load,
        ),
        output_names=("bg_model",),
    ),
    replace(
        second("image/background removal", "comfy_extras.nodes_bg_removal")(
            "RemoveBackground",
            "Remove Background",
            lambda files: {
                "bg_removal_model": [
                    "BACKGROUND_REMOVAL",
                    {"tooltip": "Background removal model used to generate the mask"},
                ],
                "image": ["IMAGE", {"tooltip": "Input image to remove the background from"}],
            },
            ("MASK",),
            _remove_background,
        ),
        output_names=("mask",),
        **_tips("Generated foreground mask"),
    ),
    second("image/mask", "comfy_extras.nodes_mask")(
        "MaskToImage", "Convert Mask to Image", lambda files: {"mask": ["MASK", {}]}, ("IMAGE",), _mask_to_image
    ),
    second("model/loaders", "comfy_extras.nodes_upscale_model")(
        "UpscaleModelLoader",
        "Load Upscale Model",
        lambda files: {"model_name": combo(files.models()["upscale_models"])},
        ("UPSCALE_MODEL",),
        _load_upscaler,
    ),
    second("image/upscaling", "comfy_extras.nodes_upscale_model")(
        "ImageUpscaleWithModel",
        "Upscale Image (using Model)",
        lambda files: {"upscale_model": ["UPSCALE_MODEL", {}], "image": ["IMAGE", {}]},
        ("IMAGE",),
        _upscale,
    ),
    second("image/filters", "comfy_extras.nodes_post_processing", "Image Tools")(
        "ImageBlend",
        "Blend Images",
        lambda files: {
            "image1": ["IMAGE", {}],
            "image2": ["IMAGE", {}],
            "blend_factor": ["FLOAT", {"default": 0.5, "min": 0.0, "max": 1.0, "step": 0.01}],
            "blend_mode": combo(list(_MODES)),
        },
        ("IMAGE",),
        _blend,
    ),
)
