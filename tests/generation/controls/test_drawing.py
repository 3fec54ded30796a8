"""Control pictures and fitted pictures, as pure functions: the engine's own edges, grounds, cut, pad and stretch."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from generation.controls import canny
from generation.controls.drawing import drawn
from generation.controls.facts import Fit, Way
from generation.controls.fitting import fitted
from tests.pixels import pixel

RECORDED = Path(__file__).parent / "recorded"


def sketch(ground: str, ink: str) -> Image.Image:
    """A cross on paper."""
    image = Image.new("RGB", (120, 80), ground)
    pen = ImageDraw.Draw(image)
    pen.line((10, 40, 110, 40), ink, 3)
    pen.line((60, 10, 60, 70), ink, 3)
    return image


def test_edges_are_those_of_the_real_node_canny_to_the_pixel() -> None:
    # Recorded from ComfyUI 0.33.0, with the thresholds 0.1 and 0.2.
    with Image.open(RECORDED / "source.png") as source, Image.open(RECORDED / "canny-0.1-0.2.png") as theirs:
        ours = canny.edges(source, 0.1, 0.2)
        assert np.array_equal(np.asarray(ours) > 0, np.asarray(theirs.convert("L")) > 0)
    assert 0.05 < np.asarray(ours).mean() / 255 < 0.2


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 2), (3, 700)])
def test_tiny_and_odd_pictures_have_edges_too_or_none(size: tuple[int, int]) -> None:
    assert canny.edges(Image.new("RGB", size, "white")).size == size


def test_faint_edges_count_only_as_a_continuation() -> None:
    ramp = np.zeros((40, 40), np.uint8)
    ramp[:, 20:] = np.linspace(20, 255, 40, dtype=np.uint8)[:, None]  # a step that is faint above and sharp below
    apart = ramp.copy()
    apart[12:18] = 0
    held, alone = (np.asarray(canny.edges(Image.fromarray(each), 0.25, 0.9)) > 0 for each in (ramp, apart))
    assert held[4:10].any() and not np.asarray(canny.edges(Image.fromarray(ramp), 0.9, 0.9))[4:10].any()
    assert held.sum() > 30 and alone[20:].any()


@pytest.mark.parametrize(
    ("ground", "ink", "way", "inverted"),
    [("white", "black", "auto", True), ("black", "white", "auto", False), ("white", "black", "keep", False)],
)
def test_dark_lines_on_paper_are_inverted_unless_somebody_says_otherwise(
    ground: str, ink: str, way: str, *, inverted: bool
) -> None:
    made = drawn(sketch(ground, ink), Way("lines", ground=way), (120, 80))
    assert made.is_inverted is inverted
    assert not made.is_empty


@pytest.mark.parametrize("kind", ["canny", "lines", "depth", "pose"])
def test_a_picture_that_would_hold_nothing_is_known(kind: str) -> None:
    assert drawn(Image.new("RGB", (64, 64)), Way(kind), (64, 64)).is_empty
    assert drawn(Image.new("RGB", (1, 1), "black"), Way(kind), (64, 128)).is_empty


def test_the_same_picture_makes_the_same_bytes() -> None:
    one, other = (drawn(sketch("white", "red"), Way("canny"), (64, 64)) for _time in range(2))
    assert (one.png, one.sha256) == (other.png, other.sha256)


def thirds() -> Image.Image:
    """Red, green and blue beside each other."""
    image = Image.new("RGB", (300, 100), "green")
    image.paste("red", (0, 0, 100, 100))
    image.paste("blue", (200, 0, 300, 100))
    return image


RED, GREEN, BLUE = (255, 0, 0), (0, 128, 0), (0, 0, 255)


@pytest.mark.parametrize(("x", "colour"), [(0, RED), (10, RED), (50, GREEN), (100, BLUE)])
def test_a_cut_keeps_what_the_focus_says(x: int, colour: tuple[int, int, int]) -> None:
    made = fitted(Fit("cut", x, 50), thirds(), (64, 64))
    assert made.size == (64, 64)
    assert pixel(made, (32, 32)) == colour


def test_padding_keeps_all_of_it_and_stretching_fills_the_size() -> None:
    padded = fitted(Fit("pad"), thirds(), (96, 96))
    assert [pixel(padded, (x, 48)) for x in (8, 48, 88)] == [RED, GREEN, BLUE]
    assert pixel(padded, (48, 4)) not in (RED, GREEN, BLUE), "the colour that its edges have on average"
    stretched = fitted(Fit("stretch"), thirds(), (96, 96))
    assert [pixel(stretched, (x, 4)) for x in (8, 48, 88)] == [RED, GREEN, BLUE]


def test_around_a_padded_control_picture_nothing_is_held() -> None:
    made = drawn(sketch("white", "black"), Way("canny", fit=Fit("pad")), (120, 120))
    with Image.open(BytesIO(made.png)) as image:
        lines = np.asarray(image.convert("L"))
    assert not lines[:20].any() and not lines[-20:].any() and lines[20:100].any()
