"""A LoRA of the sketch painter: how it changes the painter's habits, and how a picture is repainted with it.

The painter has two layers. Each maps measurements of a sketch to the target measurements of the picture; untrained,
both pass them through unchanged. A LoRA adds `up @ down`, scaled by alpha / rank as usual, to each of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image, ImageFilter

from stylestudio.preview_engine.painter.colour import LUMA
from stylestudio.preview_engine.painter.fields import Field, from_image, resize, stream, to_image
from stylestudio.preview_engine.painter.measures import (
    DIRECTIONS,
    LEVELS,
    RADII,
    SIDE,
    Measure,
    bands,
    quantiles,
    strengths,
    swatch,
    usual,
)

GAIN = 12.0  # effect of a weight of 1, so that usual learning rates get there within usual numbers of steps
SPREAD = 0.2  # of colours among the painter's habits: brings inputs to about 1
TEXTURE_UNIT = 16.0
CUBE = 17  # points along an edge of the colour cube
ROUNDS = 10
STEEPEST = 3.0  # how much contrast colours may gain; beyond that only grain would grow
LEAST_GAIN, MOST_GAIN = 0.3, 3.0
FLAT = (2 / 255) ** 2  # a variance that nobody can see


@dataclass(frozen=True, eq=False)
class Learned:
    """`palette_up` ((directions * levels) x rank), `palette_down` (rank x (levels + 1)), texture likewise by bands."""

    palette_up: Field
    palette_down: Field
    texture_up: Field
    texture_down: Field
    alpha: float = 1.0

    @property
    def rank(self) -> int:
        return int(self.palette_down.shape[0])

    @property
    def scale(self) -> float:
        return GAIN * self.alpha / self.rank

    @cached_property
    def digest(self) -> str:
        """A digest that is equal for equal weights."""
        parts = (self.palette_up, self.palette_down, self.texture_up, self.texture_down)
        told = b"".join(np.ascontiguousarray(part, np.float32).tobytes() for part in parts)
        return hashlib.sha256(told + str(self.alpha).encode()).hexdigest()

    def change(self, own: Measure) -> Measure:
        """The change that it makes to the measurement of a picture at strength 1."""
        colours = through_palette(self.palette_up, self.palette_down @ palette_input(own))
        texture = self.texture_up @ (self.texture_down @ texture_input(own))
        return Measure(np.nan_to_num(colours * self.scale), np.nan_to_num(texture * self.scale * TEXTURE_UNIT))


def through_palette(up: Field, hidden: Field) -> Field:
    """Map hidden columns, one per direction, to directions x levels: each direction has its own rows of up."""
    blocks = up.reshape(len(DIRECTIONS), len(LEVELS), -1)
    return np.asarray(np.einsum("dlr,rd->dl", blocks, hidden))


def palette_input(own: Measure) -> Field:
    """The input of the palette layer: a column per direction with its levels, and 1 for the bias."""
    levels = (own.colours - usual().colours).T / SPREAD
    return np.concatenate([levels, np.ones((1, len(DIRECTIONS)))])


def texture_input(own: Measure) -> Field:
    """The input of the texture layer: the bands, and 1."""
    return np.append(own.texture - usual().texture, 1.0)


Share = tuple[Learned, float]


def shares(learned: Sequence[Share]) -> list[Share]:
    """Each with its share of the picture; together at most the whole."""
    held = [(one, max(0.0, min(2.0, strength))) for one, strength in learned]
    total = max(1.0, sum(strength for _, strength in held))
    return [(one, strength / total) for one, strength in held if strength]


def repainted(picture: Field, learned: Sequence[Share], seed: int, amount: float = 1.0) -> Field:
    """Repaint `picture` (height x width x 3 or 4) with the learned palette and texture, `amount` of the way."""
    mix = [(one, share * amount) for one, share in shares(learned) if share * amount > 1e-6]
    if not mix:
        return picture
    image = to_image(picture[..., :3])
    seen = swatch(image)
    own = seen.measure()
    changes = [(one.change(own), share) for one, share in mix]
    colours = own.colours + sum(change.colours * share for change, share in changes)
    texture = own.texture + sum(change.texture * share for change, share in changes)
    recoloured = image.filter(_cube(seen.pixels, np.sort(colours, axis=1)))
    woven = _woven(from_image(recoloured), texture, seed)
    return np.concatenate([woven, picture[..., 3:]], axis=2)


def _cube(pixels: Field, wanted: Field) -> ImageFilter.Color3DLUT:
    """A colour lookup table that takes `pixels` to the target quantiles, smoothly and by the shortest way."""
    step = max(1, len(pixels) // 1500)
    own = pixels[::step].astype(np.float32)
    edge = np.linspace(0, 1, CUBE, dtype=np.float32)
    blue, green, red = np.meshgrid(edge, edge, edge, indexing="ij")
    cube = np.stack([red, green, blue], axis=-1).reshape(-1, 3)
    for _ in range(ROUNDS):
        curves = _curves(quantiles(own), wanted)
        own, cube = _moved(own, curves), _moved(cube, curves)
    return ImageFilter.Color3DLUT(CUBE, cube.ravel())


def _curves(own: Field, wanted: Field) -> list[tuple[Field, Field]]:
    """For each direction, a rising curve from own to target levels, nowhere too steep."""
    curves = []
    for mine, theirs in zip(own, wanted, strict=True):
        start = mine + np.arange(len(mine)) * 1e-5
        gaps = np.minimum(np.diff(theirs), STEEPEST * np.diff(start) + 0.01)
        middle = len(mine) // 2
        below = theirs[middle] - np.cumsum(gaps[:middle][::-1])[::-1]
        above = theirs[middle] + np.cumsum(gaps[middle:])
        curves.append((start, np.concatenate([below, theirs[middle : middle + 1], above])))
    return curves


def _moved(colours: Field, curves: list[tuple[Field, Field]]) -> Field:
    """Move colours (n x 3) one step along all directions at once."""
    shift = np.zeros_like(colours)
    for direction, (start, end) in zip(DIRECTIONS, curves, strict=True):
        along = colours @ direction
        beyond = np.minimum(along - start[0], 0) + np.maximum(along - start[-1], 0)
        shift += ((np.interp(along, start, end) + beyond - along)[:, None] * direction).astype(np.float32)
    return np.asarray(np.clip(colours + shift * (3 / len(DIRECTIONS)), 0, 1), np.float32)


def _woven(picture: Field, wanted: Field, seed: int) -> Field:
    """Give each band of the picture's grain the target strength; if it has too little, some is laid over it."""
    tone = picture @ LUMA
    scale = max(tone.shape) / SIDE
    own = 2.0 ** strengths(swatch(to_image(picture)).bands)
    aim = 2.0 ** np.clip(wanted, -9, 0)
    gain = np.clip(aim / own, LEAST_GAIN, MOST_GAIN)
    grain = np.tensordot(gain - 1, bands(tone, scale), axes=1)
    for place, radius in enumerate(RADII):
        lacking = float(aim[place] ** 2 - (own[place] * gain[place]) ** 2)
        if lacking > FLAT:
            grain = grain + _weave(tone.shape, radius * scale, stream("weave", seed, place)) * np.sqrt(lacking)
    return np.asarray(np.clip(picture + grain[..., None], 0, 1), np.float32)


def _weave(shape: tuple[int, ...], cell: float, rng: np.random.Generator) -> Field:
    """Noise with a standard deviation of 1 whose flecks are about `cell` pixels wide."""
    height, width = shape
    coarse = rng.normal(0, 1, (max(2, round(height / cell)), max(2, round(width / cell)))).astype(np.float32)
    flecks = resize(coarse, (height, width), Image.Resampling.BICUBIC)
    return flecks / max(float(flecks.std()), 1e-6)
