"""The ground behind what shows: making it clear without leaving a halo, and filling it so that nothing bleeds in."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

_CLEAR, _SOLID = 4, 251  # of 255: a mask that is at most, or at least, this means none, or all, of a pixel
_TRUSTED = 0.5  # a pixel of which less shows says little of its own colour
_SIDE = 1024  # pixels of the longer side on which colours are spread: they are smooth
Floats = np.ndarray[Any, np.dtype[Any]]  # of 32 bits
Bools = np.ndarray[Any, np.dtype[np.bool_]]


def cut_out(image: Image.Image, mask: Image.Image) -> Image.Image:
    """An RGBA picture of which only what is white in a grey mask of its size shows.

    A pixel at an edge is a mixture of what is in front and of the ground. The ground's part is taken out of it, so that
    it leaves no halo on another one. Clear pixels become (0, 0, 0, 0).
    """
    pixels = np.array(image)
    shows = np.asarray(mask).astype(np.int32)
    shows = np.where(shows <= _CLEAR, 0, np.where(shows >= _SOLID, 255, shows))
    soft = (shows > 0) & (shows < 255)
    if soft.any() and (shows == 0).any():
        share = shows[soft][:, None].astype(np.float32) / 255
        own = pixels[..., :3][soft].astype(np.float32)
        ground = _spread(pixels[..., :3], (shows == 0) & (pixels[..., 3] > 0))[soft]
        unmixed = np.clip((own - (1 - share) * ground) / share, 0, 255)
        trust = np.minimum(share / _TRUSTED, 1) if (shows == 255).any() else np.ones_like(share)
        front = _spread(pixels[..., :3], shows == 255)[soft]
        pixels[soft, :3] = np.rint(trust * unmixed + (1 - trust) * front).astype(np.uint8)
    pixels[..., 3] = ((pixels[..., 3].astype(np.int32) * shows + 127) // 255).astype(np.uint8)
    pixels[pixels[..., 3] == 0] = 0
    return Image.fromarray(pixels)


def filled(image: Image.Image) -> Image.Image:
    """The RGB picture whose clear pixels have the colours of what shows near them."""
    pixels = np.asarray(image)
    clear = pixels[..., 3] == 0
    colours = pixels[..., :3].copy()
    if clear.any() and not clear.all():
        colours[clear] = np.rint(_spread(colours, ~clear)[clear]).astype(np.uint8)
    return Image.fromarray(colours)


def enlarged(source: Image.Image, made: Image.Image) -> Image.Image:
    """The RGB picture `made`, as clear as the smaller RGBA picture that it was made of."""
    alpha = source.getchannel("A")
    if alpha.getextrema() != (255, 255):
        alpha = alpha.resize(made.size, Image.Resampling.LANCZOS)
    else:
        alpha = Image.new("L", made.size, 255)
    result = made.convert("RGB")
    result.putalpha(alpha)
    return result


def _spread(colours: Any, known: Bools) -> Floats:
    """Colours as far as they are known; elsewhere those that are nearby."""
    height, width = known.shape
    if not known.any():
        return np.asarray(colours, np.float32)
    scale = _SIDE / max(height, width)
    if scale >= 1:
        return _pulled(np.asarray(colours, np.float32) * known[..., None], known.astype(np.float32))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    masked = Image.fromarray(np.where(known[..., None], colours, 0).astype(np.uint8))
    weights = Image.fromarray(known.astype(np.uint8) * 255)
    small = np.asarray(masked.resize(size, Image.Resampling.BOX), np.float32)
    share = np.asarray(weights.resize(size, Image.Resampling.BOX), np.float32) / 255
    made = Image.fromarray(np.rint(np.clip(_pulled(small, share), 0, 255)).astype(np.uint8))
    return np.asarray(made.resize((width, height), Image.Resampling.BILINEAR), np.float32)


def _pulled(weighed: Floats, weights: Floats) -> Floats:
    """Colours, given multiplied by weights from 0 to 1; where these are 0, from pictures that are half as large."""
    if weights.min() >= 1 or max(weights.shape) == 1:
        return weighed / np.maximum(weights, 1e-6)[..., None]
    sums = _halved(weights)
    most = np.minimum(sums, 1)
    scale: Floats = (most / np.maximum(sums, 1e-6))[..., None]
    around = _pulled(_halved(weighed) * scale, most)
    larger = around.repeat(2, 0).repeat(2, 1)[: weights.shape[0], : weights.shape[1]]
    missing = (1 - np.minimum(weights, 1))[..., None]
    made: Floats = weighed + missing * larger
    return made


def _halved(values: Floats) -> Floats:
    """Sums of 2 x 2 values."""
    pad = [(0, values.shape[0] % 2), (0, values.shape[1] % 2), *[(0, 0)] * (values.ndim - 2)]
    even = np.pad(values, pad)
    made: Floats = even[0::2, 0::2] + even[1::2, 0::2] + even[0::2, 1::2] + even[1::2, 1::2]
    return made
