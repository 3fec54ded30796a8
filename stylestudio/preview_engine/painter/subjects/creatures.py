"""Animals and beasts."""

from __future__ import annotations

import numpy as np

from stylestudio.preview_engine.painter.colour import mix, rgb, shift
from stylestudio.preview_engine.painter.fields import Field
from stylestudio.preview_engine.painter.layers import Pen, curve
from stylestudio.preview_engine.painter.subjects.kit import Kit, drawing

EYE = rgb("251f28")


def eyes(pen: Pen, x: float, y: float, gap: float, r: float) -> None:
    for s in (-1, 1):
        pen.oval(x + s * gap, y, r * 0.8, r, EYE, form=0, line=False)
        pen.oval(x + s * gap - r * 0.25, y - r * 0.35, r * 0.3, r * 0.32, rgb("ffffff"), 0.4, form=0, line=False)


def seated(pen: Pen, coat: Field, belly: Field, paw: Field) -> None:
    """The body of an animal that sits facing us: haunches, chest, front legs."""
    for s in (-1, 1):
        pen.poly(
            curve([(s * 0.05, -0.02), (s * 0.10, -0.25), (s * 0.25, -0.24), (s * 0.31, -0.10), (s * 0.27, 0.0)]),
            shift(coat, 0, 1, 0.92),
            form=1.0,
        )
        pen.oval(s * 0.22, -0.015, 0.085, 0.035, paw, form=0.8)
    pen.poly(
        curve([(-0.13, -0.55), (-0.20, -0.30), (-0.19, -0.03), (0.19, -0.03), (0.20, -0.30), (0.13, -0.55)]),
        coat,
        form=1.1,
    )
    pen.poly(
        curve([(-0.085, -0.50), (-0.12, -0.36), (0.0, -0.20), (0.12, -0.36), (0.085, -0.50)]),
        belly,
        0.05,
        form=0.7,
        line=False,
    )
    for s in (-1, 1):
        pen.poly(curve([(s * 0.025, -0.30), (s * 0.02, -0.03), (s * 0.115, -0.03), (s * 0.13, -0.30)]), coat, form=0.9)
        pen.oval(s * 0.07, -0.015, 0.065, 0.035, paw, form=0.8)


def canine(pen: Pen, coat: Field, white: Field, tip: Field, *, ears: float = 1.0, bushy: bool = True) -> None:
    tail = curve([(0.14, -0.05), (0.34, -0.10), (0.45, -0.30), (0.36, -0.52)], closed=False)
    swell = np.sin(np.linspace(0.25, np.pi * 0.93, len(tail)))
    pen.line(tail, list((0.22 if bushy else 0.10) * swell + 0.02), coat, form=1.0)
    end = tail[int(len(tail) * 0.72) :]
    pen.line(end, list((0.22 if bushy else 0.10) * swell[int(len(tail) * 0.72) :] + 0.02), white, form=0.9)
    seated(pen, coat, white, tip)
    for s in (-1, 1):
        pen.poly(curve([(s * 0.06, -0.80), (s * 0.17, -0.80 - 0.24 * ears), (s * 0.245, -0.70)], 5), coat, form=0.8)
        pen.poly(
            curve([(s * 0.11, -0.80), (s * 0.17, -0.80 - 0.16 * ears), (s * 0.21, -0.73)], 5), tip, form=0.3, line=False
        )
    pen.poly(
        curve(
            [
                (-0.10, -0.84),
                (-0.24, -0.72),
                (-0.29, -0.585),
                (-0.14, -0.53),
                (0.0, -0.465),
                (0.14, -0.53),
                (0.29, -0.585),
                (0.24, -0.72),
                (0.10, -0.84),
            ]
        ),
        coat,
        form=1.1,
    )
    for s in (-1, 1):
        pen.poly(
            curve([(s * 0.02, -0.62), (s * 0.13, -0.66), (s * 0.28, -0.58), (s * 0.13, -0.53), (s * 0.01, -0.47)]),
            white,
            form=0.6,
            line=False,
        )
    eyes(pen, 0, -0.665, 0.11, 0.034)
    pen.blob([(-0.035, -0.52), (0.035, -0.52), (0.0, -0.475)], EYE, form=0.5)


@drawing("fox")
def fox(pen: Pen, kit: Kit) -> None:
    canine(pen, kit.main("e07b36", "d9702f"), rgb("fbf1e2"), rgb("4a3230"))


@drawing("wolf")
def wolf(pen: Pen, kit: Kit) -> None:
    canine(pen, kit.main("7f8899", "6f7484"), rgb("e3e4e6"), rgb("4a4f5c"), ears=0.95)


@drawing("dog")
def dog(pen: Pen, kit: Kit) -> None:
    coat, white = kit.main("c98f55", "8a5f43", "e3b87a"), rgb("fbf1e2")
    tail = curve([(0.16, -0.06), (0.32, -0.12), (0.36, -0.30)], closed=False)
    pen.line(tail, list(np.linspace(0.09, 0.04, len(tail))), coat)
    seated(pen, coat, white, white)
    pen.poly(
        curve(
            [(-0.13, -0.86), (-0.24, -0.70), (-0.20, -0.53), (0.0, -0.47), (0.20, -0.53), (0.24, -0.70), (0.13, -0.86)]
        ),
        coat,
        form=1.1,
    )
    pen.poly(
        curve(
            [(-0.045, -0.86), (-0.05, -0.66), (-0.15, -0.56), (0, -0.475), (0.15, -0.56), (0.05, -0.66), (0.045, -0.86)]
        ),
        white,
        form=0.8,
        line=False,
    )
    for s in (-1, 1):
        pen.poly(
            curve([(s * 0.12, -0.86), (s * 0.25, -0.84), (s * 0.31, -0.66), (s * 0.26, -0.53), (s * 0.19, -0.66)]),
            shift(coat, 0, 1.05, 0.72),
            form=1.0,
        )
    eyes(pen, 0, -0.68, 0.105, 0.036)
    pen.oval(0, -0.59, 0.045, 0.033, EYE, form=0.6)
    pen.line([(0, -0.56), (0, -0.53)], 0.012, EYE, line=False)
    pen.poly(curve([(-0.03, -0.53), (0.03, -0.53), (0.025, -0.47), (-0.025, -0.47)]), rgb("e8788a"), form=0.5)


@drawing("cat")
def cat(pen: Pen, kit: Kit) -> None:
    coat = kit.main("e2a25a", "6b6672", "f1e9dc", "3b3741")
    pale = mix(coat, rgb("fff8ee"), 0.75)
    tail = curve([(0.15, -0.05), (0.36, -0.04), (0.42, -0.22), (0.33, -0.36), (0.38, -0.46)], closed=False)
    pen.line(tail, list(np.linspace(0.085, 0.055, len(tail))), coat, form=1.0)
    seated(pen, coat, pale, pale)
    for s in (-1, 1):
        pen.poly(curve([(s * 0.07, -0.84), (s * 0.20, -0.985), (s * 0.25, -0.72)], 4), coat, form=0.8)
        pen.poly(
            curve([(s * 0.12, -0.84), (s * 0.19, -0.93), (s * 0.215, -0.77)], 4), rgb("f0a9a4"), form=0.2, line=False
        )
    pen.poly(
        curve(
            [
                (0, -0.875),
                (-0.19, -0.825),
                (-0.265, -0.67),
                (-0.19, -0.535),
                (0, -0.495),
                (0.19, -0.535),
                (0.265, -0.67),
                (0.19, -0.825),
            ]
        ),
        coat,
        form=1.1,
    )
    for x in (-0.06, 0.0, 0.06):
        pen.line([(x, -0.865), (x * 0.8, -0.79)], 0.022, shift(coat, 0, 1.1, 0.72), line=False, inside=True, form=0)
    for s in (-1, 1):
        pen.oval(s * 0.045, -0.575, 0.06, 0.045, pale, form=0.8, line=False)
        pen.oval(s * 0.115, -0.68, 0.05, 0.056, rgb("b8d86b"), form=0.3)
        pen.oval(s * 0.115, -0.68, 0.022, 0.05, EYE, form=0, line=False)
        pen.oval(s * 0.115 - 0.015, -0.70, 0.012, 0.014, rgb("ffffff"), form=0, line=False)
        for k in (-1, 1):
            pen.line(
                [(s * 0.08, -0.575 + k * 0.012), (s * 0.29, -0.585 + k * 0.03)],
                0.007,
                rgb("fff8ee"),
                line=False,
                form=0,
            )
    pen.blob([(-0.024, -0.615), (0.024, -0.615), (0, -0.585)], rgb("d9707a"), form=0.3)


@drawing("bear")
def bear(pen: Pen, kit: Kit) -> None:
    coat, pale = kit.main("8a5c40", "6b4a3c", "f1ede6"), rgb("e6cba8")
    seated(pen, coat, pale, shift(coat, 0, 1, 0.8))
    for s in (-1, 1):
        pen.oval(s * 0.19, -0.87, 0.085, 0.085, coat, form=1.0)
        pen.oval(s * 0.19, -0.87, 0.045, 0.045, pale, form=0.4, line=False)
    pen.oval(0, -0.70, 0.27, 0.235, coat, form=1.2)
    pen.oval(0, -0.60, 0.125, 0.095, pale, form=0.9, line=False)
    eyes(pen, 0, -0.73, 0.11, 0.034)
    pen.oval(0, -0.64, 0.05, 0.035, EYE, form=0.6)
    pen.line(curve([(-0.045, -0.57), (0, -0.55), (0.045, -0.57)], closed=False), 0.012, EYE, line=False)


@drawing("rabbit")
def rabbit(pen: Pen, kit: Kit) -> None:
    coat = kit.main("f1e6d8", "c9a183", "a9a3a8")
    pen.oval(0.25, -0.10, 0.09, 0.085, rgb("fffaf2"))
    seated(pen, coat, rgb("fffaf2"), rgb("fffaf2"))
    for s, lean in ((-1, 0.02), (1, 0.05)):
        pen.poly(
            curve([(s * 0.03, -0.72), (s * (0.05 + lean), -1.02), (s * (0.15 + lean), -1.03), (s * 0.17, -0.74)]),
            coat,
            form=1.0,
        )
        pen.poly(
            curve([(s * 0.065, -0.76), (s * (0.075 + lean), -0.98), (s * (0.125 + lean), -0.985), (s * 0.135, -0.78)]),
            rgb("f0a9a4"),
            form=0.3,
            line=False,
        )
    pen.oval(0, -0.62, 0.225, 0.185, coat, form=1.2)
    eyes(pen, 0, -0.645, 0.115, 0.038)
    for s in (-1, 1):
        pen.oval(s * 0.045, -0.545, 0.06, 0.048, rgb("fffaf2"), form=0.8, line=False)
        pen.oval(s * 0.16, -0.56, 0.035, 0.022, rgb("f5b5ac"), form=0, line=False, alpha=0.8)
    pen.blob([(-0.025, -0.59), (0.025, -0.59), (0, -0.56)], rgb("d9707a"), form=0.3)


def hoofed(pen: Pen, coat: Field, dark: Field, *, neck: float) -> None:
    """A standing body seen from the side, head to the left."""
    for x, back in ((0.24, True), (-0.10, True), (0.17, False), (-0.17, False)):
        leg = curve([(x, -0.40), (x + (0.03 if x > 0 else -0.01), -0.20), (x, -0.0)], closed=False)
        pen.line(leg, list(np.linspace(0.095, 0.04, len(leg))), shift(coat, 0, 1, 0.78 if back else 0.96), form=1.0)
        pen.rect(x - 0.028, -0.045, x + 0.028, 0.005, dark, form=0.6)
    pen.poly(
        curve(
            [
                (-0.25, -0.56),
                (-0.27, -0.40),
                (-0.14, -0.31),
                (0.10, -0.33),
                (0.27, -0.36),
                (0.31, -0.50),
                (0.22, -0.60),
                (0.0, -0.575),
                (-0.12, -0.60),
            ]
        ),
        coat,
        form=1.1,
    )
    pen.poly(
        curve(
            [
                (-0.10, -0.58),
                (-0.19, -0.72),
                (-0.25, -neck),
                (-0.36, -neck + 0.02),
                (-0.33, -0.62),
                (-0.26, -0.44),
                (-0.14, -0.44),
            ]
        ),
        coat,
        form=1.0,
    )
    pen.poly(
        curve(
            [
                (-0.22, -neck - 0.045),
                (-0.31, -neck - 0.05),
                (-0.47, -neck + 0.10),
                (-0.48, -neck + 0.155),
                (-0.42, -neck + 0.175),
                (-0.27, -neck + 0.11),
            ]
        ),
        coat,
        form=1.0,
    )
    pen.oval(-0.335, -neck + 0.02, 0.018, 0.022, EYE, form=0, line=False)
    pen.oval(-0.465, -neck + 0.135, 0.022, 0.02, dark, form=0, line=False)


@drawing("deer")
def deer(pen: Pen, kit: Kit) -> None:
    coat = kit.main("b5763f", "a3683a")
    horn = rgb("e9d7b5")
    for s, x in ((-1, -0.29), (1, -0.24)):
        pen.line(
            curve([(x, -0.80), (x + s * 0.07, -0.90), (x + s * 0.05, -1.03)], closed=False),
            list(np.linspace(0.028, 0.012, 17)),
            horn,
        )
        pen.line([(x + s * 0.055, -0.87), (x + s * 0.135, -0.95)], [0.02, 0.008], horn)
        pen.line([(x + s * 0.065, -0.94), (x + s * 0.005, -1.0)], [0.016, 0.008], horn)
    pen.oval(0.31, -0.54, 0.035, 0.055, rgb("fbf1e2"))
    hoofed(pen, coat, rgb("3f2e28"), neck=0.79)
    pen.poly(curve([(-0.22, -0.82), (-0.13, -0.88), (-0.16, -0.78)]), coat, form=0.7)
    for x, y in ((0.02, -0.52), (0.10, -0.54), (0.17, -0.51), (0.06, -0.46), (0.20, -0.45)):
        pen.oval(x, y, 0.016, 0.014, rgb("fbf1e2"), form=0, line=False)


@drawing("horse")
def horse(pen: Pen, kit: Kit) -> None:
    coat = kit.main("8a5638", "6b4230", "e9e4dc", "4a4048")
    mane = shift(coat, 0.02, 1.0, 0.5) if float(coat.mean()) < 0.7 else rgb("cfa6d9")
    pen.poly(
        curve([(0.27, -0.58), (0.42, -0.50), (0.45, -0.22), (0.38, -0.10), (0.35, -0.35), (0.27, -0.48)]),
        mane,
        form=0.9,
    )
    hoofed(pen, coat, rgb("332a2a"), neck=0.84)
    pen.poly(
        curve([(-0.24, -0.93), (-0.12, -0.80), (-0.07, -0.60), (-0.14, -0.56), (-0.17, -0.70), (-0.24, -0.83)]),
        mane,
        form=0.9,
    )
    pen.poly(curve([(-0.29, -0.88), (-0.29, -0.98), (-0.23, -0.90)], 4), coat, form=0.7)


@drawing("animal")
def animal(pen: Pen, kit: Kit) -> None:
    (fox, cat, rabbit, bear, dog)[int(kit.rng.integers(5))](pen, kit)


@drawing("owl")
def owl(pen: Pen, kit: Kit) -> None:
    coat, pale = kit.main("8a6a4a", "6b6880", "a8825c"), rgb("f1e3cb")
    pen.poly(
        curve(
            [
                (-0.10, -0.96),
                (-0.27, -1.0),
                (-0.30, -0.70),
                (-0.31, -0.32),
                (-0.18, -0.04),
                (0.18, -0.04),
                (0.31, -0.32),
                (0.30, -0.70),
                (0.27, -1.0),
                (0.10, -0.96),
            ]
        ),
        coat,
        form=1.1,
    )
    pen.poly(
        curve([(0, -0.58), (-0.17, -0.46), (-0.15, -0.14), (0, -0.07), (0.15, -0.14), (0.17, -0.46)]),
        pale,
        form=0.6,
        line=False,
    )
    for row in range(4):
        for x in np.linspace(-0.09, 0.09, 3 + row % 2):
            pen.poly(
                curve(
                    [
                        (float(x) - 0.025, -0.44 + row * 0.09),
                        (float(x), -0.40 + row * 0.09),
                        (float(x) + 0.025, -0.44 + row * 0.09),
                    ],
                    3,
                ),
                coat,
                form=0,
                line=False,
            )
    for s in (-1, 1):
        pen.poly(
            curve([(s * 0.24, -0.60), (s * 0.36, -0.36), (s * 0.30, -0.10), (s * 0.20, -0.30)]),
            shift(coat, 0, 1, 0.75),
            form=0.9,
        )
        pen.oval(s * 0.125, -0.73, 0.14, 0.15, pale, form=0.7)
        pen.oval(s * 0.115, -0.72, 0.085, 0.09, rgb("f4b942"), form=0.5)
        pen.oval(s * 0.11, -0.72, 0.05, 0.056, EYE, form=0, line=False)
        pen.oval(s * 0.11 - 0.02, -0.745, 0.018, 0.018, rgb("ffffff"), form=0, line=False)
        for k in (-0.04, 0.0, 0.04):
            pen.oval(s * 0.09 + k, -0.02, 0.02, 0.035, rgb("e8a23c"), form=0.6)
    pen.poly(curve([(-0.04, -0.66), (0.04, -0.66), (0, -0.55)], 4), rgb("e8a23c"), form=0.8)


@drawing("bird")
def bird(pen: Pen, kit: Kit) -> None:
    """A crane in flight."""
    white, dark, red = kit.main("f7f3ea"), rgb("2f2f3a"), rgb("d2402f")
    pen.line([(0.18, -0.40), (0.50, -0.30)], 0.012, dark, form=0)
    pen.line([(0.18, -0.38), (0.49, -0.26)], 0.012, dark, form=0)
    pen.poly(
        curve([(0.02, -0.50), (0.10, -0.72), (0.28, -0.94), (0.38, -0.98), (0.30, -0.74), (0.18, -0.50)]),
        shift(white, 0, 1, 0.9),
        form=0.6,
    )
    pen.poly([(0.38, -0.98), (0.27, -0.92), (0.20, -0.82), (0.28, -0.80), (0.33, -0.82)], dark, form=0.2)
    pen.poly(
        curve([(-0.14, -0.46), (0.0, -0.54), (0.18, -0.48), (0.30, -0.38), (0.12, -0.36), (-0.06, -0.38)]),
        white,
        form=1.0,
    )
    neck = curve([(-0.08, -0.44), (-0.22, -0.50), (-0.34, -0.62), (-0.43, -0.66)], closed=False)
    pen.line(neck, list(np.linspace(0.08, 0.035, len(neck))), white, form=0.8)
    pen.oval(-0.435, -0.665, 0.032, 0.028, white)
    pen.oval(-0.44, -0.685, 0.022, 0.013, red, form=0, line=False)
    pen.poly([(-0.455, -0.68), (-0.455, -0.65), (-0.55, -0.66)], rgb("d9a441"), form=0.3)
    pen.poly(
        curve(
            [(-0.08, -0.46), (-0.16, -0.70), (-0.12, -0.92), (-0.02, -1.0), (0.04, -0.80), (0.12, -0.62), (0.14, -0.46)]
        ),
        white,
        0.1,
        form=0.7,
    )
    for x0, y0, x1, y1 in ((-0.12, -0.92, -0.20, -1.0), (-0.06, -0.96, -0.11, -1.05), (0.0, -0.98, -0.01, -1.07)):
        pen.line([(x0, y0), (x1, y1)], [0.05, 0.015], dark, form=0.2)


@drawing("fish")
def fish(pen: Pen, kit: Kit) -> None:
    white, red = rgb("fbf4ea"), kit.main("e0562f", "e8833a")
    pen.poly(
        curve([(0.22, -0.44), (0.38, -0.66), (0.52, -0.72), (0.44, -0.46), (0.50, -0.22), (0.36, -0.30)]),
        mix(white, red, 0.25),
        form=0.8,
    )
    pen.poly(curve([(-0.06, -0.64), (0.04, -0.82), (0.20, -0.76), (0.20, -0.58)]), red, form=0.6)
    pen.poly(curve([(-0.08, -0.32), (0.02, -0.12), (0.14, -0.16), (0.10, -0.34)]), mix(white, red, 0.25), form=0.6)
    pen.poly(
        curve(
            [
                (-0.48, -0.46),
                (-0.36, -0.62),
                (-0.10, -0.70),
                (0.16, -0.60),
                (0.30, -0.46),
                (0.14, -0.33),
                (-0.12, -0.26),
                (-0.36, -0.32),
            ]
        ),
        white,
        form=1.1,
    )
    for spots in (
        [(-0.30, -0.63), (-0.14, -0.70), (-0.06, -0.58), (-0.18, -0.50), (-0.29, -0.54)],
        [(0.04, -0.66), (0.18, -0.60), (0.22, -0.50), (0.08, -0.46), (0.0, -0.55)],
    ):
        pen.poly(curve(spots), red, form=0.4, line=False, inside=True)
    pen.line(
        curve([(-0.27, -0.60), (-0.22, -0.46), (-0.27, -0.32)], closed=False),
        0.012,
        shift(red, 0, 0.6, 0.8),
        line=False,
        inside=True,
    )
    for x, y in ((-0.10, -0.42), (-0.02, -0.38), (0.06, -0.42), (0.0, -0.47), (-0.08, -0.50)):
        pen.poly(
            curve([(x - 0.035, y), (x, y + 0.03), (x + 0.035, y)], 3),
            mix(white, red, 0.3),
            form=0,
            line=False,
            inside=True,
        )
    pen.oval(-0.365, -0.49, 0.035, 0.038, rgb("ffffff"))
    pen.oval(-0.37, -0.49, 0.02, 0.024, EYE, form=0, line=False)


@drawing("turtle")
def turtle(pen: Pen, kit: Kit) -> None:
    shell, skin = kit.main("5f8f58", "8a7a45"), rgb("9ab872")
    for x in (-0.24, 0.22):
        pen.poly(curve([(x - 0.09, -0.16), (x - 0.10, 0.0), (x + 0.08, 0.0), (x + 0.10, -0.16)]), skin, form=0.9)
    pen.poly(
        curve([(-0.32, -0.22), (-0.42, -0.36), (-0.50, -0.40), (-0.54, -0.30), (-0.47, -0.20), (-0.34, -0.12)]),
        skin,
        form=1.0,
    )
    pen.oval(-0.475, -0.33, 0.02, 0.025, EYE, form=0, line=False)
    pen.poly(
        curve([(-0.40, -0.14), (-0.30, -0.44), (0.0, -0.60), (0.30, -0.44), (0.40, -0.14), (0.0, -0.09)]),
        shell,
        form=1.1,
    )
    for x, y in ((-0.18, -0.30), (0.0, -0.42), (0.18, -0.30), (0.0, -0.22)):
        pen.poly(
            [
                (x - 0.08, y),
                (x - 0.04, y - 0.07),
                (x + 0.04, y - 0.07),
                (x + 0.08, y),
                (x + 0.04, y + 0.07),
                (x - 0.04, y + 0.07),
            ],
            shift(shell, 0.02, 0.9, 1.25),
            form=0.7,
        )


@drawing("butterfly")
def butterfly(pen: Pen, kit: Kit) -> None:
    wing = kit.main("e8833a", "5a8fd6", "c95f9a")
    for s in (-1, 1):
        pen.poly(
            curve([(s * 0.02, -0.46), (s * 0.14, -0.16), (s * 0.32, -0.10), (s * 0.38, -0.30), (s * 0.22, -0.46)]),
            shift(wing, 0.04, 1, 0.85),
            form=0.7,
        )
        pen.poly(
            curve([(s * 0.02, -0.50), (s * 0.16, -0.82), (s * 0.40, -0.94), (s * 0.48, -0.74), (s * 0.34, -0.48)]),
            wing,
            form=0.7,
        )
        pen.poly(
            curve([(s * 0.10, -0.54), (s * 0.20, -0.74), (s * 0.34, -0.80), (s * 0.36, -0.68), (s * 0.24, -0.54)]),
            shift(wing, 0.03, 0.6, 1.25),
            0.1,
            form=0.3,
            line=False,
        )
        for x, y, r in ((0.42, -0.84, 0.025), (0.44, -0.75, 0.02), (0.30, -0.22, 0.03)):
            pen.oval(s * x, y, r, r, rgb("fff4e2"), form=0, line=False)
        pen.line(curve([(s * 0.01, -0.74), (s * 0.06, -0.88), (s * 0.13, -0.93)], closed=False), 0.01, EYE, form=0)
    pen.poly(
        curve([(-0.025, -0.72), (-0.035, -0.46), (0, -0.18), (0.035, -0.46), (0.025, -0.72), (0, -0.77)]),
        rgb("3b2f33"),
        form=1.0,
    )


@drawing("dragon")
def dragon(pen: Pen, kit: Kit) -> None:
    """A winged dragon in flight, head to the left."""
    skin = kit.main("4f8f6b", "b5443a", "5a5fa8")
    belly, wing = mix(skin, rgb("f6e3b5"), 0.65), shift(skin, 0.03, 1.0, 0.78)
    bone = shift(skin, 0, 1, 0.6)
    far = curve(
        [(0.06, -0.52), (0.10, -0.80), (0.30, -1.0), (0.38, -0.80), (0.50, -0.74), (0.36, -0.64), (0.30, -0.52)], 4
    )
    pen.poly(far, shift(wing, 0, 1, 0.72), form=0.5)
    tail = curve([(0.14, -0.38), (0.30, -0.22), (0.26, -0.06), (0.08, -0.05), (-0.02, -0.14)], closed=False)
    pen.line(tail, list(np.linspace(0.15, 0.02, len(tail))), skin, form=1.0)
    pen.poly(curve([(-0.02, -0.20), (-0.12, -0.10), (-0.03, -0.05), (0.03, -0.10)], 4), wing, form=0.5)
    for x, y in ((-0.10, -0.30), (0.12, -0.24)):
        pen.line(
            curve([(x, y - 0.08), (x - 0.06, y + 0.04), (x - 0.02, y + 0.11)], closed=False),
            list(np.linspace(0.09, 0.05, 17)),
            shift(skin, 0, 1, 0.9),
            form=0.9,
        )
        for k in (-0.04, 0.0, 0.03):
            pen.poly([(x - 0.03 + k, y + 0.10), (x - 0.04 + k, y + 0.155), (x + k, y + 0.115)], rgb("f1e7cf"), form=0.3)
    body = curve(
        [(-0.38, -0.76), (-0.28, -0.66), (-0.22, -0.50), (-0.12, -0.38), (0.04, -0.34), (0.18, -0.38)], closed=False
    )
    pen.line(
        body, list(np.interp(np.linspace(0, 1, len(body)), [0, 0.3, 0.7, 1], [0.12, 0.13, 0.22, 0.16])), skin, form=1.1
    )
    under = [(x - 0.035, y + 0.045) for x, y in body[2:-4]]
    pen.line(
        under,
        list(np.interp(np.linspace(0, 1, len(under)), [0, 0.7, 1], [0.05, 0.10, 0.05])),
        belly,
        form=0.4,
        line=False,
        inside=True,
    )
    for t in range(3, len(body) - 3, 4):
        x, y = body[t]
        pen.poly([(x + 0.02, y - 0.07), (x + 0.075, y - 0.115), (x + 0.065, y - 0.045)], rgb("f1e7cf"), form=0.4)
    ribs = [(-0.16, -1.02), (0.10, -0.86), (0.20, -0.66), (0.24, -0.46)]
    web = [
        (-0.10, -0.50),
        (-0.20, -0.80),
        *curve([ribs[0], (0.0, -0.86), ribs[1]], closed=False),
        *curve([ribs[1], (0.11, -0.72), ribs[2]], closed=False),
        *curve([ribs[2], (0.14, -0.56), ribs[3]], closed=False),
        (0.06, -0.42),
    ]
    pen.poly(web, wing, 0.1, form=0.6)
    for tip in ribs[1:]:
        pen.line([(-0.17, -0.84), tip], [0.022, 0.008], bone, form=0.5)
    pen.line([(-0.08, -0.48), (-0.20, -0.80), ribs[0]], [0.05, 0.035, 0.012], bone, form=0.9)
    for dx, dy in ((0.0, 0.0), (-0.03, 0.015)):
        pen.line(
            curve([(-0.36 + dx, -0.82 + dy), (-0.28 + dx, -0.90), (-0.25 + dx, -0.985)], closed=False),
            list(np.linspace(0.04, 0.01, 17)),
            rgb("f1e7cf"),
        )
    pen.poly(
        curve(
            [
                (-0.32, -0.82),
                (-0.42, -0.86),
                (-0.53, -0.76),
                (-0.56, -0.70),
                (-0.50, -0.675),
                (-0.40, -0.70),
                (-0.31, -0.72),
            ]
        ),
        skin,
        form=1.0,
    )
    pen.poly(
        curve([(-0.36, -0.70), (-0.48, -0.665), (-0.53, -0.645), (-0.46, -0.625), (-0.35, -0.655)]), belly, form=0.6
    )
    pen.oval(-0.43, -0.785, 0.022, 0.02, rgb("ffd24a"), glow=0.8)
    pen.oval(-0.432, -0.785, 0.008, 0.017, EYE, form=0, line=False)


@drawing("slime")
def slime(pen: Pen, kit: Kit) -> None:
    main = kit.main("5fc38a", "5aa8e0", "d97ab5")
    pen.poly(
        curve(
            [
                (-0.42, 0.0),
                (-0.46, -0.18),
                (-0.30, -0.50),
                (-0.06, -0.68),
                (0.0, -0.78),
                (0.06, -0.68),
                (0.30, -0.50),
                (0.46, -0.18),
                (0.42, 0.0),
                (0, 0.02),
            ]
        ),
        main,
        form=1.2,
    )
    pen.poly(
        curve([(-0.32, -0.05), (-0.34, -0.18), (0, -0.10), (0.34, -0.18), (0.32, -0.05)]),
        shift(main, 0, 1, 0.8),
        form=0,
        line=False,
        alpha=0.7,
    )
    pen.poly(
        curve([(-0.24, -0.46), (-0.13, -0.58), (-0.10, -0.52), (-0.20, -0.40)]),
        rgb("ffffff"),
        0.4,
        form=0,
        line=False,
        alpha=0.85,
    )
    eyes(pen, 0, -0.29, 0.14, 0.06)
    pen.poly(curve([(-0.07, -0.20), (0.07, -0.20), (0, -0.13)]), rgb("5a2f3f"), form=0, line=False)


@drawing("ghost")
def ghost(pen: Pen, kit: Kit) -> None:
    main = kit.main("eef1f8", "dfe6f5")
    hem = [(0.32, -0.10), (0.24, -0.18), (0.14, -0.04), (0.02, -0.16), (-0.10, -0.03), (-0.20, -0.16), (-0.32, -0.06)]
    pen.poly(
        curve([(-0.32, -0.40), (-0.30, -0.74), (-0.12, -0.94), (0.12, -0.94), (0.30, -0.74), (0.32, -0.40), *hem]),
        main,
        form=1.1,
        glow=0.12,
    )
    for s in (-1, 1):
        pen.poly(
            curve([(s * 0.27, -0.58), (s * 0.46, -0.56), (s * 0.43, -0.44), (s * 0.28, -0.44)]),
            main,
            form=0.9,
            glow=0.12,
        )
    eyes(pen, 0, -0.68, 0.11, 0.055)
    pen.oval(0, -0.53, 0.045, 0.06, rgb("4a4560"), form=0, line=False)


@drawing("monster")
def monster(pen: Pen, kit: Kit) -> None:
    main = kit.main("8a5ab0", "5f9a58", "b5484a")
    horn = rgb("f1e3c2")
    for s in (-1, 1):
        pen.line(
            curve([(s * 0.18, -0.80), (s * 0.30, -0.92), (s * 0.27, -1.03)], closed=False),
            list(np.linspace(0.10, 0.015, 17)),
            horn,
            form=0.9,
        )
        pen.line(
            curve([(s * 0.28, -0.50), (s * 0.43, -0.38), (s * 0.42, -0.20)], closed=False),
            list(np.linspace(0.13, 0.10, 17)),
            main,
            form=1.0,
        )
        pen.oval(s * 0.15, -0.03, 0.13, 0.05, shift(main, 0, 1, 0.8), form=0.8)
    pen.poly(
        curve(
            [
                (-0.18, -0.88),
                (-0.34, -0.60),
                (-0.34, -0.20),
                (-0.20, -0.03),
                (0.20, -0.03),
                (0.34, -0.20),
                (0.34, -0.60),
                (0.18, -0.88),
                (0, -0.92),
            ]
        ),
        main,
        form=1.1,
    )
    pen.oval(0, -0.22, 0.19, 0.17, mix(main, rgb("fff0d8"), 0.5), form=0.6, line=False)
    for s in (-1, 1):
        pen.oval(s * 0.12, -0.66, 0.095, 0.10, rgb("fff8e8"), form=0.5)
        pen.oval(s * 0.10, -0.65, 0.045, 0.055, EYE, form=0, line=False)
        pen.line([(s * 0.04, -0.76), (s * 0.22, -0.81)], 0.035, shift(main, 0, 1, 0.6), line=False)
    pen.poly(curve([(-0.17, -0.50), (0, -0.47), (0.17, -0.50), (0.10, -0.38), (-0.10, -0.38)]), rgb("4a1f2f"), form=0)
    for x in (-0.11, -0.04, 0.04, 0.11):
        pen.poly([(x - 0.025, -0.49), (x + 0.025, -0.49), (x, -0.435)], rgb("fffaf0"), form=0, line=False)
