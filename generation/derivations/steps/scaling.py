"""Other sizes: plain resampling, which adds no detail; pixel art by whole factors; tiles that stay seamless."""

from __future__ import annotations

from math import ceil
from typing import Any

import numpy as np
from PIL import Image

from generation.derivations.steps.limits import require

FACTORS = {"0.25": 0.25, "0.5": 0.5, "1": 1.0, "2": 2.0, "4": 4.0}
KERNELS = {
    "lanczos": Image.Resampling.LANCZOS,
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
}
_SUPPORT = 3  # pixels on each side that the widest kernel reads
Pixels = np.ndarray[Any, np.dtype[np.uint32]]


def resize(image: Image.Image, *, factor: str = "2", kernel: str = "lanczos") -> Image.Image:
    """Plain resampling by 0.25, 0.5, 1, 2 or 4, which adds no detail. Colours are weighed by alpha: clear ones bleed
    nowhere.
    """
    size = _scaled(image, FACTORS[factor])
    return image.copy() if size == image.size else image.resize(size, KERNELS[kernel])


def fit(image: Image.Image, *, side: int = 256) -> Image.Image:
    """Plain resampling to a longer side of `side` pixels."""
    scale = side / max(image.size)
    size = require(max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.copy() if size == image.size else image.resize(size, KERNELS["lanczos"])


def seamless(image: Image.Image, *, factor: str = "2", kernel: str = "lanczos") -> Image.Image:
    """Plain resampling of a tile that repeats: what is beyond an edge is read from the other side.

    A factor that makes no whole pixels of the sides is rounded, as in `resize`.
    """
    width, height = _scaled(image, FACTORS[factor])
    if (width, height) == image.size:
        return image.copy()
    # As of 3 x 3 copies the middle one, without pixels that no kernel reaches.
    around = ceil(_SUPPORT * max(1.0, image.width / width, image.height / height)) + 1
    copies = _repeated(image, around)
    box = around, around, around + image.width, around + image.height
    return copies.resize((width, height), KERNELS[kernel], box=box)


def _repeated(image: Image.Image, around: int) -> Image.Image:
    pixels = np.asarray(image)
    return Image.fromarray(np.pad(pixels, ((around, around), (around, around), (0, 0)), mode="wrap"))


def _scaled(image: Image.Image, factor: float) -> tuple[int, int]:
    return require(max(1, round(image.width * factor)), max(1, round(image.height * factor)))


# --- Pixel art: no colour comes out that did not go in


def pixel_art(image: Image.Image, *, factor: str = "4", by: str = "nearest") -> Image.Image:
    """Enlarge by a whole factor (2, 3 or 4). `by`: "nearest" keeps squares, "corners" rounds stairs (scale2x, scale3x,
    and scale2x twice). Alpha is part of a pixel: nothing is blended.
    """
    times = int(factor)
    require(image.width * times, image.height * times)
    pixels = np.ascontiguousarray(np.asarray(image)).view(np.uint32)[..., 0]
    if by == "nearest":
        return _picture(pixels.repeat(times, 0).repeat(times, 1))
    if times == 3:
        return _picture(_scale3x(pixels))
    for _again in range(times // 2):
        pixels = _scale2x(pixels)
    return _picture(pixels)


def _picture(pixels: Pixels) -> Image.Image:
    height, width = pixels.shape
    return Image.fromarray(np.ascontiguousarray(pixels).view(np.uint8).reshape(height, width, 4))


def _around(pixels: Pixels) -> list[Pixels]:
    """The nine neighbours of each pixel, row by row; beyond an edge is the pixel at the edge."""
    height, width = pixels.shape
    padded = np.pad(pixels, 1, mode="edge")
    return [padded[down : down + height, right : right + width] for down in range(3) for right in range(3)]


def _keys(pixels: Pixels) -> Pixels:
    """Equal for pixels that look equal: the hidden colours of clear ones say nothing."""
    alpha = np.ascontiguousarray(pixels).view(np.uint8).reshape(*pixels.shape, 4)[..., 3]
    return np.where(alpha == 0, np.uint32(0), pixels)


def _scale2x(pixels: Pixels) -> Pixels:
    _a, up, _c, left, _e, right, _g, down, _i = _around(pixels)
    _a, b, _c, d, _e, f, _g, h, _i = _around(_keys(pixels))
    turns = (b != h) & (d != f)
    made = np.empty((pixels.shape[0] * 2, pixels.shape[1] * 2), np.uint32)
    made[0::2, 0::2] = np.where(turns & (d == b), left, pixels)
    made[0::2, 1::2] = np.where(turns & (b == f), right, pixels)
    made[1::2, 0::2] = np.where(turns & (d == h), left, pixels)
    made[1::2, 1::2] = np.where(turns & (h == f), right, pixels)
    del up, down
    return made


def _scale3x(pixels: Pixels) -> Pixels:
    _a, up, _c, left, _e, right, _g, down, _i = _around(pixels)
    a, b, c, d, e, f, g, h, i = _around(_keys(pixels))
    turns = (b != h) & (d != f)
    made = np.empty((pixels.shape[0] * 3, pixels.shape[1] * 3), np.uint32)
    made[0::3, 0::3] = np.where(turns & (d == b), left, pixels)
    made[0::3, 1::3] = np.where(turns & (((d == b) & (e != c)) | ((b == f) & (e != a))), up, pixels)
    made[0::3, 2::3] = np.where(turns & (b == f), right, pixels)
    made[1::3, 0::3] = np.where(turns & (((d == b) & (e != g)) | ((d == h) & (e != a))), left, pixels)
    made[1::3, 1::3] = pixels
    made[1::3, 2::3] = np.where(turns & (((b == f) & (e != i)) | ((h == f) & (e != c))), right, pixels)
    made[2::3, 0::3] = np.where(turns & (d == h), left, pixels)
    made[2::3, 1::3] = np.where(turns & (((d == h) & (e != i)) | ((h == f) & (e != g))), down, pixels)
    made[2::3, 2::3] = np.where(turns & (h == f), right, pixels)
    return made
