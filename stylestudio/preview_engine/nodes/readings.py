"""The node classes that read depth and pose from a picture, as ComfyUI 0.33.0 describes them.

The sketch engine has no models. It takes what is in front for near, and what is lower in the picture for nearer; and
what stands upright in front for somebody, whose bones it draws.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from stylestudio.preview_engine.files import Files
from stylestudio.preview_engine.nodes.changes import subject
from stylestudio.preview_engine.nodes.families import SECOND, combo, second
from stylestudio.preview_engine.nodes.node_class import InputSpecs, NodeClass, Stage

Point = tuple[float, float]
_FAR, _NEAR = 0.1, 0.6  # of white: the ground at the top, and at the bottom
_SOFT = 40  # the longer side is so many times the radius by which edges of depth are softened
_UPRIGHT = 1.2  # how many times as high as wide somebody is at least
_LEAST, _MOST = 0.02, 0.8  # shares of the picture that somebody takes
# Where joints are in the box around somebody, by how OpenPose numbers them.
_JOINTS: tuple[Point, ...] = (
    (0.5, 0.1), (0.5, 0.2), (0.33, 0.21), (0.22, 0.37), (0.16, 0.52), (0.67, 0.21), (0.78, 0.37), (0.84, 0.52),
    (0.41, 0.52), (0.39, 0.75), (0.38, 0.96), (0.59, 0.52), (0.61, 0.75), (0.62, 0.96), (0.46, 0.08), (0.54, 0.08),
    (0.42, 0.1), (0.58, 0.1),
)  # fmt: skip
_BONES = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13), (1, 0),
    (0, 14), (14, 16), (0, 15), (15, 17),
)  # fmt: skip
_COLOURS = (
    (255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0), (0, 255, 0), (0, 255, 85),
    (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255), (0, 0, 255), (85, 0, 255), (170, 0, 255), (255, 0, 255),
    (255, 0, 170), (255, 0, 85),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pose:
    """A POSE_KEYPOINT: the size of the picture, and the joints of whoever is in it, in pixels; none for nobody."""

    size: tuple[int, int]
    joints: tuple[Point, ...] = ()


def _load(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    return (inputs["model_name"],)


def _measure(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    return (depth(inputs["image"][0]),)


def _render(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    return ((inputs["da3_geometry"].convert("RGB"),),)


def depth(image: Image.Image) -> Image.Image:
    """How near everything is: near is white. What is in front stands nearer than the ground that it stands on."""
    rows = np.linspace(_FAR, _NEAR, image.height, dtype=np.float32)[:, None]
    front = np.asarray(subject(image), np.float32) / 255
    stands = float(rows[int(np.flatnonzero(front.max(axis=1) > 0.5)[-1])][0]) if front.max() > 0.5 else _NEAR
    is_all = front.min() > 0.5  # nothing is in front of anything
    light = np.asarray(image.convert("L"), np.float32) / 255
    near = rows + 0.15 * light if is_all else rows + (stands + 0.3 + 0.1 * light - rows) * front
    soft = ImageFilter.GaussianBlur(max(1, max(image.size) // _SOFT // 4))
    return Image.fromarray(np.rint(np.clip(near, 0, 1) * 255).astype(np.uint8)).filter(soft)


def _find_joints(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    return (pose(inputs["image"][0]),)


def pose(image: Image.Image) -> Pose:
    """The joints of what stands upright in front; none if nothing does."""
    front = subject(image).point(lambda value: 255 if value > 127 else 0)
    share = np.asarray(front).mean() / 255
    box = front.getbbox()
    if box is None or not _LEAST < share < _MOST or box[3] - box[1] < _UPRIGHT * (box[2] - box[0]):
        return Pose(image.size)
    left, top, right, bottom = box
    joints = tuple((left + x * (right - left), top + y * (bottom - top)) for x, y in _JOINTS)
    return Pose(image.size, joints)


def _draw(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    return ((drawn(inputs["keypoints"], inputs["stick_width"]),),)


def drawn(found: Pose, width: int) -> Image.Image:
    """Coloured bones and joints on black; as in the real node, all black for nobody."""
    image = Image.new("RGB", found.size)
    draw = ImageDraw.Draw(image)
    for (begin, end), colour in zip(_BONES, _COLOURS, strict=False):
        if found.joints:
            draw.line((found.joints[begin], found.joints[end]), tuple(round(part * 0.6) for part in colour), 2 * width)
    for (x, y), colour in zip(found.joints, _COLOURS, strict=True) if found.joints else ():
        draw.ellipse((x - width, y - width, x + width, y + width), colour)
    return image


def _dynamic(*options: tuple[str, InputSpecs]) -> list[Any]:
    told = [{"key": key, "inputs": {"required": specs}} for key, specs in options]
    return ["COMFY_DYNAMICCOMBO_V3", {"options": told}]


def _choice(usual: str, *choices: str) -> list[Any]:
    return ["COMBO", {"default": usual, "multiselect": False, "options": list(choices)}]


def _switch(usual: bool) -> list[Any]:
    return ["BOOLEAN", {"default": usual}]


def _whole(usual: int, least: int, most: int, step: int = 1) -> list[Any]:
    return ["INT", {"default": usual, "min": least, "max": most, "step": step}]


def _measuring(files: Files) -> InputSpecs:
    several = {
        "ref_view_strategy": _choice("saddle_balanced", "saddle_balanced", "saddle_sim_range", "first", "middle"),
        "pose_method": _choice("cam_dec", "cam_dec", "ray_pose"),
    }
    return {
        "da3_model": ["DA3_MODEL", {}],
        "image": ["IMAGE", {}],
        "resolution": _whole(504, 140, 2520, 14),
        "resize_method": _choice("upper_bound_resize", "upper_bound_resize", "lower_bound_resize"),
        "mode": _dynamic(("mono", {}), ("multiview", several)),
    }


def _rendering(files: Files) -> InputSpecs:
    of_depth = {"normalization": _choice("v2_style", "v2_style", "min_max", "raw"), "apply_sky_clip": _switch(False)}
    coloured = {"colored": _switch(False)}
    shown = (("depth", of_depth), ("depth_colored", of_depth), ("sky_mask", coloured), ("confidence", coloured))
    return {"da3_geometry": ["DA3_GEOMETRY", {}], "output": _dynamic(*shown)}


def _drawing(files: Files) -> InputSpecs:
    return {
        "keypoints": ["POSE_KEYPOINT", {}],
        **{f"draw_{part}": _switch(part != "feet") for part in ("body", "hands", "face", "feet")},
        "stick_width": _whole(4, 1, 10),
        "face_point_size": _whole(3, 1, 10),
        "score_threshold": ["FLOAT", {"default": 0.3, "min": 0.0, "max": 1.0, "step": 0.01}],
        "draw_head": _switch(True),
    }


_BOX = {"x": 0, "y": 0, "width": 512, "height": 512}
_GEOMETRY = "Dictionary of non-normalized tensors.\nAlways has the keys: depth, image, mode.\nOptional keys: sky (for "
_GEOMETRY += "Mono/Metric), confidence (for Small/Base), extrinsics + intrinsics (for multi-view)."
_KEYPOINTS = "Keypoints in OpenPose frame format (canvas_width, canvas_height, people)"
_DEPTH, _POSE = "comfy_extras.nodes_depth_anything_3", "comfy_extras.nodes_sdpose"

READING_NODES: tuple[NodeClass, ...] = (
    second("model/loaders", _DEPTH)(
        "LoadDA3Model",
        "Load Depth Anything 3",
        lambda files: {
            "model_name": combo(files.models()["geometry_estimation"]),
            "weight_dtype": _choice("default", "default", "fp16", "bf16", "fp32"),
        },
        ("DA3_MODEL",),
        _load,
    ),
    replace(
        second("image/geometry estimation", _DEPTH)(
            "DA3Inference", "Run Depth Anything 3", _measuring, ("DA3_GEOMETRY",), _measure
        ),
        output_names=("da3_geometry",),
        more={**SECOND, "output_tooltips": [_GEOMETRY]},
    ),
    second("image/geometry estimation", _DEPTH)(
        "DA3Render", "Render Depth Anything 3", _rendering, ("IMAGE",), _render
    ),
    replace(
        second("image/detection", _POSE)(
            "SDPoseKeypointExtractor",
            "SDPose Keypoint Extractor",
            lambda files: {
                "model": ["MODEL", {}],
                "vae": ["VAE", {}],
                "image": ["IMAGE", {}],
                "batch_size": _whole(16, 1, 10000),
            },
            ("POSE_KEYPOINT",),
            _find_joints,
        ),
        output_names=("keypoints",),
        optional=lambda files: {"bboxes": ["BOUNDING_BOX", {"default": _BOX, "socketless": True, "forceInput": True}]},
        more={**SECOND, "output_tooltips": [_KEYPOINTS]},
    ),
    second("image/detection", _POSE)("SDPoseDrawKeypoints", "SDPose Draw Keypoints", _drawing, ("IMAGE",), _draw),
)
