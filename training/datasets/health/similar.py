"""Pictures that are the same except for size, compression, a small crop at the edges or mirroring.

Pictures are compared by their patch (`measures.patch`) in three steps, each more expensive and with fewer pairs left: a
glance at 8 by 8 pixels; 81 crops of one picture laid over the other at 16 pixels; the best of them shifted until it
fits. What counts in the end is how well the drawing agrees once the broad light and dark is removed, and that light and
colours agree too: pictures of one subject by one artist agree in some of that, copies in all of it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.datasets.health.stored import PATCH, TINT

Plane = NDArray[np.floating[Any]]
Places = NDArray[np.intp]

GLANCE, COARSE = 8, 16  # pixels of the first two steps
CUTS = (0.0, 0.04, 0.08)  # shares of a side that may be missing at each end
MOST_CUT = 0.12
MOST_SHAPE = 0.2  # difference of the logarithms of width over height: two crops of 8 % make 0.17
FITTING = 24  # pixels while a crop is shifted
ROUNDS = 6
BATCH = 512  # pairs shifted at once: 40 MB

# Limits between copies and pictures that only look alike; tests/training/datasets/health/test_similar.py prints what
# they yield.
AT_A_GLANCE = 0.78  # agreement of light and dark at 8 pixels; copies have at least 0.80
FAR_TINT = 12.0  # levels of 255 by which colours may differ at 4 pixels
ROUGHLY = 0.80  # agreement of the drawing at 16 pixels; copies have at least 0.84
DRAWING = 0.85  # agreement of the drawing in the end; most copies have 0.90
LIGHT = 0.12  # share of light and dark that the other picture does not explain; copies have at most 0.09
SPOT = 13.0  # levels by which one spot may be lighter; copies have at most 11
COLOUR, COLOUR_SHARE = 1.5, 0.1  # mean difference of colours in levels, plus that share of their contrast


@dataclass(frozen=True, slots=True)
class Pair:
    """Two pictures that are nearly the same, by their index in the comparison; `first` is the smaller one.

    likeness  agreement of the drawing, DRAWING to 1
    mirrored  one of them is flipped horizontally
    """

    first: int
    second: int
    likeness: float
    mirrored: bool


def find_copies(patches: NDArray[np.uint8], shapes: Sequence[float], new: Collection[int] | None = None) -> list[Pair]:
    """All pairs of copies among pictures, given their patches and aspect ratios (width over height).

    With `new`, only pairs that include at least one of these indices: the others were compared before.
    """
    if len(patches) < 2:
        return []
    light, tints = planes(patches)
    found: dict[tuple[int, int], Pair] = {}
    for mirrored in (False, True):
        other, other_tints = (light[..., ::-1], tints[..., ::-1]) if mirrored else (light, tints)
        first, second = _glance(light, tints, other, other_tints, np.asarray(shapes), new)
        # Either may be the cropped one. Mirroring both of a mirrored pair changes nothing.
        target, source = np.concatenate([first, second]), np.concatenate([second, first])
        near, cuts = _roughly(light, other, target, source)
        target, source = target[near], source[near]
        for start in range(0, len(target), BATCH):
            part = slice(start, start + BATCH)
            here, there = target[part], source[part]
            likeness = _fitted(light[here], tints[here], other[there], other_tints[there], cuts[part])
            for place in np.flatnonzero(likeness):
                pair = _pair(here[place], there[place], likeness[place], mirrored)
                known = found.setdefault((pair.first, pair.second), pair)
                if known.likeness < pair.likeness:
                    found[pair.first, pair.second] = pair
    return sorted(found.values(), key=lambda pair: (pair.first, pair.second))


def _pair(here: np.intp, there: np.intp, likeness: np.float32, mirrored: bool) -> Pair:
    first, second = sorted((int(here), int(there)))
    return Pair(first, second, round(float(likeness), 3), mirrored)


def planes(patches: NDArray[np.uint8]) -> tuple[Plane, Plane]:
    """Luminance (n, PATCH, PATCH) and both colours (n, 2, TINT, TINT) of patches."""
    size = PATCH * PATCH
    light = patches[:, :size].reshape(-1, PATCH, PATCH).astype(np.float32)
    tints = patches[:, size:].reshape(-1, 2, TINT, TINT).astype(np.float32)
    return light, tints


def _glance(
    light: Plane,
    tints: Plane,
    other: Plane,
    other_tints: Plane,
    shapes: NDArray[np.float64],
    new: Collection[int] | None,
) -> tuple[Places, Places]:
    """Pairs that may be copies at 8 by 8 pixels: their indices, the smaller one first."""
    alike = normal(pooled(light, GLANCE)) @ normal(pooled(other, GLANCE)).T
    logs = np.log(shapes)
    near = (alike >= AT_A_GLANCE) & (np.abs(logs[:, None] - logs[None, :]) <= MOST_SHAPE)
    near = np.triu(near, 1)
    if new is not None:
        is_new = np.zeros(len(light), bool)
        is_new[list(new)] = True
        near &= is_new[:, None] | is_new[None, :]
    first, second = np.nonzero(near)
    lean, other_lean = pooled(tints, 4), pooled(other_tints, 4)
    apart = np.sqrt(((lean[first] - other_lean[second]) ** 2).mean(axis=(1, 2, 3)))
    return first[apart <= FAR_TINT], second[apart <= FAR_TINT]


def _roughly(light: Plane, other: Plane, target: Places, source: Places) -> tuple[Places, Plane]:
    """Which pairs look alike at 16 pixels for some crop of the source, and which crop: (top, bottom, left, right)."""
    drawn = normal(drawing(pooled(light, COARSE)))
    small = pooled(other, COARSE)
    best = np.zeros(len(target), np.float32)
    chosen = np.zeros(len(target), np.intp)
    order = np.argsort(source, kind="stable")
    for mine in np.split(order, np.flatnonzero(np.diff(source[order])) + 1):
        if len(mine):
            alike = normal(drawing(_all_cuts(small[source[mine[0]]]))) @ drawn[target[mine]].T
            chosen[mine], best[mine] = alike.argmax(axis=0), alike.max(axis=0)
    near = np.flatnonzero(best >= ROUGHLY)
    ends = np.array(list(product(CUTS, repeat=4)), np.float32)
    return near, ends[chosen[near]]


def _all_cuts(plane: Plane) -> Plane:
    """The plane with every combination of CUTS at its ends, stretched to its size; in the order of `product`."""
    ends = np.array(list(product(CUTS, repeat=2)), np.float32)
    matrices = cutting(COARSE, ends)
    across = plane @ matrices.transpose(0, 2, 1)
    return (matrices[:, None] @ across[None]).reshape(-1, *plane.shape)


def _fitted(target: Plane, target_tints: Plane, source: Plane, source_tints: Plane, cuts: Plane) -> Plane:
    """How well the drawing of each source fits its target, with the best crop; 0 if they are not copies."""
    cuts = _moved(pooled(target, FITTING), pooled(source, FITTING), cuts)
    laid = _laid(source, cuts)
    likeness = (normal(drawing(laid)) * normal(drawing(target))).sum(axis=1)
    left = pooled(_less(target, laid), 8)
    blind = np.sqrt((left**2).mean(axis=(1, 2))) / (target.std(axis=(1, 2)) + 1)
    tints = np.stack([_laid(source_tints[:, plane], cuts) for plane in (0, 1)], axis=1)
    apart = pooled(tints, 8) - pooled(target_tints, 8)
    colour = np.sqrt((apart**2).mean(axis=(1, 2, 3)))
    same_colour = colour <= COLOUR + COLOUR_SHARE * target_tints.std(axis=(2, 3)).max(axis=1)
    copies = (likeness >= DRAWING) & (blind <= LIGHT) & (np.abs(left).max(axis=(1, 2)) <= SPOT) & same_colour
    return np.where(copies, likeness, 0).astype(np.float32)


def _moved(target: Plane, source: Plane, cuts: Plane) -> Plane:
    """The crops at which each source fits its target best.

    Gauss-Newton: the residual of the drawing and its slopes give the direction in which to move the four ends.
    """
    wanted = normal(drawing(target))
    best, best_cuts = np.full(len(cuts), -1, np.float32), cuts
    for _round in range(ROUNDS):
        laid = _laid(source, cuts)
        drawn = drawing(laid)
        rows = normal(drawn)
        fit = (rows * wanted).sum(axis=1)
        better = fit > best
        best = np.where(better, fit, best)
        best_cuts = np.where(better[:, None], cuts, best_cuts)
        slopes = _slopes(laid, drawn, cuts)
        transposed = slopes.transpose(0, 2, 1)
        square = transposed @ slopes + 1e-3 * np.eye(4, dtype=np.float32)
        move = np.linalg.solve(square, transposed @ (wanted - rows)[..., None])[..., 0]
        cuts = np.clip(cuts + np.clip(move, -0.03, 0.03), 0, MOST_CUT).astype(np.float32)
    return best_cuts


def _less(target: Plane, laid: Plane) -> Plane:
    """The part of the target that the other picture does not explain, however its brightness and
    contrast are changed.
    """
    one, two = (plane - plane.mean(axis=(1, 2), keepdims=True) for plane in (target, laid))
    contrast = (one * two).sum(axis=(1, 2), keepdims=True) / ((two**2).sum(axis=(1, 2), keepdims=True) + 1e-6)
    left: Plane = one - contrast * two
    return left


def _laid(source: Plane, cuts: Plane) -> Plane:
    """Each source without what its crop (top, bottom, left, right) removes, stretched to its size."""
    side = source.shape[-1]
    return cutting(side, cuts[:, :2]) @ source @ cutting(side, cuts[:, 2:]).transpose(0, 2, 1)


def _slopes(laid: Plane, drawn: Plane, cuts: Plane) -> Plane:
    """The derivative of the rows of `normal(drawing(laid))` by each end of the crop: (n, pixels, 4)."""
    side = laid.shape[-1]
    along = ((np.arange(side) + 0.5) / side).astype(np.float32)
    parts = []
    for axis, (start, end) in ((1, (0, 1)), (2, (2, 3))):
        kept = 1 - cuts[:, start] - cuts[:, end]
        slope = np.gradient(laid, axis=axis) * side / kept[:, None, None]
        place = along[:, None] if axis == 1 else along[None, :]
        parts += [slope * (1 - place), -slope * place]
    size = np.sqrt((drawn.reshape(len(drawn), -1) ** 2).sum(axis=1)) + 1e-6
    rows = [drawing(part).reshape(len(laid), -1) / size[:, None] for part in parts]
    return np.stack(rows, axis=-1).astype(np.float32)


def pooled(planes: Plane, side: int) -> Plane:
    """Means of square blocks, so that `side` pixels are left."""
    block = planes.shape[-1] // side
    means: Plane = planes.reshape(*planes.shape[:-2], side, block, side, block).mean(axis=(-3, -1))
    return means


def drawing(planes: Plane) -> Plane:
    """Planes without their broad light and dark: minus the mean of a square around each pixel."""
    matrix = _broad(planes.shape[-1])
    return planes - matrix @ planes @ matrix.T


@cache
def _broad(side: int) -> Plane:
    """The matrix of the mean of about a quarter of a side around each pixel; edges are repeated."""
    reach = max(2, side // 9)
    matrix = np.zeros((side, side), np.float32)
    for row in range(side):
        for cell in range(row - reach, row + reach + 1):
            matrix[row, min(max(cell, 0), side - 1)] += 1 / (2 * reach + 1)
    return matrix


def normal(planes: Plane) -> Plane:
    """Rows of length 1 around 0; a plane without any drawing stays near 0, so that nothing is like it."""
    rows = planes.reshape(*planes.shape[: -2 if planes.ndim < 4 else -3], -1)
    rows = rows - rows.mean(axis=-1, keepdims=True)
    noise = 1.0 * np.sqrt(rows.shape[-1])  # one grey level
    return np.asarray(rows / np.sqrt((rows**2).sum(axis=-1, keepdims=True) + noise**2), np.float32)


def cutting(side: int, ends: Plane) -> Plane:
    """Matrices that stretch the part between two shares of a side (n, 2) to the whole side, by area averaging."""
    steps = np.linspace(0, 1, side + 1, dtype=np.float32)
    kept = 1 - ends.sum(axis=1, keepdims=True)
    edges = (ends[:, :1] + kept * steps) * side
    cells = np.arange(side, dtype=np.float32)
    overlap = np.minimum(edges[:, 1:, None], cells + 1) - np.maximum(edges[:, :-1, None], cells)
    weights = np.clip(overlap, 0, None)
    return np.asarray(weights / weights.sum(axis=2, keepdims=True), np.float32)
