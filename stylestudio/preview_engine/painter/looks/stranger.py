"""A look for a LoRA that the painter does not know, derived from its file name: two inks and a texture."""

from __future__ import annotations

import colorsys
from functools import partial

import numpy as np

from stylestudio.preview_engine.painter.colour import LUMA
from stylestudio.preview_engine.painter.fields import Field, clamp, grid, noise, ramp, soft, stream
from stylestudio.preview_engine.painter.layers import Stack
from stylestudio.preview_engine.painter.looks.common import Look

TEXTURES = ("halftone", "hatching", "watercolour", "poster", "riso")


def stranger(name: str) -> Look:
    """A look that depends on `name` alone."""
    return Look(name, partial(paint, name=name), grain=0.015, needs_base=True)


def paint(stack: Stack, base: Field | None, *, name: str) -> Field:
    assert base is not None
    rng = stream("lora", name)
    hue, apart = float(rng.random()), float(rng.uniform(0.08, 0.5))
    dark = np.array(colorsys.hsv_to_rgb(hue, float(rng.uniform(0.5, 0.8)), float(rng.uniform(0.14, 0.3))), np.float32)
    pale = np.array(colorsys.hsv_to_rgb((hue + apart) % 1, float(rng.uniform(0.06, 0.3)), 0.98), np.float32)
    middle = np.array(colorsys.hsv_to_rgb((hue + apart * 0.5) % 1, float(rng.uniform(0.45, 0.8)), 0.75), np.float32)
    keep = float(rng.uniform(0.25, 0.6))
    texture = TEXTURES[int(rng.integers(len(TEXTURES)))]
    tone = np.clip((base @ LUMA - 0.5) * 1.12 + 0.52, 0, 1)
    tone = _textured(tone, base, stack, texture)
    low, high = np.clip(tone * 2, 0, 1)[..., None], np.clip(tone * 2 - 1, 0, 1)[..., None]
    inked = dark * (1 - low) + middle * low
    inked = inked * (1 - high) + pale * high
    return clamp(inked * (1 - keep) + base * (0.55 + 0.5 * tone[..., None]) * keep)


def _textured(tone: Field, base: Field, stack: Stack, texture: str) -> Field:
    unit = min(stack.shape)
    row, column = grid(stack.shape)
    if texture == "halftone":
        cell = max(3.0, unit / 72)
        dots = np.cos((row + column) * np.pi / cell) * np.cos((row - column) * np.pi / cell)
        return clamp(ramp(tone + dots * 0.22, 0.25, 0.75) * 0.7 + tone * 0.3)
    if texture == "hatching":
        pitch = max(3.0, unit / 80)
        lines = np.sin((row + column) * 2 * np.pi / pitch)
        crossed = np.sin((row - column) * 2 * np.pi / pitch)
        ink = ramp(lines - tone * 2.4 + 0.7, 0.0, 0.5) + ramp(crossed - tone * 3.4 + 0.6, 0.0, 0.5)
        return clamp(tone * 0.55 + 0.45 - 0.42 * ink)
    if texture == "watercolour":
        wet = noise(stream(stack.key, "wet"), stack.shape, 9, 4) - 0.5
        pooled = np.clip(np.abs(tone - soft(tone, unit * 0.02)) * 4, 0, 0.4)
        return clamp(soft(tone, unit * 0.008) + wet * 0.28 - pooled)
    if texture == "poster":
        steps = np.clip(tone + 0.0, 0, 0.999) * 5
        return clamp((np.floor(steps) + ramp(steps - np.floor(steps), 0.86, 1.0)) / 4.4)
    shifted = np.roll(base[..., 0], (max(1, unit // 150), -max(1, unit // 110)), (0, 1))
    speck = noise(stream(stack.key, "speck"), stack.shape, 110, 1) - 0.5
    return clamp(tone * 0.6 + shifted * 0.4 + speck * 0.22)
