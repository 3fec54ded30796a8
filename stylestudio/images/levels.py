"""Pictures with more than 8 bits: determines which value is white, so that none of them turns out black."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from PIL import Image

if TYPE_CHECKING:  # functions import it: few pictures are like this
    import numpy as np
    from numpy.typing import NDArray

_ROWS = 256  # processed together: a whole picture as floats would take several times its size
_BITS_PER_SAMPLE, _PHOTOMETRIC, _MOST_SAMPLE, _SAMPLE_FORMAT = 258, 262, 281, 339  # tags of TIFF 6.0
# The maximum values of common cameras, scanners and microscopes: 8, 10, 12, 14 and 16 bits.
_WHITES = (2**8 - 1, 2**10 - 1, 2**12 - 1, 2**14 - 1, 2**16 - 1)
_FLOAT_WHITES = (
    (1.0, 0.0),
    (255.0, 16.0),
    (65535.0, 4096.0),
)  # (white, for a picture whose brightest value is above this)
_SLACK = 0.01  # share of white by which floats may overshoot after filters
LEAST = 16  # of 255: a picture whose brightest value is below this shows nothing
_DARK = 63  # of 255: the brightest value of 14 bits if they are taken for 16


class Unclear(ValueError):
    """The white level of the picture cannot be determined."""


def is_deep(image: Image.Image) -> bool:
    """Whether the decoded picture is grey with more than 8 bits: integers of 16 or 32 bits, or floats."""
    return image.mode.startswith(("I", "F"))


def eight_bits(image: Image.Image) -> Image.Image:
    """A deep picture as L, 0 black and 255 white. Raises Unclear."""
    import numpy as np

    tags: Any = getattr(image, "tag_v2", {})
    white = _white(image, tags)
    grey = np.empty((image.height, image.width), np.uint8)
    for top, band in _bands(image):
        grey[top : top + len(band)] = np.clip(band * (255 / white), 0, 255)
    if 0 < grey.max(initial=0) < LEAST:
        raise Unclear
    # Pillow inverts the values of a file that says "0 is white" only if they have 8 bits or fewer.
    return Image.fromarray(255 - grey if tags.get(_PHOTOMETRIC) == 0 else grey)


def is_scaled(image: Image.Image) -> bool:
    """Whether a deep picture was found to use only a part of its value range."""
    try:
        return is_deep(image) and _white(image, getattr(image, "tag_v2", {})) not in (2**16 - 1, 1.0)
    except Unclear:
        return False


def check_colours(image: Image.Image) -> None:
    """Raise Unclear for a decoded 16-bit colour picture that uses only the lowest 14 bits or fewer.

    Pillow reduces 16 bits per channel to the upper 8, so the picture would be dark, and black with 12 bits.
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
    if bits == 16 and tags.get(_SAMPLE_FORMAT, (1,))[0] == 2:  # signed
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
    """The minimum and maximum value. Raises Unclear if one is not a number."""
    import numpy as np

    ends = [(float(band.min()), float(band.max())) for _top, band in _bands(image)]
    low, high = min(end[0] for end in ends), max(end[1] for end in ends)
    if not np.isfinite([low, high]).all() or any(np.isnan(end).any() for end in ends):
        raise Unclear
    return low, high


def _bands(image: Image.Image) -> Iterator[tuple[int, NDArray[np.float32]]]:
    import numpy as np

    for top in range(0, image.height, _ROWS):
        band = image.crop((0, top, image.width, min(top + _ROWS, image.height)))
        yield top, np.asarray(band, np.float32)
