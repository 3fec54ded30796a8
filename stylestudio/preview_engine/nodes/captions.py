"""The node classes that say what is in a picture: ComfyUI's own, as 0.33.0 describes it, and that of a package which
many engines have. Here both tell colours and the shape, which is all that is possible without a model.
"""

from __future__ import annotations

import re
from typing import Any

from PIL import Image

from stylestudio.preview_engine.files import Files
from stylestudio.preview_engine.nodes.families import PLAIN, SECOND
from stylestudio.preview_engine.nodes.node_class import InputSpecs, NodeClass, Stage
from stylestudio.preview_engine.nodes.pictures import SEED_COUNT, colours_of
from stylestudio.preview_engine.painter import words

TAGGERS = [
    "wd-eva02-large-tagger-v3", "wd-vit-tagger-v3", "wd-swinv2-tagger-v3", "wd-convnext-tagger-v3",
    "wd-v1-4-moat-tagger-v2", "wd-v1-4-convnextv2-tagger-v2", "wd-v1-4-convnext-tagger-v2", "wd-v1-4-convnext-tagger",
    "wd-v1-4-vit-tagger-v2", "wd-v1-4-swinv2-tagger-v2", "wd-v1-4-vit-tagger",
]  # fmt: skip
OFF = ["BOOLEAN", {"default": False}]
_TEXT = re.compile(r"<text>(?!.*<text>)(.*)</text>", re.DOTALL)  # behind the instruction, which names it too


def _shape(image: Image.Image) -> str:
    if image.width == image.height:
        return "square"
    return "wide" if image.width > image.height else "tall"


def _generate(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    """Answer any question with a sentence about the picture. Without one it is taken for one about the text in
    `<text>`, whose Chinese words are answered in English, as far as the painter knows them.
    """
    if inputs.get("image"):
        image = inputs["image"][0]
        return (f"A {_shape(image)} picture in {' and '.join(colours_of(image))}.",)
    found = _TEXT.search(inputs["prompt"])
    return (words.in_english(found[1].strip()) if found else "",)


def _tag(stage: Stage, inputs: dict[str, Any]) -> dict[str, Any]:
    return {"tags": [", ".join([*colours_of(image), _shape(image)]) for image in inputs["image"]]}


def _first_tags(stage: Stage, inputs: dict[str, Any], shown: Any) -> tuple[Any, ...]:
    return (shown["tags"][0],)


def _number(default: float, least: float, most: float, step: float) -> list[Any]:
    return ["FLOAT", {"default": default, "min": least, "max": most, "step": step}]


def _count(default: int, least: int, most: int) -> list[Any]:
    return ["INT", {"default": default, "min": least, "max": most}]


def _question(files: Files) -> InputSpecs:
    drawn: InputSpecs = {
        "temperature": _number(0.7, 0.01, 2.0, 1e-06),
        "top_k": _count(64, 0, 1000),
        "top_p": _number(0.95, 0.0, 1.0, 0.01),
        "min_p": _number(0.05, 0.0, 1.0, 0.01),
        "repetition_penalty": _number(1.05, 0.0, 5.0, 0.01),
        "seed": _count(0, 0, SEED_COUNT - 1),
    }
    also = {"presence_penalty": _number(0.0, 0.0, 5.0, 0.01)}
    modes = [{"key": "on", "inputs": {"required": drawn, "optional": also}}, {"key": "off", "inputs": {"required": {}}}]
    return {
        "clip": ["CLIP", {}],
        "prompt": ["STRING", {"default": "", "multiline": True, "dynamicPrompts": True}],
        "max_length": _count(512, 1, 32768),
        "sampling_mode": ["COMFY_DYNAMICCOMBO_V3", {"display_name": "Sampling Mode", "options": modes}],
    }


def _material(files: Files) -> InputSpecs:
    return {
        "image": ["IMAGE", {}],
        "video": ["IMAGE", {}],
        "audio": ["AUDIO", {}],
        "thinking": OFF,
        "use_default_template": ["BOOLEAN", {"default": True, "advanced": True}],
    }


def _tagger(files: Files) -> InputSpecs:
    likely = {"min": 0.0, "max": 1, "step": 0.05}
    return {
        "image": ["IMAGE"],
        "model": [TAGGERS, {"default": "wd-v1-4-moat-tagger-v2"}],
        "threshold": ["FLOAT", {"default": 0.35, **likely}],
        "character_threshold": ["FLOAT", {"default": 0.85, **likely}],
        "replace_underscore": OFF,
        "trailing_comma": OFF,
        "exclude_tags": ["STRING", {"default": ""}],
    }


CAPTION_NODES = (
    NodeClass(
        "TextGenerate",
        "Generate Text",
        "text",
        _question,
        ("STRING",),
        _generate,
        module="comfy_extras.nodes_textgen",
        optional=_material,
        output_names=("generated_text",),
        more={**SECOND, "output_tooltips": [None]},
    ),
    NodeClass(
        "WD14Tagger|pysssss",
        "WD14 Tagger 🐍",
        "image",
        _tagger,
        ("STRING",),
        _tag,
        is_output=True,
        module="custom_nodes.ComfyUI-WD14-Tagger",
        lists=True,
        more=PLAIN,
        passes=_first_tags,
    ),
)
