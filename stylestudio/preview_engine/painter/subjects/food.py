"""Things to eat and drink."""

from __future__ import annotations

import numpy as np

from stylestudio.preview_engine.painter.colour import mix, rgb, shift
from stylestudio.preview_engine.painter.fields import Field
from stylestudio.preview_engine.painter.layers import Pen, curve
from stylestudio.preview_engine.painter.subjects.items import gleam
from stylestudio.preview_engine.painter.subjects.kit import Kit, drawing


def steam(pen: Pen, x: float, y: float, tall: float) -> None:
    for dx in (-0.12, 0.0, 0.12):
        path = curve(
            [(x + dx, y), (x + dx + 0.04, y - tall * 0.35), (x + dx - 0.03, y - tall * 0.7), (x + dx + 0.02, y - tall)],
            closed=False,
        )
        pen.line(
            path,
            list(0.035 * np.sin(np.linspace(0.2, np.pi, len(path)))),
            rgb("ffffff"),
            0.2,
            line=False,
            form=0,
            alpha=0.5,
        )


@drawing("apple")
def apple(pen: Pen, kit: Kit) -> None:
    main = kit.main("d9453f", "e8a23c", "8fb84a")
    pen.poly(
        curve(
            [
                (0, -0.74),
                (-0.22, -0.82),
                (-0.41, -0.60),
                (-0.36, -0.24),
                (-0.14, -0.0),
                (0, -0.035),
                (0.14, 0.0),
                (0.36, -0.24),
                (0.41, -0.60),
                (0.22, -0.82),
            ]
        ),
        main,
        form=1.2,
    )
    pen.line(curve([(0, -0.72), (0.01, -0.86), (0.06, -0.94)], closed=False), 0.04, rgb("6b4630"))
    pen.blob([(0.04, -0.82), (0.16, -0.98), (0.36, -0.96), (0.24, -0.82)], rgb("6fa84a"), form=0.8)
    gleam(pen, curve([(-0.29, -0.56), (-0.22, -0.70), (-0.13, -0.70), (-0.20, -0.58), (-0.26, -0.44)]), 0.65)


@drawing("berry")
def berry(pen: Pen, kit: Kit) -> None:
    main = kit.main("d2344a", "8a2f5a")
    for x, top in ((-0.20, (0.06, -0.94)), (0.22, (0.06, -0.94))):
        pen.line(curve([(x, -0.50), (x * 0.7, -0.76), top], closed=False), 0.028, rgb("6f8f45"))
    pen.blob([(0.06, -0.92), (0.20, -1.0), (0.42, -0.92), (0.24, -0.80)], rgb("6fa84a"), form=0.8)
    for x, y in ((0.22, -0.26), (-0.20, -0.30)):
        pen.oval(x, y, 0.235, 0.235, main, form=1.2)
        gleam(pen, curve([(x - 0.14, y - 0.04), (x - 0.09, y - 0.14), (x - 0.03, y - 0.14), (x - 0.09, y - 0.02)]), 0.7)


@drawing("cake")
def cake(pen: Pen, kit: Kit) -> None:
    icing = kit.main("f3b4c0", "f6ecd6", "c9e0d0")
    sponge = rgb("d9a066")
    pen.oval(0, -0.03, 0.48, 0.075, rgb("e9e6ee"), form=0.6)
    pen.poly(curve([(-0.38, -0.05), (-0.38, -0.40), (0.38, -0.40), (0.38, -0.05), (0, -0.01)], 4), sponge, form=0.9)
    pen.rect(-0.39, -0.25, 0.39, -0.19, rgb("fff4e4"), form=0.2, line=False, inside=True)
    drip = [
        (-0.40, -0.36),
        (-0.34, -0.26),
        (-0.27, -0.36),
        (-0.18, -0.22),
        (-0.09, -0.34),
        (0.0, -0.24),
        (0.10, -0.35),
        (0.19, -0.22),
        (0.28, -0.36),
        (0.35, -0.28),
        (0.40, -0.38),
    ]
    pen.poly(
        [
            *curve(drip, closed=False),
            *curve([(0.40, -0.46), (0.2, -0.53), (-0.2, -0.53), (-0.40, -0.46)], closed=False),
        ],
        icing,
        form=0.9,
    )
    for x in (-0.22, 0.0, 0.22):
        pen.oval(x, -0.53, 0.075, 0.06, rgb("fffaf2"), form=1.0)
        pen.oval(x, -0.58, 0.045, 0.045, rgb("d2344a"), form=1.0)
    pen.rect(-0.022, -0.82, 0.022, -0.56, rgb("8fc3e0"), form=0.8)
    pen.blob([(0, -1.0), (0.05, -0.88), (0, -0.82), (-0.05, -0.88)], rgb("ffb13b"), 0.3, glow=1.0, form=0, line=False)


@drawing("bread")
def bread(pen: Pen, kit: Kit) -> None:
    crust = kit.main("c9803f", "b87136")
    pen.poly(
        curve(
            [
                (-0.48, -0.18),
                (-0.44, -0.40),
                (-0.20, -0.58),
                (0.20, -0.58),
                (0.44, -0.40),
                (0.48, -0.18),
                (0.36, -0.02),
                (-0.36, -0.02),
            ]
        ),
        crust,
        form=1.2,
    )
    for x in (-0.24, 0.0, 0.24):
        pen.poly(
            curve([(x - 0.10, -0.26), (x + 0.0, -0.44), (x + 0.09, -0.50), (x + 0.02, -0.32)]),
            rgb("f3d7a2"),
            0.1,
            form=0.5,
        )


@drawing("bowl")
def bowl(pen: Pen, kit: Kit) -> None:
    main = kit.main("c2402f", "3f6f9c", "3f8a7a")
    steam(pen, 0, -0.62, 0.36)
    pen.oval(0, -0.46, 0.47, 0.14, mix(main, rgb("ffffff"), 0.2), form=0.3)
    pen.oval(0, -0.46, 0.43, 0.115, rgb("c98a45"), form=0.2)
    for k in range(5):
        y = -0.50 + 0.022 * k
        pen.line(
            curve([(-0.34 + 0.02 * k, y), (-0.16, y - 0.03), (0.0, y + 0.01), (0.12, y - 0.02)], closed=False),
            0.022,
            rgb("f6dc9a"),
            line=False,
            form=0.4,
        )
    for x, y in ((0.18, -0.49), (0.02, -0.40)):
        pen.oval(x, y, 0.11, 0.055, rgb("fff8ee"), form=0.5)
        pen.oval(x, y, 0.05, 0.028, rgb("f0a23c"), form=0.5, line=False)
    pen.poly([(0.26, -0.42), (0.40, -0.72), (0.47, -0.68), (0.38, -0.41)], rgb("2f4a3f"), form=0.3)
    for x in (-0.26, -0.20, -0.12):
        pen.oval(x, -0.42, 0.028, 0.016, rgb("7fb24f"), form=0, line=False)
    pen.poly(
        curve(
            [
                (-0.47, -0.46),
                (-0.40, -0.20),
                (-0.20, -0.04),
                (0.20, -0.04),
                (0.40, -0.20),
                (0.47, -0.46),
                (0.3, -0.365),
                (0, -0.33),
                (-0.3, -0.365),
            ],
            5,
        ),
        main,
        form=1.0,
    )
    pen.rect(-0.16, -0.07, 0.16, 0.0, shift(main, 0, 1, 0.75), form=0.6)
    pen.line(
        curve([(-0.43, -0.28), (0, -0.17), (0.43, -0.28)], closed=False),
        0.03,
        rgb("f6ecd6"),
        line=False,
        form=0,
        inside=True,
    )


@drawing("sushi")
def sushi(pen: Pen, kit: Kit) -> None:
    fish = kit.main("f08a5f", "e8566a")
    for x, y in ((0.22, -0.14), (-0.18, 0.0)):
        pen.poly(
            curve([(x - 0.28, y - 0.02), (x - 0.28, y - 0.20), (x + 0.28, y - 0.20), (x + 0.28, y - 0.02)], 5),
            rgb("fbf7ee"),
            form=1.0,
        )
        pen.poly(
            curve(
                [(x - 0.32, y - 0.17), (x - 0.22, y - 0.37), (x + 0.22, y - 0.39), (x + 0.33, y - 0.18), (x, y - 0.22)],
                6,
            ),
            fish,
            form=1.0,
        )
        for k in (-0.14, 0.0, 0.14):
            pen.line(
                [(x + k - 0.03, y - 0.34), (x + k + 0.05, y - 0.22)],
                0.02,
                mix(fish, rgb("ffffff"), 0.6),
                line=False,
                form=0,
                inside=True,
            )
        pen.rect(x - 0.06, y - 0.385, x + 0.06, y - 0.02, rgb("24382f"), form=0.6)


@drawing("cup")
def cup(pen: Pen, kit: Kit) -> None:
    main = kit.main("f1ece0", "d9745a", "5f9a94")
    steam(pen, -0.03, -0.66, 0.34)
    pen.oval(-0.02, -0.03, 0.46, 0.07, mix(main, rgb("ffffff"), 0.2), form=0.6)
    pen.line(
        [(0.27 + 0.15 * float(np.sin(a)), -0.37 - 0.13 * float(np.cos(a))) for a in np.linspace(0, np.pi, 16)],
        0.055,
        main,
        form=0.9,
    )
    pen.poly(
        curve([(-0.33, -0.56), (-0.30, -0.22), (-0.18, -0.06), (0.14, -0.06), (0.26, -0.22), (0.29, -0.56)], 5),
        main,
        form=1.1,
    )
    pen.oval(-0.02, -0.56, 0.31, 0.075, mix(main, rgb("ffffff"), 0.4), form=0.3)
    pen.oval(-0.02, -0.555, 0.27, 0.058, rgb("6b4028"), form=0.2)
    pen.poly(curve([(-0.02, -0.53), (-0.10, -0.57), (-0.02, -0.585), (0.06, -0.57)]), rgb("f1dfc2"), form=0, line=False)


@drawing("burger")
def burger(pen: Pen, kit: Kit) -> None:
    layers: tuple[tuple[float, float, Field], ...] = (
        (-0.16, 0.10, rgb("d99a4f")),
        (-0.27, 0.09, rgb("6b3f28")),
        (-0.34, 0.05, rgb("f4b942")),
        (-0.42, 0.07, kit.main("d2402f")),
        (-0.48, 0.06, rgb("8fc35a")),
    )
    for y, half, colour in layers:
        pen.poly(
            curve([(-0.42, y + half), (-0.45, y), (-0.42, y - half), (0.42, y - half), (0.45, y), (0.42, y + half)], 4),
            colour,
            form=0.9,
        )
    pen.poly(
        curve([(-0.44, -0.52), (-0.40, -0.76), (-0.16, -0.92), (0.16, -0.92), (0.40, -0.76), (0.44, -0.52)], 5),
        rgb("e0a052"),
        form=1.2,
    )
    for x, y in ((-0.20, -0.78), (-0.04, -0.84), (0.14, -0.80), (0.26, -0.70), (0.02, -0.72), (-0.28, -0.66)):
        pen.oval(x, y, 0.022, 0.014, rgb("fff0d0"), form=0, line=False)


@drawing("icecream")
def icecream(pen: Pen, kit: Kit) -> None:
    main = kit.main("f3a9bd", "f6ecd6", "a9d8c4")
    pen.poly([(-0.22, -0.46), (0.22, -0.46), (0.0, 0.02)], rgb("d9a05a"), form=0.8)
    for k in (-0.2, 0.0, 0.2):
        pen.line([(k - 0.12, -0.46), (k * 0.2 + 0.05, -0.06)], 0.012, rgb("b57b3a"), line=False, form=0, inside=True)
        pen.line([(k + 0.12, -0.46), (k * 0.2 - 0.05, -0.06)], 0.012, rgb("b57b3a"), line=False, form=0, inside=True)
    pen.oval(-0.13, -0.55, 0.18, 0.17, shift(main, 0.08, 1, 0.95), form=1.1)
    pen.oval(0.13, -0.55, 0.18, 0.17, rgb("f6e3b5"), form=1.1)
    pen.oval(0, -0.75, 0.19, 0.18, main, form=1.1)
    pen.oval(0.0, -0.95, 0.06, 0.06, rgb("d2344a"), form=1.0)


@drawing("cheese")
def cheese(pen: Pen, kit: Kit) -> None:
    main = kit.main("f4c64e")
    pen.poly([(-0.46, -0.36), (0.20, -0.66), (0.46, -0.44), (0.46, -0.06), (-0.46, -0.0)], main, form=0.3)
    pen.poly([(-0.46, -0.36), (0.20, -0.66), (0.46, -0.44)], shift(main, 0, 0.8, 1.08), 0.3, form=0.2)
    for x, y, r in (
        (-0.24, -0.18, 0.07),
        (0.04, -0.26, 0.05),
        (0.20, -0.16, 0.08),
        (-0.06, -0.10, 0.04),
        (0.36, -0.30, 0.045),
        (0.18, -0.52, 0.05),
    ):
        pen.oval(x, y, r, r * 0.9, shift(main, -0.02, 1.1, 0.78), -0.2, form=0, line=False, inside=True)


@drawing("egg")
def egg(pen: Pen, kit: Kit) -> None:
    main = kit.main("f3e6d0", "a9c9d8", "d9b5c9")
    pen.poly(
        curve(
            [(0, -0.94), (-0.24, -0.72), (-0.35, -0.36), (-0.22, -0.04), (0.22, -0.04), (0.35, -0.36), (0.24, -0.72)]
        ),
        main,
        form=1.2,
    )
    for _ in range(12):
        a, d = float(kit.rng.uniform(0, 6.28)), float(kit.rng.random()) ** 0.5
        r = float(kit.rng.uniform(0.015, 0.05))
        pen.oval(
            0.26 * d * float(np.cos(a)),
            -0.42 + 0.36 * d * float(np.sin(a)),
            r,
            r * 0.85,
            shift(main, 0.03, 1.6, 0.75),
            form=0,
            line=False,
            inside=True,
        )


@drawing("meat")
def meat(pen: Pen, kit: Kit) -> None:
    main = kit.main("b5593f")
    pen.line([(0.12, -0.34), (0.40, -0.06)], 0.10, rgb("f6ecd6"), form=0.9)
    for x, y in ((0.37, -0.01), (0.45, -0.09)):
        pen.oval(x, y, 0.065, 0.065, rgb("f6ecd6"), form=0.9)
    pen.poly(
        curve(
            [
                (0.20, -0.22),
                (-0.06, -0.16),
                (-0.36, -0.34),
                (-0.42, -0.66),
                (-0.18, -0.88),
                (0.14, -0.76),
                (0.28, -0.46),
            ]
        ),
        main,
        form=1.2,
    )
    gleam(pen, curve([(-0.30, -0.62), (-0.20, -0.76), (-0.10, -0.76), (-0.20, -0.64)]), 0.5)
