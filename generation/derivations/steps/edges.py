"""Cutting away what is clear around a picture, and padding it."""

from __future__ import annotations

from PIL import Image

from generation.derivations.steps.limits import Unfit, require

CLEAR = (0, 0, 0, 0)


def bounds(image: Image.Image, threshold: int = 0) -> tuple[int, int, int, int] | None:
    """The box of all pixels whose alpha is above `threshold` (0 to 254); None if there is none."""
    alpha = image.getchannel("A")
    if threshold:
        alpha = alpha.point([0] * (threshold + 1) + [255] * (255 - threshold))
    return alpha.getbbox()


def trim(image: Image.Image, *, threshold: int = 0, margin: int = 0) -> Image.Image:
    """Only what shows, with `margin` clear pixels on each side. Soft edges stay as long as alpha is above `threshold`.

    Raises Unfit for a picture of which nothing shows.
    """
    box = bounds(image, threshold)
    if box is None:
        raise Unfit("empty")
    cut = image.crop(box)
    return _on_clear(cut, cut.width + 2 * margin, cut.height + 2 * margin)


def pad(image: Image.Image, *, to: str = "square") -> Image.Image:
    """The picture in the middle of a larger clear one: a "square", sides that are a "power" of two, or "both"."""
    width, height = image.size
    if to in ("square", "both"):
        width = height = max(width, height)
    if to in ("power", "both"):
        width, height = power_of_two(width), power_of_two(height)
    return _on_clear(image, width, height)


def power_of_two(length: int) -> int:
    """The smallest power of two that is not below a length of at least 1."""
    return 1 << (length - 1).bit_length()


def _on_clear(image: Image.Image, width: int, height: int) -> Image.Image:
    """In the middle; of two middles the left and upper one. Hidden colours stay."""
    require(width, height)
    ground = Image.new("RGBA", (width, height), CLEAR)
    ground.paste(image, ((width - image.width) // 2, (height - image.height) // 2))
    return ground
