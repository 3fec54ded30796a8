"""Outline, drop shadow, and black to alpha."""

from __future__ import annotations

from math import isqrt

import numpy as np
from PIL import Image, ImageColor, ImageFilter

from generation.derivations.steps.edges import CLEAR
from generation.derivations.steps.limits import require


def outline(image: Image.Image, *, width: int = 4, colour: str = "#000000") -> Image.Image:
    """A round line of `width` pixels (1 to 32) behind what shows. The picture grows by that on each side."""
    grown = _grown(image, (width, width, width, width))
    alpha = np.asarray(grown.getchannel("A"))
    padded = np.pad(alpha, width)
    wide = np.zeros_like(alpha)
    height, length = alpha.shape
    for down in range(-width, width + 1):
        reach = isqrt(width * width - down * down)
        for right in range(-reach, reach + 1):
            top, left = width + down, width + right
            np.maximum(wide, padded[top : top + height, left : left + length], out=wide)
    line = Image.new("RGBA", grown.size, ImageColor.getrgb(colour))
    line.putalpha(Image.fromarray(wide))
    return Image.alpha_composite(line, grown)


def shadow(
    image: Image.Image, *, right: int = 8, down: int = 8, blur: int = 6, colour: str = "#000000", opacity: int = 60
) -> Image.Image:
    """A soft shadow behind what shows, moved by pixels; `opacity` in percent. The picture grows as far as that reaches,
    three times `blur`.
    """
    reach = 3 * blur
    sides = max(0, reach - right), max(0, reach - down), max(0, reach + right), max(0, reach + down)
    grown = _grown(image, sides)
    alpha = Image.new("L", grown.size)
    alpha.paste(image.getchannel("A"), (sides[0] + right, sides[1] + down))
    soft = alpha.filter(ImageFilter.GaussianBlur(blur)) if blur else alpha
    cast = Image.new("RGBA", grown.size, ImageColor.getrgb(colour))
    cast.putalpha(soft.point([value * opacity // 100 for value in range(256)]))
    return Image.alpha_composite(cast, grown)


def _grown(image: Image.Image, sides: tuple[int, int, int, int]) -> Image.Image:
    left, top, right, bottom = sides
    ground = Image.new("RGBA", require(image.width + left + right, image.height + top + bottom), CLEAR)
    ground.paste(image, (left, top))
    return ground


def black_to_alpha(image: Image.Image) -> Image.Image:
    """For effects that are added to what is behind: black becomes clear, and light as clear as it is dark.

    Laid on black again it is the same picture. What is clear already counts as black.
    """
    pixels = np.asarray(image).astype(np.uint32)
    alpha = pixels[..., 3:]
    on_black = (pixels[..., :3] * alpha + 127) // 255
    light = on_black.max(axis=2, keepdims=True)
    full = (on_black * 255 + light // 2) // np.maximum(light, 1)
    made = np.concatenate([np.minimum(full, 255), light], axis=2).astype(np.uint8)
    return Image.fromarray(made)
