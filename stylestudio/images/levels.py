"""Pictures with more than 8 bits: which of their numbers is white, so that none of them turns out black."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_ROWS = 256  # that are computed together: a whole picture as floats would be several times its size
_BITS_PER_SAMPLE, _PHOTOMETRIC, _MOST_SAMPLE, _SAMPLE_FORMAT = 258, 262, 281, 339  # tags of TIFF 6.0
# The largest numbers of the usual kinds of cameras, scanners and microscopes: 8, 10, 12, 14 and 16 bits.
_WHITES = (2**8 - 1, 2**10 - 1, 2**12 - 1, 2**14 - 1, 2**16 - 1)
_FLOAT_WHITES = (
    (1.0, 0.0),
    (255.0, 16.0),
    (65535.0, 4096.0),
)  # (white, a picture whose brightest number is above this)
_SLACK = 0.01  # share of white by which floats may overshoot after filters
LEAST = 16  # of 255: a picture whose brightest number is below shows nothing
_DARK = 63  # of 255: the brightest that 14 bits can be when they are taken for 16


class Unclear(ValueError):
    """Nothing tells which number of the picture is white."""


def is_deep(image: Image.Image) -> bool:
    """Whether the decoded picture is grey with more than 8 bits: 16 or 32 of whole numbers, or floats."""
    return image.mode.startswith(("I", "F"))


def eight_bits(image: Image.Image) -> Image.Image:
    """A deep picture as L, 0 black and 255 white. Raises Unclear."""
    tags: Any = getattr(image, "tag_v2", {})
    white = _white(image, tags)
    grey = np.empty((image.height, image.width), np.uint8)
    for top, band in _bands(image):
        grey[top : top + len(band)] = np.clip(band * (255 / white), 0, 255)
    if 0 < grey.max(initial=0) < LEAST:
        raise Unclear
    # Pillow turns the numbers of a file round that says "0 is white" only if they have 8 bits or fewer.
    return Image.fromarray(255 - grey if tags.get(_PHOTOMETRIC) == 0 else grey)


def is_scaled(image: Image.Image) -> bool:
    """Whether the numbers of a deep picture were found to use only a part of their range."""
    try:
        return is_deep(image) and _white(image, getattr(image, "tag_v2", {})) not in (2**16 - 1, 1.0)
    except Unclear:
        return False


def check_colours(image: Image.Image) -> None:
    """Raises Unclear for a decoded colour picture of 16 bits that only uses the lowest 14 or fewer.

    Of 16 bits for each colour Pillow keeps the upper 8, so it would be dark, and black with 12.
    """
    colours = [high for _low, high in image.convert("RGB").getextrema()]  # type: ignore[misc]
    if 0 < max(colours) <= _DARK:
        raise Unclear


def _white(image: Image.Image, tags: Any) -> float:
    low, high = _ends(image)
    if image.mode == "F":
        return _float_white(low, high)
    if low < 0:
        raise Unclear
    bits = tags.get(_BITS_PER_SAMPLE, (16,))[0]
    if bits == 16 and tags.get(_SAMPLE_FORMAT, (1,))[0] == 2:  # with a sign
        return 2**15 - 1
    for white in (tags.get(_MOST_SAMPLE, (0,))[0], 2**bits - 1):
        if high <= white < 2**16 - 1:
            return float(white)
    white = next((white for white in _WHITES if high <= white), None)
    if white is None:
        raise Unclear
    return white


def _float_white(low: float, high: float) -> float:
    for white, above in _FLOAT_WHITES:
        if (high > above or not above) and high <= white * (1 + _SLACK) and low >= -white * _SLACK:
            return white
    raise Unclear


def _ends(image: Image.Image) -> tuple[float, float]:
    """The smallest and the largest number. Raises Unclear if one is no number."""
    ends = [(float(band.min()), float(band.max())) for _top, band in _bands(image)]
    low, high = min(end[0] for end in ends), max(end[1] for end in ends)
    if not np.isfinite([low, high]).all() or any(np.isnan(end).any() for end in ends):
        raise Unclear
    return low, high


def _bands(image: Image.Image) -> Iterator[tuple[int, NDArray[Any]]]:
    for top in range(0, image.height, _ROWS):
        band = image.crop((0, top, image.width, min(top + _ROWS, image.height)))
        yield top, np.asarray(band, np.float32)
