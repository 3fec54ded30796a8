"""Landscapes: sky, land in planes, water, weather, and subjects placed where they look good."""

from __future__ import annotations

import numpy as np

from stylestudio.preview_engine.painter import terrain
from stylestudio.preview_engine.painter.fields import grid, noise, profile, ramp, stream
from stylestudio.preview_engine.painter.layers import Layer, Stack
from stylestudio.preview_engine.painter.scenes.land import land
from stylestudio.preview_engine.painter.scenes.order import Order, palette_of
from stylestudio.preview_engine.painter.scenes.placing import (
    AFLOAT,
    FLYING,
    PLANTS,
    draw_into,
    drawable,
    site_of,
    stature,
)
from stylestudio.preview_engine.painter.scenes.sky import flock, heavens, weather_layers
from stylestudio.preview_engine.painter.terrain import Site
from stylestudio.preview_engine.painter.words import Subject


def landscape(order: Order) -> Stack:
    """Sky, land in planes, water, fog, and subjects placed where they look good."""
    reading = order.reading
    unknown = not (reading.subjects or reading.settings or reading.weather or reading.times or reading.sky)
    fallbacks = ("abstract",) if unknown else ("day", "day", "dawn", "sunset", "dusk")
    palette = palette_of(order, *fallbacks)
    rng = stream(order.key, "landscape")
    height, width = order.shape
    wide = width / height
    left = bool(rng.random() < 0.5)
    third = 0.31 if left else 0.69
    site = site_of(order, palette, light_left=not left)
    unit = site.unit
    setting = _setting(order, rng)
    foggy = "fog" in reading.weather
    watery = setting in ("sea", "lake", "river")
    horizon = float(rng.uniform(0.46, 0.56)) + (0.06 if wide < 0.8 else 0.0) - (0.05 if wide > 2 else 0.0)
    if setting in ("desert", "sea"):
        horizon += 0.04
    layers: list[Layer] = [terrain.sky(site, horizon)]
    sun_x = width * (float(rng.uniform(0.62, 0.8)) if left else float(rng.uniform(0.2, 0.38)))
    sun_y = height * horizon * float(rng.uniform(0.3, 0.62))
    layers += heavens(order, site, horizon, sun_x, sun_y, rng)

    main, others = _cast(order)
    planes = land(order, site, setting, horizon, rng, main, third)
    layers += planes.layers

    sky_pen = site.pen()
    flyers = [subject for subject in others if subject.name in FLYING]
    if main is not None and main.name in FLYING:
        flyers.insert(0, main)
    for index, subject in enumerate(flyers):
        big = unit * (0.46 if index == 0 else 0.26) * (0.85 if planes.spots else 1.0)
        x = width * (third if (index == 0) != bool(planes.spots) else 1 - third)
        draw_into(
            sky_pen,
            site,
            subject,
            x,
            height * horizon * 0.88 if index == 0 else height * horizon * 0.6,
            big,
            flip=not left,
        )
    if "birds" in reading.sky or (main is None and rng.random() < 0.4):
        flock(sky_pen, site, sun_x, sun_y, rng)
    at = next((i for i, layer in enumerate(layers) if layer.role in ("ridge", "water")), len(layers))
    if flyers or sky_pen.mask.any():
        place = len(layers) if flyers else at
        layers.insert(place, sky_pen.layer("subject", 0.75 if flyers else 0.4))

    figures = [
        subject
        for subject in others
        if subject.family in ("figure", "item", "effect") and subject.name not in FLYING | AFLOAT
    ]
    if figures:
        pen = site.pen()
        spots = (1 - third, third * 0.55 + 0.05, 0.5)
        for index, subject in enumerate(figures[:3]):
            size = unit * (0.42 * stature(subject) if subject.family == "figure" else 0.26) * (1 - 0.1 * index)
            x = width * spots[index]
            draw_into(pen, site, subject, x, height * 0.955, size, flip=x > width / 2, tag=index)
        layers.append(pen.layer("subject", 0.95))
    if setting == "cave":
        layers.append(_cave_mouth(site))
    layers += weather_layers(order, site, foggy, watery, horizon)
    return Stack(order.shape, tuple(layers), palette, site.light, "landscape", order.key, order.detail, reading.tints)


def _cave_mouth(site: Site) -> Layer:
    """Dark rock with stalactites around the view."""
    row, column = grid(site.shape)
    drops = profile(site.rng("stalactites"), site.width, 16, 3, 0.5, sharp=True) ** 3
    side = np.abs(column[0] / site.width - 0.5) * 2
    reach = site.height * (0.06 + 0.20 * drops + 0.5 * ramp(side, 0.62, 1.05) ** 2)
    mask = np.clip(reach[None, :] - row + 0.5, 0, 1)
    relief = noise(site.rng("cave"), site.shape, 8, 4)
    return Layer.plain(
        "ridge", 0.96, mask, site.palette.near * np.float32(0.4), np.gradient(relief, axis=1) * site.unit / 10 - 0.1
    )


def _setting(order: Order, rng: np.random.Generator) -> str:
    settings = order.reading.settings
    for preferred in ("sea", "city", "desert", "forest", "lake", "river"):
        if preferred in settings:
            return preferred
    if settings:
        return settings[0]
    names = {subject.name for subject in order.reading.subjects}
    by_subject = {
        "ship": "sea",
        "lighthouse": "sea",
        "palm": "sea",
        "cactus": "desert",
        "pyramid": "desert",
        "temple": "mountain",
        "castle": "mountain",
        "pine": "mountain",
        "bridge": "river",
        "fish": "lake",
        "house": "meadow",
        "dragon": "mountain",
    }
    for name, setting in by_subject.items():
        if name in names:
            return setting
    if order.reading.subjects:
        return ("meadow", "hill", "hill", "mountain")[int(rng.integers(4))]
    return ("mountain", "hill", "lake", "meadow", "sea", "desert", "forest")[int(rng.integers(7))]


def _cast(order: Order) -> tuple[Subject | None, list[Subject]]:
    """The main subject and the rest. Buildings and trees have priority over figures, which stand in front anyway."""
    known = drawable(order.reading, "landmark", "figure", "item", "effect", "space")
    main = next((s for s in known if s.family == "landmark" and s.name not in PLANTS), None)
    main = main or next((s for s in known if s.name in FLYING | AFLOAT), None)
    main = main or next((s for s in known if s.family == "landmark"), None)
    return main, [s for s in known if s is not main]
