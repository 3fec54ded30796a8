"""People: small, round, friendly figures, distinguished by dress, hair and what they carry."""

from __future__ import annotations

import numpy as np

from stylestudio.preview_engine.painter.colour import mix, rgb, shift
from stylestudio.preview_engine.painter.fields import Field
from stylestudio.preview_engine.painter.layers import Pen, arc, curve
from stylestudio.preview_engine.painter.subjects.kit import Kit, drawing

SKINS = ("f6cfae", "e9b48c", "c98e66", "9a6545", "fbdcc4")
HAIRS = ("3a2a26", "6b402a", "b5713a", "e0b567", "2b2d3a", "8f3f3a", "d9d4cf", "5a3f6b")
CLOTHS = ("c2504a", "3f7f86", "5a6bb0", "d9973f", "5f8f58", "8a5a9c", "4a5064")


def legs(pen: Pen, cloth: Field, boot: Field) -> None:
    for s in (-1, 1):
        pen.poly(curve([(s * 0.025, -0.26), (s * 0.03, -0.06), (s * 0.12, -0.06), (s * 0.135, -0.26)]), cloth, form=0.9)
        pen.poly(
            curve([(s * 0.02, -0.10), (s * 0.02, 0.0), (s * 0.17, 0.005), (s * 0.16, -0.045), (s * 0.125, -0.10)]),
            boot,
            form=0.9,
        )


def arms(pen: Pen, sleeve: Field, skin: Field, *, raised: bool = False) -> None:
    for s in (-1, 1):
        hand = (s * 0.25, -0.26) if not (raised and s > 0) else (s * 0.30, -0.42)
        path = curve([(s * 0.12, -0.49), (s * 0.205, -0.40), hand], closed=False)
        pen.line(path, list(np.linspace(0.085, 0.075, len(path))), sleeve, form=1.0)
        pen.oval(hand[0], hand[1], 0.04, 0.042, skin, form=1.0)


def head(pen: Pen, kit: Kit, skin: Field, *, y: float = -0.70, r: float = 0.19) -> None:
    """A face with eyes, brows, cheeks and a small mouth; the hair is drawn over it afterwards."""
    for s in (-1, 1):
        pen.oval(s * r * 0.98, y + 0.02, r * 0.17, r * 0.22, shift(skin, 0, 1, 0.95), form=0.6)
    pen.poly(
        curve(
            [
                (-r * 0.98, y - r * 0.15),
                (-r * 0.88, y + r * 0.45),
                (-r * 0.38, y + r * 0.92),
                (r * 0.38, y + r * 0.92),
                (r * 0.88, y + r * 0.45),
                (r * 0.98, y - r * 0.15),
                (r * 0.6, y - r * 0.9),
                (-r * 0.6, y - r * 0.9),
            ]
        ),
        skin,
        form=1.0,
    )
    eye = rgb("2c2430")
    for s in (-1, 1):
        pen.oval(s * r * 0.42, y + r * 0.14, r * 0.125, r * 0.19, eye, form=0, line=False)
        pen.oval(s * r * 0.42 - r * 0.04, y + r * 0.06, r * 0.05, r * 0.06, rgb("ffffff"), 0.4, form=0, line=False)
        pen.oval(
            s * r * 0.62,
            y + r * 0.46,
            r * 0.16,
            r * 0.09,
            mix(skin, rgb("e8685a"), 0.45),
            form=0,
            line=False,
            alpha=0.7,
        )
    pen.line(
        curve([(-r * 0.14, y + r * 0.56), (0, y + r * 0.63), (r * 0.14, y + r * 0.56)], closed=False),
        r * 0.055,
        rgb("8a3f3a"),
        form=0,
        line=False,
    )
    pen.oval(0, y + r * 0.36, r * 0.06, r * 0.045, shift(skin, 0, 1.2, 0.86), form=0, line=False)


def short_hair(pen: Pen, hair: Field, *, y: float = -0.70, r: float = 0.19) -> None:
    pen.poly(
        curve(
            [
                (-r * 1.06, y + r * 0.1),
                (-r * 1.08, y - r * 0.5),
                (-r * 0.6, y - r * 1.12),
                (r * 0.2, y - r * 1.2),
                (r * 0.9, y - r * 0.8),
                (r * 1.07, y - r * 0.1),
                (r * 1.0, y + r * 0.1),
                (r * 0.85, y - r * 0.22),
                (r * 0.5, y - r * 0.45),
                (r * 0.1, y - r * 0.22),
                (-r * 0.25, y - r * 0.5),
                (-r * 0.6, y - r * 0.25),
                (-r * 0.9, y - r * 0.2),
            ]
        ),
        hair,
        form=1.0,
    )


def long_hair_back(pen: Pen, hair: Field, *, y: float = -0.70, r: float = 0.19) -> None:
    pen.poly(
        curve(
            [
                (-r * 0.9, y - r * 0.8),
                (-r * 1.25, y + r * 0.4),
                (-r * 1.35, y + r * 1.7),
                (-r * 0.7, y + r * 2.0),
                (r * 0.7, y + r * 2.0),
                (r * 1.35, y + r * 1.7),
                (r * 1.25, y + r * 0.4),
                (r * 0.9, y - r * 0.8),
            ]
        ),
        shift(hair, 0, 1, 0.82),
        form=0.9,
    )


def long_hair_front(pen: Pen, hair: Field, *, y: float = -0.70, r: float = 0.19) -> None:
    pen.poly(
        curve(
            [
                (0.0, y - r * 1.18),
                (-r * 0.85, y - r * 0.95),
                (-r * 1.18, y - r * 0.1),
                (-r * 1.16, y + r * 0.95),
                (-r * 0.86, y + r * 0.75),
                (-r * 0.85, y - r * 0.05),
                (-r * 0.3, y - r * 0.45),
                (r * 0.1, y - r * 0.72),
            ]
        ),
        hair,
        form=0.9,
    )
    pen.poly(
        curve(
            [
                (0.0, y - r * 1.18),
                (r * 0.85, y - r * 0.95),
                (r * 1.18, y - r * 0.1),
                (r * 1.16, y + r * 0.95),
                (r * 0.86, y + r * 0.75),
                (r * 0.88, y - r * 0.05),
                (r * 0.45, y - r * 0.55),
                (r * 0.0, y - r * 0.75),
            ]
        ),
        hair,
        form=0.9,
    )


def torso(pen: Pen, cloth: Field, belt: Field) -> None:
    pen.poly(
        curve(
            [
                (-0.10, -0.535),
                (-0.155, -0.47),
                (-0.145, -0.33),
                (-0.165, -0.20),
                (0.165, -0.20),
                (0.145, -0.33),
                (0.155, -0.47),
                (0.10, -0.535),
            ]
        ),
        cloth,
        form=1.0,
    )
    pen.poly([(-0.148, -0.32), (0.148, -0.32), (0.152, -0.285), (-0.152, -0.285)], belt, form=0.6)
    pen.rect(-0.025, -0.325, 0.025, -0.28, rgb("e8c15a"), form=0.5)


def robe(pen: Pen, cloth: Field, trim: Field) -> None:
    pen.poly(
        curve(
            [
                (-0.09, -0.545),
                (-0.15, -0.47),
                (-0.17, -0.28),
                (-0.25, 0.0),
                (0, 0.015),
                (0.25, 0.0),
                (0.17, -0.28),
                (0.15, -0.47),
                (0.09, -0.545),
            ]
        ),
        cloth,
        form=1.0,
    )
    pen.poly([(-0.028, -0.53), (0.028, -0.53), (0.045, 0.005), (-0.045, 0.005)], trim, form=0.4, inside=True)
    pen.line(curve([(-0.245, -0.025), (0, -0.01), (0.245, -0.025)], closed=False), 0.03, trim, form=0.3, inside=True)


def pick(kit: Kit, codes: tuple[str, ...]) -> Field:
    return rgb(codes[int(kit.rng.integers(len(codes)))])


@drawing("man")
def man(pen: Pen, kit: Kit) -> None:
    skin, hair, cloth = pick(kit, SKINS), pick(kit, HAIRS), kit.main(*CLOTHS)
    cape = shift(cloth, 0.45, 0.9, 0.9)
    pen.poly(
        curve(
            [(-0.13, -0.52), (-0.24, -0.28), (-0.27, -0.08), (0.0, -0.05), (0.27, -0.08), (0.24, -0.28), (0.13, -0.52)]
        ),
        cape,
        -0.2,
        form=0.9,
    )
    legs(pen, rgb("4f4a52"), rgb("6b4630"))
    torso(pen, cloth, rgb("6b4630"))
    arms(pen, shift(cloth, 0, 1, 0.92), skin)
    pen.poly(curve([(-0.15, -0.50), (0, -0.44), (0.15, -0.50), (0.10, -0.57), (-0.10, -0.57)]), cape, form=0.9)
    head(pen, kit, skin)
    short_hair(pen, hair)


@drawing("woman")
def woman(pen: Pen, kit: Kit) -> None:
    skin, hair, cloth = pick(kit, SKINS), pick(kit, HAIRS), kit.main(*CLOTHS)
    long_hair_back(pen, hair)
    legs(pen, shift(skin, 0, 1, 0.95), rgb("6b4630"))
    arms(pen, shift(cloth, 0, 1, 0.95), skin)
    pen.poly(
        curve(
            [
                (-0.09, -0.54),
                (-0.135, -0.46),
                (-0.10, -0.34),
                (-0.24, -0.11),
                (0, -0.085),
                (0.24, -0.11),
                (0.10, -0.34),
                (0.135, -0.46),
                (0.09, -0.54),
            ]
        ),
        cloth,
        form=1.0,
    )
    pen.poly(
        [(-0.108, -0.355), (0.108, -0.355), (0.112, -0.32), (-0.112, -0.32)], shift(cloth, 0.08, 0.8, 1.3), form=0.5
    )
    pen.line(
        curve([(-0.235, -0.13), (0, -0.108), (0.235, -0.13)], closed=False),
        0.022,
        shift(cloth, 0.08, 0.6, 1.35),
        form=0.3,
        inside=True,
    )
    head(pen, kit, skin)
    long_hair_front(pen, hair)
    for x, y in ((-0.10, -0.86), (-0.07, -0.885), (-0.13, -0.835)):
        pen.oval(x, y, 0.025, 0.025, kit.palette.accent, line=False)


@drawing("wizard")
def wizard(pen: Pen, kit: Kit) -> None:
    skin, cloth = pick(kit, SKINS), kit.main("4a4f9c", "6b3f8a", "2f6b7a")
    gold = rgb("e8c15a")
    pen.line([(0.33, 0.0), (0.31, -0.80)], 0.028, rgb("6b4630"))
    pen.oval(0.308, -0.84, 0.06, 0.06, rgb("7fe0e8"), 0.3, glow=0.9)
    robe(pen, cloth, gold)
    arms(pen, shift(cloth, 0, 1, 0.9), skin, raised=True)
    head(pen, kit, skin, y=-0.66, r=0.165)
    beard = rgb("f1ece4")
    pen.poly(
        curve(
            [
                (-0.15, -0.64),
                (-0.13, -0.50),
                (-0.06, -0.36),
                (0.0, -0.28),
                (0.06, -0.36),
                (0.13, -0.50),
                (0.15, -0.64),
                (0.07, -0.585),
                (0, -0.60),
                (-0.07, -0.585),
            ]
        ),
        beard,
        form=0.9,
    )
    pen.poly(
        curve([(-0.15, -0.78), (-0.07, -0.92), (0.07, -1.04), (0.10, -0.99), (0.08, -0.92), (0.15, -0.78)]),
        cloth,
        form=1.0,
    )
    pen.poly(
        curve([(-0.29, -0.755), (-0.12, -0.815), (0.12, -0.815), (0.29, -0.755), (0.0, -0.715)]), cloth, 0.1, form=0.7
    )
    pen.line(curve([(-0.145, -0.80), (0, -0.775), (0.145, -0.80)], closed=False), 0.032, gold, form=0.4)


@drawing("knight")
def knight(pen: Pen, kit: Kit) -> None:
    steel = kit.main("b9c2d0", "a7b2c4")
    dark, gold, plume = shift(steel, 0, 1.1, 0.62), rgb("e2b04a"), kit.palette.accent
    pen.poly(
        curve(
            [(-0.15, -0.52), (-0.26, -0.25), (-0.30, -0.03), (0.0, 0.0), (0.30, -0.03), (0.26, -0.25), (0.15, -0.52)]
        ),
        plume,
        -0.25,
        form=0.9,
    )
    pen.poly(
        [(0.325, -0.34), (0.355, -0.98), (0.375, -1.03), (0.395, -0.98), (0.385, -0.34)], rgb("e6ecf4"), 0.2, form=0.5
    )
    pen.line([(0.28, -0.35), (0.43, -0.335)], 0.032, gold)
    pen.line([(0.355, -0.33), (0.352, -0.22)], 0.03, rgb("6b4630"))
    legs(pen, dark, steel)
    torso(pen, steel, rgb("6b4630"))
    pen.poly([(-0.05, -0.50), (0.05, -0.50), (0.06, -0.22), (0.0, -0.17), (-0.06, -0.22)], plume, 0.1, form=0.5)
    for s, hand in ((-1, (-0.24, -0.30)), (1, (0.345, -0.29))):
        path = curve([(s * 0.13, -0.48), (s * 0.23, -0.40), hand], closed=False)
        pen.line(path, 0.08, dark, form=1.0)
        pen.oval(hand[0], hand[1], 0.048, 0.048, steel)
        pen.oval(s * 0.155, -0.49, 0.085, 0.07, steel, 0.1, form=1.2)
    pen.poly(
        curve([(-0.40, -0.44), (-0.26, -0.48), (-0.12, -0.44), (-0.13, -0.26), (-0.26, -0.11), (-0.39, -0.26)]),
        gold,
        form=0.8,
    )
    pen.poly(
        curve([(-0.375, -0.42), (-0.26, -0.455), (-0.145, -0.42), (-0.155, -0.27), (-0.26, -0.15), (-0.365, -0.27)]),
        plume,
        form=0.8,
    )
    pen.poly([(-0.275, -0.44), (-0.245, -0.44), (-0.245, -0.18), (-0.275, -0.18)], gold, line=False, inside=True)
    pen.poly([(-0.37, -0.34), (-0.15, -0.34), (-0.15, -0.31), (-0.37, -0.31)], gold, line=False, inside=True)
    pen.poly(
        curve(
            [
                (0.02, -0.90),
                (-0.05, -1.02),
                (-0.20, -1.04),
                (-0.29, -0.93),
                (-0.27, -0.80),
                (-0.20, -0.90),
                (-0.10, -0.93),
            ]
        ),
        plume,
        form=1.0,
    )
    pen.poly(
        curve(
            [
                (-0.175, -0.55),
                (-0.19, -0.74),
                (-0.12, -0.90),
                (0.0, -0.93),
                (0.12, -0.90),
                (0.19, -0.74),
                (0.175, -0.55),
                (0.0, -0.52),
            ]
        ),
        steel,
        form=1.2,
    )
    pen.poly(
        [(-0.15, -0.755), (0.15, -0.755), (0.14, -0.69), (0.02, -0.675), (-0.02, -0.675), (-0.14, -0.69)],
        rgb("1e2029"),
        -0.2,
        form=0,
    )
    pen.poly([(-0.022, -0.93), (0.022, -0.93), (0.022, -0.53), (-0.022, -0.53)], gold, form=0.6)
    for x in (-0.10, -0.065, 0.065, 0.10):
        pen.line([(x, -0.645), (x, -0.575)], 0.014, rgb("1e2029"), form=0, line=False)


@drawing("astronaut")
def astronaut(pen: Pen, kit: Kit) -> None:
    white, trim = rgb("eef0f3"), kit.main("e0763f", "3f7fc4", "d9483b")
    pen.poly(curve([(-0.20, -0.56), (-0.23, -0.25), (0.23, -0.25), (0.20, -0.56)]), rgb("b9c0cc"), form=0.9)
    legs(pen, white, rgb("9aa3b2"))
    torso(pen, white, trim)
    arms(pen, white, rgb("9aa3b2"), raised=True)
    pen.rect(-0.075, -0.46, 0.075, -0.36, rgb("7d879a"), form=0.6)
    for x, c in ((-0.045, "e2564a"), (0.0, "f4cf49"), (0.045, "5fc38a")):
        pen.oval(x, -0.43, 0.015, 0.015, rgb(c), glow=0.5, line=False)
    pen.oval(0, -0.72, 0.225, 0.215, white, form=1.2)
    visor = rgb("2b3550")
    pen.poly(
        curve([(-0.16, -0.76), (-0.13, -0.85), (0.13, -0.85), (0.16, -0.76), (0.13, -0.61), (-0.13, -0.61)]),
        trim,
        form=0.4,
    )
    pen.poly(
        curve([(-0.14, -0.755), (-0.115, -0.83), (0.115, -0.83), (0.14, -0.755), (0.115, -0.63), (-0.115, -0.63)]),
        visor,
        form=0.8,
    )
    pen.poly(
        curve([(-0.10, -0.80), (-0.02, -0.815), (-0.07, -0.70), (-0.115, -0.70)]),
        rgb("8fb4e0"),
        0.3,
        line=False,
        form=0,
    )


@drawing("robot")
def robot(pen: Pen, kit: Kit) -> None:
    main = kit.main("5fa8a8", "d98a4a", "8a93b8", "c9574a")
    dark, eye = rgb("3a3f4d"), rgb("8ff2ff")
    for s in (-1, 1):
        pen.rect(s * 0.13 - 0.035, -0.22, s * 0.13 + 0.035, -0.06, dark, form=0.9)
        pen.poly(
            curve(
                [(s * 0.13 - 0.085, 0.0), (s * 0.13 - 0.07, -0.085), (s * 0.13 + 0.07, -0.085), (s * 0.13 + 0.085, 0.0)]
            ),
            main,
            form=0.8,
        )
        path = curve([(s * 0.22, -0.45), (s * 0.33, -0.38), (s * 0.34, -0.24)], closed=False)
        pen.line(path, 0.055, dark, form=1.0)
        pen.poly(arc(s * 0.34, -0.20, 0.06, 0.06), main, form=1.0)
    pen.poly(
        curve(
            [
                (-0.24, -0.50),
                (-0.24, -0.20),
                (-0.16, -0.17),
                (0.16, -0.17),
                (0.24, -0.20),
                (0.24, -0.50),
                (0.16, -0.54),
                (-0.16, -0.54),
            ],
            4,
        ),
        main,
        form=1.0,
    )
    pen.rect(-0.12, -0.44, 0.12, -0.27, dark, form=0.3)
    for x, tall in ((-0.07, 0.06), (-0.02, 0.12), (0.03, 0.08), (0.08, 0.10)):
        pen.rect(x - 0.015, -0.29 - tall, x + 0.015, -0.29, eye, glow=0.8, form=0, line=False)
    pen.rect(-0.05, -0.60, 0.05, -0.52, dark, form=0.8)
    pen.poly(
        curve(
            [
                (-0.25, -0.64),
                (-0.27, -0.78),
                (-0.20, -0.90),
                (0.20, -0.90),
                (0.27, -0.78),
                (0.25, -0.64),
                (0.18, -0.585),
                (-0.18, -0.585),
            ],
            6,
        ),
        main,
        form=1.1,
    )
    pen.poly(curve([(-0.18, -0.68), (-0.18, -0.80), (0.18, -0.80), (0.18, -0.68)], 6), dark, form=0.4)
    for s in (-1, 1):
        pen.oval(s * 0.085, -0.74, 0.04, 0.045, eye, 0.3, glow=1.0, line=False, form=0)
        pen.oval(s * 0.285, -0.74, 0.035, 0.06, dark, form=0.8)
    pen.line([(0, -0.90), (0, -0.98)], 0.018, dark)
    pen.oval(0, -0.985, 0.032, 0.032, rgb("ff7a5a"), glow=0.8)
