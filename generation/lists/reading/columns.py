"""What the columns of a table are, by their names in English or Chinese."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import override

from generation.recipes import registry
from generation.recipes.recipe import Field

IGNORED = ""  # what a column is that is not used
TITLES: Mapping[str, Promise | str] = {
    "name": _("Name of the file"),
    "prompt": _("Prompt"),
    "english": _("English for the model"),
    "negative": _("Negative prompt"),
    "seed": _("Seed"),
    "style": _("Style"),
    "weight": _("Weight of the style"),
    "shape": _("Shape"),
    "preset": _("Preset"),
    "recipe": _("Recipe"),
    "count": _("Pictures"),
}
_NAMES: Mapping[str, tuple[str, str]] = {
    "name": (
        "name, file, file name, asset, asset name, id, key",
        "名称, 名字, 文件名, 文件名称, 资源名, 资源名称, 命名, 编号",
    ),
    "prompt": (
        "prompt, positive, positive prompt, text, description, subject",
        "提示词, 正向提示词, 正面提示词, 描述, 主题, 内容, 提示",
    ),
    "english": (
        "english, english prompt, in english, prompt in english, english for the model",
        "英文, 英语, 英文提示词, 英语提示词, 英文翻译, 给模型的英文",
    ),
    "negative": ("negative, negative prompt", "负面提示词, 反向提示词, 负向提示词, 反面提示词"),
    "seed": ("seed, random seed", "种子, 随机种子, 种子数"),
    "style": ("style, styles, lora, loras", "风格, 画风, 样式"),
    "weight": ("weight, strength, style weight, style strength", "权重, 强度, 风格权重, 风格强度"),
    "shape": (
        "shape, size, aspect, aspect ratio, ratio, resolution, dimensions",
        "形状, 尺寸, 大小, 比例, 画幅, 宽高比, 分辨率",
    ),
    "preset": ("preset", "预设"),
    "recipe": ("recipe, workflow", "配方, 工作流"),
    "count": ("count, pictures, images, number of pictures, amount, quantity", "数量, 张数, 图片数, 图片数量, 个数"),
}
# What may be wrong with a row besides its cells.
_NO_COLUMNS: Mapping[str, Promise | str] = {"hold": _("Hold the form"), "mode": _("Mode")}
_MARKS = re.compile(r"[\s_\-:：*.()（）\[\]]+")


def known(row: Iterable[str]) -> list[str]:
    """What each cell of a row would be as the name of a column: prompt, steps, …; IGNORED if a list knows none."""
    names = _known()
    return [names.get(_folded(cell), IGNORED) if cell else IGNORED for cell in row]


def count_known(row: Iterable[str]) -> int:
    """How many cells of a row are names of columns."""
    return len({column for column in known(row) if column})


def is_header(row: Sequence[str]) -> bool:
    """Whether a row names columns: most of its cells do, or one does that every list has."""
    found = {column for column in known(row) if column}
    return "prompt" in found or (bool(found) and 2 * len(found) >= sum(bool(cell) for cell in row))


def of_header(row: Sequence[str]) -> list[str]:
    """What each column is. A column that a table has twice counts once, where it comes first."""
    found: list[str] = []
    for column in known(row):
        found.append(IGNORED if column in found else column)
    return found


def titles() -> dict[str, str]:
    """All columns that a list may have, with their names in the reader's language."""
    return {name: str(title) for name, title in TITLES.items()} | {
        name: str(field.label) for name, field in _fields().items() if name not in TITLES
    }


def title(column: str) -> str:
    """The name of a column in the reader's language."""
    return titles().get(column) or str(_NO_COLUMNS.get(column, column))


def _fields() -> dict[str, Field]:
    return {name: field for recipe in registry.current().values() for name, field in recipe.fields.items()}


def _folded(text: str) -> str:
    return _MARKS.sub("", unicodedata.normalize("NFKC", text)).casefold()


@cache
def _fixed() -> dict[str, str]:
    return {_folded(each): column for column, names in _NAMES.items() for each in ", ".join(names).split(",")}


def _known() -> dict[str, str]:
    found: dict[str, str] = {}
    for name, field in _fields().items():
        found[_folded(name)] = name
        for language, _title in settings.LANGUAGES:
            with override(language):
                found[_folded(str(field.label))] = name
    return found | _fixed()
