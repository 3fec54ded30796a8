"""Pictures of one thing or a few in front of a backdrop."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stylestudio.preview_engine.painter import terrain
from stylestudio.preview_engine.painter.colour import Palette, mix, rgb, shift
from stylestudio.preview_engine.painter.fields import Field, grid, noise, ramp, stream
from stylestudio.preview_engine.painter.layers import Layer, Stack
from stylestudio.preview_engine.painter.scenes.order import Order, palette_of
from stylestudio.preview_engine.painter.scenes.placing import draw_into, drawable, site_of, stature
from stylestudio.preview_engine.painter.scenes.sky import weather_layers
from stylestudio.preview_engine.painter.subjects import DRAWINGS
from stylestudio.preview_engine.painter.terrain import Site
from stylestudio.preview_engine.painter.words import Subject

EMBLEMS = {
    "mountain": "mountain",
    "hill": "island",
    "sea": "wave",
    "lake": "splash",
    "river": "splash",
    "forest": "pine",
    "desert": "cactus",
    "city": "buildings",
    "meadow": "flower",
    "snowland": "ice",
    "swamp": "mushroom",
    "cave": "gem",
}


def backdrop(site: Site, colour: Field, floor: float) -> list[Layer]:
    """A studio: a wall that curves into the floor at `floor` (share of the height)."""
    row, column = grid(site.shape)
    v = row / site.height
    pool = np.exp(-(((column / site.width - 0.5) / 0.5) ** 2 + ((v - 0.42) / 0.42) ** 2))
    wall = Layer.plain("backdrop", 0.0, np.ones(site.shape, np.float32), colour, pool * 0.36 - 0.2)
    ground = ramp(v, floor - 0.05, floor + 0.12) * np.ones((1, site.width), np.float32)
    sheen = np.exp(-(((column / site.width - 0.5) / 0.45) ** 2 + ((v - floor - 0.08) / 0.16) ** 2))
    table = Layer.plain("backdrop", 0.1, ground, mix(colour, rgb("ffffff"), 0.06), sheen * 0.26 - 0.16)
    return [wall, table]


def contact_shadow(site: Site, x: float, y: float, half: float) -> Layer:
    row, column = grid(site.shape)
    lean = -site.light[0] * half * 0.35
    d = ((column - x - lean) / (half * 1.25)) ** 2 + ((row - y) / (half * 0.27)) ** 2
    tight = ((column - x - lean * 0.2) / (half * 0.8)) ** 2 + ((row - y) / (half * 0.12)) ** 2
    dark = shift(site.palette.haze, 0, 1.4, 0.22)
    return Layer.plain("shadow", 0.2, np.exp(-d * 1.6) * 0.42 + np.exp(-tight * 2) * 0.3, dark)


def studio_colour(order: Order, palette: Palette) -> Field:
    rng = stream(order.key, "studio")
    tones = ("e3d5c5", "cfd8d6", "d9d3e0", "e6d9cc", "d3dde6", "dfe0cf", "e9cfc4")
    colour = rgb(tones[int(rng.integers(len(tones)))])
    said = order.reading.sky.get("background")
    if said is not None:
        return said
    if order.reading.tints:
        colour = mix(colour, order.reading.tints[-1], 0.55)
    if order.reading.times or palette.night > 0.3 or "dark" in order.reading.moods:
        colour = mix(colour, palette.sky, 0.75)
    return colour


def still_life(order: Order, subjects: Sequence[Subject]) -> Stack:
    """Up to four things on a table."""
    palette = palette_of(order, "day", "abstract")
    rng = stream(order.key, "still life")
    site = site_of(order, palette, bool(rng.random() < 0.6))
    shown = [s for s in subjects if s.name in DRAWINGS][:4]
    if len(shown) == 1 and shown[0].many:
        shown = shown * 3
    height, width, unit = site.height, site.width, site.unit
    floor = 0.70 if height <= width else 0.66
    layers = backdrop(site, studio_colour(order, palette), floor)
    foot = height * (floor + (0.14 if len(shown) > 1 else 0.10))
    spread = {1: (0.5,), 2: (0.34, 0.67), 3: (0.5, 0.2, 0.8), 4: (0.4, 0.66, 0.16, 0.87)}[max(1, len(shown))]
    sizes = {1: (0.64,), 2: (0.5, 0.44), 3: (0.5, 0.36, 0.36), 4: (0.44, 0.38, 0.3, 0.3)}[max(1, len(shown))]
    span = min(width, height * 1.25)
    for index in sorted(range(len(shown)), key=lambda i: sizes[i]):
        subject, pen = shown[index], site.pen()
        size = unit * sizes[index] * float(rng.uniform(0.94, 1.06))
        x = width / 2 + (spread[index] - 0.5) * span + float(rng.uniform(-0.02, 0.02)) * unit
        y = foot + (0.03 * unit if sizes[index] < 0.45 else 0)
        draw_into(pen, site, subject, x, y, size, flip=bool(rng.random() < 0.3), tag=index)
        layers += [contact_shadow(site, x, y, size * 0.36), pen.layer("subject", 0.8)]
    layers += weather_layers(order, site, False, True, floor)
    return Stack(
        order.shape, tuple(layers), palette, site.light, "object", order.key, order.detail, order.reading.tints
    )


def portrait(order: Order) -> Stack:
    """One or a few figures in front of a quiet backdrop with a halo of light."""
    palette = palette_of(order, "day", "sunset", "dusk", "abstract")
    rng = stream(order.key, "portrait")
    site = site_of(order, palette, bool(rng.random() < 0.6))
    height, width, unit = site.height, site.width, site.unit
    figures = drawable(order.reading, "figure")[:3]
    things = drawable(order.reading, "item", "effect")[:2]
    row, column = grid(site.shape)
    layers = [terrain.sky(site, 1.1)]
    ring = np.hypot(column - width / 2, row - height * 0.42)
    glow = Layer.plain(
        "ring",
        0.05,
        ramp(ring, unit * 0.42, unit * 0.40) * np.float32(0.9),
        mix(palette.horizon, palette.disc, 0.5),
        0.15,
    )
    layers.append(glow)
    line = terrain.ridge_line(site, "hill", "hill", height * 0.88, unit * 0.12)
    layers.append(terrain.ridge(site, "hill", line, "hill", 0.5, mix(palette.far, palette.near, 0.5)))
    close = "close" in order.reading.moods and len(figures) == 1
    size = min(height * 0.84, width * 0.98) * (1.5 if close else 1.0)
    foot = height * (1.32 if close and height >= width * 0.8 else 1.42 if close else 0.965)
    count = len(figures) or 1
    for index, subject in enumerate(figures):
        pen = site.pen()
        x = width * (0.5 if count == 1 else (index + 0.85) / (count + 0.7))
        each = size * (1.0 if count == 1 else 0.84 * stature(subject))
        if not close:
            layers.append(contact_shadow(site, x, foot, each * 0.3))
        draw_into(pen, site, subject, x, foot, each, flip=bool(rng.random() < 0.5), tag=index)
        layers.append(pen.layer("subject", 0.85))
    for index, subject in enumerate(things):
        pen = site.pen()
        x = width / 2 + (1 if index else -1) * min(width * 0.36, size * 0.46)
        draw_into(pen, site, subject, x, foot * 0.985 if not close else height * 0.9, unit * 0.3, tag=index)
        layers.append(pen.layer("subject", 0.9))
    layers += weather_layers(order, site, False, True, 0.8)
    return Stack(
        order.shape, tuple(layers), palette, site.light, "portrait", order.key, order.detail, order.reading.tints
    )


def effect(order: Order) -> Stack:
    """A visual effect alone in the dark."""
    palette = palette_of(order, "night")
    rng = stream(order.key, "effect")
    site = site_of(order, palette, True)
    height, width, unit = site.height, site.width, site.unit
    dark = mix(rgb("15141d"), palette.zenith, 0.25)
    cloud = noise(site.rng("dark"), site.shape, 3, 3)
    layers = [Layer.plain("backdrop", 0.0, np.ones(site.shape, np.float32), dark, cloud * 0.3 - 0.15)]
    shown = drawable(order.reading, "effect")[:2]
    for index, subject in enumerate(shown):
        tinted = subject
        if subject.colour is None and order.reading.tints:
            tinted = Subject(subject.name, subject.family, order.reading.tints[0], subject.many)
        pen = site.pen()
        size = unit * (0.86 if index == 0 else 0.6)
        draw_into(
            pen, site, tinted, width / 2, height / 2 + size / 2, size, tag=index, turn=float(rng.uniform(-0.06, 0.06))
        )
        layers.append(pen.layer("light", 0.8))
    return Stack(
        order.shape, tuple(layers), palette, site.light, "effect", order.key, order.detail, order.reading.tints
    )


def interface(order: Order) -> Stack:
    """Panels, buttons and displays."""
    palette = palette_of(order, "night", "dusk")
    site = site_of(order, palette, True)
    height, width, unit = site.height, site.width, site.unit
    tint = order.reading.tints[0] if order.reading.tints else palette.zenith
    dark = mix(rgb("14161d"), tint * np.float32(0.3), 0.5)
    layers = [Layer.plain("backdrop", 0.0, np.ones(site.shape, np.float32), dark, 0.05)]
    shown = drawable(order.reading, "interface")[:1]
    pen = site.pen(form=0.6)
    for subject in shown:
        tinted = Subject(
            subject.name,
            subject.family,
            subject.colour if subject.colour is not None else (order.reading.tints or (None,))[0],
        )
        draw_into(pen, site, tinted, width / 2, height / 2 + unit * 0.47, unit * 0.94)
    layers.append(pen.layer("subject", 0.8))
    items = drawable(order.reading, "item")[:1]
    if items:
        inner = site.pen()
        draw_into(inner, site, items[0], width / 2, height / 2 + unit * 0.14, unit * 0.28)
        layers.append(inner.layer("subject", 0.9))
    return Stack(
        order.shape, tuple(layers), palette, site.light, "interface", order.key, order.detail, order.reading.tints
    )


def space(order: Order) -> Stack:
    """Planets and stars."""
    palette = palette_of(order, "night")
    rng = stream(order.key, "space")
    site = site_of(order, palette, bool(rng.random() < 0.5))
    height, width, unit = site.height, site.width, site.unit
    _row, _ = grid(site.shape)
    deep = Layer.plain("sky", 0.0, np.ones(site.shape, np.float32), mix(rgb("0b0a18"), palette.zenith, 0.5), 0.0)
    tints = order.reading.tints
    first = tints[0] if tints else (rgb("c95f9a"), rgb("4f7fd6"), rgb("3fae9f"))[int(rng.integers(3))]
    second = tints[1] if len(tints) > 1 else shift(first, 0.18)
    layers = [
        deep,
        terrain.milky_way(site, (first, second), float(rng.uniform(0.3, 1.3))),
        terrain.stars(site, 1.0, True),
    ]
    planets = [s for s in drawable(order.reading, "space") if s.name == "planet"]
    if planets or not order.reading.of("effect"):
        subject = planets[0] if planets else Subject("planet", "space")
        for index, (x, y, size) in enumerate(((0.40, 0.52, 0.62), (0.80, 0.24, 0.17), (0.16, 0.84, 0.09))):
            if "planet" not in DRAWINGS or (not planets and index == 0):
                continue
            pen = site.pen()
            each = subject if index == 0 else Subject("planet", "space")
            draw_into(pen, site, each, width * x, height * y + unit * size / 2, unit * size, tag=index)
            layers.append(pen.layer("subject", 0.6))
    others = drawable(order.reading, "landmark", "item", "effect")[:2]
    for index, subject in enumerate(others):
        pen = site.pen()
        size = unit * 0.34
        draw_into(pen, site, subject, width * (0.72 - 0.5 * index), height * 0.6 + size / 2, size, turn=0.5, tag=index)
        layers.append(pen.layer("light" if subject.family == "effect" else "subject", 0.9))
    return Stack(order.shape, tuple(layers), palette, site.light, "space", order.key, order.detail, tints)


def emblem(order: Order) -> Stack:
    """The main thing alone in the middle, as the icon style needs it."""
    palette = palette_of(order, "day")
    rng = stream(order.key, "emblem")
    site = site_of(order, palette, True)
    height, width, unit = site.height, site.width, site.unit
    subjects = drawable(order.reading, "item", "effect", "figure", "landmark", "space", "interface")
    if not subjects and order.reading.settings:
        subjects = [Subject(EMBLEMS[order.reading.settings[0]], "item")]
    if not subjects:
        names = ("gem", "potion", "star", "shield", "rune", "heart", "flower", "crown")
        subjects = [Subject(names[int(rng.integers(len(names)))], "item")]
    subject = subjects[0]
    if subject.colour is None and order.reading.tints:
        subject = Subject(subject.name, subject.family, order.reading.tints[0])
    ground = rgb("1c1b26") if subject.family == "effect" else studio_colour(order, palette)
    layers = backdrop(site, ground, 0.74)
    size = unit * 0.78
    foot = height / 2 + size / 2
    pen = site.pen()
    draw_into(pen, site, subject, width / 2, foot, size)
    role = "light" if subject.family == "effect" or subject.name == "hud" else "subject"
    layers += [contact_shadow(site, width / 2, foot, size * 0.3), pen.layer(role, 0.8)]
    return Stack(
        order.shape, tuple(layers), palette, site.light, "emblem", order.key, order.detail, order.reading.tints
    )
