"""Game icon: one isolated thing with a dark outline and clear cel shading."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from stylestudio.preview_engine.painter.colour import rgb, saturate, shift
from stylestudio.preview_engine.painter.fields import Field, ramp, soft
from stylestudio.preview_engine.painter.layers import Layer, Stack
from stylestudio.preview_engine.painter.looks.common import Look

SHOWN = ("subject", "light")


def paint(stack: Stack, _base: Field | None) -> Field:
    unit = min(stack.shape)
    line = max(1, round(unit * 0.013))
    layers = [layer for layer in stack.layers if layer.role in SHOWN] or [stack.layers[-1]]
    colour = np.zeros((*stack.shape, 3), np.float32)
    alpha = np.zeros(stack.shape, np.float32)
    for layer in layers:
        body, cover = _figure(layer, unit, line)
        colour = colour + (body - colour) * cover[..., None]
        alpha = np.maximum(alpha, cover)
    return np.concatenate([np.clip(colour, 0, 1), alpha[..., None]], axis=2)


def _figure(layer: Layer, unit: int, line: int) -> tuple[Field, Field]:
    """The painted thing on its outline, and its coverage. Lights have a glow instead of an outline."""
    mask = np.clip(layer.mask, 0, 1)
    own = np.clip(saturate(np.asarray(layer.colour), 1.16), 0, 1)
    solid = own
    level = _stepped(layer.shade)
    up, down = np.clip(level, 0, 1)[..., None], np.clip(-level, 0, 1)[..., None]
    lit = solid + (1 - solid) * up * 0.34 * (0.4 + 0.6 * solid)
    lit = lit * (1 - down * np.array([0.50, 0.52, 0.36], np.float32))
    lit = np.maximum(lit, own * layer.glow[..., None])
    if layer.role == "light" and layer.glow.mean() > 0.02:
        shine = np.clip(
            soft(mask * np.clip(layer.glow + 0.2, 0, 1), unit * 0.03) * 0.9 + soft(mask, unit * 0.08) * 0.5, 0, 0.85
        )
        hue = _mean_colour(own, mask)
        body = np.broadcast_to(hue, lit.shape) * (1 - mask[..., None]) + lit * mask[..., None]
        return body, np.maximum(mask, shine)
    dark = shift(_mean_colour(own, mask), 0.02, 0.9, 0.20) * 0.5 + rgb("1e1624") * 0.5
    seams = np.clip(_grown(layer.edge, max(1, line // 3)) * 0.8, 0, 1) * mask
    lit = lit + (dark - lit) * seams[..., None]
    # Veils such as steam get no outline.
    outline = np.maximum(_grown(ramp(mask, 0.55, 0.95), line), mask)
    own_share = np.where(outline > mask, mask, 1)[..., None]
    body = np.broadcast_to(dark, lit.shape) * (1 - own_share) + lit * own_share
    return body, outline


def _stepped(shade: Field) -> Field:
    """Three tones with narrow soft borders."""
    lit = ramp(shade, 0.20, 0.30) * 0.75 + ramp(shade, 0.52, 0.60) * 0.5
    dark = ramp(shade, -0.16, -0.26) * 0.6 + ramp(shade, -0.5, -0.6) * 0.4
    return lit - dark


def _grown(field: Field, pixels: int) -> Field:
    """Spread `field` by that many pixels, with round corners."""
    image = Image.fromarray((np.clip(field, 0, 1) * 255).astype(np.uint8))
    for _ in range(pixels):
        image = image.filter(ImageFilter.MaxFilter(3))
    wide = np.asarray(image.filter(ImageFilter.GaussianBlur(max(0.5, pixels * 0.35))), np.float32) / np.float32(255)
    return np.maximum(field, ramp(wide, 0.28, 0.66))


def _mean_colour(colour: Field, mask: Field) -> Field:
    weight = float(mask.sum()) or 1.0
    return np.asarray((colour * mask[..., None]).sum((0, 1)) / weight, np.float32)


ICON = Look("icon", paint, grain=0.0, isolates=True)
