"""Fewer colours. Colour and alpha are reduced apart: what is clear stays clear, and what is solid stays solid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from generation.derivations.steps.colour_lists import read_colours

_AT_ONCE = 65_536  # colours that are compared with a palette together
Bytes = np.ndarray[Any, np.dtype[np.uint8]]


def reduce(image: Image.Image, *, colours: int = 16, alphas: int = 0, given: str = "") -> Image.Image:
    """At most `colours` (2 to 256) different colours among what shows, or the nearest of the `given` ones.

    `alphas`: steps of alpha between clear and solid, 0 for all as they are. Alpha 0 and 255 stay exactly where they
    are; clear pixels become (0, 0, 0, 0). Nothing is dithered. Raises ValueError if `given` is no list of colours.
    """
    pixels = np.array(image)
    shows = pixels[..., 3] > 0
    visible = pixels[shows][:, :3]
    if visible.size:
        palette = read_colours(given)
        pixels[shows, :3] = _nearest(visible, palette) if palette else _fewer(visible, colours)
    pixels[~shows] = 0
    if alphas:
        pixels[..., 3] = _alpha_steps(alphas)[pixels[..., 3]]
    return Image.fromarray(pixels)


def colours_in(image: Image.Image) -> int:
    """How many different colours show, whatever their alpha."""
    pixels = np.asarray(image)
    visible = pixels[pixels[..., 3] > 0]
    return len(np.unique(_packed(visible[:, :3]))) if visible.size else 0


def _packed(colours: Bytes) -> Any:
    wide = colours.astype(np.uint32)
    return (wide[:, 0] << 16) | (wide[:, 1] << 8) | wide[:, 2]


def _fewer(visible: Bytes, most: int) -> Bytes:
    row = Image.fromarray(visible.reshape(1, -1, 3))
    if row.getcolors(most) is not None:  # it stops counting at one more, which sorting all of them does not
        return visible
    fewer = row.quantize(most, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    return np.asarray(fewer.convert("RGB")).reshape(-1, 3)


def _nearest(visible: Bytes, palette: Sequence[tuple[int, int, int]]) -> Bytes:
    """The nearest colour of each; of two that are as near the first one."""
    entries = np.array(palette, np.int32)
    packed, place = np.unique(_packed(visible), return_inverse=True)
    known = np.stack([packed >> 16, (packed >> 8) & 255, packed & 255], 1).astype(np.int32)
    meant = np.empty(len(known), np.intp)
    for begin in range(0, len(known), _AT_ONCE):
        some = known[begin : begin + _AT_ONCE]
        best = np.full(len(some), np.iinfo(np.int32).max, np.int32)
        for number, entry in enumerate(entries):
            distance = ((some - entry) ** 2).sum(1)
            nearer = distance < best
            best[nearer], meant[begin : begin + _AT_ONCE][nearer] = distance[nearer], number
    return entries.astype(np.uint8)[meant[place]]


def _alpha_steps(number: int) -> Bytes:
    """Where each alpha goes: 1 to 254 to `number` values in their middle, 0 and 255 nowhere else."""
    between = np.arange(1, 255)
    step = (between - 1) * number // 254
    table = np.zeros(256, np.uint8)
    table[1:255] = 1 + ((2 * step + 1) * 254) // (2 * number)
    table[255] = 255
    return table
