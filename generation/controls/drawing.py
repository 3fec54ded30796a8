"""Control pictures: what an engine's control model gets, made of a picture. On the CPU, and the same each time."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image, ImageOps

from generation.controls import canny
from generation.controls.facts import AUTO, CANNY, DEPTH, INVERT, LINES, Size, Way
from generation.controls.fitting import placed, scaled

_SEEN = 24  # of 255: darker than this a control picture is black everywhere


@dataclass(frozen=True, slots=True)
class Drawn:
    """A control picture as an RGB PNG. `is_empty`: there is nothing in it that would hold a form."""

    png: bytes
    size: Size
    sha256: str
    is_inverted: bool
    is_empty: bool


def drawn(source: Image.Image, way: Way, size: Size) -> Drawn:
    """The control picture of a picture (RGB) for pictures of that size. What is around a padded one is black."""
    inner = scaled(way.fit, source, size)
    inverts = way.kind == LINES and (way.ground == INVERT or (way.ground == AUTO and is_light(inner)))
    if way.kind == CANNY:
        inner = canny.edges(inner, way.low, way.high)
    elif way.kind == LINES:
        grey = inner.convert("L")
        inner = ImageOps.invert(grey) if inverts else grey
    ends = inner.convert("L").getextrema()
    made = placed(inner.convert("RGB"), size, (0, 0, 0))
    file = BytesIO()
    made.save(file, "PNG", compress_level=1)
    digest = hashlib.sha256(file.getvalue()).hexdigest()
    return Drawn(file.getvalue(), size, digest, inverts, _is_empty(way.kind, ends))


def is_light(image: Image.Image) -> bool:
    """Whether most of a picture is light, as paper is: control models know white lines on black."""
    return float(np.median(np.asarray(image.convert("L")))) > 127


def _is_empty(kind: str, ends: object) -> bool:
    low, high = ends if isinstance(ends, tuple) else (0, 255)
    return bool(high < _SEEN or (kind in (LINES, DEPTH) and high - low < _SEEN))
