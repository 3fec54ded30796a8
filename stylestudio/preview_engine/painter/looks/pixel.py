"""Pixel art: a coarse grid, a small palette, ordered dithering, dark outlines."""

from __future__ import annotations

import numpy as np
from PIL import Image

from stylestudio.preview_engine.painter.colour import mix, rgb, saturate
from stylestudio.preview_engine.painter.fields import Field, Shape, clamp, to_image
from stylestudio.preview_engine.painter.layers import Box, Layer, Stack
from stylestudio.preview_engine.painter.looks.common import Look, lay

ACROSS = 128  # pixels of the coarse grid along the longer side
COLOURS = 32
DITHERED = {"sky": 0.55, "halo": 0.6, "backdrop": 0.6, "water": 0.5, "mist": 0.5, "ridge": 0.35, "reference": 0.4}
BAYER = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]], np.float32) / 16 - 0.47


def paint(stack: Stack, _base: Field | None) -> Field:
    block = max(1, round(max(stack.shape) / ACROSS))
    small = _coarse_stack(stack, block)
    height, width = small.shape
    bayer = np.tile(BAYER, (height // 4 + 1, width // 4 + 1))[:height, :width]
    palette = stack.palette
    cool = mix(palette.zenith, rgb("2b2a5c"), 0.6)
    warm = mix(palette.disc, rgb("fff2c0"), 0.4)

    def shader(layer: Layer, box: Box) -> Field:
        colour = np.clip(saturate(layer.colour, 1.34), 0, 1)
        if layer.role in ("stars", "disc", "halo", "weather"):
            return clamp(colour * (1 + 0.3 * np.round(layer.shade[..., None] * 3) / 3))
        jitter = bayer[box] * np.float32(DITHERED.get(layer.role, 0.0) * 0.5)
        level = np.round(np.clip(layer.shade * 1.15 + jitter, -1, 1) * 2) / 2
        up, down = np.clip(level, 0, 1)[..., None], np.clip(-level, 0, 1)[..., None]
        shown = colour + (warm - colour) * up * np.float32(0.34)
        shown = shown + (cool * (0.35 + 0.4 * colour) - shown) * down * np.float32(0.46)
        if stack.kind == "landscape" and layer.role in ("ridge", "subject"):
            far = np.float32((1 - layer.depth) ** 1.7 * 0.34)
            shown = shown + (palette.haze - shown) * (far * (1 - layer.glow))[..., None]
        return np.asarray(np.maximum(shown, colour * layer.glow[..., None]))

    outlined = [_outlined(layer, bayer) for layer in small.layers]
    picture, shining = lay(small.with_layers(outlined), palette.sky, shader, mirror=0.5)
    picture = np.clip(picture + shining * 0.12, 0, 1)
    picture = np.clip((picture - 0.5) * 1.10 + 0.49, 0, 1)
    amount = np.zeros(small.shape, np.float32)
    for layer in outlined:
        amount += (np.float32(DITHERED.get(layer.role, 0.0)) - amount) * layer.mask
    spread = np.ptp(picture.reshape(-1, 3), axis=0).mean() / 9
    reduced = _limited(picture, picture + (bayer * amount * spread)[..., None])
    large = np.repeat(np.repeat(reduced, block, axis=0), block, axis=1)
    return large[: stack.shape[0], : stack.shape[1]]


def _limited(picture: Field, dithered: Field) -> Field:
    """Reduce `dithered` to the few colours that fit `picture` best."""
    # Half the palette goes to colours that cover large areas, half to extremes, so that small accents survive.
    image = to_image(picture)
    ways = (Image.Quantize.MEDIANCUT, Image.Quantize.MAXCOVERAGE)
    colours = [
        c for way in ways for c in (image.quantize(COLOURS // 2, method=way).getpalette() or [])[: COLOURS // 2 * 3]
    ]
    chosen = Image.new("P", (1, 1))
    chosen.putpalette(colours)
    mapped = to_image(dithered).quantize(palette=chosen, dither=Image.Dither.NONE).convert("RGB")
    return np.asarray(mapped, np.float32) / np.float32(255)


def _coarse_stack(stack: Stack, block: int) -> Stack:
    shape = (-(-stack.shape[0] // block), -(-stack.shape[1] // block))
    layers = [
        Layer(
            layer.role,
            layer.depth,
            _coarse(layer.mask, block, shape, most=layer.role in ("stars", "weather", "light")),
            _coarse_colour(layer, block, shape),
            _coarse(layer.shade, block, shape),
            _coarse(layer.glow, block, shape),
            _coarse(layer.edge, block, shape),
        )
        for layer in stack.layers
    ]
    return Stack(shape, tuple(layers), stack.palette, stack.light, stack.kind, stack.key, stack.detail, stack.accents)


def _coarse(field: Field, block: int, shape: Shape, *, most: bool = False) -> Field:
    """The mean (or the strongest) of each block."""
    if field.strides[0] == 0 and field.strides[1] == 0:
        return np.broadcast_to(field[:1, :1], (*shape, *field.shape[2:]))
    rows, columns = shape
    spill = [(0, rows * block - field.shape[0]), (0, columns * block - field.shape[1])] + [(0, 0)] * (field.ndim - 2)
    blocks = np.pad(field, spill, mode="edge").reshape(rows, block, columns, block, *field.shape[2:])
    return np.asarray(blocks.max(axis=(1, 3)) if most else blocks.mean(axis=(1, 3)), np.float32)


def _coarse_colour(layer: Layer, block: int, shape: Shape) -> Field:
    """The mean colour of what the layer covers in each block."""
    if layer.colour.strides[0] == 0:
        return _coarse(layer.colour, block, shape)
    weight = np.maximum(layer.mask, np.float32(1 / 64))[..., None]
    return _coarse(layer.colour * weight, block, shape) / _coarse(weight, block, shape)


def _outlined(layer: Layer, bayer: Field) -> Layer:
    """Hard masks; soft veils become dither patterns; near subjects get a dark line around them."""
    if layer.role in ("mist", "halo", "shadow", "reference", "light") or (
        layer.role == "stars" and layer.mask.mean() > 0.05
    ):
        mask = np.clip(np.round(np.clip(layer.mask + bayer * 0.34, 0, 1) * 3) / 3, 0, 1)
        return Layer(layer.role, layer.depth, mask, layer.colour, layer.shade, layer.glow, layer.edge)
    if layer.role in ("stars", "weather", "water-foam"):
        return layer
    mask = (layer.mask > 0.45).astype(np.float32)
    if layer.role != "subject":
        return Layer(layer.role, layer.depth, mask, layer.colour, layer.shade, layer.glow, layer.edge)
    inner = mask * np.roll(mask, 1, 0) * np.roll(mask, -1, 0) * np.roll(mask, 1, 1) * np.roll(mask, -1, 1)
    rim = np.clip(mask - inner, 0, 1)
    dark = np.clip(layer.colour, 0, 1) * np.array([0.42, 0.38, 0.5], np.float32)
    colour = np.clip(layer.colour, 0, 1) * (1 - rim[..., None] * 0.75) + dark * rim[..., None] * 0.75
    return Layer(layer.role, layer.depth, mask, colour, layer.shade, layer.glow, layer.edge)


PIXEL = Look("pixel", paint, grain=0.0, pixelated=True)
