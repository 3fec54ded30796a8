"""What is made clear leaves no halo, and what is clear bleeds nowhere."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from generation.derivations.steps import ground
from stylestudio.preview_engine.nodes.changes import subject
from tests.generation.changing.conftest import FRONT, GROUND, coverage, disc

WIDE = 1056  # larger than what colours are spread on, and so done another way


@pytest.mark.parametrize("side", [96, WIDE])
def test_half_clear_pixels_have_the_colour_of_what_is_in_front(side: int) -> None:
    cover = coverage().resize((side, side), Image.Resampling.BICUBIC)
    size = cover.size
    source = Image.composite(Image.new("RGB", size, FRONT), Image.new("RGB", size, GROUND), cover).convert("RGBA")
    made = np.asarray(ground.cut_out(source, cover)).astype(int)
    alpha = made[..., 3:]
    soft = (alpha > 0) & (alpha < 255)
    assert soft.sum() > 100
    for behind in (0, 255):  # laid on black and on white it is as if it had been drawn there
        laid = (made[..., :3] * alpha + behind * (255 - alpha)) / 255
        drawn = (np.array(FRONT) * alpha + behind * (255 - alpha)) / 255
        assert np.abs(laid - drawn).max() < 10
    naive = (np.asarray(source)[..., :3].astype(int) * alpha) / 255
    assert np.abs(naive - np.array(FRONT) * alpha / 255).max() > 30, "without it the ground shows"
    assert not made[alpha[..., 0] == 0].any()


def test_what_was_clear_stays_clear_and_masks_without_soft_edges_change_no_colour() -> None:
    source = disc().convert("RGBA")
    source.putpixel((48, 48), (1, 2, 3, 0))
    hard = coverage().point([0] * 128 + [255] * 128)
    made = np.asarray(ground.cut_out(source, hard))
    assert not made[48, 48].any()
    shown = made[..., 3] > 0
    assert (made[shown] == np.asarray(source)[shown]).all()
    whole = ground.cut_out(source, Image.new("L", source.size, 255))
    assert np.asarray(whole)[..., 3].sum() == 255 * (96 * 96 - 1)


def test_clear_pixels_are_filled_with_what_shows_near_them() -> None:
    image = Image.new("RGBA", (60, 60), (*GROUND, 0))
    image.paste((*FRONT, 255), (20, 20, 40, 40))
    assert np.unique(np.asarray(ground.filled(image)).reshape(-1, 3), axis=0).tolist() == [list(FRONT)]
    empty = Image.new("RGBA", (8, 8), (*GROUND, 0))
    assert ground.filled(empty).getpixel((0, 0)) == GROUND, "nothing shows: it stays as it is"


def test_the_preview_engine_finds_the_subject_and_takes_a_picture_without_ground_whole() -> None:
    mask = np.asarray(subject(disc())).astype(int)
    assert np.abs(mask - np.asarray(coverage())).mean() < 6
    assert subject(Image.new("RGB", (64, 64), FRONT)).getextrema() == (255, 255)
