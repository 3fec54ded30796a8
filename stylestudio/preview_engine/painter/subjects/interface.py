"""Parts of game interfaces: buttons, panels, displays, bars."""

from __future__ import annotations

import numpy as np

from stylestudio.preview_engine.painter.colour import mix, rgb, shift
from stylestudio.preview_engine.painter.fields import Field
from stylestudio.preview_engine.painter.layers import Pen, Point, arc
from stylestudio.preview_engine.painter.subjects.items import gleam
from stylestudio.preview_engine.painter.subjects.kit import Kit, drawing

WHITE = rgb("ffffff")


def rounded(x0: float, y0: float, x1: float, y1: float, r: float) -> list[Point]:
    return [
        *arc(x1 - r, y0 + r, r, r, -90, 0),
        *arc(x1 - r, y1 - r, r, r, 0, 90),
        *arc(x0 + r, y1 - r, r, r, 90, 180),
        *arc(x0 + r, y0 + r, r, r, 180, 270),
    ]


def plate(pen: Pen, y: float, half: float, tall: float, main: Field, pressed: bool) -> None:
    drop = 0.015 if pressed else 0.035
    pen.poly(rounded(-half, y - tall + drop, half, y + tall + drop, tall * 0.8), shift(main, 0.01, 1.1, 0.45), form=0.3)
    pen.poly(rounded(-half, y - tall, half, y + tall, tall * 0.8), main, form=0.7)
    pen.poly(
        rounded(-half + 0.018, y - tall + 0.016, half - 0.018, y + tall * 0.15, tall * 0.66),
        mix(main, WHITE, 0.35),
        0.2,
        form=0,
        line=False,
        alpha=0.55,
    )


def caption(
    pen: Pen, kit: Kit, x: float, y: float, width: float, height: float, colour: Field, glow: float = 0.0
) -> None:
    """A word made of bars, without real letters."""
    at = x
    while at < x + width:
        w = height * float(kit.rng.uniform(0.5, 1.0))
        if at + w > x + width:
            break
        pen.poly(
            rounded(at, y - height / 2, at + w, y + height / 2, height * 0.2),
            colour,
            0.1,
            glow=glow,
            form=0.0,
            line=False,
        )
        at += w + height * 0.28


@drawing("button")
def button(pen: Pen, kit: Kit) -> None:
    main = kit.main("3f9a6b", "d9743f", "4a7fd0", "8a5ad0")
    for index, (y, colour) in enumerate(
        ((-0.78, main), (-0.50, shift(main, 0.3, 0.9)), (-0.22, shift(main, 0.6, 0.5, 0.9)))
    ):
        plate(pen, y, 0.40, 0.10, colour, index == 2)
        caption(pen, kit, -0.20, y - 0.003, 0.42, 0.062, rgb("fffaf0"))
        pen.oval(-0.30, y, 0.045, 0.045, rgb("fff0c4"), 0.2, form=0.8)


@drawing("panel")
def panel(pen: Pen, kit: Kit) -> None:
    main = kit.main("5a4632", "34465f", "4a3a5f")
    gold = rgb("e0ac4f")
    inner = shift(main, 0, 0.9, 0.62)
    pen.poly(rounded(-0.47, -0.92, 0.47, -0.08, 0.06), gold, form=0.7)
    pen.poly(rounded(-0.445, -0.895, 0.445, -0.105, 0.05), main, form=0.5)
    pen.poly(rounded(-0.40, -0.77, 0.40, -0.15, 0.03), inner, -0.1, form=0.2)
    pen.poly(rounded(-0.26, -0.985, 0.26, -0.86, 0.05), gold, form=0.8)
    pen.poly(rounded(-0.24, -0.965, 0.24, -0.88, 0.04), shift(main, 0, 1.2, 1.3), form=0.5)
    caption(pen, kit, -0.15, -0.922, 0.30, 0.042, rgb("fff0d0"))
    hues = ("5aa8e0", "e2574a", "6fc37a", "f0b84a", "b07ae0")
    for row in range(3):
        for column in range(4):
            x, y = -0.295 + 0.197 * column, -0.665 + 0.20 * row
            pen.poly(rounded(x - 0.082, y - 0.082, x + 0.082, y + 0.082, 0.02), shift(main, 0, 0.8, 0.85), form=0.4)
            pen.poly(
                rounded(x - 0.068, y - 0.068, x + 0.068, y + 0.068, 0.015), shift(inner, 0, 1, 0.75), -0.15, form=0
            )
            if kit.rng.random() < 0.72:
                colour = rgb(hues[int(kit.rng.integers(5))])
                kind = int(kit.rng.integers(4))
                if kind == 0:
                    pen.oval(x, y, 0.042, 0.042, colour, form=1.0)
                elif kind == 1:
                    pen.poly(
                        [(x, y - 0.052), (x + 0.045, y - 0.01), (x, y + 0.052), (x - 0.045, y - 0.01)], colour, form=0.5
                    )
                elif kind == 2:
                    pen.poly(
                        [
                            (x + r * float(np.sin(k * np.pi / 5)), y - r * float(np.cos(k * np.pi / 5)))
                            for k, r in enumerate([0.055, 0.026] * 5)
                        ],
                        colour,
                        form=0.6,
                    )
                else:
                    pen.poly(rounded(x - 0.034, y - 0.02, x + 0.034, y + 0.048, 0.014), colour, form=0.8)
                    pen.rect(x - 0.014, y - 0.05, x + 0.014, y - 0.018, mix(colour, WHITE, 0.5), form=0.5)
    for x, y in ((-0.445, -0.895), (0.445, -0.895), (-0.445, -0.105), (0.445, -0.105)):
        pen.poly([(x, y - 0.045), (x + 0.045, y), (x, y + 0.045), (x - 0.045, y)], shift(gold, 0, 0.9, 1.1), form=0.8)


@drawing("bar")
def bar(pen: Pen, kit: Kit) -> None:
    main = kit.main("e2485f")
    for y, colour, full in ((-0.72, main, 0.78), (-0.50, rgb("4f8fe0"), 0.52), (-0.28, rgb("f0b84a"), 0.34)):
        pen.poly(rounded(-0.44, y - 0.075, 0.46, y + 0.075, 0.075), rgb("d9b56a"), form=0.7)
        pen.poly(rounded(-0.425, y - 0.058, 0.445, y + 0.058, 0.058), rgb("22202b"), -0.2, form=0)
        pen.poly(rounded(-0.415, y - 0.048, -0.415 + 0.85 * full, y + 0.048, 0.048), colour, 0.1, glow=0.2, form=0.9)
        gleam(pen, rounded(-0.39, y - 0.036, -0.44 + 0.85 * full, y - 0.012, 0.012), 0.4)
        pen.oval(-0.43, y, 0.10, 0.10, rgb("d9b56a"), form=0.9)
        pen.oval(-0.43, y, 0.075, 0.075, shift(colour, 0, 1, 0.8), form=0.8)


@drawing("hud")
def hud(pen: Pen, kit: Kit) -> None:
    main = kit.main("56e0ff", "ff5c7c", "a6f06a", "ffb454", "5cf2c9")
    rng = kit.rng

    def stroke(points: list[Point], width: float, level: float) -> None:
        pen.line(points, width, main, 0.3, glow=level, alpha=0.25 + 0.75 * level, line=False, form=0)

    for k in np.linspace(-0.46, 0.46, 12):
        stroke([(float(k), -0.96), (float(k), -0.04)], 0.002, 0.05)
        stroke([(-0.46, -0.5 + float(k)), (0.46, -0.5 + float(k))], 0.002, 0.05)
    for sx in (-1, 1):
        for sy in (-1, 1):
            stroke(
                [(sx * 0.46, -0.5 + sy * 0.36), (sx * 0.46, -0.5 + sy * 0.46), (sx * 0.36, -0.5 + sy * 0.46)],
                0.012,
                0.9,
            )
    for ring in range(6):
        r = 0.11 + 0.045 * ring
        pieces = int(rng.integers(2, 5))
        start = float(rng.uniform(0, 360))
        for piece in range(pieces):
            a = start + piece * 360 / pieces
            span = float(rng.uniform(40, 320 / pieces))
            path = arc(0, -0.5, r, r, a, a + span)
            stroke(path, float(rng.uniform(0.005, 0.026)), float(rng.uniform(0.4, 1.0)))
    for tick in range(72):
        a = tick * np.pi / 36
        far = 0.415 if tick % 6 else 0.43
        stroke(
            [
                (0.395 * float(np.cos(a)), -0.5 + 0.395 * float(np.sin(a))),
                (far * float(np.cos(a)), -0.5 + far * float(np.sin(a))),
            ],
            0.005,
            0.8,
        )
    sweep = float(rng.uniform(0, 360))
    for k in range(10):
        pen.poly(
            [(0, -0.5), *arc(0, -0.5, 0.37, 0.37, sweep + k * 5, sweep + k * 5 + 5)],
            main,
            0.2,
            glow=0.3,
            alpha=0.03 + 0.016 * k,
            line=False,
            form=0,
        )
    pen.oval(0, -0.5, 0.03, 0.03, main, 0.4, glow=1.0, line=False, form=0)
    for _ in range(4):
        a, d = float(rng.uniform(0, 6.28)), float(rng.uniform(0.12, 0.34))
        x, y = d * float(np.cos(a)), -0.5 + d * float(np.sin(a))
        pen.poly(
            [(x, y - 0.022), (x + 0.02, y + 0.014), (x - 0.02, y + 0.014)],
            mix(main, WHITE, 0.5),
            0.4,
            glow=1.0,
            line=False,
            form=0,
        )
    for k in range(5):
        w = float(rng.uniform(0.03, 0.11))
        pen.rect(-0.44, -0.88 + k * 0.026, -0.44 + w, -0.868 + k * 0.026, main, 0.2, glow=0.7, line=False, form=0)
        w = float(rng.uniform(0.03, 0.11))
        pen.rect(0.44 - w, -0.13 - k * 0.026, 0.44, -0.118 - k * 0.026, main, 0.2, glow=0.7, line=False, form=0)
