"""Paper cut: sheets of coloured paper in layers, with soft shadows and pale cut edges."""

from __future__ import annotations

import numpy as np

from stylestudio.preview_engine.painter.colour import mix, rgb, saturate, shift
from stylestudio.preview_engine.painter.fields import Field, clamp, grid, ramp, soft, stream
from stylestudio.preview_engine.painter.layers import Layer, Stack
from stylestudio.preview_engine.painter.looks.common import Look, bloom, grain


def paint(stack: Stack, _base: Field | None) -> Field:
    rng = stream(stack.key, "paper")
    unit = min(stack.shape)
    fibre = grain(stack.key, stack.shape, 80, 2) * 0.07
    palette = stack.palette
    bright = shift(mix(palette.horizon, rgb("fff4da"), 0.25 * (1 - palette.night)), 0, 1.15, 1.02)
    deep = shift(mix(palette.near, palette.zenith, 0.25), 0, 1.5, 0.5)
    middle = shift(mix(palette.far, palette.accent, 0.22), 0, 1.25, 1.0)
    picture = np.broadcast_to(bright, (*stack.shape, 3)) * (1 + fibre[..., None])
    shining = np.zeros_like(picture)
    x, y = _focus(stack)
    for ring, radius in enumerate((0.95, 0.70, 0.48, 0.29)):
        tone = mix(shift(palette.sky, 0, 1.1), bright, 0.25 + 0.25 * ring)
        if ring == 0:
            picture = np.broadcast_to(mix(shift(palette.zenith, 0, 1.1), palette.sky, 0.4), picture.shape) * (
                1 + fibre[..., None]
            )
        picture = _sheet(picture, _circle(stack, x, y, unit * radius, rng), tone, fibre, unit, 0.5)
    for layer in stack.layers:
        if layer.role in ("sky", "halo", "backdrop"):
            continue
        if layer.role == "shadow":
            picture = picture * (1 - 0.5 * layer.mask[..., None])
            continue
        lift = 1.0
        mask = layer.mask
        if layer.role in ("mist", "cloud"):
            mask = _cut(soft(mask, unit * 0.012), 0.42, unit)
            colour: Field = mix(bright, rgb("ffffff"), 0.45 * (1 - palette.night))
            lift = 0.7
        elif layer.role in ("ridge", "ground", "water"):
            t = layer.depth
            colour = (
                mix(middle, deep, (t - 0.45) / 0.55) if t > 0.45 else mix(mix(bright, middle, 0.35), middle, t / 0.45)
            )
            own = (layer.colour * mask[..., None]).sum((0, 1)) / max(1.0, float(mask.sum()))
            colour = mix(colour, shift(own, 0, 1.2), 0.6 if layer.role == "ridge" else 0.9)
        elif layer.role in ("stars", "weather", "water-foam", "light"):
            picture = picture + (layer.colour - picture) * mask[..., None]
            shining = shining * (1 - mask[..., None]) + layer.colour * (layer.glow * mask)[..., None]
            continue
        elif layer.role == "disc":
            colour = mix(
                layer.colour[layer.mask > 0.5].mean(0) if (layer.mask > 0.5).any() else palette.disc, rgb("ffffff"), 0.1
            )
        else:
            picture = _cut_figure(picture, layer, deep, middle, fibre, unit, stack)
            shining = shining * (1 - mask[..., None]) + layer.colour * (layer.glow * mask)[..., None]
            continue
        picture = _sheet(picture, mask, colour, fibre, unit, lift)
        if layer.role == "water":
            for threshold, amount in ((0.12, 0.10), (0.26, 0.16)):
                waves = ramp(layer.shade, threshold, threshold + 0.04) * mask
                picture = picture + (rgb("ffffff") - picture) * (waves * amount)[..., None]
    if stack.kind in ("landscape", "portrait", "space", "reference"):
        picture = _sheet(picture, _frame(stack, rng), shift(deep, 0, 1.0, 0.8), fibre, unit, 1.5)
    return clamp(bloom(picture, shining, 0.4))


def _sheet(picture: Field, mask: Field, colour: Field, fibre: Field, unit: int, lift: float) -> Field:
    """One sheet of paper: its shadow on what lies below, itself, and its lit upper edge."""
    offset = max(1, round(unit * 0.012 * lift))
    near = soft(np.roll(mask, (offset // 2 + 1, max(1, offset // 3)), (0, 1)), max(1.5, unit * 0.012 * lift))
    wide = soft(np.roll(mask, (-offset, offset // 2), (0, 1)), max(2.0, unit * 0.05 * lift))
    shadow = np.clip(wide * 0.34 + near * 0.30, 0, 0.6)
    picture = picture * (1 - (shadow * (1 - mask))[..., None] * np.array([0.9, 0.95, 0.85], np.float32))
    rim = np.clip(mask - np.roll(mask, max(1, round(unit / 260)), 0), 0, 1)
    paper = np.broadcast_to(colour, picture.shape) * (1 + fibre[..., None])
    paper = paper + (1 - paper) * (rim * 0.42)[..., None]
    return np.asarray(picture + (paper - picture) * mask[..., None])


def _cut_figure(
    picture: Field, layer: Layer, deep: Field, middle: Field, fibre: Field, unit: int, stack: Stack
) -> Field:
    """A subject cut from several papers: few tones, pale seams, a shadow below each part."""
    far = (1 - layer.depth) * (0.45 if stack.kind == "landscape" else 0.0)
    own = saturate(np.asarray(layer.colour), 1.12)
    tinted = own + (mix(middle, deep, layer.depth * 0.6) - own) * np.float32(0.22 * far * 2)
    level = np.round(np.clip(layer.shade, -0.9, 0.9) * 1.6) / 1.6
    shade = 1 + level[..., None] * np.float32(0.13)
    seam = soft(layer.edge, 2.2)
    toned = np.clip(tinted * shade * (1 - 0.20 * np.clip(seam * 1.4, 0, 1)[..., None]), 0, 1)
    toned = toned + (1 - toned) * (np.roll(layer.edge, 1, 0) * 0.20)[..., None]
    lit = np.maximum(toned, own * layer.glow[..., None])
    return _sheet(picture, layer.mask, lit, fibre, unit, 0.7)


def _focus(stack: Stack) -> tuple[float, float]:
    """Where the sheets of sky open: around the sun, or in the upper middle."""
    height, width = stack.shape
    for layer in stack.layers:
        if layer.role == "disc" and layer.mask.sum() > 4:
            weight = layer.mask / layer.mask.sum()
            row, column = grid(stack.shape)
            return float((weight * column).sum()), float((weight * row).sum())
    return width * 0.5, height * 0.42


def _circle(stack: Stack, x: float, y: float, radius: float, rng: np.random.Generator) -> Field:
    row, column = grid(stack.shape)
    angle = np.arctan2(row - y, column - x)
    wave = (
        1 + 0.008 * np.sin(angle * 5 + float(rng.uniform(0, 6))) + 0.006 * np.sin(angle * 11 + float(rng.uniform(0, 6)))
    )
    return clamp(radius * wave - np.hypot(column - x, row - y) + 0.5)


def _cut(mask: Field, level: float, unit: int) -> Field:
    """A soft veil as a sheet with a clear edge."""
    return ramp(mask, level - 0.03, level + 0.03) * np.float32(0.96)


def _frame(stack: Stack, rng: np.random.Generator) -> Field:
    """A dark sheet with a wavy opening."""
    row, column = grid(stack.shape)
    height, width = stack.shape
    unit = min(stack.shape)
    u, v = np.abs(column / width - 0.5) * 2, np.abs(row / height - 0.5) * 2
    angle = np.arctan2(v * height, u * width)
    scallop = np.abs(np.sin(angle * 11 + float(rng.uniform(0, 3)))) * 0.022
    inside = (u**6 + v**6) ** (1 / 6) - scallop
    return clamp((inside - 0.945) * unit * 0.5 + 0.5)


PAPER = Look("paper", paint, grain=0.016)
