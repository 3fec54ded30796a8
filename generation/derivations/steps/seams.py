"""Pictures that repeat: looking at the seam, and how much it shows."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image


def offset(image: Image.Image) -> Image.Image:
    """Moved by half of both sides, round the edges: the seams meet in the middle, where they can be mended."""
    pixels = np.asarray(image)
    return Image.fromarray(np.roll(pixels, (image.height // 2, image.width // 2), axis=(0, 1)))


def offset_back(image: Image.Image) -> Image.Image:
    """What `offset` moved, where it was."""
    pixels = np.asarray(image)
    return Image.fromarray(np.roll(pixels, (-(image.height // 2), -(image.width // 2)), axis=(0, 1)))


def cross(width: int, height: int) -> Image.Image:
    """A grey mask of such a picture: white around the lines on which the seams are after `offset`, softer further out.
    The bands are about a sixth of the shorter side wide, at least 16 pixels.
    """
    band = max(16, min(width, height) // 6)
    across = _near_middle(width, band)[None, :]
    down = _near_middle(height, band)[:, None]
    return Image.fromarray(np.maximum(across, down).astype(np.uint8))


def _near_middle(length: int, band: int) -> Any:
    distance = np.abs(np.arange(length) - (length // 2 - 0.5))
    return np.rint(255 * np.clip((band / 2 - distance) / (band / 6), 0, 1))


def seam(image: Image.Image) -> float:
    """How much the seam shows when the picture repeats: the mean difference across the edges, as a multiple of that
    between neighbours inside. About 1 for a tile whose seam cannot be seen; 0 for a flat picture.
    """
    pixels = _on_black(image)
    inside = [np.abs(np.diff(pixels, axis=axis)).mean() for axis in (0, 1) if pixels.shape[axis] > 1]
    across = [np.abs(pixels[0] - pixels[-1]).mean(), np.abs(pixels[:, 0] - pixels[:, -1]).mean()]
    within, over = float(np.mean(inside)) if inside else 0.0, float(np.mean(across))
    return over / within if within else over


def _on_black(image: Image.Image) -> Any:
    """Colours as they show, and alpha, so that what is hidden counts nothing."""
    pixels = np.asarray(image).astype(np.float64)
    return np.concatenate([pixels[..., :3] * pixels[..., 3:] / 255, pixels[..., 3:]], axis=2)
