"""Subjects on the canvas: which can be drawn, their relative sizes, and where they stand."""

from __future__ import annotations

from dataclasses import dataclass

from stylestudio.preview_engine.painter.colour import Palette
from stylestudio.preview_engine.painter.layers import Frame, Layer, Pen
from stylestudio.preview_engine.painter.scenes.order import Order
from stylestudio.preview_engine.painter.subjects import DRAWINGS, Kit
from stylestudio.preview_engine.painter.terrain import Site
from stylestudio.preview_engine.painter.words import Reading, Subject

FLYING = frozenset(["bird", "dragon", "balloon", "butterfly", "owl", "ghost", "rocket"])
AFLOAT = frozenset(["ship", "fish", "turtle"])
PLANTS = frozenset(["tree", "blossom", "pine", "palm", "cactus", "bamboo"])
TALL = frozenset(["knight", "wizard", "woman", "man", "astronaut", "robot"])
# Relative sizes: a fox is smaller than its knight.
STATURE = {"horse": 1.15, "dragon": 1.2, "bear": 0.95, "deer": 1.05, "monster": 1.05, "ghost": 0.8, "bird": 0.7}


def site_of(order: Order, palette: Palette, light_left: bool) -> Site:
    return Site(order.shape, palette, (-0.62 if light_left else 0.62, -0.78), order.key, order.detail)


def draw_into(
    pen: Pen,
    site: Site,
    subject: Subject,
    x: float,
    y: float,
    size: float,
    *,
    flip: bool = False,
    turn: float = 0.0,
    tag: object = "",
) -> None:
    """Draw one subject into `pen`, `size` pixels high, with its foot at pixel (x, y)."""
    rng = site.rng("subject", subject.name, tag)
    pen.frame = Frame(x, y, size, flip, turn)
    DRAWINGS[subject.name](pen, Kit(rng, site.palette, subject.colour, site.palette.night > 0.3, site.detail))


def drawable(reading: Reading, *families: str) -> list[Subject]:
    return [subject for subject in reading.of(*families) if subject.name in DRAWINGS]


def stature(subject: Subject) -> float:
    """The height of a figure relative to an adult."""
    return 1.0 if subject.name in TALL else STATURE.get(subject.name, 0.6)


@dataclass(slots=True)
class Planes:
    """The layers of land so far, and where subjects stand on them: name, x, y."""

    layers: list[Layer]
    spots: list[tuple[str, float, float]]


def hero_size(main: Subject, site: Site) -> float:
    tall = {
        "house": 0.34,
        "church": 0.42,
        "castle": 0.52,
        "temple": 0.5,
        "village": 0.5,
        "bridge": 0.5,
        "train": 0.42,
        "car": 0.26,
        "pyramid": 0.42,
        "tent": 0.26,
        "volcano": 0.62,
        "waterfall": 0.55,
    }
    small = min(1.0, site.height / site.width + 0.25)
    return site.unit * tall.get(main.name, 0.44 if main.name in PLANTS else 0.46) * (0.9 + 0.1 * small)
