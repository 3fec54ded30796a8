"""Measurements of a picture's style: its colours along several directions, and the strength of each kind of grain.

The sketch painter measures what it drew, and training measures the pictures that it learns from, both with the same
yardstick: the picture scaled down, whatever its size.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
from PIL import Image

from stylestudio.preview_engine.painter.colour import LUMA, PALETTES, Palette
from stylestudio.preview_engine.painter.fields import Field, from_image, soft, stream

SIDE = 96  # pixels of the longer side of a measured picture
LEVELS = ((np.arange(17) + 0.5) / 17).astype(np.float32)
RADII = (1.5, 3.0, 6.0, 12.0)  # pixels at that size; each ends one band of grain and starts the next
FAINTEST = 1 / 255
HABITS = 64

_AXES = [
    (1, 1, 1), (1, -1, 0), (1, 1, -2), (1, 0, 0), (0, 1, 0), (0, 0, 1),
    (1, 1, 0), (1, 0, 1), (0, 1, 1), (1, 0, -1), (0, 1, -1),
]  # fmt: skip
DIRECTIONS = np.array([np.array(axis) / np.linalg.norm(axis) for axis in _AXES], np.float32)


@dataclass(frozen=True, slots=True)
class Measure:
    """`colours`: directions x levels, the quantiles of the colours. `texture`: log2 of the strength of each band."""

    colours: Field
    texture: Field


@dataclass(frozen=True, slots=True)
class Swatch:
    """A scaled-down picture: `pixels` (n x 3) without grain, and `bands` (bands x height x width) of grain alone."""

    pixels: Field
    bands: Field

    def measure(self) -> Measure:
        return Measure(quantiles(self.pixels), strengths(self.bands))


def swatch(image: Image.Image) -> Swatch:
    """Scale an image down for measuring."""
    scale = SIDE / max(image.size)
    size = (max(8, round(image.width * scale)), max(8, round(image.height * scale)))
    small = from_image(image.convert("RGB").resize(size, Image.Resampling.LANCZOS))
    return Swatch(soft(small, RADII[0]).reshape(-1, 3), bands(small @ LUMA, 1.0))


def bands(tone: Field, scale: float) -> Field:
    """The grain of a tone (height x width), fine to coarse. `scale` is its size relative to a measured picture."""
    smooth = [tone, *(soft(tone, radius * scale) for radius in RADII)]
    return np.stack([fine - coarse for fine, coarse in pairwise(smooth)])


def quantiles(pixels: Field) -> Field:
    """The colour quantiles of some pixels (n x 3) along each direction."""
    along = np.sort(pixels.astype(np.float32) @ DIRECTIONS.T, axis=0)
    places = LEVELS * len(along) - 0.5
    at = np.arange(len(along))
    return np.stack([np.interp(places, at, column) for column in along.T])


def strengths(grain: Field) -> Field:
    """The strength of each band: log2 of its standard deviation."""
    return np.asarray(np.log2(grain.reshape(len(grain), -1).astype(np.float32).std(axis=1) + FAINTEST))


@cache
def habits() -> tuple[Measure, ...]:
    """Measurements of the painter's own pictures, one per palette that lights them."""
    rng = stream("habits")
    palettes = [palette for of_one_kind in PALETTES.values() for palette in of_one_kind]
    return tuple(_habit(palettes[int(rng.integers(len(palettes)))], rng) for _ in range(HABITS))


def _habit(palette: Palette, rng: np.random.Generator) -> Measure:
    inks = np.stack(
        [
            palette.zenith, palette.sky, palette.horizon, palette.disc, palette.haze,
            palette.far, palette.near, palette.leaf, palette.accent,
        ]
    )  # fmt: skip
    share = rng.dirichlet([2, 3, 1.5, 0.3, 1, 2, 2, 1, 0.4])
    pixels = inks[rng.choice(len(inks), 512, p=share)]
    pixels = pixels + (inks[rng.integers(0, len(inks), 512)] - pixels) * rng.random((512, 1)) ** 3
    pixels = np.clip(pixels * (1 + rng.normal(0, 0.12, (512, 1))) - 0.05, 0, 1)
    grain = np.array([-5.4, -5.3, -4.9, -4.8]) + rng.normal(0, 0.4) + rng.normal(0, 0.25, len(RADII))
    return Measure(quantiles(pixels), grain.astype(np.float32))


@cache
def usual() -> Measure:
    """The mean of the painter's habits."""
    every = habits()
    return Measure(np.mean([one.colours for one in every], axis=0), np.mean([one.texture for one in every], axis=0))
