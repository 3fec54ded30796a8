"""A table to begin with, in both languages, as a file that every spreadsheet opens."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

EXAMPLES: Mapping[str, Sequence[Sequence[str]]] = {
    "en": (
        ("name", "prompt", "seed", "style", "shape", "count"),
        ("icon-sword", "an iron sword, game icon, plain background", "7", "", "1:1", "1"),
        ("icon-shield", "a round wooden shield, game icon, plain background", "7", "", "1:1", "1"),
        ("icon-potion", "a bottle with a red potion, game icon, plain background", "", "", "1:1", "2"),
        ("banner-harbour", "a quiet harbour at dusk, wide view", "", "", "16:9", "1"),
    ),
    "zh": (
        ("名称", "提示词", "种子", "风格", "画幅", "数量"),
        ("图标-剑", "an iron sword, game icon, plain background", "7", "", "1:1", "1"),
        ("图标-盾", "a round wooden shield, game icon, plain background", "7", "", "1:1", "1"),
        ("图标-药水", "a bottle with a red potion, game icon, plain background", "", "", "1:1", "2"),
        ("横幅-港口", "a quiet harbour at dusk, wide view", "", "", "16:9", "1"),
    ),
}


def as_csv(language: str) -> bytes:
    """The example with commas, in UTF-8 with the mark by which Excel knows it."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows(EXAMPLES[language])
    return text.getvalue().encode("utf-8-sig")


def as_xlsx(language: str) -> bytes:
    """The example as a workbook, with seeds as text: Excel keeps 15 digits of a number."""
    import openpyxl  # a page that gives no workbook does without it

    book = openpyxl.Workbook()
    sheet = book.active
    for row in EXAMPLES[language]:
        sheet.append(list(row))
    for column, width in zip("ABCDEF", (18, 60, 12, 16, 10, 8), strict=True):
        sheet.column_dimensions[column].width = width
    stored = io.BytesIO()
    book.save(stored)
    return stored.getvalue()
