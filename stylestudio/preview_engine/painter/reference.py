"""Image to image: turns a reference picture into a layer stack, so that every look can paint it."""

from __future__ import annotations

import numpy as np

from stylestudio.preview_engine.painter.colour import LUMA
from stylestudio.preview_engine.painter.fields import Field, ease, ramp, soft
from stylestudio.preview_engine.painter.layers import Layer, Stack

SHEETS = 6


def decompose(reference: Field, prompt: Stack, denoise: float) -> Stack:
    """Split `reference` (height x width x 3) into sheets of even tone; the prompt's subjects appear as denoise grows.

    Light tones become the far sheets and dark tones the near ones, as in most pictures with a sky.
    """
    unit = min(prompt.shape)
    calm = soft(reference, max(1.0, unit * 0.008 * (0.5 + denoise)))
    tone = calm @ LUMA
    smooth = soft(tone, unit * 0.02)
    bounds = np.quantile(smooth, np.linspace(1, 0, SHEETS + 1))
    detail = np.clip((tone - smooth) * 4, -1, 1)
    gy, gx = np.gradient(tone)
    edges = np.clip(np.hypot(gx, gy) * unit / 60 - 0.15, 0, 1)
    layers = [Layer.plain("reference", 0.0, np.ones(prompt.shape, np.float32), calm, detail)]
    for index in range(1, SHEETS):
        band = float(bounds[index])
        mask = ramp(smooth, band + 0.02, band - 0.02)
        layers.append(Layer.plain("reference", index / (SHEETS - 1), mask, calm, detail))
    layers[-1].edge = edges
    arriving = ease(denoise, 0.3, 0.75)
    if arriving > 0:
        for layer in prompt.layers:
            if layer.role in ("subject", "light") and layer.depth >= 0.3:
                layers.append(
                    Layer(
                        layer.role,
                        layer.depth,
                        layer.mask * np.float32(arriving),
                        layer.colour,
                        layer.shade,
                        layer.glow,
                        layer.edge,
                    )
                )
    return prompt.with_layers(layers)


def graded(picture: Field, model: Field, amount: float) -> Field:
    """Move mean and spread of each colour channel of `picture` towards those of `model`."""
    colour, target = picture[..., :3], model[..., :3]
    mean, spread = colour.mean((0, 1)), colour.std((0, 1)) + 1e-3
    moved = (colour - mean) / spread * target.std((0, 1)) + target.mean((0, 1))
    mixed = colour + (moved - colour) * np.float32(amount)
    return np.concatenate([np.clip(mixed, 0, 1), picture[..., 3:]], axis=2)
