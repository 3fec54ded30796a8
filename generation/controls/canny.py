"""Canny's edges, with thresholds that mean what they mean in ComfyUI's own node Canny.

There they are compared with the gradient of a picture of 0 to 1 that is blurred with a sigma of 1, by Sobel's weights
(1, 2, 1) that are not divided by anything: a sharp step from black to white has 2.6.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from generation.controls.facts import HIGH, LOW

Field = NDArray[np.float32]
# The weights of red, green and blue, and of a Gaussian with a sigma of 1 over five pixels.
_GREY = np.array([0.299, 0.587, 0.114], np.float32)
_GAUSS = np.exp(-(np.arange(-2, 3, dtype=np.float32) ** 2) / 2)
_GAUSS /= _GAUSS.sum()
_EPSILON = np.float32(1e-6)
# By eighths of a turn from the right downwards: the neighbour in that direction (rows, columns).
_AROUND = ((0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1))
_TIES = (0, 2)  # to the right and below an equal neighbour is no better


def edges(image: Image.Image, low: float = LOW, high: float = HIGH) -> Image.Image:
    """White lines on black where the picture changes: from `high` on, and from `low` on where that goes on from it."""
    grey = np.asarray(image.convert("RGB"), np.float32) @ _GREY / np.float32(255)
    across, down = _slopes(_blurred(grey))
    steep = np.sqrt(np.pad(across, 1) ** 2 + np.pad(down, 1) ** 2 + _EPSILON)
    thin = np.where(_is_ridge(steep, across, down), steep[1:-1, 1:-1], 0)
    return Image.fromarray(_connected(thin > low, thin > high).astype(np.uint8) * 255)


def _blurred(grey: Field) -> Field:
    return _along(_along(grey, 0), 1)


def _along(field: Field, axis: int) -> Field:
    """Blurred along one axis; beyond the edges the picture is mirrored."""
    room = [(0, 0), (0, 0)]
    room[axis] = (2, 2)
    wide = np.pad(field, room, mode="reflect" if field.shape[axis] > 2 else "symmetric")
    length = field.shape[axis]
    parts = [np.take(wide, range(place, place + length), axis) * weight for place, weight in enumerate(_GAUSS)]
    return np.asarray(sum(parts), np.float32)


def _slopes(field: Field) -> tuple[Field, Field]:
    """How much it grows to the right, and downwards."""
    wide = np.pad(field, 1, mode="edge")
    smooth = wide[:-2] + 2 * wide[1:-1] + wide[2:]
    across = smooth[:, 2:] - smooth[:, :-2]
    smooth = wide[:, :-2] + 2 * wide[:, 1:-1] + wide[:, 2:]
    return across, smooth[2:] - smooth[:-2]


def _is_ridge(steep: Field, across: Field, down: Field) -> NDArray[np.bool_]:
    """Where nothing is steeper before or behind, in the direction in which the picture changes."""
    turn = np.round(np.arctan2(down, across) * np.float32(4 / np.pi)).astype(np.int8) % 8
    middle = steep[1:-1, 1:-1]
    found = np.zeros(middle.shape, bool)
    height, width = middle.shape
    better: list[NDArray[np.bool_]] = []
    for place, (row, column) in enumerate(_AROUND):
        other = steep[1 + row : 1 + row + height, 1 + column : 1 + column + width]
        better.append(middle >= other if place in _TIES else middle > other)
    for place in range(8):
        found |= (turn == place) & better[place] & better[(place + 4) % 8]
    return np.asarray(found & (middle > np.sqrt(_EPSILON)), bool)


def _connected(weak: NDArray[np.bool_], strong: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The strong pixels, and the weak ones that a chain of weak ones ties to them."""
    width = weak.shape[1] + 2
    waits: NDArray[Any] = np.pad(weak & ~strong, 1).ravel()
    found: NDArray[Any] = np.pad(strong, 1).ravel()
    steps = np.array([row * width + column for row, column in _AROUND])
    front = np.flatnonzero(found)
    while front.size:
        near = np.unique(front[:, None] + steps)
        front = near[waits[near]]
        waits[front], found[front] = False, True
    return np.asarray(found.reshape(-1, width)[1:-1, 1:-1], bool)
