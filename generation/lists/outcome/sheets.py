"""Contact sheets as one picture: pictures with the names of their files below, or grids with the values of their axes.

Letters are drawn with a font of the machine, since the one that comes with Pillow has none for Chinese. A label that no
font here can draw stands as a number, and `undrawable` says so to the page.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from PIL import Image, ImageDraw, ImageFont

from generation.lists.models import OrderList
from generation.lists.outcome import results
from generation.lists.outcome.results import Result, Shot
from generation.pictures.models import GeneratedImage
from stylestudio.images.decoding import BadPicture, open_picture

# Fonts with Chinese letters where systems keep them.
FONTS = (
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/google-noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc",
    "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",
    "/System/Library/Fonts/PingFang.ttc",
    "/System/Library/Fonts/STHeiti Light.ttc",
    "C:/Windows/Fonts/msyh.ttc",
    "C:/Windows/Fonts/simhei.ttf",
)
MOST_CELL, LEAST_CELL, GAP = 256, 96, 8  # pixels
MOST_PIXELS = 30_000_000  # 90 MB in the memory
PAPER, INK, EMPTY = (255, 255, 255), (24, 24, 26), (228, 228, 226)
NO_GLYPH = "\uffff"
Step = Callable[[int, int], None]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@cache
def _fonts(size: int) -> tuple[Font, ...]:
    """Pillow's own font, then one with more letters if the machine has it."""
    found: list[Font] = [ImageFont.load_default(size)]
    for path in FONTS:
        if Path(path).exists():
            found.append(ImageFont.truetype(path, size))
            break
    return tuple(found)


def _font_for(text: str, size: int) -> Font | None:
    """The first font that has all letters of a text; None if none has."""
    return next((font for font in _fonts(size) if all(_has(font, each) for each in set(text))), None)


@cache
def _has(font: Font, letter: str) -> bool:
    return letter.isspace() or bytes(font.getmask(letter)) != bytes(font.getmask(NO_GLYPH))


def undrawable(labels: Iterable[str]) -> bool:
    """Whether this machine has no font for some of these labels, which then stand as numbers."""
    return any(_font_for(label, 14) is None for label in labels)


def _label(draw: ImageDraw.ImageDraw, at: tuple[int, int], text: str, number: int, width: int, size: int) -> None:
    """Write a label in a line of this width, cut if it is longer."""
    font = _font_for(text, size)
    if font is None:
        text, font = f"#{number}", _fonts(size)[0]
    shown = text.replace("\n", " ")
    while shown and draw.textlength(shown + ("…" if shown != text else ""), font=font) > width:
        shown = shown[:-1]
    cut = shown != text and _has(font, "…")
    draw.text(at, shown.rstrip() + ("…" if cut else ""), fill=INK, font=font)


def _paste(sheet: Image.Image, picture: GeneratedImage | None, at: tuple[int, int], cell: int) -> None:
    small = _small(picture, cell) if picture else None
    if small is None:
        sheet.paste(EMPTY, (*at, at[0] + cell, at[1] + cell))
        return
    place = (at[0] + (cell - small.width) // 2, at[1] + (cell - small.height) // 2)
    sheet.paste(small, place, small if small.mode == "RGBA" else None)


def _small(picture: GeneratedImage, cell: int) -> Image.Image | None:
    """A picture of at most this size; None if its file is missing or broken."""
    stored = picture.thumbnail or picture.file
    try:
        with stored.open("rb") as file, open_picture(file) as opened:
            small: Image.Image = opened.convert("RGBA" if picture.has_alpha else "RGB")
            small.thumbnail((cell, cell), Image.Resampling.LANCZOS)
            return small
    except (OSError, BadPicture, ValueError):
        return None


def _cell(number: int) -> int:
    """The side of one of so many pictures on a sheet that is not too large."""
    return max(LEAST_CELL, min(MOST_CELL, int(math.sqrt(MOST_PIXELS / max(number, 1))) - 2 * GAP))


def _stored(sheet: Image.Image) -> bytes:
    file = io.BytesIO()
    sheet.save(file, "PNG", optimize=False)
    return file.getvalue()


def drawn(found: OrderList, person: User, step: Step = lambda done, total: None) -> bytes:
    """All pictures of a list that this person sees as one PNG; nothing while there is none. `step` is told how many are
    drawn of how many, and may raise.
    """
    if found.axes:
        return _grid(results.axes(found), results.blocks(found, person), step)
    number = len(results.keys(found, person)[0])
    return _contact(results.shots(found, person), number, step) if number else b""


def _contact(shots: Iterable[Shot], number: int, step: Step) -> bytes:
    """So many pictures in rows with the names of their files below. Those that come meanwhile are left out."""
    cell = _cell(number)
    size = max(10, cell // 16)
    across = math.ceil(math.sqrt(number))
    line = cell + size + 2 * GAP
    sheet = Image.new("RGB", (across * (cell + GAP) + GAP, math.ceil(number / across) * line + GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    for at, shot in enumerate(islice(shots, number)):
        step(at, number)
        x, y = GAP + at % across * (cell + GAP), GAP + at // across * line
        _paste(sheet, shot.picture, (x, y), cell)
        _label(draw, (x, y + cell + 3), shot.name, at + 1, cell, size)
    return _stored(sheet)


def _grid(axes: Sequence[tuple[str, Sequence[str]]], blocks: Sequence[Mapping[str, Any]], step: Step) -> bytes:
    """The first axis stands above the columns, the second beside the rows; each value of the third has a block."""
    across, down = blocks[0]["across"], blocks[0]["lines"]
    cells = len(across) * len(down) * len(blocks)
    cell, done = _cell(cells), 0
    size = max(12, cell // 14)
    names = max((len(name) for name, _results in down), default=0)
    side = min(cell, max(3 * size, names * size * 2 // 3) + GAP) if len(axes) > 1 else 0
    head = size + 2 * GAP
    title = head if len(axes) > 2 else 0
    width = side + len(across) * (cell + GAP) + GAP
    height = len(blocks) * (title + head + len(down) * (cell + GAP)) + GAP
    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    y, is_empty = GAP, True
    for z, block in enumerate(blocks):
        if title:
            _label(draw, (GAP, y), f"{axes[2][0]}: {block['title']}", z + 1, width - GAP, size)
            y += title
        corner = f"{axes[1][0]} / {axes[0][0]}" if side else ""
        if corner and not undrawable([corner]):
            _label(draw, (GAP, y), corner, 0, side - GAP, size)
        for x, name in enumerate(across):
            _label(draw, (side + GAP + x * (cell + GAP), y), name, x + 1, cell, size)
        y += head
        for number, (name, found) in enumerate(block["lines"]):
            if side:
                _label(draw, (GAP, y + cell // 2 - size // 2), name, number + 1, side - GAP, size)
            for x, result in enumerate(found):
                step(done, cells)
                done += 1
                picture = _first(result)
                is_empty = is_empty and picture is None
                _paste(sheet, picture, (side + GAP + x * (cell + GAP), y), cell)
            y += cell + GAP
    return b"" if is_empty else _stored(sheet)


def _first(result: Result | None) -> GeneratedImage | None:
    return next((shot.picture for shot in result.shots if shot.picture), None) if result else None
