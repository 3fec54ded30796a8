"""Houses, castles, temples, and vehicles."""

from __future__ import annotations

import itertools

import numpy as np

from stylestudio.preview_engine.painter.colour import mix, rgb, shift
from stylestudio.preview_engine.painter.fields import Field
from stylestudio.preview_engine.painter.layers import Pen, Point, arc, curve
from stylestudio.preview_engine.painter.subjects.kit import Kit, drawing


def window(pen: Pen, kit: Kit, x: float, y: float, w: float, h: float, *, pointed: bool = True) -> None:
    colour, glow = kit.window
    top = [(x + w * np.cos(a), y - h * 0.5 - w * 1.2 * np.sin(a)) for a in np.linspace(0, np.pi, 7)]
    shape = [(x + w, y + h * 0.5), *top, (x - w, y + h * 0.5)] if pointed else _box(x - w, y - h / 2, x + w, y + h / 2)
    pen.poly(shape, colour, -0.2 if not glow else 0.3, glow=glow, form=0, line=False)


def _box(x0: float, y0: float, x1: float, y1: float) -> list[tuple[float, float]]:
    return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]


def round_tower(
    pen: Pen, kit: Kit, x: float, foot: float, w: float, tall: float, stone: Field, roof: Field, *, spire: float = 2.4
) -> None:
    """A tower with a conical roof, a corbelled top, windows and a pennant. `w` is half its width."""
    top = foot - tall
    pen.poly([(x - w * 1.08, foot), (x - w * 0.92, top), (x + w * 0.92, top), (x + w * 1.08, foot)], stone, form=1.1)
    pen.poly(_box(x - w * 1.2, top - w * 0.35, x + w * 1.2, top + w * 0.18), stone, 0.18, form=0.7)
    peak = top - w * spire
    pen.poly(
        curve([(x - w * 1.42, top - w * 0.3), (x - w * 0.6, top - w * 1.05), (x, peak)], closed=False)
        + curve([(x, peak), (x + w * 0.6, top - w * 1.05), (x + w * 1.42, top - w * 0.3)], closed=False),
        roof,
        form=1.1,
    )
    pen.line([(x, peak + w * 0.1), (x, peak - w * 0.75)], w * 0.12, rgb("4a4038"), line=False)
    flag = 1 if kit.rng.random() < 0.5 else -1
    pen.poly(
        [(x, peak - w * 0.75), (x + flag * w * 0.95, peak - w * 0.5), (x, peak - w * 0.3)],
        kit.palette.accent,
        0.1,
        line=False,
    )
    for level in np.linspace(top + w * 0.9, foot - w * 0.8, max(1, int(tall / w / 2.2))):
        window(pen, kit, x + float(kit.rng.uniform(-0.25, 0.25)) * w, float(level), w * 0.2, w * 0.5)


def battlement(pen: Pen, x0: float, x1: float, y: float, tooth: float, stone: Field) -> None:
    count = max(2, round((x1 - x0) / (tooth * 1.7)))
    for left in np.linspace(x0, x1 - tooth, count):
        pen.poly(_box(float(left), y - tooth, float(left) + tooth, y + tooth * 0.2), stone, 0.15, form=0.4)


@drawing("castle")
def castle(pen: Pen, kit: Kit) -> None:
    stone = kit.main("cfc4b4", "b9b4b8", "d8cbb0", "c3b9a6")
    roof = shift(stone, 0, 1.1, 0.45) if kit.said is not None else kit.accent("5a6c92", 0.35)
    rng = kit.rng
    tall = float(rng.uniform(0.44, 0.54))
    round_tower(pen, kit, 0.06, -0.14, 0.085, tall, shift(stone, 0, 1, 0.93), roof, spire=2.9)
    round_tower(pen, kit, -0.17, -0.12, 0.062, tall * 0.72, shift(stone, 0, 1, 0.92), roof, spire=3.0)
    round_tower(pen, kit, 0.24, -0.10, 0.05, tall * 0.66, shift(stone, 0, 1, 0.95), roof, spire=3.2)
    keep = -0.14 - tall * 0.55
    pen.poly(_box(-0.13, keep, 0.20, -0.02), shift(stone, 0, 1, 0.97), form=0.5)
    battlement(pen, -0.14, 0.21, keep, 0.036, stone)
    for x in (-0.07, 0.0, 0.07, 0.14):
        window(pen, kit, x, keep + 0.11, 0.011, 0.035)
    pen.poly(_box(-0.42, -0.21, 0.42, 0.03), stone, form=0.35)
    battlement(pen, -0.43, 0.43, -0.21, 0.034, stone)
    for x, high, w in ((-0.40, 0.30, 0.07), (0.40, 0.26, 0.066)):
        round_tower(pen, kit, x, 0.04, w, high + float(rng.uniform(0, 0.07)), stone, roof, spire=2.3)
    pen.poly(_box(-0.105, -0.29, 0.105, 0.03), stone, 0.08, form=0.5)
    battlement(pen, -0.11, 0.11, -0.29, 0.032, stone)
    dark = mix(rgb("2b2230"), rgb("ffb45e"), 0.35 if kit.lit else 0.0)
    pen.poly([(0.055, 0.03), (0.055, -0.10), *arc(0, -0.10, 0.055, 0.065, 0, -180), (-0.055, 0.03)], dark, -0.3, form=0)
    pen.poly([(0.0, 0.03), (0.0, -0.165), (0.002, -0.165), (0.002, 0.03)], shift(dark, 0, 1, 0.6), form=0, line=False)
    for _ in range(int(26 * kit.detail)):
        x, y = float(rng.uniform(-0.38, 0.38)), float(rng.uniform(-0.19, -0.02))
        if abs(x) > 0.12:
            pen.rect(x, y, x + 0.03, y + 0.012, shift(stone, 0, 1, 0.86), line=False, form=0.0, inside=True)


@drawing("tower")
def tower(pen: Pen, kit: Kit) -> None:
    stone = kit.main("c7bca9", "aeb0ba")
    round_tower(pen, kit, 0, 0.02, 0.13, 0.62, stone, kit.accent("7a3f4a", 0.3), spire=2.3)
    dark = rgb("2b2230")
    pen.poly([(0.05, 0.02), (0.05, -0.09), *arc(0, -0.09, 0.05, 0.06, 0, -180), (-0.05, 0.02)], dark, -0.2, form=0)


def cottage(pen: Pen, kit: Kit, x: float, foot: float, s: float, wall: Field, roof: Field) -> None:
    """A gabled house with a lit side, a chimney, a door and windows; `s` is its size."""

    def across(v: float) -> float:
        return x + v * s

    def down(v: float) -> float:
        return foot + v * s

    pen.poly(
        [
            (across(0.22), down(-0.80)),
            (across(0.34), down(-0.80)),
            (across(0.34), down(-0.42)),
            (across(0.22), down(-0.42)),
        ],
        shift(wall, 0, 1.2, 0.75),
    )
    pen.poly(_box(across(0.20), down(-0.83), across(0.36), down(-0.77)), shift(roof, 0, 1, 0.8), line=False)
    pen.poly(
        [
            (across(-0.08), down(0.02)),
            (across(-0.08), down(-0.45)),
            (across(0.46), down(-0.45)),
            (across(0.46), down(0.02)),
        ],
        wall,
        -0.12,
        form=0.3,
    )
    pen.poly(
        [
            (across(-0.46), down(0.02)),
            (across(-0.46), down(-0.42)),
            (across(-0.27), down(-0.78)),
            (across(-0.08), down(-0.42)),
            (across(-0.08), down(0.02)),
        ],
        wall,
        0.16,
        form=0.3,
    )
    pen.poly(
        [
            (across(-0.29), down(-0.84)),
            (across(0.36), down(-0.80)),
            (across(0.54), down(-0.38)),
            (across(-0.06), down(-0.38)),
        ],
        roof,
        form=0.45,
    )
    pen.poly(
        [
            (across(-0.29), down(-0.84)),
            (across(-0.22), down(-0.84)),
            (across(-0.47), down(-0.33)),
            (across(-0.54), down(-0.36)),
        ],
        shift(roof, 0, 1, 0.85),
        form=0.3,
    )
    if kit.detail > 0.5 and s > 0.3:
        for t in (0.28, 0.52, 0.76):
            y = -0.84 + 0.46 * t
            pen.line(
                [(across(-0.29 + 0.23 * t), down(y)), (across(0.36 + 0.18 * t), down(y + 0.04 * (1 - t)))],
                0.012 * s,
                shift(roof, 0, 1, 0.8),
                line=False,
            )
    pen.poly(_box(across(-0.335), down(-0.27), across(-0.205), down(0.02)), rgb("6b432c"), form=0.3)
    pen.oval(across(-0.23), down(-0.12), 0.012 * s, 0.012 * s, rgb("e8c66a"), line=False)
    colour, glow = kit.window
    for wx in (0.08, 0.30):
        pen.poly(
            _box(across(wx - 0.075), down(-0.32), across(wx + 0.075), down(-0.14)), rgb("f4ead6"), form=0, line=False
        )
        pen.poly(
            _box(across(wx - 0.058), down(-0.302), across(wx + 0.058), down(-0.158)),
            colour,
            glow=glow,
            form=0,
            line=False,
        )
        pen.line([(across(wx), down(-0.30)), (across(wx), down(-0.16))], 0.014 * s, rgb("f4ead6"), line=False)
        pen.line(
            [(across(wx - 0.06), down(-0.23)), (across(wx + 0.06), down(-0.23))], 0.014 * s, rgb("f4ead6"), line=False
        )
    pen.oval(across(-0.27), down(-0.52), 0.045 * s, 0.045 * s, colour, glow=glow, form=0)


@drawing("house")
def house(pen: Pen, kit: Kit) -> None:
    roof = kit.accent("b5563e", 0.55) if kit.said is None else kit.said
    cottage(pen, kit, 0, 0, 0.98, kit.palette.horizon * 0.25 + rgb("f3e7d2") * 0.75, roof)
    for x, r in ((-0.44, 0.07), (0.40, 0.09), (0.50, 0.06)):
        pen.blob(_bush(x, 0.02, r, kit), kit.leaf, form=1.0)


def _bush(x: float, y: float, r: float, kit: Kit) -> list[tuple[float, float]]:
    return [
        (x + r * (1 + 0.18 * float(kit.rng.normal())) * float(np.cos(a)), y - r * 0.5 + r * 0.8 * float(np.sin(a)))
        for a in np.linspace(0, 2 * np.pi, 9, endpoint=False)
    ]


@drawing("village")
def village(pen: Pen, kit: Kit) -> None:
    wall = rgb("f3e7d2")
    for x, y, s in (
        (0.28, -0.16, 0.30),
        (-0.22, -0.18, 0.28),
        (0.02, -0.10, 0.34),
        (-0.36, -0.02, 0.36),
        (0.34, 0.0, 0.40),
    ):
        roof = (
            kit.said if kit.said is not None else shift(kit.palette.accent, float(kit.rng.uniform(-0.04, 0.04)), 0.85)
        )
        cottage(pen, kit, x, y, s, shift(wall, 0, 1, float(kit.rng.uniform(0.9, 1.02))), roof)


@drawing("temple")
def temple(pen: Pen, kit: Kit) -> None:
    wood = kit.main("a8402f", "8d4a36", "a5563a")
    tile = rgb("3c4654") if kit.said is None else shift(kit.said, 0, 0.8, 0.5)
    wall = rgb("efe3cc")
    pen.poly([(-0.46, 0.03), (-0.40, -0.07), (0.40, -0.07), (0.46, 0.03)], rgb("a9a294"), form=0.4)
    pen.poly([(-0.09, 0.03), (-0.07, -0.07), (0.07, -0.07), (0.09, 0.03)], rgb("c9c1b0"), 0.2, form=0.3)
    colour, glow = kit.window
    foot, half = -0.07, 0.30
    for level in range(3):
        tall = 0.155 - 0.02 * level
        pen.poly(_box(-half, foot - tall, half, foot), wall, -0.1, form=0.3)
        for x in np.linspace(-half, half, 5):
            pen.poly(_box(float(x) - 0.013, foot - tall, float(x) + 0.013, foot), wood, form=0.6)
        pen.poly(_box(-half, foot - tall, half, foot - tall + 0.025), wood, -0.1, form=0.2)
        for x in (-half * 0.5, half * 0.5):
            pen.poly(
                _box(x - 0.035, foot - tall * 0.72, x + 0.035, foot - tall * 0.22),
                colour,
                glow=glow,
                form=0,
                line=False,
            )
        if level == 0:
            pen.poly(_box(-0.05, foot - tall * 0.78, 0.05, foot), rgb("3a2420"), -0.2, form=0)
        y = foot - tall
        eave = half + 0.13
        left = curve(
            [(-eave, y - 0.035), (-half * 0.92, y - 0.012), (-half * 0.62, y - 0.085), (-half * 0.50, y - 0.115)],
            closed=False,
        )
        right = [(-px, py) for px, py in reversed(left)]
        pen.poly([*left, *right, (eave - 0.04, y + 0.012), (-eave + 0.04, y + 0.012)], tile, form=0.8)
        pen.line([(-eave + 0.03, y + 0.008), (eave - 0.03, y + 0.008)], 0.016, wood, line=False)
        foot = y - 0.10
        half *= 0.70
    pen.line([(0, foot + 0.02), (0, foot - 0.13)], [0.035, 0.01], rgb("d9aa4a"))
    for ring in (0.02, 0.05, 0.08):
        pen.oval(0, foot - ring, 0.024 - ring * 0.12, 0.008, rgb("e3b95a"), line=False)


@drawing("gate")
def torii(pen: Pen, kit: Kit) -> None:
    red = kit.main("c8402c")
    for x in (-0.27, 0.27):
        pen.poly(
            [(x - 0.045, 0.02), (x * 0.93 - 0.036, -0.78), (x * 0.93 + 0.036, -0.78), (x + 0.045, 0.02)], red, form=1.0
        )
        pen.poly(_box(x - 0.06, -0.05, x + 0.06, 0.03), rgb("3b3438"), form=0.5)
    pen.poly(_box(-0.36, -0.63, 0.36, -0.56), red, form=0.6)
    pen.poly(_box(-0.03, -0.76, 0.03, -0.58), red, form=0.4)
    pen.poly(
        [
            *curve([(-0.5, -0.90), (-0.25, -0.855), (0, -0.84), (0.25, -0.855), (0.5, -0.90)], closed=False),
            (0.46, -0.79),
            (-0.46, -0.79),
        ],
        red,
        form=0.6,
    )
    pen.poly(
        [
            *curve([(-0.53, -0.97), (-0.25, -0.91), (0, -0.895), (0.25, -0.91), (0.53, -0.97)], closed=False),
            (0.5, -0.895),
            (0.0, -0.835),
            (-0.5, -0.895),
        ],
        rgb("3b3438"),
        form=0.5,
    )


@drawing("church")
def church(pen: Pen, kit: Kit) -> None:
    wall, roof = kit.main("e9dfcf", "d9d2c8"), kit.accent("5f6577", 0.3)
    pen.poly([(-0.05, 0.02), (-0.05, -0.34), (0.44, -0.34), (0.44, 0.02)], wall, -0.1, form=0.3)
    pen.poly([(-0.06, -0.34), (0.0, -0.54), (0.42, -0.54), (0.48, -0.33)], roof, form=0.5)
    pen.poly(_box(-0.30, -0.56, -0.03, 0.02), wall, 0.1, form=0.5)
    pen.poly([(-0.34, -0.55), (-0.165, -0.93), (0.01, -0.55)], roof, form=0.9)
    pen.line([(-0.165, -0.92), (-0.165, -1.0)], 0.014, rgb("e3b95a"))
    pen.line([(-0.19, -0.975), (-0.14, -0.975)], 0.014, rgb("e3b95a"))
    for x in (0.08, 0.20, 0.32):
        window(pen, kit, x, -0.17, 0.03, 0.12)
    window(pen, kit, -0.165, -0.40, 0.035, 0.09)
    pen.poly(
        [(-0.11, 0.02), (-0.11, -0.13), *arc(-0.165, -0.13, 0.055, 0.06, 0, -180), (-0.22, 0.02)], rgb("5b3a2a"), form=0
    )


@drawing("lighthouse")
def lighthouse(pen: Pen, kit: Kit) -> None:
    stripe = kit.main("cc4434")
    white = rgb("f6f1e6")

    def width(y: float) -> float:
        return 0.15 + 0.075 * y

    bands = np.linspace(0.02, -0.70, 7)
    for index, (low, high) in enumerate(itertools.pairwise(bands)):
        a, b = width(float(low)), width(float(high))
        pen.poly([(-a, low), (-b, high), (b, high), (a, low)], stripe if index % 2 else white, form=1.1, line=False)
    pen.poly([(-0.152, 0.02), (-0.0975, -0.70), (0.0975, -0.70), (0.152, 0.02)], white, alpha=0.0)
    pen.poly(_box(-0.14, -0.735, 0.14, -0.695), rgb("3f4450"), form=0.4)
    pen.poly(_box(-0.075, -0.84, 0.075, -0.735), rgb("fff0b0"), 0.4, glow=1.0, form=0.2)
    pen.poly([(-0.105, -0.84), (0, -0.95), (0.105, -0.84)], stripe, form=0.9)
    pen.poly([(0.05, 0.02), (0.05, -0.09), *arc(0, -0.09, 0.05, 0.05, 0, -180), (-0.05, 0.02)], rgb("5b3a2a"), form=0)
    for y in (-0.28, -0.5):
        window(pen, kit, 0.01, y, 0.018, 0.05)


@drawing("windmill")
def windmill(pen: Pen, kit: Kit) -> None:
    wall, cap = kit.main("efe4d0"), kit.accent("8a5a44", 0.3)
    pen.poly([(-0.20, 0.02), (-0.12, -0.52), (0.12, -0.52), (0.20, 0.02)], wall, form=1.0)
    pen.poly(
        curve([(-0.15, -0.51), (-0.10, -0.62), (0, -0.67), (0.10, -0.62), (0.15, -0.51), (0, -0.5)]), cap, form=0.9
    )
    window(pen, kit, 0.0, -0.33, 0.03, 0.06)
    pen.poly([(0.05, 0.02), (0.05, -0.10), *arc(0, -0.10, 0.05, 0.05, 0, -180), (-0.05, 0.02)], rgb("5b3a2a"), form=0)
    start = float(kit.rng.uniform(0.2, 1.2))
    for quarter in range(4):
        a = start + quarter * np.pi / 2
        c, s = float(np.cos(a)), float(np.sin(a))

        def at(u: float, v: float, c: float = c, s: float = s) -> Point:
            return (u * c - v * s, -0.58 + u * s + v * c)

        pen.poly([at(0.07, 0.01), at(0.40, 0.01), at(0.40, 0.105), at(0.07, 0.085)], rgb("f9f3e4"), 0.15, form=0.2)
        pen.line([at(0, 0), at(0.42, 0)], 0.018, rgb("6b4a35"))
    pen.oval(0, -0.58, 0.03, 0.03, rgb("6b4a35"))


@drawing("bridge")
def bridge(pen: Pen, kit: Kit) -> None:
    stone = kit.main("b8aa98", "c44a36")
    deck = curve([(-0.5, -0.12), (-0.25, -0.26), (0, -0.31), (0.25, -0.26), (0.5, -0.12)], closed=False)
    under = curve([(0.40, 0.02), (0.27, -0.11), (0, -0.18), (-0.27, -0.11), (-0.40, 0.02)], closed=False)
    pen.poly([*deck, (0.5, 0.02), *under, (-0.5, 0.02)], stone, form=0.6)
    pen.line([(x, y - 0.075) for x, y in deck], 0.028, shift(stone, 0, 1, 1.1))
    for x, y in deck[::4]:
        pen.line([(x, y), (x, y - 0.10)], 0.02, shift(stone, 0, 1, 0.85))


@drawing("ruin")
def ruin(pen: Pen, kit: Kit) -> None:
    stone = kit.main("d2c6b0", "c3bfb8")
    pen.poly(_box(-0.5, -0.07, 0.5, 0.03), stone, form=0.3)
    pen.poly(_box(-0.45, -0.12, 0.45, -0.06), stone, 0.1, form=0.3)
    for x, tall in zip((-0.37, -0.19, 0.0, 0.19, 0.37), (0.62, 0.62, 0.62, 0.36, 0.50), strict=True):
        pen.poly(
            [(x - 0.05, -0.12), (x - 0.042, -0.12 - tall), (x + 0.042, -0.12 - tall), (x + 0.05, -0.12)],
            stone,
            form=1.2,
        )
        pen.line([(x, -0.13), (x, -0.11 - tall)], 0.01, shift(stone, 0, 1, 0.82), line=False, inside=True)
        pen.poly(_box(x - 0.06, -0.17, x + 0.06, -0.12), stone, form=0.4)
        if tall > 0.6:
            pen.poly(_box(x - 0.065, -0.78, x + 0.065, -0.73), stone, 0.1, form=0.4)
    pen.poly([(-0.46, -0.86), (0.06, -0.86), (0.10, -0.82), (0.07, -0.78), (-0.46, -0.78)], stone, form=0.5)
    pen.poly([(-0.42, -0.86), (-0.14, -0.96), (0.0, -0.90), (0.05, -0.86)], stone, form=0.5)
    for x, y, r in ((0.28, 0.0, 0.05), (0.47, 0.0, 0.06), (-0.48, 0.01, 0.04)):
        pen.blob([(x - r, y), (x - r * 0.6, y - r), (x + r * 0.5, y - r * 0.9), (x + r, y)], stone, form=0.7)


@drawing("pyramid")
def pyramid(pen: Pen, kit: Kit) -> None:
    sand = kit.main("dcb06d", "d39d5c")
    for x, s in ((0.30, 0.45), (-0.06, 0.86)):
        pen.poly([(x - 0.56 * s, 0.02), (x - 0.02, -0.88 * s), (x + 0.12 * s, 0.02)], sand, 0.2, form=0.1)
        pen.poly([(x + 0.12 * s, 0.02), (x - 0.02, -0.88 * s), (x + 0.52 * s, 0.02)], sand, -0.45, form=0.1)
        for t in np.linspace(0.12, 0.9, int(9 * kit.detail) + 3):
            y = -0.88 * s * (1 - float(t)) + 0.02 * float(t)
            a, b, c = x - 0.02 - 0.54 * s * t, x - 0.02 + 0.14 * s * t, x - 0.02 + 0.54 * s * t
            pen.line([(a, y), (b, y), (c, y)], 0.006 * s, shift(sand, 0, 1.1, 0.75), line=False, alpha=0.5)


@drawing("tent")
def tent(pen: Pen, kit: Kit) -> None:
    cloth = kit.main("d9823f", "4f8f86", "c7544a")
    pen.poly([(-0.06, -0.64), (0.16, -0.60), (0.50, 0.02), (0.10, 0.02)], cloth, -0.3, form=0.3)
    pen.poly([(-0.46, 0.02), (-0.06, -0.64), (0.12, 0.02)], cloth, 0.15, form=0.4)
    colour = rgb("ffd98a") if kit.lit else rgb("4a3328")
    pen.poly([(-0.24, 0.02), (-0.07, -0.46), (0.0, 0.02)], colour, glow=0.8 if kit.lit else 0, form=0)
    pen.poly([(-0.24, 0.02), (-0.07, -0.46), (-0.16, 0.02)], shift(cloth, 0, 0.8, 1.15), 0.2, form=0.2)
    pen.line([(-0.06, -0.63), (-0.06, -0.72)], 0.014, rgb("5b4030"))


@drawing("statue")
def statue(pen: Pen, kit: Kit) -> None:
    stone = kit.main("c9c6bf", "b9b3a8")
    pen.poly(_box(-0.24, -0.10, 0.24, 0.02), stone, form=0.4)
    pen.poly(_box(-0.18, -0.24, 0.18, -0.10), stone, form=0.4)
    pen.poly([(-0.10, -0.24), (-0.065, -0.88), (0, -0.98), (0.065, -0.88), (0.10, -0.24)], stone, form=0.9)
    pen.poly([(0.0, -0.24), (0.0, -0.98), (0.065, -0.88), (0.10, -0.24)], stone, -0.35, form=0.2, line=False)
    for y in (-0.40, -0.55, -0.70):
        pen.oval(-0.02, y, 0.018, 0.022, kit.palette.accent, glow=0.5 if kit.lit else 0.0, line=False)


@drawing("ship")
def ship(pen: Pen, kit: Kit) -> None:
    sail = kit.main("f4e9d2", "f2dfc0")
    hull, wood = rgb("6b3f2a"), rgb("4a2d22")
    for x, tall in ((-0.22, 0.74), (0.06, 0.90), (0.29, 0.66)):
        pen.line([(x, -0.18), (x, -tall)], 0.018, wood)
        for low, high, half in ((0.26, 0.53, 0.17), (0.55, 0.80, 0.125)):
            if high > tall / 0.92:
                continue
            y0, y1 = -low * tall / 0.88, -high * tall / 0.88
            pen.blob(
                [
                    (x - half * 0.8, y1),
                    (x + half * 0.9, y1),
                    (x + half * 1.25, (y0 + y1) / 2),
                    (x + half, y0),
                    (x - half * 0.9, y0),
                    (x - half * 0.55, (y0 + y1) / 2),
                ],
                sail,
                form=1.1,
            )
        pen.poly([(x, -tall - 0.04), (x + 0.11, -tall - 0.015), (x, -tall + 0.015)], kit.palette.accent, line=False)
    pen.poly([(0.36, -0.24), (0.52, -0.42), (0.53, -0.40), (0.40, -0.20)], wood)
    pen.poly([(0.29, -0.62), (0.50, -0.40), (0.31, -0.26)], sail, -0.1, form=0.5)
    pen.poly(
        [
            *curve(
                [(-0.48, -0.34), (-0.44, -0.1), (-0.34, 0.02), (0.22, 0.02), (0.38, -0.08), (0.44, -0.26)], closed=False
            ),
            (0.32, -0.18),
            (0.0, -0.16),
            (-0.28, -0.2),
            (-0.34, -0.34),
        ],
        hull,
        form=0.8,
    )
    pen.line(
        curve([(-0.46, -0.20), (-0.2, -0.115), (0.15, -0.095), (0.42, -0.18)], closed=False),
        0.02,
        rgb("d9aa5a"),
        line=False,
    )
    colour, glow = kit.window
    for x in (-0.40, -0.33):
        pen.rect(x - 0.018, -0.29, x + 0.018, -0.24, colour, glow=glow, form=0, line=False)


@drawing("balloon")
def balloon(pen: Pen, kit: Kit) -> None:
    main = kit.main("d9553f", "e0904a", "3f8f8a")
    pale = rgb("f8ecd2")
    for x in (-0.10, 0.10):
        pen.line([(x * 2.0, -0.34), (x, -0.14)], 0.008, rgb("5b4030"), line=False)
    pen.poly(
        curve(
            [
                (0, -0.99),
                (-0.30, -0.90),
                (-0.40, -0.66),
                (-0.27, -0.43),
                (-0.09, -0.28),
                (0.09, -0.28),
                (0.27, -0.43),
                (0.40, -0.66),
                (0.30, -0.90),
            ]
        ),
        main,
        form=1.0,
    )
    for left, right in ((-0.62, -0.26), (0.26, 0.62)):
        outer = [(0.40 * left * np.sin(t) * 1.0, -0.62 - 0.36 * np.cos(t)) for t in np.linspace(0.15, 2.55, 14)]
        inner = [(0.40 * right * np.sin(t) * 1.0, -0.62 - 0.36 * np.cos(t)) for t in np.linspace(2.55, 0.15, 14)]
        pen.poly([(float(x), float(y)) for x, y in outer + inner], pale, form=0.4, line=False, inside=True)
    pen.poly([(-0.10, -0.14), (0.10, -0.14), (0.08, 0.0), (-0.08, 0.0)], rgb("8a5a38"), form=0.6)
    pen.rect(-0.11, -0.15, 0.11, -0.12, rgb("6b432c"))


@drawing("rocket")
def rocket(pen: Pen, kit: Kit) -> None:
    body, fin = rgb("eef0f2"), kit.main("d9483b", "e0763f")
    pen.blob([(-0.09, -0.14), (0, 0.06), (0.09, -0.14), (0, -0.20)], rgb("ffb13b"), glow=1.0, line=False)
    pen.blob([(-0.05, -0.14), (0, -0.01), (0.05, -0.14), (0, -0.18)], rgb("fff2b0"), glow=1.0, line=False)
    for s in (-1, 1):
        pen.poly(curve([(s * 0.13, -0.42), (s * 0.30, -0.22), (s * 0.29, -0.08), (s * 0.12, -0.18)]), fin, form=0.8)
    pen.poly(
        curve(
            [(-0.12, -0.16), (-0.17, -0.45), (-0.12, -0.75), (0, -0.99), (0.12, -0.75), (0.17, -0.45), (0.12, -0.16)]
        ),
        body,
        form=1.2,
    )
    pen.poly(curve([(-0.108, -0.78), (0, -0.99), (0.108, -0.78), (0, -0.755)]), fin, form=0.9)
    pen.oval(0, -0.56, 0.075, 0.075, rgb("8a93a3"))
    pen.oval(0, -0.56, 0.055, 0.055, rgb("5fc3e0"), 0.2)
    pen.poly([(-0.025, -0.04), (-0.025, -0.36), (0.025, -0.36), (0.025, -0.04)], fin, form=0.6)
    pen.rect(-0.09, -0.19, 0.09, -0.14, rgb("5b616d"), form=0.6)


@drawing("train")
def train(pen: Pen, kit: Kit) -> None:
    main = kit.main("b23b34", "2f6b5a", "3a5a94")
    dark = rgb("33333d")
    for x, y, r in ((-0.26, -0.86, 0.05), (-0.20, -0.95, 0.07), (-0.08, -1.0, 0.09)):
        pen.oval(x, y, r * 1.3, r, rgb("e9e6e2"), line=False, alpha=0.8)
    pen.poly(_box(-0.46, -0.17, 0.46, -0.09), dark, form=0.4)
    pen.poly(_box(-0.42, -0.44, 0.14, -0.15), main, form=1.2)
    pen.oval(-0.42, -0.295, 0.03, 0.145, shift(main, 0, 1, 0.8))
    pen.poly(_box(0.10, -0.64, 0.44, -0.15), main, form=0.5)
    pen.poly(curve([(0.06, -0.62), (0.16, -0.69), (0.38, -0.69), (0.48, -0.62)], closed=False), dark, form=0.5)
    colour, glow = kit.window
    pen.rect(0.17, -0.57, 0.36, -0.40, colour, glow=glow, form=0)
    pen.poly([(-0.34, -0.44), (-0.36, -0.66), (-0.22, -0.66), (-0.24, -0.44)], dark, form=0.8)
    pen.oval(-0.07, -0.45, 0.06, 0.07, rgb("e3b95a"))
    pen.oval(-0.45, -0.36, 0.035, 0.035, rgb("fff2b0"), glow=0.9)
    for x in (-0.34, -0.17, 0.0, 0.22, 0.37):
        r = 0.085 if x < 0.1 else 0.065
        pen.oval(x, -r + 0.02, r, r, dark)
        pen.oval(x, -r + 0.02, r * 0.55, r * 0.55, rgb("a8483f"))
    pen.line([(-0.34, -0.055), (0.0, -0.055)], 0.022, rgb("b9bdc6"))
    pen.poly([(-0.46, -0.14), (-0.54, 0.02), (-0.42, 0.02)], dark, form=0.3)


@drawing("car")
def car(pen: Pen, kit: Kit) -> None:
    main = kit.main("d14a3c", "2f86a8", "e2a53c")
    pen.poly(
        curve(
            [
                (-0.48, -0.12),
                (-0.47, -0.28),
                (-0.30, -0.34),
                (-0.17, -0.53),
                (0.16, -0.54),
                (0.32, -0.34),
                (0.47, -0.28),
                (0.49, -0.12),
                (0.2, -0.09),
                (-0.2, -0.09),
            ]
        ),
        main,
        form=0.9,
    )
    pen.poly([(-0.26, -0.34), (-0.14, -0.49), (-0.01, -0.50), (-0.01, -0.34)], rgb("a9d3e0"), 0.1, form=0.2)
    pen.poly([(0.03, -0.34), (0.03, -0.50), (0.14, -0.50), (0.25, -0.34)], rgb("a9d3e0"), -0.1, form=0.2)
    for x in (-0.28, 0.28):
        pen.oval(x, -0.11, 0.115, 0.115, rgb("2e2e36"))
        pen.oval(x, -0.11, 0.055, 0.055, rgb("c9ccd2"))
    pen.oval(-0.455, -0.24, 0.03, 0.035, rgb("fff2b0"), glow=0.8)


@drawing("buildings")
def buildings(pen: Pen, kit: Kit) -> None:
    colour, glow = kit.window
    spots = (
        (-0.38, 0.46, 0.11),
        (-0.17, 0.72, 0.12),
        (0.08, 0.95, 0.13),
        (0.31, 0.62, 0.11),
        (-0.02, 0.40, 0.12),
        (0.43, 0.34, 0.09),
    )
    for x, tall, half in spots:
        wall = kit.main("8c97b5", "a9a3b8", "7f8ea3", "b59f9b")
        pen.poly(_box(x - half, -tall, x + half * 0.35, 0.02), wall, 0.08, form=0.15)
        pen.poly(_box(x + half * 0.35, -tall, x + half, 0.02), wall, -0.4, form=0.1)
        for row in np.arange(-tall + 0.06, -0.05, 0.065):
            for column in np.linspace(x - half * 0.78, x + half * 0.05, 3):
                if kit.rng.random() < 0.75:
                    pen.rect(
                        float(column),
                        float(row),
                        float(column) + half * 0.2,
                        float(row) + 0.032,
                        colour,
                        glow=glow,
                        form=0,
                        line=False,
                    )
    pen.line([(0.08, -0.95), (0.08, -1.05)], 0.012, rgb("4a4a55"))
