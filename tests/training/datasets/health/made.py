"""Pictures that are different but alike, and copies of them as people make them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from io import BytesIO
from itertools import product

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from stylestudio.preview_engine.painter.brief import Brief
from stylestudio.preview_engine.painter.painter import SketchPainter
from stylestudio.preview_engine.painter.sketch_loras import SKETCH_LORAS

# Other seeds give other compositions of these, in the same hand and often in the same colours: the hard ones.
SCENES = (
    "a cottage in the hills at dusk",
    "a lighthouse by the sea",
    "a red fox in a forest",
    "a river through fields",
    "a castle in the snow",
    "a city street at night",
    "a dragon over mountains",
    "three trees on a meadow in the morning",
    "a boat on a lake",
    "ruins in the desert at noon",
)
# Two seeds of these differ by a tint at most, so each stands for itself, once in every look.
THINGS = ("a knight with a sword", "a bowl of ramen", "a treasure chest", "a portrait of a girl", "a spaceship")
LOOKS = (None, *SKETCH_LORAS.values())
SIZES = ((320, 320), (384, 256), (256, 384))

Maker = Callable[[Image.Image, random.Random], Image.Image]


def painted(scenes: int) -> Iterator[Image.Image]:
    """`scenes` scenes, then every thing in every look."""
    orders = product(range(100), LOOKS, SCENES)
    for number, (_turn, look, prompt) in zip(range(scenes), orders, strict=False):
        yield _paint(prompt, look, 1000 + number, SIZES[number % 3])
    for number, (look, prompt) in enumerate(product(LOOKS, THINGS)):
        yield _paint(prompt, look, number, SIZES[0])


def _paint(prompt: str, look: str | None, seed: int, size: tuple[int, int]) -> Image.Image:
    styles = ((look, 0.9),) if look else ()
    return SketchPainter().draw(Brief(prompt, "", seed, *size, 4, 1.0, styles)).convert("RGB")


def shapes(seed: int) -> Image.Image:
    """Discs, bars and a gradient with some grain, all at random."""
    rng = np.random.default_rng(seed)
    width, height = SIZES[seed % 3]
    ends = rng.integers(0, 256, (2, 3))
    ramp = np.linspace(0, 1, height)[:, None, None] * (ends[1] - ends[0]) + ends[0]
    ground = np.broadcast_to(ramp, (height, width, 3)) + rng.normal(0, 4, (height, width, 1))
    image = Image.fromarray(np.clip(ground, 0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(4, 14))):
        x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
        a, b = int(rng.integers(8, 90)), int(rng.integers(8, 90))
        colour = tuple(map(int, rng.integers(0, 256, 3)))
        draw = pen.ellipse if rng.random() < 0.6 else pen.rectangle
        draw((x - a, y - b, x + a, y + b), fill=colour)
    return image


def _coded(image: Image.Image, kind: str, quality: int) -> Image.Image:
    file = BytesIO()
    image.save(file, kind, quality=quality)
    return Image.open(BytesIO(file.getvalue())).convert("RGB")


def _scaled(image: Image.Image, factor: float) -> Image.Image:
    size = (max(64, int(image.width * factor)), max(64, int(image.height * factor)))
    return image.resize(size, Image.Resampling.LANCZOS)


def _cut(image: Image.Image, dice: random.Random, most: float) -> Image.Image:
    """Up to `most` of each side is missing, anyhow divided between its ends."""
    across, down = (dice.uniform(most / 2, most) * side for side in image.size)
    left, top = dice.uniform(0, across), dice.uniform(0, down)
    right, bottom = image.width - across + left, image.height - down + top
    return image.crop((round(left), round(top), round(right), round(bottom)))


COPIES: dict[str, Maker] = {
    "smaller": lambda image, dice: _scaled(image, dice.uniform(0.35, 0.8)),
    "larger": lambda image, dice: _scaled(image, 1.6),
    "JPEG": lambda image, dice: _coded(image, "JPEG", dice.choice([15, 30, 60])),
    "WebP": lambda image, dice: _coded(image, "WEBP", 25),
    "cut 5 %": lambda image, dice: _cut(image, dice, 0.05),
    "cut 8 %": lambda image, dice: _cut(image, dice, 0.08),
    "mirrored": lambda image, dice: ImageOps.mirror(image),
    "mirrored, smaller, JPEG": lambda image, dice: _coded(_scaled(ImageOps.mirror(image), 0.6), "JPEG", 40),
    "cut, smaller, JPEG": lambda image, dice: _coded(_scaled(_cut(image, dice, 0.06), 0.6), "JPEG", 40),
    "mirrored, cut": lambda image, dice: ImageOps.mirror(_cut(image, dice, 0.05)),
    "64 colours": lambda image, dice: image.quantize(64).convert("RGB"),
    "lighter": lambda image, dice: image.point(lambda level: min(255, int(level * 1.05 + 4))),
    "a little soft": lambda image, dice: image.filter(ImageFilter.GaussianBlur(1)),
}
