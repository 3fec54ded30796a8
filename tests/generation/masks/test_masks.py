"""Masks: drawn, read, softened; and how large the part is that an engine gets."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from generation.masks import geometry, pixels
from generation.masks.facts import EditFacts
from stylestudio.images.decoding import BadPicture


def file_of(image: Image.Image) -> io.BytesIO:
    """A picture as a file."""
    file = io.BytesIO()
    image.save(file, "PNG")
    file.seek(0)
    return file


def test_a_mask_is_read_by_its_brightness_or_if_it_has_one_by_its_transparency() -> None:
    grey = Image.new("L", (8, 8), 0)
    grey.paste(90, (0, 0, 4, 4))
    assert pixels.read(file_of(grey), (8, 8)).tobytes() == grey.tobytes()
    clear = Image.new("RGBA", (8, 8), (255, 255, 255, 0))
    clear.paste((0, 0, 0, 200), (0, 0, 2, 2))
    assert pixels.read(file_of(clear), (8, 8)).getextrema() == (0, 200)


def test_a_mask_of_another_size_and_what_is_no_picture_are_refused_in_words() -> None:
    with pytest.raises(BadPicture, match="8 × 8 pixels large and the picture 16 × 8"):
        pixels.read(file_of(Image.new("L", (8, 8))), (16, 8))
    with pytest.raises(BadPicture, match="not a PNG"):
        pixels.read(io.BytesIO(b"mask"), (16, 8))
    with pytest.raises(BadPicture, match="broken"):
        pixels.read(io.BytesIO(file_of(Image.effect_noise((64, 64), 90)).getvalue()[:900]), (64, 64))


def test_a_rectangle_is_cut_off_at_the_canvas_and_fades_outwards() -> None:
    assert pixels.rectangle((40, 30), (-5, 10, 99, 20), 0).getbbox() == (0, 10, 40, 20)
    assert pixels.rectangle((40, 30), (50, 10, 60, 20), 0).getbbox() is None
    hard, soft = (np.asarray(pixels.rectangle((80, 80), (30, 30, 50, 50), feather)) for feather in (0, 8))
    assert (soft[hard == 255] == 255).all(), "what was white stays white"
    edge = soft[40, 50:64].astype(int)
    assert edge[0] > 150 and edge[-1] == 0 and (np.diff(edge) <= 0).all()


def test_margins_are_part_of_the_mask_whatever_was_drawn() -> None:
    made = np.asarray(pixels.with_margins(Image.new("L", (40, 40), 0), (8, 0, 16, 0)))
    assert (made[:, :8] == 255).all() and (made[:, 24:] == 255).all() and not made[:, 8:24].any()
    soft = np.asarray(pixels.with_margins(Image.new("L", (80, 40), 0), (16, 0, 0, 0), 8))
    assert soft[20, 15] == 255 and 0 < soft[20, 18] < 255 and not soft[:, 40:].any()


@pytest.mark.parametrize("size", [(64, 64), (128, 128), (32, 32)])
def test_engines_get_every_cell_that_the_mask_touches_and_no_shades(size: tuple[int, int]) -> None:
    mask = Image.new("L", (64, 64), 0)
    mask.putpixel((9, 9), 3)
    sent = np.asarray(pixels.sent(mask, (0, 0, 64, 64), size))
    assert sent.shape == size[::-1] and set(np.unique(sent)) == {0, 255}
    cells = sent.reshape(size[1] // 8, 8, size[0] // 8, 8)
    assert (cells.min((1, 3)) == cells.max((1, 3))).all()
    assert 1 <= (cells.max((1, 3)) == 255).sum() <= 4


@pytest.mark.parametrize(
    ("canvas", "made"),
    [
        ((1024, 1024), (1024, 1024)), ((1021, 700), (1024, 704)), ((4096, 2048), (2048, 1024)), ((40, 24), (104, 64)),
        ((4000, 8), (2048, 64)),
    ],
)  # fmt: skip
def test_a_whole_picture_is_made_in_its_own_size_if_that_can_be_ordered(
    canvas: tuple[int, int], made: tuple[int, int]
) -> None:
    assert geometry.whole(canvas) == ((0, 0, *canvas), made)


@pytest.mark.parametrize("masked", [(500, 500, 540, 560), (0, 0, 20, 20), (900, 10, 1020, 1010), (3, 3, 1021, 9)])
def test_a_small_part_is_made_in_the_size_of_the_model_with_what_is_around_it(masked: tuple[int, ...]) -> None:
    left, top, right, bottom = masked
    box, made = geometry.around((left, top, right, bottom), (1024, 1024), 1024 * 1024)
    assert box[0] <= max(0, left) and box[1] <= top and box[2] >= right and box[3] >= bottom
    assert 0 <= box[0] < box[2] <= 1024 and 0 <= box[1] < box[3] <= 1024
    assert not any(side % 8 for side in made) and 0.9 <= made[0] * made[1] / 1024**2 <= 1.1
    assert abs(made[0] / made[1] - (box[2] - box[0]) / (box[3] - box[1])) < 0.05
    assert max(made) <= 2 * min(made) + 8


def test_facts_come_back_from_json_as_they_were() -> None:
    facts = EditFacts(3, "a", "b", "c", (8, 0, 0, 16), (64, 72), (0, 0, 64, 72), detail=True, solid=False)
    assert EditFacts.read(facts.as_json()) == facts
