"""Sizes of an edit: the canvas, the part that the engine gets, and how large that is made."""

from __future__ import annotations

import math

from generation.masks.facts import Box, Size

LEAST, MOST = 64, 2048  # pixels of a side that can be ordered
MOST_CANVAS = 4096  # pixels of a side of a picture that can be edited
MOST_MARGIN = 1024
STEP = 8  # all that engines make, and margins too, are multiples of this
LEAST_AROUND = 32  # pixels around a mask that the engine gets with it
MOST_RATIO = 2.0  # of the sides of such a part


def canvas_of(source: Size, margins: Box) -> Size:
    """The size of a picture with these margins."""
    left, top, right, bottom = margins
    return source[0] + left + right, source[1] + top + bottom


def whole(canvas: Size) -> tuple[Box, Size]:
    """All of the canvas, and the size in which engines make it: its own if it can be ordered, else the nearest."""
    scale = min(1.0, MOST / max(canvas))
    scale = max(scale, LEAST / min(canvas)) if max(canvas) * LEAST / min(canvas) <= MOST else scale
    return (0, 0, *canvas), (_side(canvas[0] * scale), _side(canvas[1] * scale))


def around(masked: Box, canvas: Size, pixels: int) -> tuple[Box, Size]:
    """The masked part with what is around it, and its size with about so many pixels: those that the model is made
    for. It is never made smaller than it is, if that can be ordered.
    """
    width, height = masked[2] - masked[0], masked[3] - masked[1]
    room = max(LEAST_AROUND, max(width, height) // 2)
    wide, high = width + 2 * room, height + 2 * room
    wide, high = max(wide, math.ceil(high / MOST_RATIO)), max(high, math.ceil(wide / MOST_RATIO))
    across = _span(masked[0], masked[2], wide, canvas[0])
    down = _span(masked[1], masked[3], high, canvas[1])
    box = (across[0], down[0], across[1], down[1])
    wide, high = box[2] - box[0], box[3] - box[1]
    scale = max(1.0, math.sqrt(pixels / (wide * high)))
    scale = min(scale, MOST / max(wide, high))
    return box, (_side(wide * scale), _side(high * scale))


def _span(first: int, last: int, length: int, most: int) -> tuple[int, int]:
    """A span of that length around another one, moved to be within 0 and `most`."""
    length = min(length, most)
    start = min(max(0, (first + last - length) // 2), most - length)
    return start, start + length


def _side(length: float) -> int:
    return min(max(STEP * round(length / STEP), LEAST), MOST)
