"""The base look: matte and softly lit, like a photographed clay model."""

from __future__ import annotations

import numpy as np

from stylestudio.preview_engine.painter.colour import mix, rgb
from stylestudio.preview_engine.painter.fields import Field
from stylestudio.preview_engine.painter.layers import Box, Layer, Stack
from stylestudio.preview_engine.painter.looks.common import Look, bloom, grain, lay, vignette

ROUGH = ("ridge", "ground", "subject", "backdrop")
SOLID = ("ridge", "ground", "subject")


def paint(stack: Stack, _base: Field | None) -> Field:
    palette = stack.palette
    warm = mix(palette.disc, np.ones(3, np.float32), 0.35) * np.float32(0.26)
    cool = mix(palette.zenith, rgb("3a3f66"), 0.45) * np.float32(0.42)
    clay = grain(stack.key, stack.shape, 90, 2)

    def shader(layer: Layer, box: Box) -> Field:
        if layer.role in ("disc", "halo", "stars", "weather"):
            return layer.colour * (1 + layer.shade[..., None] * 0.5)
        light = layer.shade + clay[box] * np.float32(0.16 if layer.role in ROUGH else 0.03)
        up, down = np.clip(light, 0, 1), np.clip(-light, 0, 1)
        gain = (1 + up * 0.16 - down * 0.60)[..., None] + down[..., None] * cool
        lit = layer.colour * gain
        lit += up[..., None] * warm
        if layer.glow.any():
            np.maximum(lit, layer.colour * layer.glow[..., None], out=lit)
        if stack.kind == "landscape" and layer.role in SOLID:
            far = np.float32((1 - layer.depth) ** 1.6 * 0.55)
            lit += (palette.haze - lit) * (far * (1 - layer.glow))[..., None]
        return np.asarray(lit)

    picture, shining = lay(stack, palette.sky, shader, shadow=0.34)
    return bloom(picture, shining, 0.75) * vignette(stack.shape, 0.16)


BASE = Look("base", paint, grain=0.013)
