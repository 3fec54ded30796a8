"""What values are called in a form: the usual ones in both languages, others after their node."""

from __future__ import annotations

import re
from collections.abc import Mapping

from generation.recipes.own.looking import Spot

MOST_LABEL = 80  # characters
FIELDS: Mapping[str, tuple[str, str]] = {
    "positive": ("Prompt", "提示词"),
    "negative": ("Negative prompt", "反向提示词"),
    "seed": ("Seed", "种子"),
    "width": ("Width", "宽度"),
    "height": ("Height", "高度"),
    "steps": ("Steps", "步数"),
    "cfg": ("Cfg", "CFG"),
    "sampler": ("Sampler", "采样器"),
    "scheduler": ("Scheduler", "调度器"),
    "denoise": ("Strength of change", "变化强度"),
    "reference": ("Reference picture", "参考图"),
    "both": ("Reference picture", "参考图"),
    "mask": ("Part to make anew", "要重画的部分"),
}
# What ComfyUI itself calls nodes that load pictures, which tells nothing of the picture.
_NO_TITLE = re.compile(r"load ?image(?: ?mask| \(as mask\))?(?: \d+)?", re.IGNORECASE)


def words_for(spot: Spot) -> dict[str, str]:
    """The label to begin with."""
    if spot.role in FIELDS:
        english, chinese = FIELDS[spot.role]
        return {"en": english, "zh-hans": chinese}
    return picture_words(spot) if spot.type == "picture" else _named(spot)


def picture_words(spot: Spot) -> dict[str, str]:
    """The label of a further picture: the title of its node, else its number."""
    if _NO_TITLE.fullmatch(spot.title):
        return {"en": f"Picture {spot.number}", "zh-hans": f"图片 {spot.number}"}
    return dict.fromkeys(("en", "zh-hans"), spot.title[:MOST_LABEL])


def _named(spot: Spot) -> dict[str, str]:
    name = spot.input.replace("_", " ").rpartition(".")[2].strip()
    words = f"{spot.title}: {name}"[:MOST_LABEL].strip()
    return {"en": words, "zh-hans": words}
