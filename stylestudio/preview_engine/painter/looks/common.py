"""Shared by all looks: compositing layers, reflections in water, bloom, the top edge of a mask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from stylestudio.preview_engine.painter.fields import Field, Shape, grid, noise, soft, stream
from stylestudio.preview_engine.painter.layers import Box, Layer, Stack

Shader = Callable[[Layer, Box], Field]


@dataclass(frozen=True, slots=True)
class Look:
    """A way to paint a stack.

    paint       maps the stack, and the base look's picture if needed, to height x width x 3 (or 4)
    grain       how much fine grain the finished picture gets, as a share of white
    pixelated   whether it is enlarged without smoothing
    isolates    whether it needs its subject alone in the middle
    needs_base  whether it starts from the base look's picture
    """

    name: str
    paint: Callable[[Stack, Field | None], Field]
    grain: float = 0.012
    pixelated: bool = False
    isolates: bool = False
    needs_base: bool = False


def lay(
    stack: Stack, ground: Field, shader: Shader, *, mirror: float = 0.45, shadow: float = 0.0
) -> tuple[Field, Field]:
    """Paint the layers over `ground`, far to near; `shader(layer, box)` colours a layer's part within a box.

    `mirror` is how much water reflects of what is above it, `shadow` how darkly layers shade those behind them.
    Returns the picture and the light that its shining parts emit.
    """
    picture = np.array(np.broadcast_to(ground, (*stack.shape, 3)), np.float32)
    shining = np.zeros_like(picture)
    shines = False
    for layer in stack.layers:
        box = layer.extent()
        seen = layer.part(box)
        colour = shader(seen, box)
        cover = seen.mask[..., None]
        if layer.role == "water" and mirror:
            colour = mirrored(picture, layer, mirror, colour, box)
        if shadow and layer.role in ("ridge", "subject", "ground"):
            picture *= (1 - np.float32(shadow) * _cast(layer.mask, stack, min(stack.shape)))[..., None]
        picture[box] += (colour - picture[box]) * cover
        if shines:
            shining[box] *= 1 - cover
        if seen.glow.any():
            shines = True
            shining[box] += seen.colour * (seen.glow * seen.mask)[..., None]
    return picture, shining


def _cast(mask: Field, stack: Stack, unit: int) -> Field:
    """The soft shadow that a sheet casts on what lies behind it, away from the light."""
    away = (round(-stack.light[1] * unit * 0.012), round(-stack.light[0] * unit * 0.012))
    wide = soft(mask, unit * 0.03)
    shadow = np.roll(wide, away, (0, 1))
    if away[0] > 0:
        shadow[: away[0]] = wide[:1]
    return np.asarray(shadow * (1 - mask))


def mirrored(picture: Field, water: Layer, amount: float, colour: Field, box: Box) -> Field:
    """`colour` of the water within `box`, with the picture above its shore reflected in it."""
    height, width = water.mask.shape
    shore = int(np.argmax(water.mask.max(axis=1) > 0.5))
    rows = np.arange(height)[box[0]]
    depth = np.clip(rows - shore, 0, None)
    source = np.clip(shore - 1 - (depth * 1.05).astype(int), 0, height - 1)
    wobble = (np.sin(depth * 0.9 + np.sin(depth * 0.21) * 3) * (1 + depth * 0.02)).astype(int)
    columns = np.clip(np.arange(width)[box[1]][None, :] + wobble[:, None], 0, width - 1)
    upside_down = picture[source[:, None], columns]
    fade = (np.clip(1 - depth / max(1, height - shore) * 0.6, 0, 1) * amount).astype(np.float32)[:, None, None]
    return np.asarray(colour + (upside_down * (1 + water.shade[box][..., None] * 0.25) - colour) * fade)


def bloom(picture: Field, shining: Field, strength: float = 1.0) -> Field:
    """Let the light of the picture's shining parts spill over."""
    if not shining.any():
        return picture
    unit = min(picture.shape[:2])
    spill = soft(shining, unit * 0.02) * 0.55 + soft(shining, unit * 0.07) * 0.6 + soft(shining, unit * 0.2) * 0.4
    return 1 - (1 - np.clip(picture, 0, 1)) * (1 - np.clip(spill * np.float32(strength), 0, 0.97))


def below_top(mask: Field) -> Field:
    """For every pixel, the number of pixels of `mask` above it in its column: the distance to a ridge's top edge."""
    return np.cumsum(mask, axis=0, dtype=np.float32)


def grain(key: str, shape: Shape, cells: float, octaves: int = 2, stretch: tuple[float, float] = (1.0, 1.0)) -> Field:
    """Texture between -0.5 and 0.5."""
    return noise(stream(key, "grain", cells), shape, cells, octaves, stretch) - 0.5


def vignette(shape: Shape, amount: float) -> Field:
    """Darkening towards the corners by up to `amount`."""
    row, column = grid(shape)
    u, v = column / shape[1] * 2 - 1, row / shape[0] * 2 - 1
    return 1 - np.float32(amount) * np.clip((u * u + v * v) / 2, 0, 1)[..., None] ** 1.3
