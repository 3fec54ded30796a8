"""How a picture becomes as large as another one: cut, padded or stretched."""

from __future__ import annotations

from PIL import Image, ImageStat

from generation.controls.facts import CUT, PAD, Fit, Size


def scaled(fit: Fit, image: Image.Image, size: Size) -> Image.Image:
    """The picture as it lies in that size; padded ones are smaller than it by what is around them."""
    if fit.way == PAD:
        scale = min(size[0] / image.width, size[1] / image.height)
        inner = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        return _resized(image, inner, (0, 0, *image.size))
    box = (0.0, 0.0, float(image.width), float(image.height))
    return _resized(image, size, _cut(image.size, size, fit.x, fit.y) if fit.way == CUT else box)


def fitted(fit: Fit, image: Image.Image, size: Size) -> Image.Image:
    """The picture in that size; around a padded one is the colour that its edges have on average."""
    inner = scaled(fit, image, size)
    return inner if inner.size == size else placed(inner, size, _edge_colour(inner))


def placed(image: Image.Image, size: Size, colour: tuple[int, ...] | int) -> Image.Image:
    """A smaller picture in the middle of a plain one."""
    made = Image.new(image.mode, size, colour)
    made.paste(image, ((size[0] - image.width) // 2, (size[1] - image.height) // 2))
    return made


def _resized(image: Image.Image, size: Size, box: tuple[float, float, float, float]) -> Image.Image:
    if image.size == size and box[2:] == (float(size[0]), float(size[1])):
        return image
    return image.resize(size, Image.Resampling.LANCZOS, box)


def _cut(source: Size, size: Size, x: int, y: int) -> tuple[float, float, float, float]:
    """The largest part of that shape whose middle is as near to the focus as there is room."""
    scale = min(source[0] / size[0], source[1] / size[1])
    wide, high = size[0] * scale, size[1] * scale
    left = min(max(0.0, source[0] * x / 100 - wide / 2), source[0] - wide)
    top = min(max(0.0, source[1] * y / 100 - high / 2), source[1] - high)
    return left, top, min(left + wide, source[0]), min(top + high, source[1])


def _edge_colour(image: Image.Image) -> tuple[int, ...]:
    inside = Image.new("L", image.size, 255)
    inside.paste(0, (1, 1, max(1, image.width - 1), max(1, image.height - 1)))
    return tuple(round(each) for each in ImageStat.Stat(image, inside).mean)
