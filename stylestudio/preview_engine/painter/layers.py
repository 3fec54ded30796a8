"""The layer stack: a picture before a look paints it, and the pen that draws shapes into a layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from stylestudio.preview_engine.painter.colour import Palette
from stylestudio.preview_engine.painter.fields import Field, Shape, clamp, soft

Point: TypeAlias = tuple[float, float]
Box: TypeAlias = tuple[slice, slice]


@dataclass(slots=True)
class Layer:
    """One sheet of the picture.

    mask    how much of each pixel it covers, 0 to 1
    colour  its own colour without light, height x width x 3 (or one colour for all)
    shade   light on its forms: -1 in shadow, 0 neutral, 1 lit
    glow    how much it shines by itself, 0 to 1
    edge    1 along the outlines of its parts
    role    sky, halo, disc, stars, cloud, ridge, mist, water, water-foam, subject, light, weather,
            backdrop, ring, shadow or reference: looks treat each in their own way
    depth   0 far away, 1 close by
    """

    role: str
    depth: float
    mask: Field
    colour: Field
    shade: Field
    glow: Field
    edge: Field

    def part(self, box: Box) -> Layer:
        """A view of the layer within `box`."""
        return Layer(
            self.role, self.depth, self.mask[box], self.colour[box], self.shade[box], self.glow[box], self.edge[box]
        )

    def extent(self) -> Box:
        """The smallest box that contains the whole layer; at least one pixel."""
        rows, columns = np.flatnonzero(self.mask.any(axis=1)), np.flatnonzero(self.mask.any(axis=0))
        if rows.size == 0:
            return slice(0, 1), slice(0, 1)
        return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)

    @classmethod
    def plain(cls, role: str, depth: float, mask: Field, colour: Field, shade: Field | float = 0.0) -> Layer:
        """A layer without parts: one mask, one colour or colour field, optionally a shade."""
        shape = mask.shape
        nothing = np.broadcast_to(np.float32(0), shape)
        light = shade if isinstance(shade, np.ndarray) else np.broadcast_to(np.float32(shade), shape)
        return cls(role, depth, mask, np.broadcast_to(colour, (*shape, 3)), light, nothing, nothing)


@dataclass(frozen=True, slots=True)
class Stack:
    """A composed scene, far to near, with everything a look needs besides the layers.

    light  direction towards the light, x right and y down
    """

    shape: Shape
    layers: tuple[Layer, ...]
    palette: Palette
    light: Point
    kind: str
    key: str
    detail: float
    accents: tuple[Field, ...] = ()

    def with_layers(self, layers: Sequence[Layer]) -> Stack:
        return replace(self, layers=tuple(layers))


@dataclass(slots=True)
class Frame:
    """Where the unit box of a drawing lies on the canvas: x from -0.5 to 0.5, y from -1 (top) to 0 (foot)."""

    x: float
    y: float
    size: float
    flip: bool = False
    turn: float = 0.0

    def place(self, points: Sequence[Point]) -> Field:
        at = np.array(points, np.float32).reshape(-1, 2)
        if self.turn:
            c, s = math.cos(self.turn), math.sin(self.turn)
            middle = np.array([0.0, -0.5], np.float32)
            at = (at - middle) @ np.array([[c, s], [-s, c]], np.float32) + middle
        if self.flip:
            at = at * np.array([-1, 1], np.float32)
        return at * np.float32(self.size) + np.array([self.x, self.y], np.float32)


def curve(points: Sequence[Point], steps: int = 8, *, closed: bool = True) -> list[Point]:
    """A smooth line through `points` (Catmull-Rom)."""
    at = np.array(points, np.float64)
    if closed:
        before, after, last = np.roll(at, 1, 0), np.roll(at, -1, 0), np.roll(at, -2, 0)
    else:
        before = np.vstack([at[:1], at[:-1]])[:-1]
        after = at[1:]
        last = np.vstack([at[2:], at[-1:]])
        at = at[:-1]
    t = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    p0, p1, p2, p3 = (p[:, None, :] for p in (before, at, after, last))
    path = 0.5 * (2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (3 * p1 - p0 - 3 * p2 + p3) * t**3)
    out = [(float(x), float(y)) for x, y in path.reshape(-1, 2)]
    if not closed:
        out.append((float(points[-1][0]), float(points[-1][1])))
    return out


@dataclass(slots=True)
class Pen:
    """Draws shaded parts into one layer. Coordinates are relative to the current `frame`."""

    shape: Shape
    light: Point = (-0.6, -0.8)
    frame: Frame = field(default_factory=lambda: Frame(0, 0, 1))
    form: float = 1.0
    mask: Field = field(init=False)
    colour: Field = field(init=False)
    shade: Field = field(init=False)
    glow: Field = field(init=False)
    edge: Field = field(init=False)

    def __post_init__(self) -> None:
        self.mask = np.zeros(self.shape, np.float32)
        self.colour = np.zeros((*self.shape, 3), np.float32)
        self.shade = np.zeros(self.shape, np.float32)
        self.glow = np.zeros(self.shape, np.float32)
        self.edge = np.zeros(self.shape, np.float32)

    def layer(self, role: str, depth: float) -> Layer:
        """Return what has been drawn, without the black of the empty canvas in colour and light under soft borders."""
        whole = 1 / np.maximum(self.mask, np.float32(1 / 64))
        return Layer(
            role,
            depth,
            self.mask,
            np.minimum(self.colour * whole[..., None], 1),
            np.clip(self.shade * whole, -1, 1.5),
            np.minimum(self.glow * whole, 1),
            self.edge,
        )

    def poly(
        self,
        points: Sequence[Point],
        colour: Field,
        shade: float = 0.0,
        *,
        glow: float = 0.0,
        form: float = 0.7,
        line: bool = True,
        alpha: float = 1.0,
        inside: bool = False,
    ) -> None:
        """A filled polygon: `form` rounds it (0 flat), `line` outlines it, `inside` keeps it within the layer."""
        at = self.frame.place(points)
        height, width = self.shape
        x0, y0 = (int(v) - 2 for v in np.floor(at.min(0)))
        x1, y1 = (int(v) + 3 for v in np.ceil(at.max(0)))
        x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, width), min(y1, height)
        if x1 <= x0 or y1 <= y0:
            return
        box = (slice(y0, y1), slice(x0, x1))
        finer = 4 if (x1 - x0) * (y1 - y0) < 16000 else 3
        raster = Image.new("L", ((x1 - x0) * finer, (y1 - y0) * finer), 0)
        corners = (at - np.array([x0, y0], np.float32)) * np.float32(finer) - np.float32(0.5)
        ImageDraw.Draw(raster).polygon(corners.ravel().tolist(), fill=255)
        cover = np.asarray(raster.reduce(finer), np.float32) / np.float32(255)
        self._stamp(box, cover, colour, shade, glow, form * self.form, line, alpha, inside)

    def _stamp(
        self,
        box: Box,
        cover: Field,
        colour: Field,
        shade: float,
        glow: float,
        form: float,
        line: bool,
        alpha: float,
        inside: bool,
    ) -> None:
        light: Field | float = shade
        small = min(cover.shape)
        if form and small > 7:
            reach = max(2.0, min(small * 0.28, self._extent(cover) * 0.45))
            light = shade + self._roundness(cover, reach) * np.float32(reach * form * 0.625)
        covered = cover * np.float32(alpha)
        if inside:
            covered = covered * self.mask[box]
        keep = 1 - covered
        self.colour[box] = self.colour[box] * keep[..., None] + colour * covered[..., None]
        self.shade[box] = self.shade[box] * keep + light * covered
        self.glow[box] = self.glow[box] * keep + np.float32(glow) * covered
        self.edge[box] *= keep
        if line:
            np.maximum(self.edge[box], _rim(cover) * np.float32(alpha), out=self.edge[box])
        self.mask[box] = np.maximum(self.mask[box], covered) if inside else self.mask[box] * keep + covered

    def _roundness(self, cover: Field, reach: float) -> Field:
        """How much a shape that bulges towards its middle faces the light, in units of its slope."""
        if reach <= 10:
            # Small shapes come in hundreds; eight bits and one box blur are enough for them.
            image = Image.fromarray((cover * 255).astype(np.uint8)).filter(ImageFilter.BoxBlur(reach * 0.6))
            swollen = np.pad(np.asarray(image, np.float32) / np.float32(255), 1, mode="edge")
        else:
            swollen = soft(np.pad(cover, 2), reach)[1:-1, 1:-1]
        across, down = swollen[1:-1, :-2] - swollen[1:-1, 2:], swollen[:-2, 1:-1] - swollen[2:, 1:-1]
        return across * np.float32(self.light[0]) + down * np.float32(self.light[1])

    @staticmethod
    def _extent(cover: Field) -> float:
        """Mean thickness of a shape in pixels: its area over its longer side."""
        return float(cover.sum()) / float(max(cover.shape))

    def blob(self, points: Sequence[Point], colour: Field, shade: float = 0.0, **how: float | bool) -> None:
        """A polygon with rounded corners."""
        self.poly(curve(points), colour, shade, **how)  # type: ignore[arg-type]

    def oval(
        self, x: float, y: float, rx: float, ry: float, colour: Field, shade: float = 0.0, **how: float | bool
    ) -> None:
        self.poly(arc(x, y, rx, ry), colour, shade, **how)  # type: ignore[arg-type]

    def rect(
        self, x0: float, y0: float, x1: float, y1: float, colour: Field, shade: float = 0.0, **how: float | bool
    ) -> None:
        self.poly([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], colour, shade, **how)  # type: ignore[arg-type]

    def line(
        self,
        points: Sequence[Point],
        width: float | Sequence[float],
        colour: Field,
        shade: float = 0.0,
        **how: float | bool,
    ) -> None:
        """A stroke along `points`; `width` is one number, or one per point (a brush that swells and thins)."""
        self.poly(ribbon(points, width), colour, shade, **how)  # type: ignore[arg-type]


def _rim(cover: Field) -> Field:
    """A line about one pixel wide along the border of a shape, wherever the border lies between pixels."""
    near = np.pad(cover, 1)
    mean = (near[:-2, 1:-1] + near[2:, 1:-1] + near[1:-1, :-2] + near[1:-1, 2:] + 2 * cover) / 6
    return clamp(5 * mean * (1 - mean))


def arc(x: float, y: float, rx: float, ry: float, start: float = 0.0, end: float = 360.0) -> list[Point]:
    """Points on an ellipse from `start` to `end` degrees, 0 to the right and 90 down."""
    count = max(8, int(abs(end - start) / 9))
    return [
        (x + rx * math.cos(math.radians(a)), y + ry * math.sin(math.radians(a)))
        for a in np.linspace(start, end, count, endpoint=abs(end - start) < 360)
    ]


def ribbon(points: Sequence[Point], width: float | Sequence[float]) -> list[Point]:
    """The outline of a stroke along `points`."""
    at = np.array(points, np.float64)
    along = np.gradient(at, axis=0)
    length = np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)[:, None]
    across = np.stack([-along[:, 1], along[:, 0]], 1) / length
    half = np.broadcast_to(np.array(width, np.float64) / 2, (len(at),))[:, None]
    outline = np.vstack([at + across * half, (at - across * half)[::-1]])
    return [(float(x), float(y)) for x, y in outline]
