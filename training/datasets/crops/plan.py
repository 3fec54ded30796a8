"""What a trainer really sees of every picture: its bucket, how it is scaled, what is cut away.

Only pictures of one size can be in one batch, so sd-scripts scales and crops every picture to a *bucket*, a size whose
sides are multiples of 64. This module makes the same choice from the sizes alone, number for number: what people see
before a training is what happens in it. It knows no database: sizes in, plan out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

Size = tuple[int, int]  # width, height in pixels
Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels of the source

STEP = 64  # pixels; sides of buckets are multiples of it
LEAST_SIDE = 512  # pixels, of buckets that pictures may be enlarged to
MOST_SIDE = 2048
CENTRE = (0.5, 0.5)
ENLARGED = 1.05  # factor; below this nobody notices that a picture was enlarged


@dataclass(frozen=True, slots=True)
class Frame:
    """How one picture is prepared for a batch: scaled from `size` to `resized`, then cropped to `bucket`.

    scale    factor from source to resized; above 1 the picture is enlarged, which makes it soft
    short    factor by which the picture would have to be enlarged to fill a bucket of the full resolution; above 1 it
             is too small, and is trained at less than the resolution unless it is enlarged
    box      the part of the source that is kept; `image.resize(bucket, box=box)` is what the trainer sees
    offset   the same crop in whole pixels of the resized picture: left, top
    cut      share of the area cut away, 0 to 1
    """

    size: Size
    bucket: Size
    resized: Size
    scale: float
    short: float
    offset: tuple[int, int]
    box: Box
    cut: float

    @property
    def usable(self) -> bool:
        """False for pictures with a side so short that no bucket fits: sd-scripts fails on them."""
        return min(self.bucket) > 0

    @property
    def enlarged(self) -> bool:
        """Whether the trainer enlarges this picture."""
        return self.scale > 1

    @property
    def too_small(self) -> bool:
        """Whether it only fills a bucket of the full resolution if it is visibly enlarged."""
        return self.short > ENLARGED

    @property
    def room(self) -> tuple[bool, bool]:
        """Whether the crop can be moved horizontally, and vertically."""
        return self.usable and self.resized[0] > self.bucket[0], self.usable and self.resized[1] > self.bucket[1]


@dataclass(frozen=True)
class Plan:
    """The frames of pictures, in the order of the given sizes."""

    resolution: int
    frames: tuple[Frame, ...]

    @cached_property
    def buckets(self) -> Mapping[Size, tuple[int, ...]]:
        """The pictures (indices in `frames`) of each bucket; the fullest bucket first, then the widest.

        Pictures that are not usable are in none; see `homeless`.
        """
        found: dict[Size, list[int]] = {}
        for index, frame in enumerate(self.frames):
            if frame.usable:
                found.setdefault(frame.bucket, []).append(index)
        order = sorted(found, key=lambda size: (-len(found[size]), -size[0], -size[1]))
        return {size: tuple(found[size]) for size in order}

    @property
    def homeless(self) -> tuple[int, ...]:
        """The pictures (indices in `frames`) that fit no bucket."""
        return tuple(index for index, frame in enumerate(self.frames) if not frame.usable)

    @property
    def lonely(self) -> tuple[Size, ...]:
        """Buckets with a single picture, if there are others: it is never in a batch with another one."""
        if len(self.buckets) < 2:
            return ()
        return tuple(size for size, members in self.buckets.items() if len(members) == 1)

    def steps(self, repeats: int = 1, batch: int = 1) -> int:
        """Steps per epoch: pictures times repeats divided by the batch size, rounded up per bucket, as for its last
        batch.
        """
        return sum(math.ceil(len(members) * repeats / batch) for members in self.buckets.values())


def plan(
    sizes: Sequence[Size],
    resolution: int = 1024,
    *,
    places: Sequence[tuple[float, float]] | None = None,
    upscale: bool = False,
) -> Plan:
    """The frames of pictures of these sizes for training at `resolution` (side of the square with the target area).

    `places` gives for every picture the crop's position in the room its bucket leaves: 0 is left or top, 1 is right or
    bottom; without it, the centre. Without `upscale` (the trainers' setting here) small pictures keep their size and
    get smaller buckets; with it they are enlarged to the bucket of the nearest shape.
    """
    where = places if places is not None else [CENTRE] * len(sizes)
    frames = (frame(size, resolution, place, upscale=upscale) for size, place in zip(sizes, where, strict=True))
    return Plan(resolution, tuple(frames))


def frame(size: Size, resolution: int = 1024, place: tuple[float, float] = CENTRE, *, upscale: bool = False) -> Frame:
    """The frame of one picture. See `plan`."""
    bucket, resized, short = _choice(size, resolution, upscale)
    scale = max(resized[0] / size[0], resized[1] / size[1])
    offset = int((resized[0] - bucket[0]) * place[0]), int((resized[1] - bucket[1]) * place[1])
    across, down = size[0] / resized[0], size[1] / resized[1]
    box = (
        offset[0] * across,
        offset[1] * down,
        min(size[0], (offset[0] + bucket[0]) * across),
        min(size[1], (offset[1] + bucket[1]) * down),
    )
    cut = 1 - bucket[0] * bucket[1] / (resized[0] * resized[1])
    return Frame(size, bucket, resized, scale, short, offset, box, cut)


@cache
def full_buckets(resolution: int) -> tuple[Size, ...]:
    """The buckets of the full area, narrowest first: those that pictures may be enlarged to."""
    area = resolution * resolution
    found = {(resolution // STEP * STEP,) * 2}
    for width in range(LEAST_SIDE, MOST_SIDE + 1, STEP):
        height = min(MOST_SIDE, area // width // STEP * STEP)
        if height >= LEAST_SIDE:
            found |= {(width, height), (height, width)}
    return tuple(sorted(found))


@cache
def _choice(size: Size, resolution: int, upscale: bool) -> tuple[Size, Size, float]:
    """Bucket, size after scaling, and the scale factor to a bucket of the full area."""
    full, filling, short = _enlarging(size, resolution)
    if upscale:
        return full, filling, short
    resized = _shrinking(size, resolution)
    return (resized[0] // STEP * STEP, resized[1] // STEP * STEP), resized, short


def _enlarging(size: Size, resolution: int) -> tuple[Size, Size, float]:
    """The full bucket nearest in shape, and the picture scaled to cover it."""
    width, height = size
    buckets = full_buckets(resolution)
    bucket = size if size in buckets else min(buckets, key=lambda other: abs(other[0] / other[1] - width / height))
    # The shorter side is fitted, the longer one is cropped.
    scale = bucket[1] / height if width / height > bucket[0] / bucket[1] else bucket[0] / width
    return bucket, (_nearest(width * scale), _nearest(height * scale)), scale


def _shrinking(size: Size, resolution: int) -> Size:
    """The picture scaled down to the area, one side a multiple of 64; a smaller one is unchanged."""
    width, height = size
    area = resolution * resolution
    if width * height <= area:
        return size
    shape = width / height
    ideal_width = math.sqrt(area * shape)
    by_width = _on_step(ideal_width)
    by_height = _on_step(area / ideal_width)
    if not by_width or not by_height:
        return _nearest(ideal_width), max(1, _nearest(area / ideal_width))
    # Of the two ways to round, the one that distorts the shape less once the other side is rounded too.
    height_then, width_then = _on_step(by_width / shape), _on_step(by_height * shape)
    error_by_width = abs(by_width / height_then - shape) if height_then else math.inf
    error_by_height = abs(width_then / by_height - shape)
    if error_by_width < error_by_height:
        return by_width, _nearest(by_width / shape)
    return _nearest(by_height * shape), by_height


def _nearest(value: float) -> int:
    return int(value + 0.5)


def _on_step(value: float) -> int:
    return _nearest(value) // STEP * STEP
