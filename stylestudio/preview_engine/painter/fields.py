"""Float32 fields: seeded random streams, noise, soft blurs, gradients. Everything else is painted with them."""

from __future__ import annotations

import hashlib
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

Field: TypeAlias = npt.NDArray[Any]
Shape: TypeAlias = tuple[int, int]


def stream(*parts: object) -> np.random.Generator:
    """A random generator that depends only on `parts`, in every process and on every machine."""
    digest = hashlib.sha256("\x1f".join(str(part) for part in parts).encode("utf-8", "replace")).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


def resize(field: Field, shape: Shape, how: Image.Resampling = Image.Resampling.BICUBIC) -> Field:
    """`field` (height x width) resampled to `shape`, as float32."""
    height, width = shape
    image = Image.fromarray(np.ascontiguousarray(field, dtype=np.float32))
    return np.asarray(image.resize((width, height), how), dtype=np.float32)


def resize_colour(picture: Field, shape: Shape, how: Image.Resampling = Image.Resampling.BICUBIC) -> Field:
    """`picture` (height x width x channels) resampled channel by channel to `shape`."""
    return np.stack([resize(picture[..., channel], shape, how) for channel in range(picture.shape[2])], axis=-1)


def soft(field: Field, radius: float) -> Field:
    """A cheap wide blur: scales `field` down and up again. `radius` is in pixels; below 1 it has no effect."""
    if radius < 1:
        return field
    height, width = field.shape[:2]
    small = (max(2, round(height / radius)), max(2, round(width / radius)))
    if field.ndim == 2:
        return resize(resize(field, small, Image.Resampling.BILINEAR), (height, width))
    return resize_colour(resize_colour(field, small, Image.Resampling.BILINEAR), (height, width))


def grid(shape: Shape) -> tuple[Field, Field]:
    """A column of y and a row of x pixel centres, ready to broadcast."""
    height, width = shape
    return (
        np.arange(height, dtype=np.float32)[:, None] + np.float32(0.5),
        np.arange(width, dtype=np.float32)[None, :] + np.float32(0.5),
    )


def noise(
    rng: np.random.Generator, shape: Shape, cells: float, octaves: int, stretch: tuple[float, float] = (1.0, 1.0)
) -> Field:
    """Fractal noise between 0 and 1.

    `cells` counts the coarsest cells along the longer side, `stretch` multiplies them along x and y. The random
    numbers drawn depend on the aspect ratio but not on the resolution, so a small and a large field agree.
    """
    height, width = shape
    longest = max(height, width)
    total = np.zeros(shape, np.float32)
    weight, sum_of_weights = 1.0, 0.0
    for octave in range(octaves):
        columns = max(2, round(cells * stretch[0] * 2**octave * width / longest)) + 1
        rows = max(2, round(cells * stretch[1] * 2**octave * height / longest)) + 1
        total += np.float32(weight) * resize(rng.random((rows, columns), dtype=np.float32), shape)
        sum_of_weights += weight
        weight *= 0.5
    total /= np.float32(sum_of_weights)
    low, high = float(total.min()), float(total.max())
    return (total - low) / max(high - low, 1e-6)


def profile(
    rng: np.random.Generator, width: int, cells: float, octaves: int, roughness: float = 0.5, *, sharp: bool = False
) -> Field:
    """A line of fractal noise between 0 and 1, `width` pixels long; `sharp` joins its points with straight lines."""
    at = np.linspace(0, 1, width, dtype=np.float32)
    total = np.zeros(width, np.float32)
    weight = 1.0
    for octave in range(octaves):
        count = max(2, round(cells * 2**octave)) + 2
        points = rng.random(count).astype(np.float32)
        offset = rng.random() * 0.9
        position = at * (count - 2) + offset
        index = np.minimum(position.astype(int), count - 2)
        part = position - index
        if not sharp:
            part = part * part * (3 - 2 * part)
        total += np.float32(weight) * (points[index] * (1 - part) + points[index + 1] * part)
        weight *= roughness
    low, high = float(total.min()), float(total.max())
    return (total - low) / max(high - low, 1e-6)


def clamp(field: Field) -> Field:
    """Clip `field` to between 0 and 1."""
    return np.asarray(np.clip(field, 0, 1), np.float32)


def ease(value: float, low: float, high: float) -> float:
    """`ramp` for a single number."""
    return float(ramp(np.array([value], np.float32), low, high)[0])


def ramp(field: Field, low: float, high: float) -> Field:
    """Smooth step: 0 at `low`, 1 at `high`, gentle at both ends. `low` may be the larger one."""
    t = np.clip((field - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


def to_image(picture: Field) -> Image.Image:
    """Convert floats between 0 and 1 to an RGB or RGBA picture."""
    return Image.fromarray((np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8))


def from_image(image: Image.Image) -> Field:
    """Convert to floats between 0 and 1, height x width x channels."""
    return np.asarray(image, dtype=np.float32) / np.float32(255)
