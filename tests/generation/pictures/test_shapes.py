"""The next smaller size."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.pictures import shapes
from generation.pictures.models import LEAST_SIDE, MOST_SIDE
from generation.pictures.shapes import SHAPES, Shape, smaller
from generation.recipes import registry

sides = st.integers(LEAST_SIDE // 8, MOST_SIDE // 8).map(lambda number: number * 8)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.value)
def test_every_shape_of_the_form_has_a_smaller_one_of_its_kind(shape: Shape) -> None:
    less = smaller(shape.width, shape.height)
    assert less and less.name == shape.name
    assert 0.55 < less.width * less.height / (shape.width * shape.height) < 0.66
    assert abs(less.width / less.height / (shape.width / shape.height) - 1) < 0.01


@given(width=sides, height=sides)
def test_a_smaller_size_is_smaller_and_still_a_size(width: int, height: int) -> None:
    less = smaller(width, height)
    if less is None:
        assert min(width, height) in {512, 64}
        return
    assert less.width <= width and less.height <= height and less.width * less.height < width * height
    assert less.width % 8 == less.height % 8 == 0
    assert min(less.width, less.height) >= (512 if min(width, height) >= 512 else LEAST_SIDE)
    assert (less.width >= less.height) == (width >= height) or less.width == less.height


def test_the_shorter_side_does_not_pass_512_unless_it_was_below() -> None:
    square, upright = smaller(640, 640), smaller(520, 1040)
    assert square and upright
    assert (square.width, upright.width) == (512, 512)
    assert smaller(512, 1024) is None
    assert smaller(504, 504) == Shape("1:1", 392, 392)
    assert smaller(64, 64) is None


def test_the_shapes_of_a_recipe_are_called_by_their_ratio_wide_ones_first() -> None:
    qwen = shapes.of(registry.named("qwen-image").shapes)
    assert [shape.name for shape in qwen] == ["1:1", "4:3", "3:2", "16:9", "3:4", "2:3", "9:16"]
    assert shapes.of(registry.named("sdxl").shapes) == SHAPES
    assert shapes.of(()) == SHAPES
