"""Neon: light on black. Outlines glow, effects blaze, everything else is night."""

from __future__ import annotations

import numpy as np

from stylestudio.preview_engine.painter.colour import LUMA, mix, rgb, saturate, shift
from stylestudio.preview_engine.painter.fields import Field, clamp, grid, noise, ramp, soft, stream
from stylestudio.preview_engine.painter.layers import Layer, Pen, Stack, arc
from stylestudio.preview_engine.painter.looks.common import Look

PAIRS = (("39d6ff", "ff3fa4"), ("ffb13b", "ff3d6e"), ("5bff9a", "1ec8ff"), ("b36bff", "4d9dff"), ("ff6bd6", "ffb347"))


def paint(stack: Stack, _base: Field | None) -> Field:
    rng = stream(stack.key, "neon")
    unit = min(stack.shape)
    first, second = (rgb(code) for code in PAIRS[int(rng.integers(len(PAIRS)))])
    if stack.accents:
        first = _bright(stack.accents[0])
        second = _bright(stack.accents[-1]) if len(stack.accents) > 1 else shift(first, 0.14, 1, 1)
    light = np.zeros((*stack.shape, 3), np.float32)
    for layer in stack.layers:
        light = _lit(layer, light, stack, first, second, unit)
    light += _dust(stack, first, second)
    heart = soft(light, max(1.0, unit * 0.004))
    wide = soft(light, unit * 0.018) * 0.9 + soft(light, unit * 0.055) * 0.9 + soft(light, unit * 0.16) * 0.8
    energy = light * 1.3 + heart * 1.1 + wide * 1.15
    picture = 1 - np.exp(-energy * 1.25)
    white = np.clip((light + heart).max(axis=2, keepdims=True) - 0.62, 0, 1) * 0.75
    picture = picture + (1 - picture) * white
    haze = noise(stream(stack.key, "haze"), stack.shape, 3, 4)[..., None]
    night = rgb("07060d") * (0.7 + 0.9 * haze) + mix(first, second, 0.5) * 0.03 * haze
    return clamp(picture + night * (1 - picture))


def _bright(colour: Field) -> Field:
    return shift(colour, 0, 1.25, 1.0) / max(0.35, float(shift(colour, 0, 1.25, 1.0).max()))


def _lit(layer: Layer, light: Field, stack: Stack, first: Field, second: Field, unit: int) -> Field:
    """Add one more layer to `light`: what it hides goes dark, and its own light is added."""
    mask = layer.mask[..., None]
    tube = mix(first, second, layer.depth)
    if layer.role in ("sky", "backdrop", "shadow", "halo", "ring"):
        row, _ = grid(stack.shape)
        if layer.role == "sky":
            up = np.clip(1 - row / (stack.shape[0] * 0.62), 0, 1)
            return light + second * (0.05 * (1 - up) ** 2 * np.ones((1, stack.shape[1]), np.float32))[..., None]
        if layer.role == "ring":
            return np.asarray(light + tube * _band(layer.mask)[..., None] * 0.8)
        return light
    if layer.role == "disc":
        row, _ = grid(stack.shape)
        rows = np.flatnonzero(layer.mask.max(axis=1) > 0.5)
        if rows.size == 0:
            return light
        t = np.clip((row - rows[0]) / max(1, rows[-1] - rows[0]), 0, 1)
        slits = 1 - ramp(np.sin(t * t * 34), 0.2, 0.5) * ramp(t, 0.4, 0.5)
        vivid = saturate(layer.colour[int(rows.mean()), int(layer.mask[int(rows.mean())].argmax())], 1.3)
        warm = vivid if float(np.ptp(vivid)) > 0.35 else mix(rgb("ffd24a"), rgb("ff3f8f"), 0.0)
        body = warm * (1 - t)[..., None] + mix(warm, second, 0.75) * t[..., None]
        return np.asarray(light * (1 - mask) + body * mask * slits[..., None] * 0.8)
    if layer.role in ("cloud", "mist"):
        veil = np.clip(layer.edge, 0, 1)
        lit = layer.mask * (0.035 + 0.05 * np.clip(layer.shade, 0, 1)) + veil * 0.1
        return light * (1 - mask * 0.35) + tube * lit[..., None]
    if layer.role in ("stars", "weather"):
        return light + layer.colour * mask * (0.3 if layer.mask.mean() > 0.05 else 0.75)
    if layer.role == "water":
        lines = ramp(layer.shade, 0.10, 0.22) * layer.mask
        return (
            light * (1 - mask * 0.75) + tube * (lines * 0.34)[..., None] + layer.colour * (layer.glow * 0.9)[..., None]
        )
    if layer.role == "ridge":
        crest = np.clip(layer.edge, 0, 1) * layer.mask
        relief = ramp(layer.shade, 0.25, 0.8) * layer.mask
        return light * (1 - mask * 0.96) + tube * (crest * 1.15 + relief * 0.06)[..., None]
    return _tubes(layer, light, tube, mask)


def _band(mask: Field) -> Field:
    """A line along the border of a mask."""
    rows, columns = np.gradient(mask)
    return clamp(np.hypot(rows, columns) * 4)


def _tubes(layer: Layer, light: Field, tube: Field, mask: Field) -> Field:
    """A subject as glass tubes: outlines in its own bright colours, with a faint fill."""
    own = np.asarray(layer.colour)
    strongest = np.maximum(own.max(axis=2, keepdims=True), 0.25)
    vivid = np.clip(saturate(own / strongest, 1.7), 0, 1)
    blaze = layer.glow[..., None] * vivid
    if layer.role == "light":
        return np.asarray(light * (1 - mask * 0.9) + (blaze + vivid * layer.edge[..., None] * 0.2) * mask)
    chroma = np.clip(np.ptp(own, axis=2, keepdims=True) * 1.6, 0, 0.85)
    hue = tube + (vivid - tube) * chroma
    grey = (own @ LUMA)[..., None]
    fill = vivid * (0.012 + 0.055 * np.clip(layer.shade, 0, 1)[..., None] + 0.02 * grey)
    glass = np.clip(layer.edge, 0, 1)[..., None] ** 1.4 * np.float32(0.95 + 0.35 * layer.depth)
    return np.asarray(light * (1 - mask * 0.95) + fill * mask + hue * glass + blaze * mask * 0.7)


def _dust(stack: Stack, first: Field, second: Field) -> Field:
    """Sparks in the air."""
    rng = stream(stack.key, "dust")
    pen = Pen(stack.shape, form=0)
    unit = min(stack.shape)
    for _ in range(int(40 + 50 * stack.detail)):
        x, y = float(rng.random()) * stack.shape[1], float(rng.random()) * stack.shape[0]
        r = unit * float(rng.uniform(0.0008, 0.0026))
        pen.poly(
            arc(x, y, r, r), mix(first, second, float(rng.random())), line=False, alpha=float(rng.uniform(0.3, 1.0))
        )
    return pen.colour


NEON = Look("neon", paint, grain=0.010)
