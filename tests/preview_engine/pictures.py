"""Pictures to learn from, and how far two palettes are apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

EMBERS = ((18, 60, 66), (240, 146, 60), (250, 224, 180), (120, 40, 52), (40, 120, 120))
MOSS = ((24, 36, 20), (64, 92, 40), (132, 150, 76), (206, 204, 150), (92, 70, 44))
Palette = tuple[np.ndarray, np.ndarray]


def in_palette(count: int, colours: Sequence[tuple[int, int, int]] = EMBERS, grain: float = 6.0) -> list[Image.Image]:
    """Blots in a few colours, with some grain over them (in grey levels)."""
    rng = np.random.default_rng(3)
    pictures = []
    for _ in range(count):
        picture = Image.new("RGB", (128, 128), colours[int(rng.integers(len(colours)))])
        draw = ImageDraw.Draw(picture)
        for _ in range(25):
            left, top = (int(side) for side in rng.integers(-20, 128, 2))
            width, height = (int(side) for side in rng.integers(10, 60, 2))
            draw.ellipse((left, top, left + width, top + height), fill=colours[int(rng.integers(len(colours)))])
        noisy = np.asarray(picture, np.float32) + rng.normal(0, grain, (128, 128, 1))
        pictures.append(Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)))
    return pictures


def palette(picture: Image.Image, count: int = 8) -> Palette:
    """The main colours of a picture and their shares, as Pillow finds them."""
    reduced = picture.convert("RGB").quantize(count)
    colours = np.array(reduced.getpalette(), float).reshape(-1, 3)
    found = reduced.getcolors() or []
    shares = np.array([share for share, _ in found], float)
    return colours[np.array([place for _, place in found], int)], shares / shares.sum()


def palette_of(pictures: Sequence[Image.Image]) -> Palette:
    """The main colours of a whole set."""
    sheet = Image.new("RGB", (64 * len(pictures), 64))
    for place, picture in enumerate(pictures):
        sheet.paste(picture.resize((64, 64)), (64 * place, 0))
    return palette(sheet)


def palettes_apart(first: Palette, second: Palette) -> float:
    """How far colours of one are from the nearest of the other, both ways, in grey levels."""
    distances = np.linalg.norm(first[0][:, None] - second[0][None], axis=2)
    return float(distances.min(axis=1) @ first[1] + distances.min(axis=0) @ second[1]) / 2
