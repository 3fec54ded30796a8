"""Shores and water, a headland for what stands, a vessel for what floats."""

from __future__ import annotations

import numpy as np

from stylestudio.preview_engine.painter import terrain
from stylestudio.preview_engine.painter.colour import mix, rgb
from stylestudio.preview_engine.painter.fields import grid, profile, ramp
from stylestudio.preview_engine.painter.layers import Frame, Layer
from stylestudio.preview_engine.painter.scenes.order import Order
from stylestudio.preview_engine.painter.scenes.placing import (
    AFLOAT,
    FLYING,
    PLANTS,
    Planes,
    draw_into,
    drawable,
    hero_size,
)
from stylestudio.preview_engine.painter.scenes.trees import trees_along
from stylestudio.preview_engine.painter.terrain import Site
from stylestudio.preview_engine.painter.words import Subject


def waterside(
    order: Order,
    site: Site,
    setting: str,
    horizon: float,
    rng: np.random.Generator,
    main: Subject | None,
    third: float,
    form: str,
    planes: Planes,
) -> None:
    """Far shores, water to the foreground, a headland for what stands, a vessel for what floats."""
    reading, palette = order.reading, site.palette
    height, width, unit = site.height, site.width, site.unit
    shore = height * (horizon + 0.06)
    foggy = "fog" in reading.weather
    tall = form == "mountain" or setting != "sea"
    for index in range(2 if tall else 1):
        rise = unit * (0.26 if tall else 0.07) * (1 - 0.35 * index)
        line = terrain.ridge_line(site, ("shore", index), form if tall else "hill", shore + unit * 0.005, rise)
        if not tall:
            line = line + unit * 0.045 * ramp(
                np.abs(np.linspace(-1, 1, width, dtype=np.float32) + (0.5 - third)), 0.2, 0.8
            )
        planes.layers.append(
            terrain.ridge(
                site,
                ("shore", index),
                line,
                form if tall else "hill",
                0.12 + 0.16 * index,
                mix(palette.far, palette.near, 0.25 * index),
                snowy=0.7 if tall and form == "mountain" else 0.0,
            )
        )
        if tall and index == 1:
            trees = trees_along(order, site, "forest" if setting == "lake" else "hill", 1, 0.12, line, rng, None, None)
            if trees is not None:
                trees.depth = 0.3
                planes.layers.append(trees)
        if foggy or tall:
            planes.layers.append(
                terrain.mist(
                    site, ("shore", index), shore - unit * 0.05, unit * 0.1, 0.8 if foggy else 0.4, 0.3, palette.haze
                )
            )
    colour = reading.sky.get("sea") if reading.sky.get("sea") is not None else None
    base = (
        colour
        if colour is not None
        else mix(mix(palette.zenith, rgb("2f6f8f"), 0.35 * (1 - palette.night)), palette.far, 0.25)
    )
    sunny = not {"storm", "rain"} & set(reading.weather)
    disc_x = width * (1 - third)
    planes.layers.append(terrain.water(site, shore, 0.4, base, disc_x if sunny else None))
    stands = main is not None and main.name not in FLYING | AFLOAT
    if stands and main is not None:
        size = hero_size(main, site)
        x = width * third
        top = shore - unit * 0.035
        _, column = grid(site.shape)
        away = np.abs(column[0] - x) / (unit * 0.42)
        rough = profile(site.rng("headland"), width, 9, 4, 0.55, sharp=True)
        line = top + unit * 0.22 * np.clip(away - 0.45, 0, None) ** 1.2 * 1.6 + (rough - 0.5) * unit * 0.04
        cliff = terrain.ridge(
            site, "headland", np.asarray(line, np.float32), "cliff", 0.55, mix(palette.near, rgb("8b7a68"), 0.35)
        )
        row, _ = grid(site.shape)
        cliff.mask = cliff.mask * ramp(row - (shore + unit * 0.15 + unit * 0.012 * np.sin(column * 0.11)), 2.0, -2.0)
        pen = site.pen()
        y = float(np.median(line[max(0, int(x) - 3) : int(x) + 4])) + size * 0.035
        draw_into(pen, site, main, x, y, size, flip=third > 0.5)
        planes.spots.append((main.name, x, y))
        planes.layers += [pen.layer("subject", 0.56), cliff]
    floats = [s for s in drawable(reading, "landmark", "figure") if s.name in AFLOAT]
    if floats:
        pen = site.pen()
        for index, subject in enumerate(floats[:2]):
            size = unit * (0.42 if index == 0 and not stands else 0.26)
            x = width * (third if not stands else 1 - third + 0.04)
            y = shore + (height - shore) * (0.30 + 0.2 * index)
            draw_into(pen, site, subject, x, y, size, flip=third > 0.5, tag=index)
            if subject.many:
                draw_into(pen, site, subject, width * (1 - third), shore + unit * 0.05, size * 0.5, tag="far")
        planes.layers.append(pen.layer("subject", 0.7))
        planes.layers.append(_wake(site, x, y, size))
    if foggy:
        planes.layers.append(terrain.mist(site, "water", shore + unit * 0.08, unit * 0.2, 0.7, 0.72, palette.haze))
    bank = terrain.ridge_line(site, "bank", "hill", height * 1.0, unit * 0.10)
    slope = np.linspace(-0.10, 0.10, width, dtype=np.float32) * unit * (1 if third < 0.5 else -1)
    sand = mix(palette.near, rgb("e2cfa0") * np.float32(1 - 0.6 * palette.night), 0.55 if setting == "sea" else 0.1)
    line = bank - slope
    planes.layers.append(terrain.ridge(site, "bank", line, "hill", 0.92, sand))
    plants = [s for s in drawable(reading, "landmark") if s.name in PLANTS and s is not main]
    pen = site.pen()
    for number in range(6):
        side = float(rng.uniform(0.02, 0.3))
        place = 1 - side if third < 0.5 else side
        x = place * width
        y = float(line[int(np.clip(x, 0, width - 1))]) + unit * 0.02
        if plants and number < 3:
            draw_into(pen, site, plants[number % len(plants)], x, y, unit * float(rng.uniform(0.3, 0.5)), tag=number)
        else:
            draw_into(
                pen,
                site,
                Subject("grass" if number % 2 else "rock", "item"),
                x,
                y,
                unit * float(rng.uniform(0.06, 0.11)),
                tag=number,
            )
    planes.layers.append(pen.layer("subject", 0.95))


def _wake(site: Site, x: float, y: float, size: float) -> Layer:
    pen = site.pen(form=0)
    foam = mix(site.palette.horizon, np.ones(3, np.float32), 0.4)
    for k in range(5):
        half = size * (0.5 - 0.07 * k)
        pen.frame = Frame(x, y + size * 0.022 * (k + 0.3), 1)
        pen.line(
            [(-half, 0), (0, size * 0.012), (half, 0)], max(1.0, size * 0.009), foam, line=False, alpha=0.6 - 0.1 * k
        )
    return pen.layer("water-foam", 0.71)
