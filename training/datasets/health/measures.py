"""What the health check measures of one picture, from a single small decode.

A JPEG is decoded at the smallest scale that still has 512 pixels, and everything is measured at 512 pixels of the
longer side, so that results for large and small pictures are comparable. The results are stored with the picture
(`DatasetImage.measures` and `.descriptor`), and only missing ones or those of an older `stored.VERSION` are measured
again.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stylestudio.images.decoding import BROKEN, MORE_FORMATS, flat, open_picture
from stylestudio.images.grounds import behind
from training.datasets.health import stored
from training.datasets.health.stored import ANGLES, FEATURES, GREYS, HUES, PATCH, PATCH_BYTES, TINT

SIDE = 512  # pixels of the longer side at which pictures are measured
LEAST = 8  # pixels of the shorter side: below this there are no slopes to measure
CORNER = 1024  # pixels per side of the area in which blocks are searched
SPAN = 8  # pixels over which the height of an edge is measured
FLAT = 2.0  # grey levels: a smaller step between neighbours does not count as drawing

Plane = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Measures:
    """The measures of one picture, as stored.

    sharpness   how steep the strongest edges are: 1 from one pixel to the next, 0.125 a soft ramp; 1 without any edge
    one_colour  share of the most frequent colour, 0 to 1
    quality     of a JPEG, from its tables, on the usual scale of 1 to 100; None for other formats
    blocks      how much more neighbours differ at the edges of 8 pixel blocks than inside them: 1 not at all; None
                if the picture was scaled down while it was decoded
    pixels      equal for pictures with the same pixels, whatever file they are in
    """

    version: int
    sharpness: float
    one_colour: float
    quality: int | None
    blocks: float | None
    pixels: str


@dataclass(frozen=True, slots=True)
class Measured:
    """`measures` for the JSON column; `descriptor` is FEATURES floats of colour and texture, then the patch."""

    measures: dict[str, Any]
    descriptor: bytes


def measure(file: IO[bytes], background: str = "") -> Measured:
    """Measure the picture in `file`; transparent parts are flattened onto `background` (#rrggbb).

    Without a background, onto a colour on which the picture is visible. Raises ValueError if it cannot be decoded.
    """
    try:
        with open_picture(file, MORE_FORMATS) as image:
            size, quality = image.size, jpeg_quality(image)
            image.draft("RGB", (SIDE, SIDE))
            whole = image.size == size
            full = flat(image, background or behind(image))
    except BROKEN as error:
        raise ValueError("broken picture") from error
    # Of a large picture only a corner: as an array the whole would be several times its size.
    corner = full.crop((0, 0, min(full.width, CORNER), min(full.height, CORNER)))
    blocks = blockiness(grey(corner)) if whole else None
    small = full
    small.thumbnail((SIDE, SIDE), Image.Resampling.BOX)  # shrinks larger ones only
    if min(small.size) < LEAST:
        small = small.resize((max(LEAST, small.width), max(LEAST, small.height)), Image.Resampling.NEAREST)
    light = grey(small)
    digest = hashlib.sha256(f"{size[0]}x{size[1]}\n".encode() + small.tobytes()).hexdigest()[:32]
    measures = Measures(
        version=stored.VERSION,
        sharpness=round(sharpness(light), 3),
        one_colour=round(one_colour(small), 3),
        quality=quality,
        blocks=None if blocks is None else round(blocks, 2),
        pixels=digest,
    )
    return Measured(asdict(measures), features(small, light).tobytes() + patch(small))


def grey(image: Image.Image) -> Plane:
    """The luminance, 0 to 255."""
    return np.asarray(image.convert("L"), np.float32)


def sharpness(light: Plane) -> float:
    """The steepest step within the strongest edges, as a share of their whole height, 0 to 1.

    Edges are compared with themselves, so neither contrast nor the amount of detail matters.
    """
    steepness = [found for plane in (light, light.T) if (found := _steepness(plane)) is not None]
    return max(steepness, default=1.0)


def _steepness(plane: Plane) -> float | None:
    if plane.shape[1] <= SPAN:
        return None
    height = np.abs(plane[:, SPAN:] - plane[:, :-SPAN])
    strong = max(float(np.percentile(height[::4, ::4], 95)), 16.0)
    edges = height >= strong
    if edges.sum() < 16:
        return None
    step = np.abs(np.diff(plane, axis=1))
    for reach in (1, 2, 4):  # the largest of 2, then 4, then 8 neighbours
        step = np.maximum(step[:, :-reach], step[:, reach:])
    return min(1.0, float(np.median(step[edges] / height[edges])))


def one_colour(image: Image.Image) -> float:
    """The share of the most frequent colour, 0 to 1; colours within 16 levels per channel count as one."""
    pixels = np.asarray(image, np.uint16)[::2, ::2]
    shares = []
    for shift in (0, 8):  # what one grid divides is whole in the other
        bins = (pixels + shift) >> 4
        keys = (bins[..., 0] * 17 + bins[..., 1]) * 17 + bins[..., 2]
        shares.append(np.bincount(keys.ravel()).max() / keys.size)
    return float(max(shares))


def jpeg_quality(image: Image.Image) -> int | None:
    """The quality setting with which libjpeg writes these tables, 1 to 100. None if it is not a JPEG."""
    tables = getattr(image, "quantization", None)
    if image.format not in {"JPEG", "MPO"} or not tables:
        return None
    # The standard luminance table sums to 3688 at quality 50; libjpeg scales it by 50/q below and 2 - q/50 above.
    scale = sum(tables[min(tables)]) / 3688
    quality = 50 / scale if scale > 1 else 50 * (2 - scale)
    return max(1, min(100, int(quality + 0.5)))


def blockiness(light: Plane) -> float:
    """How much larger the small steps on a grid of 8 pixels are than elsewhere: 1 for pictures without blocks."""
    return min(_grid(light), _grid(light.T))


def _grid(plane: Plane) -> float:
    steps = np.abs(np.diff(plane, axis=1))
    width = steps.shape[1] // 8 * 8
    if width < 64:
        return 1.0
    # Drawn edges are high, and pixel art has nothing else; compression leaves low steps.
    steps = np.where(steps <= 12, steps, 0)[:, :width].reshape(len(steps), -1, 8).mean(axis=(0, 1))
    inside = float(np.median(steps))
    return float(steps.max()) / inside if inside > 0.05 else 1.0


def features(image: Image.Image, light: Plane) -> Plane:
    """FEATURES numbers of colour and texture, each roughly 0 to 1, for comparing a picture with its set."""
    lean = image.resize((64, 64), Image.Resampling.BOX, reducing_gap=2.0).convert("YCbCr")
    planes = np.asarray(lean, np.float32).reshape(-1, 3) / 255
    blue, red = planes[:, 1] - 0.5, planes[:, 2] - 0.5
    chroma = np.hypot(blue, red)
    hue = ((np.arctan2(red, blue) / (2 * np.pi) + 0.5) * HUES).astype(int) % HUES
    hues = np.bincount(hue, chroma, HUES) / len(planes)
    greys = np.histogram(planes[:, 0], GREYS, (0, 1))[0] / len(planes)
    values = [*planes.mean(0), *planes.std(0), *np.sqrt(greys), *np.sqrt(hues), chroma.mean(), *_texture(light)]
    return np.array(values, np.float32)


def _texture(light: Plane) -> list[float]:
    """Detail at four scales, the directions of edges, and the flat share."""
    down, across = np.gradient(light)
    strength = np.hypot(down, across)
    angle = ((np.arctan2(down, across) / np.pi) % 1 * ANGLES).astype(int) % ANGLES
    angles = np.bincount(angle.ravel(), strength.ravel(), ANGLES)
    details, plane = [], light
    for _scale in range(4):
        details.append(float(np.log1p(np.abs(np.diff(plane, axis=1)).mean()) / 4))
        height, width = (side // 2 * 2 for side in plane.shape)
        if min(height, width) < 4:
            details += [details[-1]] * (4 - len(details))
            break
        plane = plane[:height, :width].reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3))
    return [*details, *np.sqrt(angles / max(float(angles.sum()), 1e-6)), float((strength < FLAT).mean())]


def patch(image: Image.Image) -> bytes:
    """The whole picture as a small square of PATCH pixels: luminance, and both colour planes at TINT pixels."""
    lean = image.resize((PATCH, PATCH), Image.Resampling.BOX, reducing_gap=3.0).convert("YCbCr")
    light, blue, red = lean.split()
    tints = [plane.resize((TINT, TINT), Image.Resampling.BOX).tobytes() for plane in (blue, red)]
    return light.tobytes() + b"".join(tints)


def read_features(descriptors: list[bytes]) -> Plane:
    """The colour and texture of stored descriptors, one row each."""
    rows = b"".join(bytes(data[: FEATURES * 4]) for data in descriptors)
    return np.frombuffer(rows, np.float32).reshape(-1, FEATURES)


def read_patches(descriptors: list[bytes]) -> NDArray[np.uint8]:
    """The patches of stored descriptors, one row each."""
    rows = b"".join(bytes(data[FEATURES * 4 :]) for data in descriptors)
    return np.frombuffer(rows, np.uint8).reshape(-1, PATCH_BYTES)


def oddness(rows: Plane) -> Plane:
    """How far each row is from the median of all, in robust standard deviations of those distances: 0 is typical."""
    middle = np.median(rows, axis=0)
    spread = np.median(np.abs(rows - middle), axis=0) * 1.4826 + 0.05
    apart = np.sqrt((np.clip((rows - middle) / spread, -6, 6) ** 2).mean(axis=1))
    usual = float(np.median(apart))
    width = float(np.median(np.abs(apart - usual))) * 1.4826 + 0.1
    return np.asarray((apart - usual) / width, np.float32)
