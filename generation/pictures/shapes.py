"""The shapes that the form offers: those of a recipe, or the eight that SDXL was trained on. Any multiples of 8 can be
typed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Shape:
    """A name such as 3:2 and its size in pixels."""

    name: str
    width: int
    height: int

    @property
    def value(self) -> str:
        """The value forms send."""
        return f"{self.width}x{self.height}"

    @property
    def size(self) -> str:
        """The size as people read it."""
        return size_text(self.width, self.height)

    @property
    def label(self) -> str:
        """The radio button's accessible name."""
        return f"{self.name}, {self.size}"

    @property
    def css(self) -> str:
        """The CSS class with this aspect ratio."""
        return "r-" + self.name.replace(":", "x")


# Sizes near one megapixel, from the SDXL report (arXiv:2307.01952, appendix I).
SHAPES = (
    Shape("1:1", 1024, 1024),
    Shape("5:4", 1152, 896),
    Shape("3:2", 1216, 832),
    Shape("16:9", 1344, 768),
    Shape("21:9", 1536, 640),
    Shape("4:5", 896, 1152),
    Shape("2:3", 832, 1216),
    Shape("9:16", 768, 1344),
)

# Width by height of what is called like this.
_RATIOS = {**{shape.name: shape.width / shape.height for shape in SHAPES}, "4:3": 4 / 3, "3:4": 3 / 4}


def of(sizes: Iterable[str]) -> tuple[Shape, ...]:
    """The shapes of sizes such as 1024x1024, wide ones first; the usual ones if there are none."""
    return _of(tuple(sizes)) or SHAPES


@lru_cache(maxsize=64)
def _of(sizes: tuple[str, ...]) -> tuple[Shape, ...]:
    pairs = (map(int, size.split("x")) for size in sizes)
    found = (Shape(_called(width, height), width, height) for width, height in pairs)
    return tuple(sorted(found, key=lambda shape: (shape.height > shape.width, _longer(shape), shape.width)))


def _called(width: int, height: int) -> str:
    return min(_RATIOS, key=lambda name: abs(math.log(_RATIOS[name] * height / width)))


def _longer(shape: Shape) -> float:
    return max(shape.width, shape.height) / min(shape.width, shape.height)


LEAST_SHORT = 512  # pixels of the shorter side below which SDXL draws poorly
LEAST, MOST = 64, 2048  # pixels of any side


def size_text(width: int, height: int) -> str:
    """A size as people read it."""
    return f"{width} × {height}"


def shape_name(width: int, height: int) -> str:
    """The name of a size, or the size itself if it is none of the eight."""
    return next(
        (shape.name for shape in SHAPES if (shape.width, shape.height) == (width, height)),
        size_text(width, height),
    )


def nearest(width: int, height: int, among: tuple[Shape, ...] = SHAPES) -> Shape:
    """The shape with the closest aspect ratio."""
    return min(among, key=lambda shape: abs(shape.width / shape.height - width / height))


MEGAPIXEL = 1024 * 1024
NEAR = (0.5, 1.5)  # megapixels that SDXL draws well


def fitting(width: int, height: int) -> Shape:
    """The size of pictures that start from one of this size: its own if SDXL draws that well, else its ratio at about
    a megapixel. Both sides are multiples of 8 that can be ordered.
    """
    area = width * height / MEGAPIXEL
    scale = 1.0 if NEAR[0] <= area <= NEAR[1] else 1 / math.sqrt(area)
    sides = (min(max(_multiple_of_8(side * scale), LEAST), MOST) for side in (width, height))
    return Shape(nearest(width, height).name, *sides)


def smaller(width: int, height: int) -> Shape | None:
    """The next smaller size: the same ratio, about 60 % of the pixels, both sides multiples of 8.

    The shorter side stays at 512 or more, unless it is already below. None if that leaves nothing smaller.
    """
    short, long = sorted((width, height))
    least = LEAST_SHORT if short >= LEAST_SHORT else LEAST
    new_short = max(least, _multiple_of_8(short * math.sqrt(0.6)))
    new_long = _multiple_of_8(long * new_short / short)
    if new_short >= short:
        return None
    sides = (new_short, new_long) if width < height else (new_long, new_short)
    return Shape(nearest(width, height).name, *sides)


def _multiple_of_8(length: float) -> int:
    return 8 * round(length / 8)
