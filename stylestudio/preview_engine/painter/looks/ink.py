"""Ink and mist: washes on paper, far things pale, near things dark, one red accent and a seal."""

from __future__ import annotations

import numpy as np

from stylestudio.preview_engine.painter.colour import LUMA, mix, rgb, saturate
from stylestudio.preview_engine.painter.fields import Field, clamp, noise, ramp, soft, stream
from stylestudio.preview_engine.painter.layers import Frame, Layer, Pen, Stack
from stylestudio.preview_engine.painter.looks.common import Look, below_top, grain

PAPERS = ("efe9db", "e9e6dd", "f1e6d2", "e8e9e0")
INKS = ("1c1f24", "1b2438", "2b2420", "16282a")


def paint(stack: Stack, _base: Field | None) -> Field:
    rng = stream(stack.key, "ink")
    which = int(rng.integers(4))
    ink, paper = rgb(INKS[which]), rgb(PAPERS[int(rng.integers(4))])
    unit = min(stack.shape)
    wash = noise(stream(stack.key, "wash"), stack.shape, 2.2, 4, (1, 2))
    bleed = noise(stream(stack.key, "bleed"), stack.shape, 26, 3)
    streaks = noise(stream(stack.key, "streaks"), stack.shape, 12, 4, (1.2, 0.3))
    picture = np.broadcast_to(paper, (*stack.shape, 3)) * (
        0.97 + 0.06 * grain(stack.key, stack.shape, 34, 3)[..., None]
    )
    night = stack.palette.night
    sky_wash = ramp(wash, 0.45, 1.0) * (0.16 + 0.34 * night) + night * 0.18
    picture = picture + (ink - picture) * sky_wash[..., None]
    sun = _sun_colour(stack, rng)
    for layer in stack.layers:
        picture = _brush(layer, picture, stack, paper, ink, sun, bleed, streaks, unit)
    seal = Pen(stack.shape)
    side = unit * 0.042
    seal.frame = Frame(stack.shape[1] - side * 1.6, stack.shape[0] - side * 1.3, 1)
    seal.poly([(-side * 0.5, -side * 1.2), (side * 0.5, -side * 1.2), (side * 0.5, 0), (-side * 0.5, 0)], rgb("b83a2c"))
    stroke = max(1.0, side * 0.09)
    for line in (
        [(-0.25, -0.95), (0.25, -0.95)],
        [(0, -0.95), (0, -0.25)],
        [(-0.28, -0.6), (0.28, -0.6)],
        [(-0.3, -0.22), (0.3, -0.22)],
    ):
        seal.line([(x * side, y * side) for x, y in line], stroke, paper)
    worn = seal.mask * (0.75 + 0.25 * bleed)
    return clamp(picture + (seal.colour - picture) * worn[..., None])


def _sun_colour(stack: Stack, rng: np.random.Generator) -> Field:
    if stack.palette.night > 0.9:
        return rgb("f6efdc")
    return rgb(("c2402c", "c2402c", "d8822f")[int(rng.integers(3))])


def _brush(
    layer: Layer,
    picture: Field,
    stack: Stack,
    paper: Field,
    ink: Field,
    sun: Field,
    bleed: Field,
    streaks: Field,
    unit: int,
) -> Field:
    mask = layer.mask
    if layer.role in ("sky", "backdrop", "halo", "shadow", "stars"):
        if layer.role == "stars":
            return picture + (paper - picture) * (mask * 0.7)[..., None]
        if layer.role == "shadow":
            return picture + (ink - picture) * (mask * 0.5)[..., None]
        return picture
    if layer.role == "reference":
        return _copied(layer, picture, ink, bleed, unit) if layer.depth == 0 else picture
    if layer.role == "ring":
        return picture + (sun - picture) * (mask * (0.20 + 0.12 * bleed))[..., None]
    if layer.role == "disc":
        vivid = saturate(layer.colour, 1.0)
        said = float(np.ptp(vivid[mask > 0.5].mean(0))) > 0.45 if (mask > 0.5).any() else False
        colour = layer.colour * np.float32(0.9) if said else sun
        uneven = ramp(mask + (bleed - 0.5) * 0.2, 0.2, 0.7)
        return picture + (colour - picture) * (uneven * (0.82 + 0.16 * bleed))[..., None]
    if layer.role in ("cloud", "mist"):
        veil = mask * (0.92 if layer.role == "mist" else 0.4)
        pale = mix(paper, ink, 0.10 * stack.palette.night)
        picture = picture + (pale - picture) * veil[..., None]
        if layer.role == "mist":
            rim = np.clip(layer.shade, 0, 1) * mask * 0.06
            picture = picture + (ink - picture) * rim[..., None]
        return picture
    if layer.role == "weather":
        return picture + (mix(paper, ink, 0.0 if layer.glow.any() else 0.1) - picture) * (mask * 0.9)[..., None]
    tone = 0.20 + 0.68 * layer.depth
    if layer.role == "ridge":
        hidden = paper + (ink - paper) * np.float32(0.05 + 0.12 * stack.palette.night)
        picture = picture + (hidden - picture) * (mask * 0.86)[..., None]
        fade = np.exp(-below_top(mask) / (unit * (0.10 + 0.10 * layer.depth)))
        alpha = mask * tone * (0.12 + 0.88 * fade) * (0.62 + 0.5 * streaks) * (1 - 0.25 * np.clip(layer.shade, -1, 1))
        alpha = np.clip(alpha + layer.edge * mask * 0.12, 0, 0.96)
        return picture + (ink - picture) * alpha[..., None]
    if layer.role in ("water", "water-foam"):
        ripple = np.clip(-layer.shade - 0.12, 0, 1) * mask
        wet = mask * 0.88
        pale = mix(paper, ink, 0.10)
        picture = picture + (pale - picture) * wet[..., None]
        return picture + (ink - picture) * (ripple * 0.55 * (0.5 + streaks))[..., None]
    return _figure(layer, picture, paper, ink, bleed, tone)


def _copied(layer: Layer, paper: Field, ink: Field, bleed: Field, unit: int) -> Field:
    """A copy of a reference picture: washes in five soft steps, with its strongest reds preserved."""
    tone = np.clip(layer.colour @ LUMA, 0, 1)
    low, high = np.quantile(tone, (0.03, 0.93))
    dark = np.clip((high - tone) / max(float(high - low), 0.05), 0, 1) * 4.999
    step = np.floor(dark)
    density = (step + ramp(dark - step, 0.45, 1.0)) / 5
    density = density * (0.78 + 0.3 * bleed) * 0.9
    edges = np.hypot(*np.gradient(soft(tone, unit * 0.006)))
    line = np.clip(edges * unit / 26 - 0.12, 0, 0.75) * (0.4 + 0.8 * bleed)
    picture = paper + (ink - paper) * np.clip(density + line, 0, 0.94)[..., None]
    red = np.clip((layer.colour[..., 0] - np.maximum(layer.colour[..., 1], layer.colour[..., 2])) * 2.6 - 0.45, 0, 0.9)
    return np.asarray(picture + (rgb("c2402c") - picture) * red[..., None])


def _figure(layer: Layer, picture: Field, paper: Field, ink: Field, bleed: Field, tone: float) -> Field:
    """A subject: blank paper below it, a wash in its own tone, a hint of its colour, brush lines."""
    mask = layer.mask
    luminance = layer.colour @ LUMA
    lifted = np.clip(luminance + 0.2 * layer.shade, 0, 1)
    density = np.clip((1.0 - lifted) * (0.55 + 0.5 * tone), 0.02, 0.95) * (0.8 + 0.3 * bleed)
    hue = saturate(layer.colour, 0.9)
    chroma = np.ptp(layer.colour, axis=2)
    tinted = ink + (hue - ink) * np.clip(chroma * 1.0, 0, 0.62)[..., None]
    washed = paper + (tinted - paper) * np.clip(density, 0, 1)[..., None]
    cover = mask * ramp(mask + (bleed - 0.5) * 0.35, 0.15, 0.6) * (0.55 + 0.42 * min(1.0, tone + 0.2))
    picture = picture + (washed - picture) * cover[..., None]
    stroke = soft(layer.edge, 1.6) * 1.3
    line = np.clip(stroke * (0.25 + 1.1 * bleed) * (0.35 + 0.6 * tone), 0, 0.92)
    return picture + (ink - picture) * line[..., None]


INK = Look("ink", paint, grain=0.020)
