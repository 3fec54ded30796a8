"""Objects: what a hero carries, wears, finds or drinks."""

from __future__ import annotations

import itertools

import numpy as np

from stylestudio.preview_engine.painter.colour import mix, rgb, shift
from stylestudio.preview_engine.painter.layers import Pen, Point, arc, curve, ribbon
from stylestudio.preview_engine.painter.subjects.kit import Kit, drawing

GOLD, STEEL, WOOD, LEATHER, IVORY = rgb("e6b04a"), rgb("c9d3e0"), rgb("8a5a38"), rgb("7a4a30"), rgb("f6ecd6")
WHITE = rgb("ffffff")


def gleam(pen: Pen, points: list[Point], strength: float = 0.75) -> None:
    """A highlight on glass or metal, clipped to what is drawn."""
    pen.poly(points, WHITE, 0.5, form=0, line=False, alpha=strength, inside=True)


def spun(x: float, y: float, turn: float, points: list[Point]) -> list[Point]:
    """Rotate points by `turn` radians about the origin and move them to (x, y)."""
    c, s = float(np.cos(turn)), float(np.sin(turn))
    return [(x + px * c - py * s, y + px * s + py * c) for px, py in points]


@drawing("potion")
def potion(pen: Pen, kit: Kit) -> None:
    brew = kit.main("3fc3a0", "d9485f", "5a7fe0", "a85fd0", "f0a23c")
    glass = mix(rgb("d7e8f0"), brew, 0.12)
    shape = int(kit.rng.integers(3))
    if shape == 0:
        body = arc(0, -0.34, 0.35, 0.34)
        level, wide = -0.40, 0.31
        fill = [
            (wide * float(np.cos(np.radians(a))), -0.33 + 0.30 * float(np.sin(np.radians(a))))
            for a in range(-12, 193, 8)
        ]
    elif shape == 1:
        body = curve([(-0.12, -0.62), (-0.36, -0.16), (-0.30, 0.0), (0.30, 0.0), (0.36, -0.16), (0.12, -0.62)], 6)
        level = -0.36
        fill = curve(
            [
                (-0.215, level),
                (-0.315, -0.16),
                (-0.27, -0.035),
                (0.27, -0.035),
                (0.315, -0.16),
                (0.215, level),
                (0, level),
            ],
            6,
        )
    else:
        body = curve(
            [
                (-0.12, -0.66),
                (-0.28, -0.54),
                (-0.25, -0.06),
                (-0.18, 0.0),
                (0.18, 0.0),
                (0.25, -0.06),
                (0.28, -0.54),
                (0.12, -0.66),
            ],
            6,
        )
        level = -0.46
        fill = curve(
            [
                (-0.235, level),
                (-0.215, -0.09),
                (-0.15, -0.035),
                (0.15, -0.035),
                (0.215, -0.09),
                (0.235, level),
                (0, level),
            ],
            6,
        )
    pen.rect(-0.10, -0.80, 0.10, -0.60, glass, form=0.9)
    pen.poly(body, glass, form=0.8)
    pen.poly(fill, brew, 0.0, glow=0.25, form=1.0)
    pen.oval(0, level + 0.01, 0.20, 0.028, shift(brew, 0, 0.75, 1.3), 0.2, line=False, form=0, inside=True)
    for x, y, r in (
        (-0.12, -0.20, 0.04),
        (0.10, -0.13, 0.028),
        (0.03, -0.27, 0.022),
        (-0.04, -0.10, 0.02),
        (0.16, -0.25, 0.018),
    ):
        pen.oval(x, y, r, r, shift(brew, 0, 0.5, 1.45), 0.3, line=False, form=0.4, inside=True)
    gleam(pen, curve([(-0.23, -0.48), (-0.15, -0.56), (-0.13, -0.50), (-0.21, -0.36), (-0.25, -0.36)]))
    gleam(pen, [(-0.07, -0.77), (-0.045, -0.77), (-0.045, -0.64), (-0.07, -0.64)])
    pen.rect(-0.125, -0.83, 0.125, -0.77, mix(glass, WHITE, 0.3), form=0.8)
    pen.poly(curve([(-0.085, -0.82), (-0.10, -0.97), (0.10, -0.97), (0.085, -0.82)], 4), rgb("c08a55"), form=0.9)
    pen.poly([(0.10, -0.72), (0.17, -0.64), (0.13, -0.58), (0.06, -0.66)], IVORY, form=0.3)
    pen.line([(-0.105, -0.70), (0.105, -0.70)], 0.028, rgb("a8483f"), form=0.5)


@drawing("sword")
def sword(pen: Pen, kit: Kit) -> None:
    jewel = kit.main("d9485f", "5a8fe0", "4fb38a")

    def at(points: list[Point]) -> list[Point]:
        return spun(-0.02, -0.48, np.pi / 4, points)

    pen.poly(at([(-0.062, 0.16), (-0.062, -0.50), (0.0, -0.64), (0.062, -0.50), (0.062, 0.16)]), STEEL, form=0.4)
    pen.poly(at([(-0.062, 0.16), (-0.062, -0.50), (0.0, -0.64), (0.0, 0.16)]), rgb("f2f6fb"), 0.25, form=0, line=False)
    pen.poly(
        at([(-0.014, 0.16), (-0.014, -0.42), (0.014, -0.42), (0.014, 0.16)]),
        shift(STEEL, 0, 1, 0.82),
        form=0,
        line=False,
    )
    pen.poly(
        at(
            curve(
                [
                    (-0.235, 0.12),
                    (-0.20, 0.21),
                    (0.0, 0.225),
                    (0.20, 0.21),
                    (0.235, 0.12),
                    (0.12, 0.155),
                    (0, 0.16),
                    (-0.12, 0.155),
                ],
                4,
            )
        ),
        GOLD,
        form=0.8,
    )
    pen.poly(at([(-0.042, 0.21), (0.042, 0.21), (0.036, 0.43), (-0.036, 0.43)]), LEATHER, form=1.0)
    for y in (0.26, 0.31, 0.36, 0.41):
        pen.poly(
            at([(-0.04, y), (0.04, y - 0.022), (0.04, y - 0.004), (-0.04, y + 0.018)]),
            shift(LEATHER, 0, 1, 0.65),
            form=0,
            line=False,
        )
    pen.poly(at(arc(0, 0.475, 0.068, 0.068)), GOLD, form=1.1)
    pen.poly(at(arc(0, 0.475, 0.034, 0.034)), jewel, form=0.8)
    pen.poly(at(arc(0, 0.185, 0.036, 0.036)), jewel, form=0.8)


@drawing("shield")
def shield(pen: Pen, kit: Kit) -> None:
    field = kit.main("4a6fc4", "b5443f", "3f8f7a", "6b4a9c")
    outer = curve(
        [
            (0, -0.98),
            (0.20, -0.90),
            (0.40, -0.87),
            (0.39, -0.45),
            (0.24, -0.16),
            (0, 0.0),
            (-0.24, -0.16),
            (-0.39, -0.45),
            (-0.40, -0.87),
            (-0.20, -0.90),
        ],
        5,
    )

    def grow(k: float) -> list[Point]:
        return [(x * k, -0.50 + (y + 0.50) * k) for x, y in outer]

    pen.poly(outer, GOLD, form=0.9)
    pen.poly(grow(0.82), field, form=0.7)
    pen.poly(
        [(0, -0.91), (0, -0.09), (-0.19, -0.22), (-0.31, -0.46), (-0.325, -0.80)],
        WHITE,
        form=0,
        line=False,
        alpha=0.22,
        inside=True,
    )
    star = [
        (r * float(np.sin(k * np.pi / 5)), -0.53 - r * float(np.cos(k * np.pi / 5)))
        for k, r in enumerate([0.21, 0.09] * 5)
    ]
    charge = int(kit.rng.integers(3))
    if charge == 0:
        pen.poly(star, rgb("ffd873"), form=0.6)
    elif charge == 1:
        pen.poly(
            [
                (-0.05, -0.80),
                (0.05, -0.80),
                (0.05, -0.58),
                (0.25, -0.58),
                (0.25, -0.48),
                (0.05, -0.48),
                (0.05, -0.22),
                (-0.05, -0.22),
                (-0.05, -0.48),
                (-0.25, -0.48),
                (-0.25, -0.58),
                (-0.05, -0.58),
            ],
            IVORY,
            form=0.5,
        )
    else:
        pen.poly([(0, -0.80), (0.17, -0.52), (0, -0.24), (-0.17, -0.52)], rgb("8fe3ff"), 0.1, glow=0.35, form=0.6)
        pen.poly([(0, -0.80), (0, -0.24), (-0.17, -0.52)], WHITE, form=0, line=False, alpha=0.35)
    for x, y in ((0, -0.93), (0.345, -0.81), (-0.345, -0.81), (0.315, -0.44), (-0.315, -0.44), (0, -0.055)):
        pen.oval(x, y, 0.024, 0.024, rgb("fff0c4"), form=1.0)


@drawing("gem")
def gem(pen: Pen, kit: Kit) -> None:
    main = kit.main("4fa8e8", "d9485f", "45b884", "a06be0")
    tall = kit.rng.random() < 0.4
    if tall:
        top = [(-0.16, -0.76), (0.0, -0.98), (0.16, -0.76), (0.22, -0.30), (0.0, 0.0), (-0.22, -0.30)]
        pen.poly(top, main, form=0.2, glow=0.15)
        pen.poly(
            [(-0.16, -0.76), (0.0, -0.98), (0.02, -0.70), (-0.04, -0.26), (-0.22, -0.30)],
            main,
            0.55,
            form=0,
            line=False,
        )
        pen.poly(
            [(0.16, -0.76), (0.22, -0.30), (0.0, 0.0), (-0.04, -0.26), (0.02, -0.70)], main, -0.35, form=0, line=False
        )
        pen.poly([(-0.22, -0.30), (-0.04, -0.26), (0.0, 0.0)], main, 0.05, form=0, line=False)
        for x, s in ((-0.30, 0.42), (0.30, 0.5)):
            pen.poly(
                [
                    (x - 0.09 * s * 1.4, -0.02),
                    (x + x * 0.25 - 0.10 * s, -0.55 * s),
                    (x + x * 0.4, -0.85 * s),
                    (x + x * 0.25 + 0.14 * s, -0.5 * s),
                    (x + 0.12 * s, 0.0),
                ],
                shift(main, 0.02, 1, 0.9),
                0.0,
                form=0.4,
            )
        return
    pen.poly([(-0.26, -0.86), (0.26, -0.86), (0.48, -0.60), (0.0, -0.02), (-0.48, -0.60)], main, form=0.15, glow=0.1)
    facets: tuple[tuple[list[Point], float], ...] = (
        ([(-0.26, -0.86), (0.26, -0.86), (0.16, -0.60), (-0.16, -0.60)], 0.45),
        ([(-0.26, -0.86), (-0.16, -0.60), (-0.48, -0.60)], 0.75),
        ([(0.26, -0.86), (0.48, -0.60), (0.16, -0.60)], 0.1),
        ([(-0.48, -0.60), (-0.16, -0.60), (0, -0.02)], 0.25),
        ([(-0.16, -0.60), (0.16, -0.60), (0, -0.02)], -0.1),
        ([(0.16, -0.60), (0.48, -0.60), (0, -0.02)], -0.5),
    )
    for points, light in facets:
        pen.poly(points, main, light, form=0, line=False)
    for line in ([(-0.48, -0.60), (0.48, -0.60)], [(-0.16, -0.60), (0, -0.04)], [(0.16, -0.60), (0, -0.04)]):
        pen.line(line, 0.010, shift(main, 0, 0.5, 1.4), line=False, form=0, inside=True)
    for x, y, r in ((-0.22, -0.73, 0.05), (0.33, -0.86, 0.045)):
        pen.poly(
            [
                (x, y - r * 1.8),
                (x + r * 0.3, y - r * 0.3),
                (x + r * 1.8, y),
                (x + r * 0.3, y + r * 0.3),
                (x, y + r * 1.8),
                (x - r * 0.3, y + r * 0.3),
                (x - r * 1.8, y),
                (x - r * 0.3, y - r * 0.3),
            ],
            WHITE,
            0.5,
            glow=0.7,
            form=0,
            line=False,
        )


@drawing("coin")
def coin(pen: Pen, kit: Kit) -> None:
    main = kit.main("eab543")
    dark = shift(main, -0.02, 1.1, 0.68)
    pen.oval(0.045, -0.46, 0.42, 0.44, dark, form=0.6)
    pen.oval(-0.02, -0.48, 0.42, 0.44, main, form=0.9)
    pen.oval(-0.02, -0.48, 0.33, 0.35, dark, form=0.2, line=False)
    pen.oval(-0.015, -0.475, 0.315, 0.335, shift(main, 0, 0.95, 1.0), form=0.5, line=False)
    star = [
        (-0.02 + r * float(np.sin(k * np.pi / 5)), -0.47 - r * float(np.cos(k * np.pi / 5)))
        for k, r in enumerate([0.23, 0.10] * 5)
    ]
    pen.poly(star, rgb("ffe9a3"), form=0.8)
    gleam(pen, curve([(-0.34, -0.62), (-0.20, -0.83), (-0.14, -0.80), (-0.28, -0.58)]), 0.7)


@drawing("key")
def key(pen: Pen, kit: Kit) -> None:
    main = kit.main("e6b04a")

    def at(points: list[Point]) -> list[Point]:
        return spun(0.0, -0.48, np.pi / 4, points)

    pen.poly(at([(-0.045, -0.10), (0.045, -0.10), (0.045, 0.52), (-0.045, 0.52)]), main, form=1.0)
    for y, w in ((0.44, 0.19), (0.33, 0.15)):
        pen.poly(at([(0.03, y), (w, y), (w, y + 0.07), (0.03, y + 0.07)]), main, form=0.7)
    pen.poly(at([(-0.075, -0.02), (0.075, -0.02), (0.075, 0.05), (-0.075, 0.05)]), shift(main, 0, 1, 0.9), form=0.8)
    for x, y in ((-0.13, -0.20), (0.13, -0.20), (0, -0.36)):
        pen.poly(at(arc(x, y, 0.135, 0.135)), main, form=1.0)
    pen.poly(at(arc(0, -0.22, 0.10, 0.10)), kit.palette.accent, form=0.8)


@drawing("heart")
def heart(pen: Pen, kit: Kit) -> None:
    main = kit.main("e2485f", "e86a8a")
    t = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    points = [
        (
            float(0.0285 * 16 * np.sin(a) ** 3),
            float(-0.52 - 0.0285 * (13 * np.cos(a) - 5 * np.cos(2 * a) - 2 * np.cos(3 * a) - np.cos(4 * a))),
        )
        for a in t
    ]
    pen.poly(points, main, form=1.2)
    gleam(pen, curve([(-0.33, -0.66), (-0.25, -0.80), (-0.15, -0.82), (-0.20, -0.72), (-0.28, -0.60)]), 0.8)
    pen.oval(-0.31, -0.53, 0.025, 0.03, WHITE, 0.4, form=0, line=False, alpha=0.8)


@drawing("star")
def star(pen: Pen, kit: Kit) -> None:
    main = kit.main("f6c344")
    outline = [
        (r * float(np.sin(k * np.pi / 5)), -0.46 - r * float(np.cos(k * np.pi / 5)))
        for k, r in enumerate([0.52, 0.26] * 5)
    ]
    pen.poly(curve(outline, 5), main, form=1.1, glow=0.1)
    for k in range(5):
        a, b = 2 * k * np.pi / 5, (2 * k + 1) * np.pi / 5
        pen.poly(
            [
                (0, -0.46),
                (0.46 * float(np.sin(a)), -0.46 - 0.46 * float(np.cos(a))),
                (0.23 * float(np.sin(b)), -0.46 - 0.23 * float(np.cos(b))),
            ],
            main,
            -0.3,
            form=0,
            line=False,
            alpha=0.8,
        )
    gleam(pen, curve([(-0.10, -0.66), (-0.03, -0.80), (0.0, -0.76), (-0.06, -0.62)]), 0.7)


@drawing("crown")
def crown(pen: Pen, kit: Kit) -> None:
    main = kit.main("eab543")
    pen.poly(curve([(-0.36, -0.30), (-0.30, -0.72), (0.30, -0.72), (0.36, -0.30)], 4), rgb("8f2f45"), -0.3, form=0.6)
    pen.poly(
        [(-0.40, -0.08), (-0.48, -0.66), (-0.25, -0.42), (0.0, -0.82), (0.25, -0.42), (0.48, -0.66), (0.40, -0.08)],
        main,
        form=0.7,
    )
    pen.poly(
        curve([(-0.415, -0.20), (0, -0.14), (0.415, -0.20), (0.40, -0.04), (0, 0.02), (-0.40, -0.04)], 4),
        shift(main, 0, 1, 0.92),
        0.1,
        form=0.9,
    )
    for x, y, c in ((-0.48, -0.68, "5a8fe0"), (0, -0.85, "e2485f"), (0.48, -0.68, "5a8fe0")):
        pen.oval(x, y, 0.055, 0.055, rgb(c), form=1.0)
    for x, c in ((-0.26, "4fb38a"), (0, "e2485f"), (0.26, "4fb38a")):
        pen.oval(x, -0.085, 0.05, 0.055, rgb(c), form=1.0)


@drawing("chest")
def chest(pen: Pen, kit: Kit) -> None:
    wood = kit.main("9a5f38", "8a5232")
    gold = GOLD
    pen.poly(
        curve([(-0.43, -0.42), (-0.42, -0.64), (-0.28, -0.78), (0.28, -0.78), (0.42, -0.64), (0.43, -0.42)], 5),
        shift(wood, 0, 1, 0.85),
        form=1.0,
    )
    pen.poly([(-0.40, -0.44), (0.40, -0.44), (0.38, -0.38), (-0.38, -0.38)], rgb("3a2420"), form=0)
    for index in range(int(20 + 10 * kit.detail)):
        x, y = float(kit.rng.uniform(-0.34, 0.34)), -0.42 - 0.09 * float(kit.rng.random())
        pen.oval(
            x, y, 0.05, 0.042, shift(rgb("f4c64e"), 0, 1, float(kit.rng.uniform(0.85, 1.1))), 0.1, glow=0.15, form=0.9
        )
        if index % 7 == 3:
            pen.poly(
                [(x - 0.05, y - 0.02), (x, y - 0.08), (x + 0.05, y - 0.02), (x, y + 0.05)],
                rgb(("e2485f", "5a8fe0", "4fb38a")[index % 3]),
                form=0.6,
            )
    pen.rect(-0.43, -0.40, 0.43, 0.0, wood, form=0.5)
    for y in (-0.27, -0.14):
        pen.line([(-0.42, y), (0.42, y)], 0.012, shift(wood, 0, 1, 0.65), line=False, form=0)
    for x in (-0.40, -0.17, 0.17, 0.40):
        pen.rect(x - 0.035, -0.41, x + 0.035, 0.005, gold, form=0.8)
    pen.rect(-0.44, -0.43, 0.44, -0.37, gold, form=0.8)
    pen.poly(curve([(-0.09, -0.43), (0.09, -0.43), (0.08, -0.22), (0, -0.17), (-0.08, -0.22)], 4), gold, 0.1, form=0.9)
    pen.oval(0, -0.33, 0.028, 0.028, rgb("3a2420"), form=0, line=False)
    pen.poly([(-0.012, -0.33), (0.012, -0.33), (0.018, -0.25), (-0.018, -0.25)], rgb("3a2420"), form=0, line=False)


@drawing("book")
def book(pen: Pen, kit: Kit) -> None:
    cover = kit.main("6a3fa0", "a83f4a", "2f6b7a", "3f5a9c")
    pen.poly([(-0.30, -0.06), (0.36, -0.06), (0.40, 0.0), (-0.26, 0.0)], shift(cover, 0, 1, 0.6), form=0.3)
    pen.poly(
        [(0.30, -0.92), (0.37, -0.87), (0.37, -0.03), (-0.26, -0.03), (-0.30, -0.10), (0.30, -0.10)],
        IVORY,
        -0.1,
        form=0.2,
    )
    for k in (0.02, 0.04, 0.06):
        pen.line([(0.30 + k, -0.90 + k * 0.7), (0.30 + k, -0.08)], 0.006, rgb("cdbb95"), line=False, form=0)
    pen.poly(curve([(-0.34, -0.94), (0.32, -0.94), (0.32, -0.10), (-0.34, -0.10)], 2), cover, form=0.6)
    pen.rect(-0.34, -0.94, -0.23, -0.10, shift(cover, 0, 1, 0.7), form=0.6)
    for x, y in ((-0.34, -0.94), (0.22, -0.94), (-0.34, -0.20), (0.22, -0.20)):
        pen.rect(x, y, x + 0.10, y + 0.10, GOLD, form=0.7)
    pen.poly(arc(0.05, -0.52, 0.19, 0.19), GOLD, form=0.5)
    pen.poly(arc(0.05, -0.52, 0.155, 0.155), shift(cover, 0, 1, 0.75), form=0.2)
    rune = [
        (0.05 + r * float(np.sin(k * np.pi / 4)), -0.52 - r * float(np.cos(k * np.pi / 4)))
        for k, r in enumerate([0.13, 0.05] * 4)
    ]
    pen.poly(rune, rgb("ffe9a3"), 0.3, glow=0.6, form=0.3)
    pen.rect(0.27, -0.58, 0.38, -0.46, GOLD, form=0.7)


@drawing("scroll")
def scroll(pen: Pen, kit: Kit) -> None:
    paper = kit.main("f0dfb8")
    pen.poly(
        curve([(-0.30, -0.86), (0.30, -0.86), (0.32, -0.5), (0.30, -0.14), (-0.30, -0.14), (-0.28, -0.5)], 5),
        paper,
        form=0.4,
    )
    for y, w in ((-0.68, 0.20), (-0.60, 0.16), (-0.52, 0.21), (-0.44, 0.12)):
        pen.line([(-0.2, y), (-0.2 + 2 * w, y)], 0.018, rgb("9a7a4f"), line=False, form=0)
    pen.oval(0.12, -0.30, 0.065, 0.065, rgb("c2402c"), form=1.0)
    for y in (-0.88, -0.10):
        pen.poly(
            curve([(-0.36, y - 0.07), (0.36, y - 0.07), (0.36, y + 0.07), (-0.36, y + 0.07)], 3),
            shift(paper, 0, 1.15, 0.92),
            form=1.1,
        )
        for s in (-1, 1):
            pen.oval(s * 0.39, y, 0.05, 0.075, WOOD, form=0.9)


@drawing("axe")
def axe(pen: Pen, kit: Kit) -> None:
    steel = kit.main("b9c4d4")

    def at(points: list[Point]) -> list[Point]:
        return spun(0.02, -0.46, 0.5, points)

    pen.poly(at([(-0.035, -0.46), (0.035, -0.46), (0.04, 0.52), (-0.04, 0.52)]), WOOD, form=1.0)
    pen.poly(at([(-0.045, 0.30), (0.045, 0.30), (0.045, 0.46), (-0.045, 0.46)]), LEATHER, form=0.9)
    for s in (-1, 1):
        edge = curve([(s * 0.34, -0.56), (s * 0.44, -0.30), (s * 0.34, -0.04)], closed=False)
        pen.poly(
            at([(s * 0.03, -0.38), (s * 0.16, -0.40), *edge, (s * 0.16, -0.20), (s * 0.03, -0.22)]), steel, form=0.7
        )
        pen.poly(
            at([*edge, *[(x - s * 0.06, y * 0.92 - 0.024) for x, y in reversed(edge)]]),
            rgb("f2f6fb"),
            0.3,
            form=0.2,
            line=False,
        )
    pen.poly(at([(-0.075, -0.42), (0.075, -0.42), (0.075, -0.18), (-0.075, -0.18)]), GOLD, form=0.9)


@drawing("hammer")
def hammer(pen: Pen, kit: Kit) -> None:
    steel = kit.main("9aa6ba")

    def at(points: list[Point]) -> list[Point]:
        return spun(0.0, -0.46, 0.6, points)

    pen.poly(at([(-0.04, -0.20), (0.04, -0.20), (0.045, 0.54), (-0.045, 0.54)]), WOOD, form=1.0)
    pen.poly(at([(-0.30, -0.46), (0.30, -0.46), (0.30, -0.14), (-0.30, -0.14)]), steel, form=0.8)
    for s in (-1, 1):
        pen.poly(
            at([(s * 0.26, -0.49), (s * 0.37, -0.49), (s * 0.37, -0.11), (s * 0.26, -0.11)]),
            shift(steel, 0, 1, 0.85),
            form=0.8,
        )
    pen.poly(at([(-0.08, -0.48), (0.08, -0.48), (0.08, -0.12), (-0.08, -0.12)]), GOLD, form=0.8)
    pen.poly(at([(-0.05, 0.34), (0.05, 0.34), (0.05, 0.50), (-0.05, 0.50)]), LEATHER, form=0.9)


@drawing("bow")
def bow(pen: Pen, kit: Kit) -> None:
    wood = kit.main("a8693a")

    def at(points: list[Point]) -> list[Point]:
        return spun(0.0, -0.48, 0.75, points)

    pen.poly(at([(0.16, -0.50), (0.166, -0.50), (0.166, 0.50), (0.16, 0.50)]), IVORY, form=0)
    limb = curve(
        [(0.18, -0.54), (0.02, -0.44), (-0.14, -0.22), (-0.16, 0.0), (-0.14, 0.22), (0.02, 0.44), (0.18, 0.54)],
        closed=False,
    )
    widths = np.interp(np.linspace(0, 1, len(limb)), [0, 0.5, 1], [0.03, 0.085, 0.03])
    pen.poly(at(ribbon(limb, list(widths))), wood, form=1.0)
    pen.poly(at([(-0.21, -0.08), (-0.11, -0.08), (-0.11, 0.08), (-0.21, 0.08)]), LEATHER, form=0.8)
    pen.poly(at([(-0.46, -0.012), (0.30, -0.012), (0.30, 0.012), (-0.46, 0.012)]), rgb("c99a62"), form=0.5)
    pen.poly(at([(-0.58, 0.0), (-0.44, -0.055), (-0.44, 0.055)]), STEEL, form=0.6)
    for s in (-1, 1):
        pen.poly(
            at([(0.20, s * 0.01), (0.34, s * 0.075), (0.40, s * 0.075), (0.30, s * 0.01)]), kit.palette.accent, form=0.4
        )


@drawing("staff")
def staff(pen: Pen, kit: Kit) -> None:
    orb = kit.main("5fd0e8", "b07ae8", "f0a23c")

    def at(points: list[Point]) -> list[Point]:
        return spun(0.0, -0.48, 0.55, points)

    pen.poly(at([(-0.032, -0.22), (0.032, -0.22), (0.028, 0.56), (-0.028, 0.56)]), WOOD, form=1.0)
    for s in (-1, 1):
        pen.poly(
            at(
                curve(
                    [
                        (s * 0.02, -0.14),
                        (s * 0.15, -0.26),
                        (s * 0.14, -0.44),
                        (s * 0.06, -0.54),
                        (s * 0.09, -0.42),
                        (s * 0.08, -0.30),
                    ]
                )
            ),
            GOLD,
            form=0.8,
        )
    pen.poly(at(arc(0, -0.38, 0.105, 0.105)), orb, 0.15, glow=0.8, form=1.1)
    pen.poly(at(arc(-0.03, -0.42, 0.03, 0.03)), WHITE, 0.4, form=0, line=False)
    for y in (-0.12, 0.18, 0.26):
        pen.poly(at([(-0.042, y), (0.042, y), (0.042, y + 0.04), (-0.042, y + 0.04)]), GOLD, form=0.8)


@drawing("ring")
def ring(pen: Pen, kit: Kit) -> None:
    jewel = kit.main("d9485f", "5a8fe0", "4fb38a", "a06be0")
    t = np.linspace(0, 2 * np.pi, 60)
    outer = [(0.34 * float(np.cos(a)), -0.34 + 0.34 * float(np.sin(a))) for a in t]
    inner = [(0.24 * float(np.cos(a)), -0.34 + 0.24 * float(np.sin(a))) for a in t[::-1]]
    pen.poly(outer + inner, GOLD, form=1.4)
    pen.poly([(-0.13, -0.66), (0.13, -0.66), (0.09, -0.56), (-0.09, -0.56)], shift(GOLD, 0, 1, 0.85), form=0.7)
    pen.poly(
        [(-0.12, -0.92), (0.12, -0.92), (0.20, -0.78), (0.0, -0.60), (-0.20, -0.78)], jewel, 0.1, glow=0.3, form=0.3
    )
    pen.poly([(-0.12, -0.92), (-0.07, -0.78), (-0.20, -0.78)], jewel, 0.7, form=0, line=False)
    pen.poly([(0.07, -0.78), (0.20, -0.78), (0.0, -0.60)], jewel, -0.45, form=0, line=False)


@drawing("helmet")
def helmet(pen: Pen, kit: Kit) -> None:
    steel = kit.main("aeb9ca")
    plume = kit.palette.accent
    pen.poly(
        curve(
            [(-0.02, -0.80), (0.08, -0.98), (0.32, -0.98), (0.46, -0.72), (0.44, -0.38), (0.34, -0.56), (0.22, -0.72)]
        ),
        plume,
        form=1.0,
    )
    pen.poly(
        curve(
            [
                (-0.34, -0.04),
                (-0.38, -0.44),
                (-0.26, -0.74),
                (0, -0.86),
                (0.26, -0.74),
                (0.38, -0.44),
                (0.34, -0.04),
                (0.16, 0.0),
                (-0.16, 0.0),
            ]
        ),
        steel,
        form=1.1,
    )
    pen.poly(
        [(-0.30, -0.50), (-0.05, -0.46), (-0.05, -0.02), (-0.13, -0.02), (-0.14, -0.34), (-0.29, -0.39)],
        rgb("20222c"),
        -0.2,
        form=0,
    )
    pen.poly(
        [(0.30, -0.50), (0.05, -0.46), (0.05, -0.02), (0.13, -0.02), (0.14, -0.34), (0.29, -0.39)],
        rgb("20222c"),
        -0.2,
        form=0,
    )
    pen.poly([(-0.05, -0.84), (0.05, -0.84), (0.045, -0.10), (0, -0.04), (-0.045, -0.10)], GOLD, form=0.8)
    pen.line(curve([(-0.37, -0.54), (0, -0.60), (0.37, -0.54)], closed=False), 0.05, GOLD, form=0.8)


@drawing("bomb")
def bomb(pen: Pen, kit: Kit) -> None:
    body = kit.main("3f4354")
    pen.line(curve([(0.20, -0.66), (0.28, -0.82), (0.40, -0.84)], closed=False), 0.035, rgb("c9a36a"))
    spark = [
        (0.43 + r * float(np.cos(k * np.pi / 6)), -0.86 + r * float(np.sin(k * np.pi / 6)))
        for k, r in enumerate([0.14, 0.06] * 6)
    ]
    pen.poly(spark, rgb("ffb13b"), 0.3, glow=1.0, form=0)
    pen.oval(0.43, -0.86, 0.045, 0.045, rgb("fff6c9"), 0.4, glow=1.0, form=0, line=False)
    pen.oval(-0.05, -0.36, 0.37, 0.36, body, form=1.3)
    pen.poly(
        spun(0.16, -0.64, 0.5, [(-0.11, -0.06), (0.11, -0.06), (0.11, 0.06), (-0.11, 0.06)]),
        shift(body, 0, 1, 1.35),
        form=0.9,
    )
    gleam(pen, curve([(-0.28, -0.42), (-0.20, -0.58), (-0.10, -0.60), (-0.18, -0.50), (-0.24, -0.36)]), 0.75)


@drawing("skull")
def skull(pen: Pen, kit: Kit) -> None:
    bone = kit.main("efe6d2")
    pen.poly(curve([(-0.20, -0.26), (-0.19, -0.02), (0.19, -0.02), (0.20, -0.26)], 4), bone, form=0.8)
    pen.poly(
        curve(
            [
                (0, -0.96),
                (-0.28, -0.88),
                (-0.40, -0.62),
                (-0.34, -0.36),
                (-0.20, -0.26),
                (0.20, -0.26),
                (0.34, -0.36),
                (0.40, -0.62),
                (0.28, -0.88),
            ]
        ),
        bone,
        form=1.2,
    )
    for s in (-1, 1):
        pen.poly(
            curve([(s * 0.07, -0.52), (s * 0.12, -0.64), (s * 0.28, -0.62), (s * 0.29, -0.46), (s * 0.15, -0.40)]),
            rgb("2b2230"),
            form=0,
        )
        pen.oval(s * 0.18, -0.51, 0.03, 0.03, kit.palette.accent, glow=0.9, form=0, line=False)
    pen.blob([(0, -0.42), (-0.05, -0.31), (0.05, -0.31)], rgb("2b2230"), form=0)
    for x in (-0.09, -0.03, 0.03, 0.09):
        pen.line([(x, -0.20), (x, -0.05)], 0.016, rgb("8a7f70"), form=0, line=False)


@drawing("lantern")
def lantern(pen: Pen, kit: Kit) -> None:
    red = kit.main("d2402f", "e8833a")
    dark = rgb("4a3328")
    pen.line(curve([(-0.10, -0.90), (0, -1.0), (0.10, -0.90)], closed=False), 0.02, dark)
    pen.poly(
        curve(
            [
                (-0.14, -0.84),
                (-0.36, -0.62),
                (-0.38, -0.40),
                (-0.14, -0.16),
                (0.14, -0.16),
                (0.38, -0.40),
                (0.36, -0.62),
                (0.14, -0.84),
            ]
        ),
        red,
        0.15,
        glow=0.55,
        form=1.0,
    )
    for k in (-0.62, -0.22, 0.22, 0.62):
        pen.line(
            curve([(k * 0.22, -0.84), (k * 0.60, -0.50), (k * 0.22, -0.16)], closed=False),
            0.012,
            shift(red, -0.01, 1, 0.75),
            line=False,
            form=0,
            inside=True,
        )
    pen.oval(0, -0.48, 0.15, 0.20, rgb("ffe08a"), 0.4, glow=1.0, form=0, line=False, alpha=0.55)
    for y in (-0.86, -0.14):
        pen.rect(-0.17, y - 0.045, 0.17, y + 0.045, dark, form=0.8)
    pen.line([(0, -0.10), (0, 0.02)], 0.04, GOLD, form=0.5)


@drawing("candle")
def candle(pen: Pen, kit: Kit) -> None:
    wax = kit.main("f3e6c9", "e8d5d0")
    pen.oval(0, -0.04, 0.36, 0.075, GOLD, form=0.9)
    pen.poly(
        curve([(-0.14, -0.04), (-0.135, -0.58), (-0.08, -0.63), (0.08, -0.60), (0.135, -0.64), (0.14, -0.04)], 4),
        wax,
        form=1.1,
    )
    pen.poly(curve([(-0.14, -0.56), (-0.10, -0.42), (-0.06, -0.56)], 4), mix(wax, WHITE, 0.4), form=0.7)
    pen.line([(0, -0.60), (0, -0.70)], 0.018, rgb("4a3328"), form=0)
    pen.blob(
        [(0, -1.0), (0.085, -0.80), (0.05, -0.68), (-0.05, -0.68), (-0.085, -0.80)],
        rgb("ffb13b"),
        0.3,
        glow=1.0,
        form=0,
        line=False,
    )
    pen.blob(
        [(0, -0.88), (0.045, -0.77), (0, -0.69), (-0.045, -0.77)], rgb("fff6c9"), 0.4, glow=1.0, form=0, line=False
    )


@drawing("feather")
def feather(pen: Pen, kit: Kit) -> None:
    main = kit.main("5fa8d6", "f1ece4", "d98a4a")
    pen.poly(
        curve(
            [(-0.26, -0.10), (-0.34, -0.42), (-0.14, -0.80), (0.30, -1.0), (0.34, -0.66), (0.14, -0.32), (-0.10, -0.12)]
        ),
        main,
        form=0.9,
    )
    for t in (0.3, 0.48, 0.66, 0.8):
        x, y = -0.30 + 0.60 * t, -0.04 - 0.92 * t
        pen.line([(x, y), (x + 0.24, y + 0.0)], 0.012, shift(main, 0, 1, 0.75), line=False, form=0, inside=True)
        pen.line([(x, y), (x - 0.08, y - 0.22)], 0.012, shift(main, 0, 1, 0.75), line=False, form=0, inside=True)
    spine = curve([(-0.40, 0.06), (-0.12, -0.34), (0.28, -0.96)], closed=False)
    pen.line(spine, list(np.linspace(0.04, 0.01, len(spine))), IVORY)


@drawing("hourglass")
def hourglass(pen: Pen, kit: Kit) -> None:
    sand = kit.main("eab55f")
    glass = rgb("d3e6ee")
    pen.poly(
        curve(
            [
                (-0.24, -0.90),
                (-0.24, -0.70),
                (-0.035, -0.49),
                (-0.24, -0.26),
                (-0.24, -0.08),
                (0.24, -0.08),
                (0.24, -0.26),
                (0.035, -0.49),
                (0.24, -0.70),
                (0.24, -0.90),
            ],
            5,
        ),
        glass,
        form=0.8,
    )
    pen.poly(curve([(-0.17, -0.68), (0.17, -0.68), (0.03, -0.51), (-0.03, -0.51)], 4), sand, form=0.6, line=False)
    pen.poly(
        curve([(-0.21, -0.10), (-0.12, -0.22), (0, -0.30), (0.12, -0.22), (0.21, -0.10)], 4), sand, form=0.6, line=False
    )
    pen.line([(0, -0.52), (0, -0.26)], 0.016, sand, line=False, form=0)
    for y in (-0.94, -0.04):
        pen.poly(
            curve([(-0.33, y - 0.055), (0.33, y - 0.055), (0.33, y + 0.055), (-0.33, y + 0.055)], 3), WOOD, form=0.9
        )
    for x in (-0.28, 0.28):
        pen.line([(x, -0.90), (x, -0.08)], 0.035, GOLD, form=0.9)
    gleam(pen, curve([(-0.19, -0.84), (-0.15, -0.84), (-0.14, -0.72), (-0.18, -0.72)]), 0.7)


@drawing("bag")
def bag(pen: Pen, kit: Kit) -> None:
    cloth = kit.main("a8743f", "8a5a3f")
    pen.poly(
        curve([(-0.16, -0.70), (-0.40, -0.34), (-0.36, -0.04), (0, 0.01), (0.36, -0.04), (0.40, -0.34), (0.16, -0.70)]),
        cloth,
        form=1.1,
    )
    pen.poly(
        curve([(-0.15, -0.70), (-0.24, -0.92), (-0.06, -0.86), (0.06, -0.94), (0.24, -0.90), (0.15, -0.70)]),
        cloth,
        form=0.8,
    )
    pen.line(curve([(-0.17, -0.69), (0, -0.655), (0.17, -0.69)], closed=False), 0.055, GOLD, form=0.8)
    pen.oval(0, -0.34, 0.14, 0.145, rgb("f4c64e"), form=0.9)
    pen.poly([(0, -0.44), (0.06, -0.34), (0, -0.24), (-0.06, -0.34)], rgb("c98a2a"), form=0.3, line=False)


@drawing("gear")
def gear(pen: Pen, kit: Kit) -> None:
    main = kit.main("a3afc2", "d9a441")
    points: list[Point] = []
    for k in range(10):
        for offset, r in ((-0.5, 0.36), (-0.28, 0.36), (-0.2, 0.48), (0.2, 0.48), (0.28, 0.36)):
            a = (k + offset) * 2 * np.pi / 10
            points.append((r * float(np.cos(a)), -0.48 + r * float(np.sin(a))))
    pen.poly(points, main, form=0.9)
    pen.oval(0, -0.48, 0.26, 0.26, shift(main, 0, 1, 0.8), form=0.4)
    pen.oval(0, -0.48, 0.20, 0.20, main, form=0.8)
    pen.oval(0, -0.48, 0.10, 0.10, rgb("2c2f3a"), -0.2, form=0)


@drawing("vase")
def vase(pen: Pen, kit: Kit) -> None:
    clay = kit.main("4f7fa8", "c9714a", "5f8f78", "e3d5bd")
    pale = mix(clay, IVORY, 0.75)
    pen.poly(
        curve(
            [
                (-0.12, -0.92),
                (-0.10, -0.76),
                (-0.32, -0.50),
                (-0.28, -0.20),
                (-0.14, 0.0),
                (0.14, 0.0),
                (0.28, -0.20),
                (0.32, -0.50),
                (0.10, -0.76),
                (0.12, -0.92),
            ]
        ),
        clay,
        form=1.2,
    )
    for y, h in ((-0.56, 0.03), (-0.30, 0.03)):
        pen.rect(-0.36, y, 0.36, y + h, pale, form=0, line=False, inside=True)
    for k in range(7):
        x = -0.29 + k * 0.097
        pen.poly(
            [(x, -0.50), (x + 0.048, -0.43), (x, -0.36), (x - 0.048, -0.43)], pale, form=0, line=False, inside=True
        )
    pen.oval(0, -0.93, 0.155, 0.04, shift(clay, 0, 1, 0.8), form=0.4)
    pen.oval(0, -0.93, 0.115, 0.022, rgb("2c2730"), form=0, line=False)


@drawing("chair")
def chair(pen: Pen, kit: Kit) -> None:
    cloth = kit.main("c2544a", "4f8a86", "d9973f")
    for x in (-0.24, 0.24):
        pen.line([(x, -0.14), (x * 1.12, 0.0)], [0.05, 0.03], WOOD)
    pen.poly(
        curve([(-0.28, -0.24), (-0.32, -0.80), (-0.18, -0.96), (0.18, -0.96), (0.32, -0.80), (0.28, -0.24)]),
        shift(cloth, 0, 1, 0.9),
        form=1.0,
    )
    pen.poly(curve([(-0.30, -0.40), (-0.31, -0.16), (0.31, -0.16), (0.30, -0.40)], 5), cloth, form=1.0)
    for s in (-1, 1):
        pen.poly(
            curve([(s * 0.26, -0.54), (s * 0.42, -0.52), (s * 0.40, -0.14), (s * 0.26, -0.14)], 5), cloth, form=1.0
        )


@drawing("trophy")
def trophy(pen: Pen, kit: Kit) -> None:
    main = kit.main("eab543", "c9d3e0")
    for s in (-1, 1):
        pen.line(
            [
                (s * (0.22 + 0.20 * float(np.sin(a))), -0.72 - 0.16 * float(np.cos(a)))
                for a in np.linspace(0, np.pi, 16)
            ],
            0.05,
            main,
            form=0.9,
        )
    pen.poly(
        curve([(-0.30, -0.94), (-0.27, -0.62), (-0.10, -0.40), (0.10, -0.40), (0.27, -0.62), (0.30, -0.94)], 5),
        main,
        form=1.1,
    )
    pen.oval(0, -0.94, 0.30, 0.05, shift(main, 0, 1, 0.75), form=0.4)
    pen.poly([(-0.05, -0.42), (0.05, -0.42), (0.07, -0.20), (-0.07, -0.20)], shift(main, 0, 1, 0.9), form=0.9)
    pen.rect(-0.20, -0.21, 0.20, -0.13, main, form=0.8)
    pen.rect(-0.26, -0.13, 0.26, 0.0, WOOD, form=0.6)
    gleam(pen, curve([(-0.22, -0.86), (-0.15, -0.86), (-0.12, -0.64), (-0.18, -0.64)]), 0.7)


@drawing("gift")
def gift(pen: Pen, kit: Kit) -> None:
    main = kit.main("d9485f", "4f8fc4", "5fa87a")
    band = rgb("f6d873")
    pen.rect(-0.36, -0.56, 0.36, 0.0, main, form=0.5)
    pen.rect(-0.41, -0.68, 0.41, -0.52, shift(main, 0, 1, 1.08), form=0.6)
    pen.rect(-0.07, -0.68, 0.07, 0.0, band, form=0.5)
    for s in (-1, 1):
        pen.poly(curve([(0, -0.68), (s * 0.10, -0.92), (s * 0.32, -0.95), (s * 0.30, -0.76)]), band, form=0.9)
    pen.oval(0, -0.71, 0.065, 0.055, shift(band, 0, 1, 0.9), form=0.9)


@drawing("bell")
def bell(pen: Pen, kit: Kit) -> None:
    main = kit.main("eab543")
    pen.oval(0, -0.08, 0.09, 0.085, shift(main, 0, 1, 0.7), form=1.0)
    pen.poly(
        curve(
            [
                (-0.42, -0.14),
                (-0.30, -0.30),
                (-0.25, -0.66),
                (0, -0.86),
                (0.25, -0.66),
                (0.30, -0.30),
                (0.42, -0.14),
                (0, -0.10),
            ]
        ),
        main,
        form=1.1,
    )
    pen.line(
        curve([(-0.40, -0.165), (0, -0.125), (0.40, -0.165)], closed=False), 0.06, shift(main, 0, 1, 0.88), form=0.8
    )
    pen.poly(arc(0, -0.90, 0.07, 0.07), main, form=0.9)
    gleam(pen, curve([(-0.19, -0.60), (-0.12, -0.70), (-0.08, -0.66), (-0.16, -0.44)]), 0.7)


@drawing("camera")
def camera(pen: Pen, kit: Kit) -> None:
    main = kit.main("4a4f5c", "c9574a")
    pen.poly(curve([(-0.16, -0.66), (-0.10, -0.80), (0.10, -0.80), (0.16, -0.66)], 4), shift(main, 0, 1, 1.2), form=0.7)
    pen.poly(curve([(-0.46, -0.66), (0.46, -0.66), (0.46, -0.08), (-0.46, -0.08)], 2), main, form=0.7)
    pen.rect(-0.46, -0.56, 0.46, -0.48, rgb("d9dde4"), form=0.4)
    for r, c in ((0.24, "d9dde4"), (0.20, "23252e"), (0.13, "3f5f8f"), (0.07, "1a1c24")):
        pen.oval(0, -0.36, r, r, rgb(c), form=0.8)
    gleam(pen, arc(-0.06, -0.42, 0.035, 0.03), 0.85)
    pen.oval(-0.34, -0.70, 0.06, 0.03, rgb("d9485f"), form=0.8)


@drawing("rune")
def rune(pen: Pen, kit: Kit) -> None:
    glowing = kit.main("5fe0e8", "b58aff", "ffb45e")
    stone = rgb("5d6272")
    pen.poly(
        [(-0.24, 0.0), (-0.36, -0.34), (-0.28, -0.80), (-0.04, -0.97), (0.26, -0.84), (0.36, -0.40), (0.26, -0.02)],
        stone,
        form=0.8,
    )
    pen.poly(
        [(-0.28, -0.80), (-0.04, -0.97), (0.26, -0.84), (0.10, -0.74), (-0.14, -0.72)], stone, 0.4, form=0, line=False
    )
    carvings: tuple[list[list[Point]], ...] = (
        [[(0, -0.70), (0, -0.20)], [(0, -0.66), (0.16, -0.50)], [(0, -0.46), (0.16, -0.32)]],
        [[(-0.12, -0.66), (0.12, -0.66), (-0.12, -0.24), (0.12, -0.24)]],
        [[(0, -0.70), (0.15, -0.46), (0, -0.22), (-0.15, -0.46), (0, -0.70)], [(0, -0.22), (0, -0.14)]],
    )
    for stroke in carvings[int(kit.rng.integers(3))]:
        for a, b in itertools.pairwise(stroke):
            pen.line([a, b], 0.05, glowing, 0.4, glow=1.0, form=0, line=False)
