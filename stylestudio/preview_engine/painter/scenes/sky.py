"""The sky above a landscape, and the weather in front of it."""

from __future__ import annotations

import numpy as np

from stylestudio.preview_engine.painter import terrain
from stylestudio.preview_engine.painter.colour import mix, rgb
from stylestudio.preview_engine.painter.layers import Frame, Layer, Pen
from stylestudio.preview_engine.painter.scenes.order import Order
from stylestudio.preview_engine.painter.scenes.placing import draw_into
from stylestudio.preview_engine.painter.subjects import DRAWINGS
from stylestudio.preview_engine.painter.terrain import Site


def heavens(order: Order, site: Site, horizon: float, x: float, y: float, rng: np.random.Generator) -> list[Layer]:
    reading, palette = order.reading, site.palette
    layers: list[Layer] = []
    night = palette.night > 0.9
    if night or "stars" in reading.weather:
        layers.append(terrain.stars(site, horizon, "stars" in reading.weather))
    if any(subject.name == "swirl" for subject in reading.subjects) or ("stars" in reading.weather and night):
        layers.append(terrain.milky_way(site, (rgb("8f7bd6"), rgb("5fb6d6")), float(rng.uniform(0.6, 1.2))))
    if "aurora" in reading.weather:
        tint = reading.tints[0] if reading.tints else rgb("5be3a5")
        layers.append(terrain.aurora(site, horizon, (tint, rgb("8a6bd9"))))
    covered = {"storm", "rain"} & set(reading.weather) and not {"sun", "moon"} & set(reading.sky)
    if "cave" in reading.settings:
        return layers
    if not covered:
        radius = site.unit * float(rng.uniform(0.062, 0.09)) * (1.25 if {"sun", "moon"} & set(reading.sky) else 1.0)
        said = reading.sky.get("sun") if reading.sky.get("sun") is not None else reading.sky.get("moon")
        colour = said if said is not None else palette.disc
        layers += terrain.disc(site, x, y, radius, colour, crescent=night and bool(rng.random() < 0.35))
    if "rainbow" in reading.weather:
        layers.append(terrain.rainbow(site, horizon))
    gloomy = bool({"storm", "rain"} & set(reading.weather))
    if (
        gloomy
        or "clouds" in reading.weather
        or (palette.night < 0.5 and "fog" not in reading.weather and rng.random() < 0.75)
    ):
        amount = 9 if gloomy or "clouds" in reading.weather else int(rng.integers(2, 5))
        layers.append(terrain.clouds(site, horizon, amount, gloomy))
    planets = [s for s in order.reading.of("space") if s.name == "planet" and "planet" in DRAWINGS]
    if planets:
        pen = site.pen()
        draw_into(pen, site, planets[0], site.width - x, y + site.unit * 0.2, site.unit * 0.34)
        layers.append(pen.layer("disc", 0.04))
    return layers


def flock(pen: Pen, site: Site, x: float, y: float, rng: np.random.Generator) -> None:
    pen.frame = Frame(0, 0, 1)
    ink = mix(site.palette.near, rgb("22222c"), 0.6)
    for _ in range(int(rng.integers(4, 8))):
        bx = x + float(rng.uniform(-0.28, 0.28)) * site.unit
        by = y + float(rng.uniform(-0.05, 0.22)) * site.unit
        s = site.unit * float(rng.uniform(0.010, 0.02))
        pen.line(
            [
                (bx - s, by - s * 0.3),
                (bx - s * 0.4, by - s * 0.55),
                (bx, by),
                (bx + s * 0.4, by - s * 0.55),
                (bx + s, by - s * 0.25),
            ],
            max(1.0, s * 0.16),
            ink,
            line=False,
        )


def weather_layers(order: Order, site: Site, foggy: bool, watery: bool, horizon: float) -> list[Layer]:
    weather = set(order.reading.weather)
    layers: list[Layer] = []
    if foggy and not watery:
        layers.append(terrain.mist(site, "front", site.height * 0.86, site.unit * 0.2, 0.45, 0.98, site.palette.haze))
    if weather & {"rain", "storm"}:
        layers.append(terrain.flakes(site, "rain"))
    for kind in ("snow", "petals", "fireflies"):
        if kind in weather:
            layers.append(terrain.flakes(site, kind))
    if "blossom" in {s.name for s in order.reading.subjects} and "petals" not in weather:
        layers.append(terrain.flakes(site, "petals"))
    return layers
