"""What values are called in a form: the usual ones in both languages, others after their node."""

from __future__ import annotations

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
}


def words_for(spot: Spot) -> dict[str, str]:
    """The label to begin with."""
    if spot.role in FIELDS:
        english, chinese = FIELDS[spot.role]
        return {"en": english, "zh-hans": chinese}
    name = spot.input.replace("_", " ").rpartition(".")[2].strip()
    words = f"{spot.title}: {name}"[:MOST_LABEL].strip()
    return {"en": words, "zh-hans": words}
