"""Land from the horizon to the viewer's feet, and what stands on it."""

from __future__ import annotations

import numpy as np

from stylestudio.preview_engine.painter import terrain
from stylestudio.preview_engine.painter.colour import mix, rgb, shift
from stylestudio.preview_engine.painter.fields import Field, grid
from stylestudio.preview_engine.painter.layers import Frame, Layer, curve
from stylestudio.preview_engine.painter.scenes.order import Order
from stylestudio.preview_engine.painter.scenes.placing import AFLOAT, FLYING, Planes, draw_into, hero_size
from stylestudio.preview_engine.painter.scenes.trees import trees_along
from stylestudio.preview_engine.painter.scenes.waterside import waterside
from stylestudio.preview_engine.painter.subjects import DRAWINGS
from stylestudio.preview_engine.painter.terrain import Site
from stylestudio.preview_engine.painter.words import Subject


def land(
    order: Order, site: Site, setting: str, horizon: float, rng: np.random.Generator, main: Subject | None, third: float
) -> Planes:
    """Land from the horizon to the viewer's feet, with the main subject and trees standing on it."""
    reading, palette = order.reading, site.palette
    height, width, unit = site.height, site.width, site.unit
    foggy = "fog" in reading.weather
    snowy = 1.0 if {"snow"} & set(reading.weather) or setting == "snowland" else 0.0
    near = rgb("dfe7ee") * (1 - 0.62 * palette.night) if snowy else palette.near
    form = {
        "mountain": "mountain",
        "snowland": "mountain",
        "cave": "cliff",
        "volcano": "mountain",
        "desert": "dune",
    }.get(setting, "hill")
    if "mountain" in reading.settings and setting in ("forest", "lake", "river", "sea", "city"):
        form = "mountain"
    count = 5 if form == "mountain" else 4
    planes = Planes([], [])
    stands = main is not None and main.name not in FLYING | AFLOAT
    perch = 2 if count == 5 else 1
    if setting in ("sea", "lake", "river"):
        waterside(order, site, setting, horizon, rng, main, third, form, planes)
        return planes
    for index in range(count):
        t = index / (count - 1)
        base = height * (horizon + 0.05 + (0.90 - horizon) * t**1.05)
        rise = unit * (0.40 if form == "mountain" else 0.17) * (1 - 0.68 * t)
        kind = form if t < 0.75 or form == "dune" else "hill"
        line = terrain.ridge_line(site, index, kind, base, rise)
        colour = mix(palette.far, near, min(1.0, t * 1.15))
        if setting == "forest" and t > 0.3:
            colour = mix(colour, palette.leaf * np.float32(0.75), 0.6)
        hero = stands and index == perch
        if hero:
            line = _hill_under(site, line, width * third, base - rise * 0.9, unit)
        layer = terrain.ridge(
            site,
            index,
            line,
            kind,
            0.12 + 0.8 * t,
            colour,
            snowy=snowy * 0.9 or (0.8 if setting == "mountain" and t < 0.45 and rng.random() < 0.6 else 0.0),
        )
        behind = site.pen()
        if hero and main is not None:
            size = hero_size(main, site)
            x = width * third
            y = float(line[int(np.clip(x, 0, width - 1))]) + size * 0.03
            if main.many and main.name != "village":
                for shift_by, scale in ((0.34, 0.72), (-0.26, 0.6)):
                    bx = float(np.clip(x + shift_by * unit * (1 if third < 0.5 else -1), 0, width - 1))
                    draw_into(
                        behind,
                        site,
                        main,
                        bx,
                        float(line[int(bx)]) + size * 0.03,
                        size * scale,
                        flip=third < 0.5,
                        tag=shift_by,
                    )
            draw_into(behind, site, main, x, y, size, flip=third > 0.5)
            planes.spots.append((main.name, x, y))
            planes.layers.append(behind.layer("subject", 0.12 + 0.8 * t + 0.04))
        if setting == "city" and 0 < index < count - 1:
            planes.layers.append(_skyline(site, index, base - rise * 0.2, t))
        planes.layers.append(layer)
        trees = trees_along(order, site, setting, index, t, line, rng, main, third if hero else None)
        if trees is not None:
            planes.layers.append(trees)
        if foggy and index < count - 1:
            strength = 0.95 if index == perch else 0.75
            y = base - rise * 0.12
            if index >= perch:
                planes.layers.append(
                    terrain.sea_of_mist(
                        site,
                        index,
                        y + unit * 0.05,
                        0.2 + 0.7 * t,
                        strength,
                        mix(palette.haze, np.ones(3, np.float32), 0.35 * (1 - palette.night)),
                    )
                )
            else:
                planes.layers.append(terrain.mist(site, index, y, unit * 0.16, strength, 0.2 + 0.7 * t, palette.haze))
        elif index < 2 and form == "mountain":
            planes.layers.append(
                terrain.mist(site, index, base - rise * 0.2, unit * 0.12, 0.55, 0.2 + 0.6 * t, palette.haze)
            )
    if "path" in reading.words or "road" in reading.words:
        goal = planes.spots[0] if planes.spots else ("", width * 0.5, height * (horizon + 0.16))
        planes.layers.append(_path(site, goal[1], goal[2], rng))
    if setting in ("meadow", "hill", "snowland", "swamp", "desert"):
        planes.layers.append(_tufts(site, "flower" if setting == "meadow" and not snowy else "grass", rng))
    return planes


def _hill_under(site: Site, line: Field, x: float, top: float, unit: int) -> Field:
    """Raise a skyline to a rounded hill with a flat top, for something to stand on."""
    _, column = grid(site.shape)
    away = np.abs(column[0] - x) / (unit * 0.30)
    bump = 1 / (1 + np.clip(away - 0.55, 0, None) ** 2 * 7)
    return np.asarray(line * (1 - bump) + np.minimum(line, top) * 0 * bump + top * bump, np.float32)


def _skyline(site: Site, index: int, base: float, t: float) -> Layer:
    rng = site.rng("skyline", index)
    pen = site.pen(form=0.5)
    pen.frame = Frame(0, 0, 1)
    palette = site.palette
    unit = site.unit
    x = -unit * 0.05
    wall = mix(palette.far, palette.near, t * 0.8)
    lit = palette.night > 0.3 or mix(palette.sky, palette.zenith, 0.5).mean() < 0.45
    glass, glow = (rgb("ffd98a"), 0.85) if lit else (mix(palette.horizon, wall, 0.35), 0.0)
    while x < site.width:
        wide = unit * float(rng.uniform(0.05, 0.11)) * (0.7 + 0.6 * t)
        tall = unit * float(rng.uniform(0.12, 0.46)) * (0.75 + 0.5 * t)
        colour = shift(
            wall, float(rng.uniform(-0.03, 0.03)), float(rng.uniform(0.7, 1.2)), float(rng.uniform(0.85, 1.12))
        )
        pen.rect(x, base - tall, x + wide, site.height, colour)
        pen.rect(x + wide * 0.68, base - tall, x + wide, site.height, colour, -0.35, line=False, form=0)
        if rng.random() < 0.3:
            pen.line(
                [(x + wide / 2, base - tall), (x + wide / 2, base - tall - unit * 0.06)], max(1.0, unit * 0.004), colour
            )
        elif rng.random() < 0.4:
            pen.rect(x + wide * 0.2, base - tall - unit * 0.025, x + wide * 0.6, base - tall, colour)
        step = unit * 0.024 * (0.8 + 0.5 * t)
        columns = max(2, int(wide / step))
        for row in range(int(tall / step) - 1):
            for column in range(columns):
                if rng.random() < (0.42 if lit else 0.6) * site.detail + 0.1:
                    cx, cy = x + wide * (column + 0.28) / columns, base - tall + step * (row + 0.7)
                    pen.rect(
                        cx, cy, cx + wide * 0.42 / columns, cy + step * 0.42, glass, 0.2, glow=glow, form=0, line=False
                    )
        x += wide * float(rng.uniform(0.92, 1.25))
    return pen.layer("subject", 0.2 + 0.7 * t)


def _path(site: Site, x: float, y: float, rng: np.random.Generator) -> Layer:
    """A winding path from the viewer's feet to (x, y), narrowing with distance."""
    pen = site.pen(form=0.3)
    height, width, unit = site.height, site.width, site.unit
    start = width * float(rng.uniform(0.4, 0.6))
    bend = unit * float(rng.choice([-1, 1])) * 0.10
    way = [
        (start, height * 1.04),
        (start + bend, y + (height - y) * 0.66),
        (x - bend * 0.8, y + (height - y) * 0.33),
        (x, y + unit * 0.01),
    ]
    spine = curve(way, 12, closed=False)
    widths = [unit * (0.012 + 0.17 * (max(0.0, py - y) / (height - y)) ** 1.6) for _, py in spine]
    earth = mix(site.palette.horizon, rgb("d9b98a"), 0.5) * np.float32(1 - 0.5 * site.palette.night)
    pen.line(spine, widths, earth, line=False)
    return pen.layer("subject", 0.9)


def _tufts(site: Site, kind: str, rng: np.random.Generator) -> Layer:
    pen = site.pen(form=0.6)
    colours = [None, site.palette.accent, shift(site.palette.accent, 0.1), rgb("f6efe0")]
    for number in range(int(9 + 9 * site.detail)):
        x = float(rng.random()) * site.width
        y = site.height * float(rng.uniform(0.93, 1.03))
        size = site.unit * float(rng.uniform(0.05, 0.10))
        blooming = kind == "flower" and number % 2 == 0 and "flower" in DRAWINGS
        subject = Subject(
            "flower" if blooming else "grass", "item", colours[int(rng.integers(4))] if blooming else None
        )
        draw_into(pen, site, subject, x, y, size * (1.2 if blooming else 1.0), tag=number)
    return pen.layer("subject", 0.97)
