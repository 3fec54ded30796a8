"""Trees, plants, rocks, and pieces of land that stand alone as an emblem."""

from __future__ import annotations

import numpy as np

from stylestudio.preview_engine.painter.colour import mix, rgb, shift
from stylestudio.preview_engine.painter.fields import Field
from stylestudio.preview_engine.painter.layers import Pen, Point, arc, curve
from stylestudio.preview_engine.painter.subjects.kit import Kit, drawing


@drawing("pine")
def pine(pen: Pen, kit: Kit) -> None:
    green = kit.said if kit.said is not None else mix(kit.leaf, rgb("2f5a4a"), 0.35)
    rng = kit.rng
    lean = float(rng.uniform(-0.02, 0.02))
    pen.poly([(-0.028, 0.02), (-0.012 + lean, -0.9), (0.012 + lean, -0.9), (0.028, 0.02)], rgb("5a4032"), form=0.8)
    tiers = 4 + int(kit.detail * 2.5) - (pen.frame.size < 50)
    slim = float(rng.uniform(0.8, 1.1))
    for tier in range(tiers):
        t = tier / (tiers - 1)
        half = (0.255 - 0.20 * t) * slim
        foot = -0.14 - 0.70 * t
        top = foot - 0.26 + 0.07 * t
        x = lean * t
        droop = 0.035 * (1 - t)
        jag = [(x + half * (1 - k / 3.0), foot + droop * (k % 2) - 0.012 * k) for k in range(7)]
        pen.poly(
            [(x, top), (x + half * 0.45, (top + foot) / 2 + 0.02), *jag, (x - half * 0.45, (top + foot) / 2 + 0.02)],
            shift(green, 0, 1, 0.86 + 0.22 * t),
            form=1.0,
        )


@drawing("tree")
def tree(pen: Pen, kit: Kit) -> None:
    crown(pen, kit, kit.said if kit.said is not None else kit.leaf)


@drawing("blossom")
def blossom(pen: Pen, kit: Kit) -> None:
    crown(pen, kit, kit.main("f3a9bd", "f6bccb"))


def crown(pen: Pen, kit: Kit, green: Field) -> None:
    """A broad tree: trunk, two boughs, a crown of lit clumps."""
    rng = kit.rng
    bark = rgb("5d4334")
    pen.poly(
        curve([(-0.06, 0.02), (-0.035, -0.22), (-0.04, -0.52), (0.03, -0.52), (0.035, -0.22), (0.07, 0.02)]),
        bark,
        form=1.0,
    )
    pen.line([(0, -0.34), (-0.10, -0.48), (-0.17, -0.60)], [0.045, 0.03, 0.015], bark)
    pen.line([(0, -0.36), (0.10, -0.50), (0.16, -0.60)], [0.04, 0.028, 0.015], bark)
    clumps = [
        (0.0, -0.66, 0.27),
        (-0.22, -0.56, 0.17),
        (0.22, -0.57, 0.18),
        (-0.14, -0.76, 0.18),
        (0.15, -0.77, 0.18),
        (0.0, -0.84, 0.15),
    ]
    for x, y, r in clumps:
        x, y = x + float(rng.normal(0, 0.02)), y + float(rng.normal(0, 0.015))
        r *= float(rng.uniform(0.9, 1.1))
        lumpy = [
            (x + r * k * float(np.cos(a)), y + r * 0.86 * k * float(np.sin(a)))
            for a, k in zip(np.linspace(0, 2 * np.pi, 11)[:-1], rng.uniform(0.88, 1.1, 10), strict=True)
        ]
        pen.blob(lumpy, shift(green, 0, 1, 1.08 + 0.5 * (-y - 0.72)), form=1.1)
    # Distant trees are too small for single leaves.
    leaves = 18 * kit.detail if pen.frame.size > 130 else 0
    for _ in range(int(leaves)):
        a, d = float(rng.uniform(0, 2 * np.pi)), float(rng.random()) ** 0.5
        x, y = 0.3 * d * np.cos(a), -0.68 + 0.22 * d * np.sin(a)
        pen.oval(x, y, 0.022, 0.016, shift(green, 0.01, 0.95, 1.2), 0.2, line=False, form=0, inside=True)


@drawing("palm")
def palm(pen: Pen, kit: Kit) -> None:
    green = kit.said if kit.said is not None else mix(kit.leaf, rgb("4f9a52"), 0.4)
    trunk = curve([(-0.10, 0.02), (-0.03, -0.30), (0.05, -0.66)], closed=False)
    pen.line(trunk, list(np.linspace(0.07, 0.04, len(trunk))), rgb("8a6444"), form=1.0)
    for a in (200, 165, 235, 340, 15, 300, 268):
        c, s = float(np.cos(np.radians(a))), float(np.sin(np.radians(a)))
        tip = (0.05 + 0.40 * c, -0.66 + 0.26 * s + 0.15 * abs(c))
        mid = (0.05 + 0.22 * c, -0.72 + 0.19 * s)
        spine = curve([(0.05, -0.67), mid, tip], closed=False)
        widths = list(0.10 * np.sin(np.linspace(0.25, np.pi, len(spine))))
        pen.line(spine, widths, shift(green, 0, 1, float(kit.rng.uniform(0.85, 1.12))), form=0.9)
    for x, y in ((0.02, -0.63), (0.08, -0.62), (0.05, -0.59)):
        pen.oval(x, y, 0.03, 0.033, rgb("6b432c"))


@drawing("cactus")
def cactus(pen: Pen, kit: Kit) -> None:
    green = kit.main("5c9a5f", "4f8a66")
    pen.line(curve([(0.1, -0.30), (0.25, -0.32), (0.27, -0.60)], closed=False), 0.105, green, form=1.1)
    pen.oval(0.27, -0.60, 0.0525, 0.06, green)
    pen.line(curve([(-0.1, -0.40), (-0.24, -0.42), (-0.25, -0.72)], closed=False), 0.095, green, form=1.1)
    pen.oval(-0.25, -0.72, 0.0475, 0.055, green)
    pen.poly(
        [(-0.10, 0.02), (-0.105, -0.80), *arc(0, -0.82, 0.105, 0.13, 180, 360), (0.105, -0.80), (0.10, 0.02)],
        green,
        form=1.2,
    )
    for x in (-0.045, 0.0, 0.045):
        pen.line([(x, 0.0), (x, -0.86)], 0.008, shift(green, 0, 1, 0.75), line=False)
    for x, y in ((0.0, -0.96), (0.27, -0.67)):
        pen.oval(x, y, 0.045, 0.035, rgb("f08aa5"))


@drawing("bamboo")
def bamboo(pen: Pen, kit: Kit) -> None:
    green = kit.said if kit.said is not None else mix(kit.leaf, rgb("6aa35a"), 0.5)
    rng = kit.rng
    for x in (-0.26, -0.10, 0.06, 0.24):
        lean = float(rng.uniform(-0.05, 0.05))
        tall = float(rng.uniform(0.85, 1.0))
        for low, high in zip(np.linspace(0, tall, 6)[:-1], np.linspace(0, tall, 6)[1:], strict=True):
            pen.line(
                [(x + lean * low, -low), (x + lean * high, -high + 0.012)],
                0.04,
                shift(green, 0, 1, float(rng.uniform(0.92, 1.08))),
                form=1.0,
            )
        for _ in range(5):
            y, side = -float(rng.uniform(0.35, 0.98)) * tall, 1 if rng.random() < 0.5 else -1
            spine = [(x, y), (x + side * 0.09, y + 0.0), (x + side * 0.19, y + 0.07)]
            pen.line(
                curve(spine, closed=False),
                list(0.045 * np.sin(np.linspace(0.3, np.pi, 17))),
                shift(green, 0.01, 1, 0.9),
            )


def petals(
    pen: Pen, x: float, y: float, r: float, count: int, colour: Field, start: float, squash: float = 1.0
) -> None:
    for index in range(count):
        a = start + index * 2 * np.pi / count
        c, s = float(np.cos(a)), float(np.sin(a)) * squash
        tip, side = (x + r * c, y + r * s), (-s * r * 0.36, c * r * 0.36)
        base = (x + 0.12 * r * c, y + 0.12 * r * s)
        bulge = (x + 0.68 * r * c, y + 0.68 * r * s)
        pen.blob(
            [base, (bulge[0] + side[0], bulge[1] + side[1]), tip, (bulge[0] - side[0], bulge[1] - side[1])],
            shift(colour, 0, 1, 1 - 0.09 * (index % 2)),
            form=0.8,
        )


def leaf_blade(pen: Pen, start: Point, tip: Point, width: float, colour: Field) -> None:
    (x0, y0), (x1, y1) = start, tip
    middle = ((x0 + x1) / 2, (y0 + y1) / 2)
    nx, ny = -(y1 - y0) * width, (x1 - x0) * width
    pen.blob([start, (middle[0] + nx, middle[1] + ny), tip, (middle[0] - nx, middle[1] - ny)], colour, form=0.8)
    pen.line([start, tip], 0.008, shift(colour, 0, 1, 0.8), line=False, inside=True)


@drawing("flower")
def flower(pen: Pen, kit: Kit) -> None:
    colour = kit.main("e8607a", "f2a33c", "9a6bc9", "e9e4f2")
    green = mix(kit.leaf, rgb("5a9a55"), 0.5)
    stem = curve([(0.02, 0.02), (0.05, -0.25), (0.0, -0.62)], closed=False)
    pen.line(stem, 0.03, green)
    leaf_blade(pen, (0.035, -0.10), (0.30, -0.30), 0.22, green)
    leaf_blade(pen, (0.04, -0.16), (-0.22, -0.36), 0.22, shift(green, 0, 1, 0.92))
    petals(pen, 0, -0.67, 0.30, 8, shift(colour, 0, 1, 0.86), 0.2)
    petals(pen, 0, -0.67, 0.25, 8, colour, 0.2 + np.pi / 8)
    pen.oval(0, -0.67, 0.085, 0.085, rgb("f6c344"), form=1.1)
    for _ in range(int(14 * kit.detail)):
        a, d = float(kit.rng.uniform(0, 2 * np.pi)), 0.065 * float(kit.rng.random()) ** 0.5
        pen.oval(d * float(np.cos(a)), -0.67 + d * float(np.sin(a)), 0.01, 0.01, rgb("a8652a"), line=False, form=0)


@drawing("leaf")
def leaf(pen: Pen, kit: Kit) -> None:
    green = kit.main("5aa35a", "7fb24f")
    pen.blob(
        [(-0.30, -0.06), (-0.36, -0.42), (-0.10, -0.82), (0.38, -0.96), (0.36, -0.52), (0.12, -0.18)], green, form=1.0
    )
    pen.line(
        curve([(-0.42, 0.04), (-0.12, -0.36), (0.34, -0.90)], closed=False),
        [*np.linspace(0.04, 0.012, 17)],
        shift(green, 0, 0.9, 1.25),
        line=False,
    )
    for t in (0.25, 0.42, 0.58, 0.74):
        x, y = -0.30 + 0.62 * t, -0.14 - 0.74 * t
        pen.line([(x, y), (x + 0.20, y - 0.06)], 0.013, shift(green, 0, 0.9, 1.2), line=False, inside=True)
        pen.line([(x, y), (x - 0.10, y - 0.19)], 0.013, shift(green, 0, 0.9, 1.2), line=False, inside=True)


@drawing("mushroom")
def mushroom(pen: Pen, kit: Kit) -> None:
    cap = kit.main("d2453a", "c9663a", "8a5ab0")
    for x, y, s in ((0.25, 0.01, 0.42), (-0.05, 0.01, 0.92)):
        pen.poly(
            curve(
                [
                    (x - 0.13 * s, y),
                    (x - 0.085 * s, y - 0.26 * s),
                    (x - 0.11 * s, y - 0.52 * s),
                    (x + 0.11 * s, y - 0.52 * s),
                    (x + 0.085 * s, y - 0.26 * s),
                    (x + 0.14 * s, y),
                ]
            ),
            rgb("f3e7cf"),
            form=1.1,
        )
        pen.poly(
            [*curve([(x - 0.18 * s, y - 0.52 * s), (x, y - 0.42 * s), (x + 0.18 * s, y - 0.52 * s)], closed=False)],
            rgb("e3d2b2"),
            -0.2,
        )
        pen.poly(
            curve(
                [
                    (x - 0.42 * s, y - 0.46 * s),
                    (x - 0.36 * s, y - 0.74 * s),
                    (x, y - 0.98 * s),
                    (x + 0.36 * s, y - 0.74 * s),
                    (x + 0.42 * s, y - 0.46 * s),
                    (x + 0.2 * s, y - 0.50 * s),
                    (x, y - 0.515 * s),
                    (x - 0.2 * s, y - 0.50 * s),
                ]
            ),
            cap,
            form=1.1,
        )
        for dx, dy, r in (
            (-0.20, -0.66, 0.062),
            (0.03, -0.80, 0.075),
            (0.22, -0.62, 0.055),
            (-0.02, -0.61, 0.045),
            (-0.32, -0.53, 0.035),
        ):
            pen.oval(x + dx * s, y + dy * s, r * s, r * s * 0.85, rgb("fff4e2"), 0.1, inside=True, line=False)


@drawing("rock")
def rock(pen: Pen, kit: Kit) -> None:
    stone = mix(kit.palette.far, rgb("8d8a88"), 0.5)
    pen.poly(
        [(-0.48, 0.03), (-0.40, -0.30), (-0.12, -0.52), (0.18, -0.46), (0.42, -0.20), (0.5, 0.03)], stone, form=0.7
    )
    pen.poly([(-0.12, -0.52), (0.18, -0.46), (0.10, -0.24), (-0.16, -0.20)], stone, 0.35, form=0.2, line=False)
    pen.poly(
        [(0.18, -0.46), (0.42, -0.20), (0.5, 0.03), (0.14, 0.03), (0.10, -0.24)], stone, -0.35, form=0.2, line=False
    )


@drawing("mountain")
def peak(pen: Pen, kit: Kit) -> None:
    stone = kit.main("7d8aa6", "8d8797")
    for x, tall, half in ((0.26, 0.62, 0.30), (-0.30, 0.54, 0.26), (-0.02, 0.98, 0.44)):
        top = (x, -tall)
        pen.poly([(x - half, 0.0), top, (x + half, 0.0)], stone, 0.1, form=0.2)
        pen.poly(
            [
                top,
                (x + half, 0.0),
                (x + half * 0.1, 0.0),
                (x + half * 0.16, -tall * 0.42),
                (x - half * 0.04, -tall * 0.62),
            ],
            stone,
            -0.5,
            form=0.1,
            line=False,
        )
        pen.poly(
            [
                top,
                (x + half * 0.40, -tall * 0.60),
                (x + half * 0.2, -tall * 0.66),
                (x + half * 0.1, -tall * 0.52),
                (x - half * 0.08, -tall * 0.64),
                (x - half * 0.22, -tall * 0.54),
                (x - half * 0.40, -tall * 0.60),
            ],
            rgb("f6f8fb"),
            0.2,
            form=0.4,
        )
        pen.poly(
            [
                top,
                (x + half * 0.40, -tall * 0.60),
                (x + half * 0.2, -tall * 0.66),
                (x + half * 0.1, -tall * 0.56),
                (x, -tall * 0.8),
            ],
            rgb("c9d3e6"),
            -0.1,
            form=0,
            line=False,
        )
    for x in (-0.36, -0.24, 0.16, 0.30, 0.40):
        pen.poly([(x - 0.06, 0.03), (x, -0.17), (x + 0.06, 0.03)], mix(kit.leaf, rgb("2f5a4a"), 0.4), form=0.8)


@drawing("volcano")
def volcano(pen: Pen, kit: Kit) -> None:
    stone = kit.main("5d4a52", "54505c")
    for x, y, r in ((0.02, -0.86, 0.09), (0.10, -0.96, 0.12), (-0.06, -0.97, 0.10)):
        pen.oval(x, y, r * 1.3, r, rgb("77707a"), line=False)
    pen.poly(
        curve([(-0.52, 0.03), (-0.26, -0.36), (-0.12, -0.72)], closed=False)
        + curve([(0.12, -0.72), (0.27, -0.36), (0.52, 0.03)], closed=False),
        stone,
        form=0.7,
    )
    lava = rgb("ff7a2f")
    pen.poly([(-0.12, -0.73), (0, -0.69), (0.12, -0.73), (0.06, -0.77), (-0.06, -0.77)], lava, glow=1.0, form=0)
    for spine in (
        [(0, -0.71), (0.03, -0.52), (-0.02, -0.36), (0.05, -0.16)],
        [(0.08, -0.70), (0.14, -0.5), (0.13, -0.34)],
        [(-0.08, -0.70), (-0.12, -0.52), (-0.20, -0.36)],
    ):
        path = curve(spine, closed=False)
        pen.line(path, list(np.linspace(0.045, 0.015, len(path))), lava, glow=1.0, line=False, form=0)


@drawing("wave")
def wave(pen: Pen, kit: Kit) -> None:
    blue = kit.main("2f7fa8", "2a6d9a")
    pen.blob(
        [
            (-0.5, 0.02),
            (-0.46, -0.26),
            (-0.22, -0.66),
            (0.10, -0.86),
            (0.36, -0.74),
            (0.44, -0.52),
            (0.30, -0.58),
            (0.14, -0.50),
            (0.10, -0.30),
            (0.24, -0.12),
            (0.5, -0.06),
            (0.5, 0.02),
        ],
        blue,
        form=1.0,
    )
    for k in (0.0, 0.08, 0.16):
        pen.line(
            curve(
                [(-0.38 + k, -0.02), (-0.30 + k, -0.34), (-0.06 + k, -0.64), (0.14 + k * 0.6, -0.72 + k)], closed=False
            ),
            0.028,
            shift(blue, 0, 0.6, 1.5),
            line=False,
            inside=True,
        )
    for x, y, r in (
        (0.42, -0.50, 0.06),
        (0.36, -0.60, 0.07),
        (0.27, -0.64, 0.06),
        (0.40, -0.70, 0.07),
        (0.28, -0.78, 0.075),
        (0.12, -0.85, 0.07),
        (0.47, -0.60, 0.05),
        (0.30, -0.06, 0.06),
        (0.42, -0.03, 0.06),
    ):
        pen.oval(x, y, r, r, rgb("f5fbff"), line=False)


@drawing("waterfall")
def waterfall(pen: Pen, kit: Kit) -> None:
    stone = mix(kit.palette.far, rgb("77787a"), 0.5)
    pen.poly(
        [
            (-0.5, 0.03),
            (-0.46, -0.78),
            (-0.30, -0.94),
            (-0.12, -0.82),
            (0.14, -0.80),
            (0.30, -0.96),
            (0.46, -0.74),
            (0.5, 0.03),
        ],
        stone,
        form=0.6,
    )
    fall = rgb("dff1f7")
    pen.poly([(-0.13, -0.83), (0.13, -0.81), (0.19, 0.0), (-0.19, 0.0)], fall, 0.2, form=0.4)
    for x in np.linspace(-0.11, 0.11, 6):
        pen.line([(float(x), -0.80), (float(x) * 1.4, -0.02)], 0.012, rgb("9fcbe0"), line=False)
    for x, r in ((-0.18, 0.08), (-0.06, 0.09), (0.07, 0.10), (0.19, 0.08)):
        pen.oval(x, 0.0, r, r * 0.6, rgb("f6fcff"), line=False)


@drawing("grass")
def grass(pen: Pen, kit: Kit) -> None:
    for _ in range(int(9 + 9 * kit.detail)):
        x, lean = float(kit.rng.uniform(-0.5, 0.5)), float(kit.rng.uniform(-0.25, 0.25))
        tall = float(kit.rng.uniform(0.45, 1.0))
        spine = curve([(x, 0.04), (x + lean * 0.3, -tall * 0.6), (x + lean, -tall)], closed=False)
        pen.line(
            spine,
            list(np.linspace(0.06, 0.008, len(spine))),
            shift(kit.palette.near, 0, 1, float(kit.rng.uniform(0.7, 1.1))),
            line=False,
            form=0,
        )


@drawing("island")
def island(pen: Pen, kit: Kit) -> None:
    earth, grassy = rgb("8a6244"), mix(kit.leaf, rgb("7fb24f"), 0.5)
    pen.poly(
        curve(
            [(-0.46, -0.42), (-0.30, -0.18), (-0.08, 0.02), (0.10, -0.06), (0.32, -0.22), (0.47, -0.42)], closed=False
        ),
        earth,
        form=0.8,
    )
    pen.blob(
        [(-0.5, -0.44), (-0.25, -0.52), (0.1, -0.54), (0.5, -0.45), (0.3, -0.36), (0.0, -0.33), (-0.3, -0.36)],
        grassy,
        form=0.6,
    )
    for x, y, s in ((-0.22, -0.46, 0.32), (0.20, -0.44, 0.38), (0.02, -0.44, 0.52)):
        pen.line([(x, y), (x, y - s * 0.4)], 0.03, rgb("5d4334"))
        pen.oval(x, y - s * 0.62, s * 0.26, s * 0.36, shift(grassy, 0, 1, 0.8), form=1.1)
