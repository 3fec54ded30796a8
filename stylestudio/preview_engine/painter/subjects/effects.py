"""Light and smoke: the drawings of visual effects, and worlds in space."""

from __future__ import annotations

import itertools

import numpy as np

from stylestudio.preview_engine.painter.colour import mix, rgb, shift
from stylestudio.preview_engine.painter.fields import Field
from stylestudio.preview_engine.painter.layers import Pen, Point, arc, curve
from stylestudio.preview_engine.painter.subjects.kit import Kit, drawing

WHITE = rgb("ffffff")


def strand(pen: Pen, points: list[Point], width: float, colour: Field, alpha: float = 0.9) -> None:
    """A thread of light: thin at both ends, with a pale core."""
    count = len(points)
    swell = np.sin(np.linspace(0.15, np.pi - 0.15, count))
    pen.line(points, list(width * swell), colour, 0.3, glow=1.0, alpha=alpha, line=False, form=0)
    pen.line(
        points, list(width * 0.35 * swell), mix(colour, WHITE, 0.75), 0.4, glow=1.0, alpha=alpha, line=False, form=0
    )


def sparks(pen: Pen, kit: Kit, colour: Field, count: int, near: float, far: float) -> None:
    """Specks of light flung out from the middle."""
    for _ in range(int(count * (0.5 + 0.5 * kit.detail))):
        a, d = float(kit.rng.uniform(0, 2 * np.pi)), float(kit.rng.uniform(near, far))
        x, y, r = d * float(np.cos(a)), -0.5 + d * float(np.sin(a)), float(kit.rng.uniform(0.003, 0.010))
        if kit.rng.random() < 0.35:
            pen.line(
                [(x, y), (x * 1.09, -0.5 + (y + 0.5) * 1.09)], [r, r * 0.4], colour, 0.4, glow=1.0, line=False, form=0
            )
        else:
            pen.oval(x, y, r, r, mix(colour, WHITE, 0.5), 0.4, glow=1.0, line=False, form=0)


@drawing("portal")
def portal(pen: Pen, kit: Kit) -> None:
    first = kit.main("5aa8ff", "b06bff", "3fe0c8", "ff8a4a")
    second = shift(first, 0.13, 1.0, 1.0)
    pen.oval(0, -0.5, 0.29, 0.42, shift(first, 0.05, 1, 0.32), glow=0.25, line=False, form=0)
    for k in range(5):
        start = float(kit.rng.uniform(0, 2 * np.pi))
        spiral = [
            ((0.26 * (1 - t)) * float(np.cos(start + 5 * t)), -0.5 + (0.38 * (1 - t)) * float(np.sin(start + 5 * t)))
            for t in np.linspace(0.05, 0.95, 30)
        ]
        strand(pen, spiral, 0.018, mix(first, second, k / 4), 0.55)
    pen.oval(0, -0.5, 0.05, 0.08, mix(second, WHITE, 0.7), 0.4, glow=1.0, alpha=0.8, line=False, form=0)
    for _ in range(int(14 + 12 * kit.detail)):
        base, phase = float(kit.rng.uniform(0.92, 1.1)), float(kit.rng.uniform(0, 6.28))
        lumps, wobble = int(kit.rng.integers(3, 8)), float(kit.rng.uniform(0.01, 0.05))
        begin, span = float(kit.rng.uniform(0, 6.28)), float(kit.rng.uniform(1.5, 4.5))
        ring = [
            (
                0.33 * (base + wobble * float(np.sin(lumps * a + phase))) * float(np.cos(a)),
                -0.5 + 0.46 * (base + wobble * float(np.sin(lumps * a + phase))) * float(np.sin(a)),
            )
            for a in np.linspace(begin, begin + span, 46)
        ]
        strand(pen, ring, float(kit.rng.uniform(0.008, 0.030)), mix(first, second, float(kit.rng.random())), 0.85)
    sparks(pen, kit, first, 60, 0.30, 0.56)


@drawing("spell")
def spell(pen: Pen, kit: Kit) -> None:
    first = kit.main("8a7bff", "5fd0ff", "ffc45a", "ff7ab5")
    second = shift(first, 0.08, 0.8, 1.1)
    for r, w in ((0.46, 0.016), (0.43, 0.007), (0.30, 0.010), (0.17, 0.010)):
        circle = arc(0, -0.5, r, r)
        pen.line([*circle, circle[0], circle[1]], w, mix(first, WHITE, 0.35), 0.4, glow=1.0, line=False, form=0)
    turn = float(kit.rng.uniform(0, 1))
    for start in (turn, turn + np.pi / 3):
        corners = [
            (0.43 * float(np.cos(start + k * 2 * np.pi / 3)), -0.5 + 0.43 * float(np.sin(start + k * 2 * np.pi / 3)))
            for k in range(3)
        ]
        for a, b in zip(corners, corners[1:] + corners[:1], strict=True):
            pen.line([a, b], 0.011, mix(second, WHITE, 0.3), 0.4, glow=1.0, line=False, form=0)
    for k in range(12):
        angle = turn + k * np.pi / 6
        x, y = 0.365 * float(np.cos(angle)), -0.5 + 0.365 * float(np.sin(angle))
        glyph = [
            (x + float(kit.rng.uniform(-0.028, 0.028)), y + float(kit.rng.uniform(-0.028, 0.028))) for _ in range(4)
        ]
        for p, q in itertools.pairwise(glyph):
            pen.line([p, q], 0.008, mix(first, WHITE, 0.6), 0.4, glow=1.0, line=False, form=0)
    points = [
        (r * float(np.sin(k * np.pi / 4 + turn)), -0.5 - r * float(np.cos(k * np.pi / 4 + turn)))
        for k, r in enumerate([0.15, 0.055] * 4)
    ]
    pen.poly(points, mix(second, WHITE, 0.5), 0.4, glow=1.0, line=False, form=0)
    for _ in range(int(16 * kit.detail)):
        x = float(kit.rng.uniform(-0.4, 0.4))
        y = -0.5 + float(kit.rng.uniform(-0.3, 0.3))
        pen.line(
            [(x, y), (x, y - float(kit.rng.uniform(0.05, 0.2)))],
            [0.012, 0.002],
            first,
            0.4,
            glow=0.8,
            alpha=0.5,
            line=False,
            form=0,
        )
    sparks(pen, kit, second, 46, 0.1, 0.54)


@drawing("explosion")
def explosion(pen: Pen, kit: Kit) -> None:
    hot = kit.main("ff8a2f", "ff6a3f")
    smoke = rgb("4a3d48")
    rng = kit.rng
    for _ in range(16):
        a, d = float(rng.uniform(0, 6.28)), float(rng.uniform(0.16, 0.36))
        r = float(rng.uniform(0.06, 0.12))
        pen.oval(
            d * float(np.cos(a)),
            -0.5 + d * float(np.sin(a)),
            r,
            r,
            shift(smoke, 0, 1, float(rng.uniform(0.8, 1.3))),
            form=1.0,
        )
    for k in range(18):
        a = k * 2 * np.pi / 18 + float(rng.uniform(-0.12, 0.12))
        reach = float(rng.uniform(0.34, 0.54))
        c, s = float(np.cos(a)), float(np.sin(a))
        pen.poly(
            [(-s * 0.03, -0.5 + c * 0.03), (reach * c, -0.5 + reach * s), (s * 0.03, -0.5 - c * 0.03)],
            mix(hot, rgb("ffd25a"), float(rng.random())),
            0.3,
            glow=1.0,
            line=False,
            form=0,
        )
    for colour, spread, size in (
        (shift(hot, -0.03, 1, 0.85), 0.22, 0.13),
        (hot, 0.18, 0.12),
        (rgb("ffc04a"), 0.13, 0.10),
        (rgb("fff0b0"), 0.07, 0.09),
    ):
        for _ in range(9):
            a, d = float(rng.uniform(0, 6.28)), spread * float(rng.uniform(0.4, 1.0))
            r = size * float(rng.uniform(0.7, 1.15))
            pen.oval(d * float(np.cos(a)), -0.5 + d * float(np.sin(a)), r, r, colour, 0.2, glow=0.85, form=0.6)
    pen.oval(0, -0.5, 0.10, 0.10, rgb("fffbe6"), 0.5, glow=1.0, line=False, form=0)
    sparks(pen, kit, rgb("ffd25a"), 60, 0.25, 0.56)


@drawing("fire")
def fire(pen: Pen, kit: Kit) -> None:
    hot = kit.main("ff6a2a")
    rng = kit.rng
    sway = float(rng.uniform(-0.06, 0.06))
    for scale, colour in (
        (1.0, hot),
        (0.76, shift(hot, 0.045, 1, 1.1)),
        (0.52, shift(hot, 0.09, 0.85, 1.2)),
        (0.28, rgb("fff3c0")),
    ):
        flame: list[Point] = [
            (-0.30, -0.06),
            (-0.40, -0.26),
            (-0.34, -0.48),
            (-0.28, -0.62),
            (-0.20, -0.46),
            (-0.13, -0.72),
            (0.0 + sway, -1.0),
            (0.10, -0.72),
            (0.16, -0.52),
            (0.25, -0.70),
            (0.34, -0.46),
            (0.40, -0.24),
            (0.30, -0.06),
            (0.0, 0.0),
        ]
        pen.poly(
            curve([(x * scale * (0.9 if scale < 1 else 1), y * scale - 0.01 * (1 - scale)) for x, y in flame], 6),
            colour,
            0.2,
            glow=0.95,
            form=0.3,
        )
    for _ in range(int(18 + 14 * kit.detail)):
        x, y, r = float(rng.uniform(-0.36, 0.36)), float(rng.uniform(-1.0, -0.45)), float(rng.uniform(0.005, 0.014))
        pen.oval(x, y, r, r * 1.3, rgb("ffc45a"), 0.4, glow=1.0, line=False, form=0)


@drawing("smoke")
def smoke(pen: Pen, kit: Kit) -> None:
    main = kit.main("c9ccd8", "d9cfc4", "a9b4c9")
    rng = kit.rng
    puffs = [
        (float(rng.normal(0, 0.15)), -0.48 + float(rng.normal(0, 0.14)), float(rng.uniform(0.10, 0.18)))
        for _ in range(16)
    ]
    puffs += [
        (0.38 * float(np.cos(a)), -0.5 + 0.36 * float(np.sin(a)), float(rng.uniform(0.03, 0.06)))
        for a in rng.uniform(0, 6.28, 7)
    ]
    for shade, shrink, offset in ((-0.4, 1.0, 0.0), (0.0, 0.86, -0.16), (0.35, 0.6, -0.34)):
        for x, y, r in puffs:
            pen.oval(
                x + offset * r * 0.7,
                y + offset * r,
                r * shrink,
                r * shrink,
                shift(main, 0, 1, 1 + 0.25 * shade),
                shade * 0.5,
                form=0.5,
                line=shrink == 1.0,
            )


def bolt(rng: np.random.Generator, start: Point, end: Point, rough: float, levels: int) -> list[Point]:
    points = [start, end]
    for level in range(levels):
        longer: list[Point] = []
        for (x0, y0), (x1, y1) in itertools.pairwise(points):
            off = float(rng.normal(0, rough * 0.55**level))
            longer += [(x0, y0), ((x0 + x1) / 2 - (y1 - y0) * off, (y0 + y1) / 2 + (x1 - x0) * off)]
        points = [*longer, points[-1]]
    return points


@drawing("lightning")
def lightning(pen: Pen, kit: Kit) -> None:
    colour = kit.main("9fc4ff", "c9a3ff", "ffe27a")
    rng = kit.rng
    main = bolt(rng, (float(rng.uniform(-0.12, 0.12)), -1.0), (float(rng.uniform(-0.1, 0.1)), 0.0), 0.22, 5)
    branches = [
        bolt(
            rng,
            main[i],
            (
                main[i][0] + float(rng.choice([-1, 1])) * float(rng.uniform(0.16, 0.36)),
                main[i][1] + float(rng.uniform(0.15, 0.32)),
            ),
            0.22,
            4,
        )
        for i in (6, 11, 16, 21)
    ]
    for path, width in [(main, 0.034), *((b, 0.016) for b in branches)]:
        taper = np.linspace(1, 0.25, len(path))
        pen.line(path, list(width * taper), colour, 0.4, glow=1.0, line=False, form=0)
        pen.line(path, list(width * 0.4 * taper), WHITE, 0.5, glow=1.0, line=False, form=0)
    sparks(pen, kit, colour, 20, 0.1, 0.5)


@drawing("slash")
def slash(pen: Pen, kit: Kit) -> None:
    colour = kit.main("8fd8ff", "ff8a5a", "c79aff")
    for k, (grow, shade) in enumerate(((1.0, 0.0), (0.86, 0.5), (0.74, 0.9))):
        outer = arc(-0.10, -0.42, 0.52 * (1 - 0.04 * k), 0.52 * (1 - 0.04 * k), -118, 38)
        inner = arc(-0.22 + 0.02 * k, -0.36, 0.50 * (1 - 0.02 * k) * (1.02 - 0.02 * grow), 0.47, 38, -118)
        pen.poly([*outer, *inner], mix(colour, WHITE, shade), 0.4, glow=1.0, alpha=0.6 + 0.15 * k, line=False, form=0)
    sparks(pen, kit, colour, 50, 0.2, 0.55)


@drawing("beam")
def beam(pen: Pen, kit: Kit) -> None:
    colour = kit.main("ff5a8a", "5ad0ff", "8aff9a")
    for width, pale in ((0.16, 0.0), (0.09, 0.45), (0.04, 0.95)):
        pen.line(
            [(-0.42, -0.16), (0.40, -0.80)],
            [width * 0.6, width],
            mix(colour, WHITE, pale),
            0.4,
            glow=1.0,
            alpha=0.8,
            line=False,
            form=0,
        )
    for k in range(3):
        t = 0.2 + 0.28 * k
        x, y = -0.42 + 0.82 * t, -0.16 - 0.64 * t
        ring = [
            (
                x + 0.045 * float(np.cos(a)) + 0.07 * float(np.sin(a)),
                y + 0.03 * float(np.cos(a)) + 0.12 * float(np.sin(a)) * 0.9,
            )
            for a in np.linspace(0, 2 * np.pi, 30)
        ]
        pen.line(ring, 0.010, mix(colour, WHITE, 0.4), 0.4, glow=1.0, line=False, form=0)
    burst = [
        (0.42 + r * float(np.cos(k * np.pi / 8)), -0.815 + r * float(np.sin(k * np.pi / 8)))
        for k, r in enumerate([0.17, 0.06] * 8)
    ]
    pen.poly(burst, mix(colour, WHITE, 0.5), 0.4, glow=1.0, line=False, form=0)
    sparks(pen, kit, colour, 36, 0.2, 0.55)


@drawing("ice")
def ice(pen: Pen, kit: Kit) -> None:
    main = kit.main("8fd3f0", "a9e0f5")
    for x, tall, half, lean in (
        (0.30, 0.52, 0.10, 0.16),
        (-0.31, 0.58, 0.11, -0.18),
        (0.15, 0.76, 0.12, 0.07),
        (-0.15, 0.80, 0.12, -0.07),
        (0.0, 0.98, 0.15, 0.0),
    ):
        tip = (x + lean, -tall)
        pen.poly(
            [
                (x - half, -0.02),
                (x - half * 0.9 + lean * 0.6, -tall * 0.62),
                tip,
                (x + half * 0.9 + lean * 0.6, -tall * 0.66),
                (x + half, 0.0),
            ],
            main,
            0.05,
            glow=0.15,
            form=0.2,
        )
        pen.poly(
            [
                (x - half, -0.02),
                (x - half * 0.9 + lean * 0.6, -tall * 0.62),
                tip,
                (x - half * 0.1 + lean * 0.4, -tall * 0.5),
                (x - half * 0.15, 0.0),
            ],
            mix(main, WHITE, 0.6),
            0.4,
            form=0,
            line=False,
        )
        pen.poly(
            [
                tip,
                (x + half * 0.9 + lean * 0.6, -tall * 0.66),
                (x + half, 0.0),
                (x + half * 0.4, 0.0),
                (x + half * 0.3 + lean * 0.5, -tall * 0.55),
            ],
            shift(main, 0.03, 1.3, 0.8),
            -0.3,
            form=0,
            line=False,
        )
    for x, y, r in ((-0.36, -0.82, 0.05), (0.36, -0.74, 0.04), (0.22, -0.95, 0.035)):
        pen.poly(
            [
                (x, y - r * 1.7),
                (x + r * 0.3, y - r * 0.3),
                (x + r * 1.7, y),
                (x + r * 0.3, y + r * 0.3),
                (x, y + r * 1.7),
                (x - r * 0.3, y + r * 0.3),
                (x - r * 1.7, y),
                (x - r * 0.3, y - r * 0.3),
            ],
            WHITE,
            0.5,
            glow=0.9,
            form=0,
            line=False,
        )


@drawing("splash")
def splash(pen: Pen, kit: Kit) -> None:
    main = kit.main("4fa8e0", "5fc3e0")
    for x, lean, tall, w in (
        (-0.26, -0.20, 0.50, 0.13),
        (0.26, 0.20, 0.54, 0.13),
        (-0.12, -0.08, 0.72, 0.15),
        (0.13, 0.08, 0.68, 0.15),
        (0.0, 0.0, 0.84, 0.16),
    ):
        pen.blob(
            [
                (x - w, -0.06),
                (x - w * 0.4 + lean * 0.5, -tall * 0.6),
                (x + lean, -tall),
                (x + w * 0.4 + lean * 0.5, -tall * 0.6),
                (x + w, -0.06),
            ],
            main,
            0.05,
            form=1.0,
        )
    pen.oval(0, -0.07, 0.46, 0.10, main, 0.0, form=0.8)
    pen.oval(0, -0.08, 0.34, 0.055, mix(main, WHITE, 0.4), 0.2, form=0.2, line=False)
    for x, y, r in (
        (-0.42, -0.62, 0.04),
        (0.44, -0.66, 0.035),
        (-0.22, -0.84, 0.03),
        (0.20, -0.86, 0.035),
        (0.05, -0.96, 0.04),
        (-0.36, -0.44, 0.025),
    ):
        pen.blob([(x, y - r * 1.9), (x + r, y), (x, y + r), (x - r, y)], mix(main, WHITE, 0.2), 0.2, form=1.0)


@drawing("swirl")
def swirl(pen: Pen, kit: Kit) -> None:
    first = kit.main("5fe0c8", "8a8aff", "ff8ab5")
    second = shift(first, 0.12, 1, 1)
    arms = int(kit.rng.integers(2, 4))
    for k in range(int(24 + 20 * kit.detail)):
        start = 2 * np.pi * (k % arms) / arms + float(kit.rng.normal(0, 0.30))
        reach = 0.50 * float(kit.rng.uniform(0.7, 1.0))
        path = [
            (
                reach * float(t) ** 0.8 * float(np.cos(start + 4.4 * t)),
                -0.5 + 0.82 * reach * float(t) ** 0.8 * float(np.sin(start + 4.4 * t)),
            )
            for t in np.linspace(0.03, 1, 44)
        ]
        strand(pen, path, float(kit.rng.uniform(0.006, 0.024)), mix(first, second, float(kit.rng.random())), 0.7)
    pen.oval(0, -0.5, 0.085, 0.07, mix(first, WHITE, 0.8), 0.5, glow=1.0, line=False, form=0)
    sparks(pen, kit, first, 70, 0.05, 0.52)


@drawing("planet")
def planet(pen: Pen, kit: Kit) -> None:
    main = kit.main("d98a5a", "5f8fd0", "8f6bc4", "6fb5a0", "c95f6a")
    rng = kit.rng
    ringed = rng.random() < 0.6
    band = shift(main, 0.05, 0.8, 1.15)
    tilt = float(rng.uniform(-0.35, -0.15))

    def ring(front: bool) -> None:
        for r, w, c in ((0.50, 0.045, mix(band, WHITE, 0.25)), (0.43, 0.03, shift(main, 0.02, 0.7, 0.9))):
            angles = np.linspace(0, np.pi, 40) if front else np.linspace(np.pi, 2 * np.pi, 40)
            path = [
                (
                    r * float(np.cos(a)) * np.cos(tilt) - r * 0.24 * float(np.sin(a)) * np.sin(tilt),
                    -0.5 + r * float(np.cos(a)) * np.sin(tilt) + r * 0.24 * float(np.sin(a)) * np.cos(tilt),
                )
                for a in angles
            ]
            pen.line([(float(x), float(y)) for x, y in path], w, c, 0.1, form=0.2, line=False)

    if ringed:
        ring(False)
    radius = 0.31 if ringed else 0.42
    pen.oval(0, -0.5, radius, radius, main, form=1.5)
    for _ in range(7):
        y, h = float(rng.uniform(-0.85, 0.85)), float(rng.uniform(0.03, 0.12))
        half = float(np.sqrt(max(0.0, 1 - y * y)))
        lean = float(np.tan(tilt)) if ringed else -0.15
        pts = [
            (x * radius, -0.5 + (y + lean * x * 0.5 + 0.03 * np.sin(x * 7)) * radius)
            for x in np.linspace(-half - 0.1, half + 0.1, 16)
        ]
        shape = [(float(x), float(v) - h * radius) for x, v in pts] + [
            (float(x), float(v) + h * radius) for x, v in reversed(pts)
        ]
        pen.poly(
            shape,
            shift(main, float(rng.uniform(-0.04, 0.06)), float(rng.uniform(0.6, 1.1)), float(rng.uniform(0.85, 1.3))),
            0.1,
            form=0,
            line=False,
            alpha=0.5,
            inside=True,
        )
    dusk = [(x, y) for x, y in arc(0, -0.5, radius * 1.02, radius * 1.02)]
    for k in range(14):
        offset = radius * (0.20 + 0.07 * k)
        crescent = [
            (x - pen.light[0] * offset * (-1 if pen.frame.flip else 1), y - pen.light[1] * offset) for x, y in dusk
        ]
        pen.poly(crescent, shift(main, 0.05, 1.2, 0.25), -0.4, form=0, line=False, alpha=0.115, inside=True)
    if ringed:
        ring(True)
