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
# Suffixes for how a file stores the same weights.
STORAGE = re.compile(r"fp(?:16|32|8)|bf16|pruned|ema[ _-]?only|ema|[\d.]*[ _-]?vae(?:[ _-]?fix)?")
# Names of the family, not of a checkpoint.
FAMILIES = {"sdxl", "sdxl1", "sdxl10", "sd"}


def base_name(text: str) -> str:
    """A checkpoint's name without folder, extension and spelling variants; "" if the text has no name, such as a hash.

    "models/sd_xl_base_1.0.safetensors", "sdxl_base_v1-0" and "sdXL base 1.0" are the same base.
    """
    name = _stem(text).lower()
    if HASH.fullmatch(name):
        return ""
    words = re.findall(r"[^\W\d_]+|\d+", STORAGE.sub(" ", name))
    joined = "".join(word for word in words if word != "v").replace("stablediffusion", "sd")
    return "" if joined in FAMILIES else joined


def _stem(text: str) -> str:
    """The name without folder and extension. Only known extensions are cut: a dot may belong to a version number."""
    name = re.split(r"[\\/]", text.strip())[-1]
    return next((name[: -len(ending)] for ending in ENDINGS if name.lower().endswith(ending)), name)


def differ(one: str, other: str) -> bool:
    """Whether two texts name different checkpoints. If one is shorter than the other, or empty, they do not."""
    first, second = base_name(one), base_name(other)
    return bool(first and second) and not first.startswith(second) and not second.startswith(first)


def warnings(order: Order) -> list[str]:
    """What may look wrong because of the checkpoint that the styles of an order are used with."""
    return [*_two_wishes(order.mix), *_strangers(order.mix, order.files().get("checkpoint", ""))]


def chosen(mix: Sequence[Ingredient]) -> str:
    """The checkpoint that a style of the mix requires, in words; "" if it is the studio's default."""
    for ingredient in mix:
        if name := ingredient.version.checkpoint:
            facts = {"checkpoint": name, "style": ingredient.version.style.title}
            usual = canonical(name) == canonical(settings.CHECKPOINT)
            return "" if usual else _("with %(checkpoint)s, as %(style)s asks for") % facts
    return ""


def _two_wishes(mix: Sequence[Ingredient]) -> list[str]:
    """Warn if two styles require checkpoints of their own: only one can be loaded."""
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
    """Warn about styles that were trained on another checkpoint than the one used."""
    return [
        _("%(style)s was trained on %(base)s, not on %(checkpoint)s.")
        % {"style": version.style.title, "base": _stem(version.trained_on), "checkpoint": _stem(used)}
        for version in (ingredient.version for ingredient in mix)
        if differ(version.trained_on, used)
    ]
