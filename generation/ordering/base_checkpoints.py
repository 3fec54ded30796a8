"""Which checkpoint a style was trained on, and whether its pictures are made with that one."""

from __future__ import annotations

import re
from collections.abc import Sequence

from django.conf import settings
from django.utils.translation import gettext as _

from generation.ordering.orders import Ingredient, Order
from stylestudio.comfy.file_names import canonical

ENDINGS = (".safetensors", ".sft", ".ckpt", ".pt", ".pth", ".bin")
HASH = re.compile(r"(?:sha256:|0x)?[0-9a-f]{8,64}")
# How a file stores the same weights.
STORAGE = re.compile(r"fp(?:16|32|8)|bf16|pruned|ema[ _-]?only|ema|[\d.]*[ _-]?vae(?:[ _-]?fix)?")
# These name the family, not a checkpoint.
FAMILIES = {"sdxl", "sdxl1", "sdxl10", "sd"}


def base_name(text: str) -> str:
    """What a checkpoint is called, apart from folder, ending and spelling; "" where the text names none, like a hash.

    "models/sd_xl_base_1.0.safetensors", "sdxl_base_v1-0" and "sdXL base 1.0" are the same base.
    """
    name = _stem(text).lower()
    if HASH.fullmatch(name):
        return ""
    words = re.findall(r"[^\W\d_]+|\d+", STORAGE.sub(" ", name))
    joined = "".join(word for word in words if word != "v").replace("stablediffusion", "sd")
    return "" if joined in FAMILIES else joined


def _stem(text: str) -> str:
    """Without folder and ending. What follows a point may be a number: only known endings are cut."""
    name = re.split(r"[\\/]", text.strip())[-1]
    return next((name[: -len(ending)] for ending in ENDINGS if name.lower().endswith(ending)), name)


def differ(one: str, other: str) -> bool:
    """Whether two texts name different checkpoints. Where one says less than the other, or nothing, they do not."""
    first, second = base_name(one), base_name(other)
    return bool(first and second) and not first.startswith(second) and not second.startswith(first)


def warnings(mix: Sequence[Ingredient]) -> list[str]:
    """What may look wrong because of the checkpoint that these styles are used with."""
    used, _lightning = Order(prompt="x", mix=mix).files()
    return [*_two_wishes(mix), *_strangers(mix, used)]


def chosen(mix: Sequence[Ingredient]) -> str:
    """Which checkpoint a style of the mix brings along, in words; "" where it is the studio's own."""
    for ingredient in mix:
        if name := ingredient.version.checkpoint:
            facts = {"checkpoint": name, "style": ingredient.version.style.title}
            usual = canonical(name) == canonical(settings.CHECKPOINT)
            return "" if usual else _("with %(checkpoint)s, as %(style)s asks for") % facts
    return ""


def _two_wishes(mix: Sequence[Ingredient]) -> list[str]:
    """Two styles ask for checkpoints of their own; only one can be loaded."""
    versions = [ingredient.version for ingredient in mix if ingredient.version.checkpoint]
    other = next((one for one in versions if differ(one.checkpoint, versions[0].checkpoint)), None)
    if other is None:
        return []
    return [
        _("%(first)s asks for %(one)s and %(second)s for %(other)s. The first in the list decides.")
        % {
            "first": versions[0].style.title,
            "one": _stem(versions[0].checkpoint),
            "second": other.style.title,
            "other": _stem(other.checkpoint),
        }
    ]


def _strangers(mix: Sequence[Ingredient], used: str) -> list[str]:
    """Styles that were trained on another checkpoint than the one they are used with."""
    return [
        _("%(style)s was trained on %(base)s, not on %(checkpoint)s.")
        % {"style": version.style.title, "base": _stem(version.trained_on), "checkpoint": _stem(used)}
        for version in (ingredient.version for ingredient in mix)
        if differ(version.trained_on, used)
    ]
