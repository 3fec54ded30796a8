"""Sky, land, water and weather as layers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stylestudio.preview_engine.painter.colour import Palette, mix, rgb
from stylestudio.preview_engine.painter.fields import Field, Shape, grid, noise, profile, ramp, soft, stream
from stylestudio.preview_engine.painter.layers import Layer, Pen, Point, arc

WHITE = np.ones(3, np.float32)


@dataclass(frozen=True, slots=True)
class Site:
    """The data shared by all layers of one scene."""

    shape: Shape
    palette: Palette
    light: Point
    key: str
    detail: float

    @property
    def height(self) -> int:
        return self.shape[0]

    @property
    def width(self) -> int:
        return self.shape[1]

    @property
    def unit(self) -> int:
        """The shorter side in pixels: the unit of sizes."""
        return min(self.shape)

    def rng(self, *name: object) -> np.random.Generator:
        return stream(self.key, *name)

    def octaves(self, most: int) -> int:
        """The more steps, the more octaves of noise."""
        return max(2, round(most * (0.45 + 0.55 * self.detail)))

    def pen(self, form: float = 1.0) -> Pen:
        return Pen(self.shape, self.light, form=form)


def sky(site: Site, horizon: float) -> Layer:
    """Zenith to horizon, slightly uneven. `horizon` is a share of the height."""
    palette = site.palette
    y, _ = grid(site.shape)
    drift = noise(site.rng("sky"), site.shape, 2.2, site.octaves(4), (0.7, 2.0))
    t = np.clip(y / (site.height * max(horizon, 0.3)) + (drift - 0.5) * 0.16, 0, 1)
    upper = np.clip(t / 0.55, 0, 1)[..., None]
    lower = np.clip((t - 0.55) / 0.45, 0, 1)[..., None]
    colour = palette.zenith * (1 - upper) + palette.sky * upper
    colour = colour * (1 - lower) + palette.horizon * lower
    return Layer.plain("sky", 0.0, np.ones(site.shape, np.float32), colour, (drift - 0.5) * 0.2)


def disc(site: Site, x: float, y: float, radius: float, colour: Field, *, crescent: bool = False) -> list[Layer]:
    """Sun or moon at pixel (x, y) with a halo."""
    row, column = grid(site.shape)
    distance = np.hypot(column - x, row - y)
    halo = np.exp(-np.clip(distance - radius * 0.8, 0, None) / (radius * 1.5)) * np.float32(0.34)
    body = np.clip(radius - distance + 0.5, 0, 1)
    shade: Field = np.zeros(site.shape, np.float32)
    if site.palette.night > 0.5:
        craters = noise(site.rng("craters"), site.shape, 14 * site.unit / (radius * 8), 3)
        shade = -ramp(craters, 0.5, 0.72) * 0.35
    if crescent:
        bite = np.hypot(column - x - radius * 0.42, row - y + radius * 0.18)
        body = body * (1 - np.clip(radius * 0.9 - bite + 0.5, 0, 1))
    glowing = Layer.plain("halo", 0.02, halo, mix(colour, WHITE, 0.25))
    glowing.glow = np.broadcast_to(np.float32(0.35), site.shape)
    solid = Layer.plain("disc", 0.03, body, colour, shade)
    solid.glow = body * np.float32(0.75)
    solid.edge = np.clip(4 * body * (1 - body), 0, 1)
    return [glowing, solid]


def stars(site: Site, horizon: float, many: bool) -> Layer:
    """Points of light above the horizon."""
    rng = site.rng("stars")
    mask = np.zeros(site.shape, np.float32)
    count = int((260 if many else 130) * (0.5 + 0.5 * site.detail))
    across, down, size = rng.random(count), rng.random(count) ** 1.4, rng.random(count)
    columns = (across * (site.width - 1)).astype(int)
    rows = (down * horizon * site.height).astype(int)
    mask[rows, columns] = 0.25 + 0.75 * size**3
    for index in np.flatnonzero(size > 0.93):
        reach = max(1, round(site.unit / 170))
        row, column = int(rows[index]), int(columns[index])
        mask[max(0, row - reach) : row + reach + 1, column] = np.maximum(
            mask[max(0, row - reach) : row + reach + 1, column], 0.5
        )
        mask[row, max(0, column - reach) : column + reach + 1] = np.maximum(
            mask[row, max(0, column - reach) : column + reach + 1], 0.5
        )
        mask[row, column] = 1
    layer = Layer.plain("stars", 0.01, mask, rgb("fffbe8"))
    layer.glow = mask
    return layer


def milky_way(site: Site, colours: tuple[Field, Field], angle: float) -> Layer:
    """A band of nebula across the sky."""
    row, column = grid(site.shape)
    u, v = (column / site.width - 0.5), (row / site.height - 0.5)
    cloud = noise(site.rng("nebula"), site.shape, 3, site.octaves(6))
    band = np.exp(-(((u * np.sin(angle) + v * np.cos(angle)) + (cloud - 0.5) * 0.35) ** 2) / 0.035)
    mask = np.clip(band * (cloud * 1.3 - 0.1), 0, 0.85)
    other = noise(site.rng("nebula colour"), site.shape, 2.5, 3)[..., None]
    layer = Layer.plain("stars", 0.01, mask, colours[0] * (1 - other) + colours[1] * other)
    layer.glow = mask * np.float32(0.5)
    return layer


def clouds(site: Site, horizon: float, amount: int, dark: bool) -> Layer:
    """Heaped clouds with flat bases."""
    rng = site.rng("clouds")
    mask = np.zeros(site.shape, np.float32)
    lit = np.zeros(site.shape, np.float32)
    row, column = grid(site.shape)
    for index in range(amount):
        far = index / max(1, amount - 1)
        x = rng.uniform(-0.05, 1.05) * site.width
        y = site.height * horizon * rng.uniform(0.12, 0.72)
        size = site.unit * rng.uniform(0.10, 0.2) * (0.6 + 0.6 * (1 - y / (site.height * horizon)))
        puffs = [(rng.uniform(-1, 1), rng.random(), rng.uniform(0.28, 0.55)) for _ in range(9)]
        heap = np.zeros(site.shape, np.float32)
        for across, up, radius in puffs:
            taper = 1 - abs(across) * 0.6
            r = size * radius * taper * 1.1
            cx, cy = x + across * size * 1.25, y - up * size * 0.35 * taper
            heap = np.maximum(
                heap, np.clip((r - np.hypot(column - cx, (row - cy) * 1.35)) / (site.unit * 0.006) + 0.5, 0, 1)
            )
        heap = heap * ramp(row, y + size * 0.20, y + size * 0.10)
        opacity = np.float32(0.92 - 0.25 * far)
        mask = np.maximum(mask, heap * opacity)
        lit = lit * (1 - heap) + heap * np.clip((y - size * 0.12 - row) / (size * 0.9), -0.35, 0.5)
    palette = site.palette
    colour = mix(palette.horizon, WHITE, 0.1 if palette.night else 0.55)
    if dark:
        colour = mix(palette.zenith, palette.haze, 0.4)
    return Layer.plain("cloud", 0.06, mask, colour, lit * 0.8)


RIDGES = {
    "mountain": (2.3, 7, 0.50, True),
    "hill": (1.4, 3, 0.34, False),
    "dune": (1.5, 2, 0.30, False),
    "plain": (1.2, 3, 0.34, False),
    "cliff": (3.4, 6, 0.55, True),
}


def ridge_line(site: Site, name: object, form: str, base: float, rise: float) -> Field:
    """The y of a skyline for every column, in pixels: at `base`, up to `rise` higher."""
    cells, octaves, rough, sharp = RIDGES[form]
    rng = site.rng("ridge", name)
    cells *= (site.width / site.unit) ** 0.8
    line = profile(
        rng, site.width, cells * rng.uniform(0.8, 1.25), min(octaves, site.octaves(octaves)), rough, sharp=sharp
    )
    if form == "mountain":
        folds = 1 - np.abs(2 * profile(rng, site.width, cells * 0.8, 4, 0.5) - 1)
        line = 0.45 * line + 0.55 * folds**1.2
    if form == "dune":
        line = np.sqrt((2 * line - 1) ** 2 + 0.05)
    return np.asarray(base - rise * line, np.float32)


def ridge(
    site: Site, name: object, line: Field, form: str, depth: float, colour: Field, *, snowy: float = 0.0
) -> Layer:
    """Land below a skyline, with relief, a lit crest and optionally snow (`snowy` 0 to 1) on its heights."""
    row, _column = grid(site.shape)
    below = row - line[None, :]
    mask = np.clip(below + 0.5, 0, 1)
    rng = site.rng("relief", name)
    steep = form in ("mountain", "cliff")
    toward = np.float32(np.sign(site.light[0]))
    relief = noise(rng, site.shape, 7 if steep else 3.5, site.octaves(5 if steep else 4), (1.0, 0.8 if steep else 1.6))
    crest = np.exp(-np.clip(below, 0, None) / (site.unit * 0.02))
    slope = np.gradient(relief, axis=1) * (toward * np.float32(site.unit / 14))
    if steep:
        shade = _facets(line, relief, below, site.unit, -toward) * np.float32(0.62) + slope * 0.35 + crest * 0.1
    else:
        across = np.gradient(line)[None, :] * -toward
        facing = np.clip(across * 0.3, -0.6, 0.6) * np.exp(-np.clip(below, 0, None) / (site.unit * 0.22))
        shade = slope * 0.5 + facing + crest * 0.25 + (relief - 0.5) * 0.35 - 0.08
    shade = np.clip(shade, -1, 1)
    ground = np.broadcast_to(colour, (*site.shape, 3))
    if snowy:
        reach = site.unit * 0.2 * snowy
        crag = soft(relief, 2) * site.unit * 0.22
        white = ramp(below + crag - site.unit * 0.10, reach * 0.9, reach * 0.68)
        ground = ground * (1 - white[..., None]) + rgb("f4f7fa") * white[..., None]
    layer = Layer.plain("ridge", depth, mask, ground, shade)
    layer.edge = np.exp(-((below / max(1.0, site.unit * 0.003)) ** 2)).astype(np.float32)
    return layer


def _facets(line: Field, relief: Field, below: Field, unit: int, toward: Field | np.float32) -> Field:
    """Lit and shadowed flanks with jagged borders, running down from the peaks of a skyline."""
    width = line.shape[0]
    reach = max(1, unit // 40)
    smooth = np.convolve(np.pad(line, reach, mode="edge"), np.ones(2 * reach + 1) / (2 * reach + 1), "valid")
    tilt = np.clip(np.gradient(smooth) * 1.8, -1, 1) * toward
    deep = np.clip(below / (unit * 0.35), 0, 1)
    drift = (relief - 0.5) * unit * (0.05 + 0.34 * deep)
    source = np.clip(np.arange(width)[None, :] + drift, 0, width - 1).astype(int)
    return np.asarray(tilt[source] * (1 - 0.45 * deep), np.float32)


def mist(site: Site, name: object, y: float, thickness: float, opacity: float, depth: float, colour: Field) -> Layer:
    """A bank of fog with a soft billowing top at `y` pixels, `thickness` pixels deep."""
    row, _ = grid(site.shape)
    rng = site.rng("mist", name)
    billow = noise(rng, site.shape, 4, site.octaves(5), (1.0, 2.6))
    top = y + (billow - 0.5) * thickness * 0.9
    mask = ramp(row - top, 0, thickness * 0.4) * ramp(row - top, thickness * 1.8, thickness * 0.6) * opacity
    return Layer.plain("mist", depth, mask * (0.75 + 0.25 * billow), colour, (billow - 0.5) * 0.5)


def sea_of_mist(site: Site, name: object, y: float, depth: float, opacity: float, colour: Field) -> Layer:
    """Heaps of cloud seen from above, filling everything below `y` pixels."""
    row, _column = grid(site.shape)
    rng = site.rng("sea of mist", name)
    line = profile(rng, site.width, 5 * site.width / site.unit, 3, 0.55)
    bumps = 1 - np.abs(2 * profile(rng, site.width, 8 * site.width / site.unit, 2, 0.5) - 1)
    top = y - site.unit * (0.035 * line + 0.03 * bumps)
    below = row - top[None, :]
    billow = noise(rng, site.shape, 6, site.octaves(5), (1.0, 2.2))
    mask = ramp(below + (billow - 0.5) * site.unit * 0.03, -site.unit * 0.008, site.unit * 0.05) * opacity
    lit = np.exp(-np.clip(below, 0, None) / (site.unit * 0.05)) * 0.5 + (billow - 0.6) * 0.8
    return Layer.plain("mist", depth, mask, colour, lit)


def water(site: Site, top: float, depth: float, colour: Field, glitter_x: float | None) -> Layer:
    """Water from `top` pixels down, with ripples and the glitter path of sun or moon."""
    row, column = grid(site.shape)
    mask = np.clip(row - top + 0.5, 0, 1) * np.ones((1, site.width), np.float32)
    rng = site.rng("water")
    near = np.clip((row - top) / max(1.0, site.height - top), 0, 1)
    fine = noise(rng, site.shape, 9, site.octaves(4), (0.8, 7.0))
    broad = noise(rng, site.shape, 4, 3, (0.6, 5.0))
    waves = np.where(near < 0.35, fine, broad) * (1 - near * 0.5) + broad * near * 0.5
    deep = mix(colour, site.palette.horizon, 0.45)
    shown = deep + (colour * np.float32(0.82) - deep) * (near**0.6)[..., None]
    shade = (waves - 0.5) * (0.5 + 0.5 * near)
    layer = Layer.plain("water", depth, mask, np.broadcast_to(shown, (*site.shape, 3)), shade)
    if glitter_x is not None:
        spread = site.unit * (0.035 + 0.16 * near)
        path = np.exp(-(((column - glitter_x) / spread) ** 2)) * ramp(fine, 0.46, 0.66)
        layer.shade = np.clip(layer.shade + path * 1.1, -1, 1.6)
        layer.colour = layer.colour + (site.palette.disc - layer.colour) * (path * 0.65)[..., None]
        layer.glow = path * mask * np.float32(0.35)
    return layer


def flakes(site: Site, kind: str) -> Layer:
    """Snow, rain, petals or fireflies in front of everything."""
    rng = site.rng("flakes", kind)
    pen = site.pen(form=0)
    many = 0.5 + 0.5 * site.detail
    if kind == "rain":
        slant = rng.uniform(0.08, 0.2)
        for _ in range(int(130 * many)):
            x, y, long = (
                rng.uniform(-0.1, 1.1) * site.width,
                rng.random() * site.height,
                rng.uniform(0.03, 0.07) * site.unit,
            )
            points = [(x, y), (x - slant * long, y + long)]
            pen.line(points, max(0.8, site.unit * 0.0022), rgb("e6eef5"), alpha=rng.uniform(0.2, 0.5), line=False)
        return pen.layer("weather", 1.0)
    count, colour = {"snow": (170, rgb("ffffff")), "petals": (70, rgb("f6b3c4")), "fireflies": (46, rgb("ffe27a"))}[
        kind
    ]
    for _ in range(int(count * many)):
        x, y = rng.random() * site.width, rng.random() * site.height
        r = site.unit * rng.uniform(0.0016, 0.0062) * (1.5 if kind == "petals" else 1.0)
        turn = rng.uniform(0, 360)
        points = arc(x, y, r, r * (0.55 if kind == "petals" else 1.0), turn, turn + 360)
        glow = 1.0 if kind == "fireflies" else 0.0
        pen.poly(points, colour, alpha=rng.uniform(0.55, 1.0), line=False, glow=glow)
    layer = pen.layer("weather", 1.0)
    if kind == "fireflies":
        halo = soft(layer.mask, site.unit * 0.03) * 3
        layer.mask = np.clip(layer.mask + halo * 0.5, 0, 1)
        layer.colour = np.broadcast_to(colour, (*site.shape, 3))
        layer.glow = layer.mask
    return layer


def aurora(site: Site, horizon: float, colours: tuple[Field, Field]) -> Layer:
    """Curtains of light in the sky."""
    row, _column = grid(site.shape)
    rng = site.rng("aurora")
    mask = np.zeros(site.shape, np.float32)
    for _ in range(3):
        line = (
            site.height * horizon * (0.35 + 0.4 * profile(rng, site.width, 2.2, 3, 0.5))
            + rng.uniform(-0.1, 0.1) * site.height
        )
        rays = profile(rng, site.width, 26, 3, 0.6)
        above = line[None, :] - row
        tall = site.height * horizon * (0.25 + 0.45 * rays[None, :])
        mask = np.maximum(
            mask, ramp(above, -4, 4) * np.exp(-np.clip(above, 0, None) / tall) * (0.35 + 0.5 * rays[None, :])
        )
    up = np.clip(1 - row / (site.height * horizon), 0, 1)[..., None] * np.ones((1, site.width, 1), np.float32)
    layer = Layer.plain("stars", 0.02, mask, colours[0] * (1 - up) + colours[1] * up)
    layer.glow = mask
    return layer


def rainbow(site: Site, horizon: float) -> Layer:
    """A bow across the sky."""
    row, column = grid(site.shape)
    radius = site.width * 0.42
    distance = np.hypot(column - site.width * 0.55, row - site.height * horizon * 1.08)
    t = (distance - radius) / (site.unit * 0.075)
    bow = np.stack([ramp(np.abs(t - centre), 0.42, 0.05) for centre in (0.85, 0.5, 0.15)], axis=-1)
    mask = ramp(np.abs(t - 0.5), 0.75, 0.3) * np.float32(0.5)
    return Layer.plain("cloud", 0.05, mask, np.clip(bow + 0.15, 0, 1))
