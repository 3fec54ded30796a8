"""Gouache: flat opaque areas in few tones, applied with a broad brush, rough at the edges."""

from __future__ import annotations

import numpy as np

from stylestudio.preview_engine.painter.colour import mix, rgb, saturate
from stylestudio.preview_engine.painter.fields import Field, clamp, noise, ramp, stream
from stylestudio.preview_engine.painter.layers import Box, Layer, Stack
from stylestudio.preview_engine.painter.looks.common import Look, bloom, grain, lay

TONES = 4
BROAD = ("sky", "water", "mist", "cloud", "backdrop", "ridge")


def paint(stack: Stack, _base: Field | None) -> Field:
    palette = stack.palette
    rng = stream(stack.key, "gouache")
    flat = noise(rng, stack.shape, 15, 3, (0.35, 2.6))
    steep = noise(rng, stack.shape, 15, 3, (2.2, 0.5))
    bristle = grain(stack.key, stack.shape, 44, 2, (0.25, 2.2))
    torn = noise(rng, stack.shape, 52, 2)
    light = mix(palette.disc, rgb("fff6e2"), 0.4)
    cool = mix(palette.zenith, rgb("46508c"), 0.5)

    def shader(layer: Layer, box: Box) -> Field:
        grit = bristle[box][..., None]
        if layer.role in ("halo", "disc", "stars", "weather"):
            return layer.colour * (1 + 0.08 * grit)
        strokes = (flat if layer.role in BROAD else steep)[box] - 0.5
        loose = 0.17 if layer.role in BROAD else 0.10
        tone = np.clip(layer.shade * 0.55 + 0.5 + strokes * np.float32(loose), 0, 0.999) * TONES
        step = np.floor(tone)
        level = ((step - 1 + ramp(tone - step, 0.0, 0.12)) / (TONES - 1) - 0.5) * 1.5
        depth = 1.0 if layer.role in ("ridge", "subject", "ground") else 0.45
        up, down = np.clip(level, 0, 1) * np.float32(0.36 * depth), np.clip(-level, 0, 1) * np.float32(0.5 * depth)
        colour = saturate(layer.colour, 1.16)
        if layer.role == "ridge":
            up = up + np.clip(layer.edge, 0, 1) * ramp(strokes, -0.15, 0.1) * 0.45
        shown = colour + (light - colour) * up[..., None]
        shown += (cool * colour * 1.1 - shown) * down[..., None]
        shown *= 1 + 0.10 * grit
        if layer.glow.any():
            np.maximum(shown, colour * layer.glow[..., None], out=shown)
        if stack.kind == "landscape" and layer.role in ("ridge", "subject", "ground"):
            far = np.float32((1 - layer.depth) ** 1.7 * 0.42)
            shown += (palette.haze - shown) * (far * (1 - layer.glow))[..., None]
        return shown

    rough = [_roughened(layer, torn) for layer in stack.layers]
    picture, shining = lay(stack.with_layers(rough), palette.sky, shader, mirror=0.32)
    picture = bloom(picture, shining, 0.35)
    return clamp(picture * (1 + 0.07 * grain(stack.key, stack.shape, 70, 2)[..., None]))


def _roughened(layer: Layer, torn: Field) -> Layer:
    """The layer with a brushed edge: paint that falls short or runs over."""
    if layer.role not in ("ridge", "subject", "cloud", "disc", "ground"):
        return layer
    mask = ramp(layer.mask + (torn - 0.5) * 0.55 * (layer.mask > 0.02), 0.12, 0.82)
    return Layer(layer.role, layer.depth, mask, layer.colour, layer.shade, layer.glow, layer.edge)


GOUACHE = Look("gouache", paint, grain=0.016)
