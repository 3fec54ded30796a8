"""Composition: from a reading of the prompt to a stack of layers that fills the canvas well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from stylestudio.preview_engine.painter import terrain
from stylestudio.preview_engine.painter.colour import PALETTES, Palette, mix, rgb, shift
from stylestudio.preview_engine.painter.fields import Field, Shape, grid, noise, profile, ramp, stream
from stylestudio.preview_engine.painter.layers import Frame, Layer, Pen, Stack, curve
from stylestudio.preview_engine.painter.subjects import DRAWINGS, Kit
from stylestudio.preview_engine.painter.terrain import Site
from stylestudio.preview_engine.painter.words import Reading, Subject

FLYING = frozenset(["bird", "dragon", "balloon", "butterfly", "owl", "ghost", "rocket"])
AFLOAT = frozenset(["ship", "fish", "turtle"])
PLANTS = frozenset(["tree", "blossom", "pine", "palm", "cactus", "bamboo"])
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
TALL = frozenset(["knight", "wizard", "woman", "man", "astronaut", "robot"])
# Sizes beside each other: a fox is not as large as its knight.
STATURE = {"horse": 1.15, "dragon": 1.2, "bear": 0.95, "deer": 1.05, "monster": 1.05, "ghost": 0.8, "bird": 0.7}
STILL_LIFE = ("vase", "apple", "flower", "candle", "book", "bowl", "cup", "gem", "mushroom", "lantern")


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be composed: a reading, a canvas, a seed, and how richly (`detail` 0 to 1)."""

    reading: Reading
    shape: Shape
    seed: int
    detail: float
    isolated: bool = False

    @property
    def key(self) -> str:
        return f"{self.seed}|{' '.join(self.reading.words)}"


def compose(order: Order) -> Stack:
    """The layer stack of a picture. Everything random in it follows from seed, words and aspect ratio."""
    reading = order.reading
    if order.isolated:
        return emblem(order)
    families = {subject.family for subject in reading.subjects}
    outdoors = bool(reading.settings or "landmark" in families or set(reading.sky) & {"sun", "moon", "sky", "birds"})
    if "interface" in families:
        return interface(order)
    if "space" in families and not outdoors and "figure" not in families:
        return space(order)
    if "close" in reading.moods and not families and not outdoors:
        return portrait(replace(order, reading=replace(reading, subjects=(Subject("man", "figure"),))))
    if "figure" in families and (not outdoors or "close" in reading.moods):
        return portrait(order)
    if "effect" in families and not outdoors and not families & {"figure", "item"}:
        return effect(order)
    if "item" in families and not outdoors:
        return still_life(order, reading.of("item", "effect"))
    if not families and not outdoors and not reading.weather and not reading.times:
        rng = stream(order.key, "unknown")
        if rng.random() < 0.3:
            chosen = rng.choice(len(STILL_LIFE), 3, replace=False)
            return still_life(order, tuple(Subject(STILL_LIFE[int(index)], "item") for index in chosen))
    return landscape(order)


def palette_of(order: Order, *fallbacks: str) -> Palette:
    """Light and colours by time, weather, mood and the colours that the prompt names; the seed varies them."""
    reading = order.reading
    rng = stream(order.key, "palette")
    name = fallbacks[int(rng.integers(len(fallbacks)))] if fallbacks else "day"
    if "desert" in reading.settings:
        name = "desert"
    if reading.times:
        name = reading.times[0]
    elif {"stars", "aurora", "fireflies"} & set(reading.weather) or "moon" in reading.sky:
        name = "night"
    elif "storm" in reading.weather:
        name = "storm"
    elif "rain" in reading.weather or "swamp" in reading.settings:
        name = "grey"
    elif "snow" in reading.weather or "snowland" in reading.settings:
        name = "snow"
    elif "dark" in reading.moods:
        name = "storm"
    elif "cave" in reading.settings:
        name = "night"
    elif "cheerful" in reading.moods and name != "desert":
        name = "day"
    elif "fog" in reading.weather and name == "day":
        name = "dawn"
    choices = PALETTES[name]
    palette = choices[int(rng.integers(len(choices)))]
    saturation = 1.0
    for mood, factor in (("cheerful", 1.22), ("calm", 0.86), ("pastel", 0.72), ("epic", 1.12), ("dark", 0.85)):
        saturation *= factor if mood in reading.moods else 1.0
    palette = palette.turned(float(rng.normal(0, 0.012)), saturation)
    if "dark" in reading.moods and name not in ("night", "storm"):
        palette = palette.turned(0, 1, 0.78)
    if "warm" in reading.moods:
        palette = palette.each(lambda colour: mix(colour, colour * rgb("ffdf9e") * 1.12, 0.6))
    if "cold" in reading.moods:
        palette = palette.each(lambda colour: mix(colour, colour * rgb("b5d4ff") * 1.15, 0.6))
    palette = palette.tinted(reading.tints)
    sky = reading.sky.get("sky")
    return palette.tinted([sky]) if sky is not None else palette


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
    """One subject into `pen`, its foot at pixel (x, y), `size` pixels high."""
    rng = site.rng("subject", subject.name, tag)
    pen.frame = Frame(x, y, size, flip, turn)
    DRAWINGS[subject.name](pen, Kit(rng, site.palette, subject.colour, site.palette.night > 0.3, site.detail))


def drawable(reading: Reading, *families: str) -> list[Subject]:
    return [subject for subject in reading.of(*families) if subject.name in DRAWINGS]


def stature(subject: Subject) -> float:
    """How tall a figure is beside a grown person."""
    return 1.0 if subject.name in TALL else STATURE.get(subject.name, 0.6)


# Landscapes.


def landscape(order: Order) -> Stack:
    """Sky, land in planes, water, fog, and the subjects where they look well."""
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
    layers += _heavens(order, site, horizon, sun_x, sun_y, rng)

    main, others = _cast(order)
    planes = _planes(order, site, setting, horizon, rng, main, third)
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
        _flock(sky_pen, site, sun_x, sun_y, rng)
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
    layers += _weather(order, site, foggy, watery, horizon)
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
    """The main subject and the rest. Buildings and trees come before figures, which stand in front anyway."""
    known = drawable(order.reading, "landmark", "figure", "item", "effect", "space")
    main = next((s for s in known if s.family == "landmark" and s.name not in PLANTS), None)
    main = main or next((s for s in known if s.name in FLYING | AFLOAT), None)
    main = main or next((s for s in known if s.family == "landmark"), None)
    return main, [s for s in known if s is not main]


def _heavens(order: Order, site: Site, horizon: float, x: float, y: float, rng: np.random.Generator) -> list[Layer]:
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


@dataclass(slots=True)
class Planes:
    layers: list[Layer]
    spots: list[tuple[str, float, float]]


def _planes(
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
        _waterside(order, site, setting, horizon, rng, main, third, form, planes)
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
            size = _hero_size(main, site)
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
        trees = _trees(order, site, setting, index, t, line, rng, main, third if hero else None)
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


def _hero_size(main: Subject, site: Site) -> float:
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


def _hill_under(site: Site, line: Field, x: float, top: float, unit: int) -> Field:
    """Raises a skyline to a rounded hill with a flat crown, for something to stand on."""
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


def _trees(
    order: Order,
    site: Site,
    setting: str,
    index: int,
    t: float,
    line: Field,
    rng: np.random.Generator,
    main: Subject | None,
    keep_free: float | None,
) -> Layer | None:
    """Trees along a skyline, sorted by what the prompt names."""
    reading = order.reading
    named = [s for s in drawable(reading, "landmark") if s.name in PLANTS]
    wanted = setting in ("forest", "meadow", "hill", "swamp") or named
    own = stream(order.key, "trees", index)
    if not wanted or index == 0 or (setting == "desert" and not named):
        return None
    if main is not None and main.name in PLANTS and not main.many and setting != "forest" and len(named) == 1:
        return None
    kinds = named or [
        Subject(
            ("pine", "tree")[int(rng.integers(2))]
            if setting != "forest"
            else ("pine", "pine", "tree")[int(stream(order.key, "wood").integers(3))],
            "landmark",
        )
    ]
    dense = {"forest": 26, "meadow": 7, "hill": 7}.get(setting, 9)
    count = int(dense * (1.25 - 0.75 * t) * (0.55 + 0.45 * site.detail) * (site.width / site.unit) ** 0.7)
    pen = site.pen()
    places = np.sort(own.random(count))
    for number, place in enumerate(places):
        x = float(place) * site.width
        if keep_free is not None and abs(x / site.width - keep_free) < 0.2 * site.unit / site.width + 0.05:
            continue
        if t > 0.6 and 0.3 < place < 0.7 and setting != "forest":
            continue
        size = site.unit * (0.07 + 0.20 * t) * float(own.uniform(0.7, 1.3)) * (1.25 if setting == "forest" else 1.0)
        if t > 0.9:
            size *= 1.35
        y = float(line[int(np.clip(x, 0, site.width - 1))]) + size * 0.06 + float(own.random()) * site.unit * 0.03
        kind = kinds[int(own.integers(len(kinds)))]
        draw_into(pen, site, kind, x, y, size, flip=bool(own.random() < 0.5), tag=(index, number))
    return pen.layer("subject", 0.14 + 0.8 * t + 0.02)


def _path(site: Site, x: float, y: float, rng: np.random.Generator) -> Layer:
    """A winding way from the viewer's feet to (x, y), narrowing with distance."""
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


def _waterside(
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
            trees = _trees(order, site, "forest" if setting == "lake" else "hill", 1, 0.12, line, rng, None, None)
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
        size = _hero_size(main, site)
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


def _flock(pen: Pen, site: Site, x: float, y: float, rng: np.random.Generator) -> None:
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


def _weather(order: Order, site: Site, foggy: bool, watery: bool, horizon: float) -> list[Layer]:
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


# Pictures of one thing or a few.


def backdrop(site: Site, colour: Field, floor: float) -> list[Layer]:
    """A studio: a wall that rounds softly into the floor at `floor` (share of the height)."""
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
    layers += _weather(order, site, False, True, floor)
    return Stack(
        order.shape, tuple(layers), palette, site.light, "object", order.key, order.detail, order.reading.tints
    )


def portrait(order: Order) -> Stack:
    """One or a few figures before a quiet backdrop with a halo of light."""
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
    layers += _weather(order, site, False, True, 0.8)
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
    """The main thing alone in the middle: what the icon style needs."""
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
