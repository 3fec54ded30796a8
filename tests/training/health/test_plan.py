"""Buckets and crops are those of sd-scripts, number for number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from training.datasets.crops import plan

# What the real code answered for a table of sizes; the two wide sizes are recorded with and without upscaling.
RECORDED: dict[str, Any] = json.loads((Path(__file__).parent / "sd_scripts_buckets.json").read_text())
SIDES = st.integers(64, 6000)
SHARES = st.floats(0, 1)


def test_every_recorded_size_gets_the_bucket_the_size_and_the_cut_that_sd_scripts_gave() -> None:
    assert len(RECORDED["rows"]) > 2000
    for resolution, upscale, width, height, *wanted in RECORDED["rows"]:
        frame = plan.frame((width, height), resolution, upscale=bool(upscale))
        assert [*frame.bucket, *frame.resized, *frame.offset] == wanted, (resolution, upscale, width, height)


@pytest.mark.parametrize("resolution", [512, 768, 1024, 1280])
def test_the_buckets_of_the_full_area_are_those_of_sd_scripts(resolution: int) -> None:
    assert plan.full_buckets(resolution) == tuple(map(tuple, RECORDED["full"][str(resolution)]))


@given(SIDES, SIDES, SHARES, SHARES, st.sampled_from([512, 768, 1024]), st.booleans())
def test_a_frame_lies_inside_its_picture_and_has_the_shape_of_its_bucket(
    width: int, height: int, x: float, y: float, resolution: int, upscale: bool
) -> None:
    frame = plan.frame((width, height), resolution, (x, y), upscale=upscale)
    left, top, right, bottom = frame.box
    assert 0 <= left <= right <= width and 0 <= top <= bottom <= height
    assert 0 <= frame.cut <= 1
    assert all(side % plan.STEP == 0 for side in frame.bucket)
    if not upscale:
        assert frame.bucket[0] * frame.bucket[1] <= resolution * resolution and not frame.scale > 1.01
    if frame.usable:
        across, down = (right - left) / frame.bucket[0], (bottom - top) / frame.bucket[1]
        assert across * frame.resized[0] == pytest.approx(width, abs=0.01)
        assert down * frame.resized[1] == pytest.approx(height, abs=0.01)


def test_what_a_bucket_was_cut_to_stays_in_that_bucket() -> None:
    """An export may write pictures as they are cut: the trainer then changes nothing more."""
    for resolution, upscale, _width, _height, bucket_width, bucket_height, *_rest in RECORDED["rows"]:
        if not upscale and bucket_width and bucket_height:
            again = plan.frame((bucket_width, bucket_height), resolution)
            assert again.bucket == again.resized == (bucket_width, bucket_height)


def test_the_cut_goes_where_its_place_says() -> None:
    left, middle, right = (plan.frame((1500, 1000), 1024, (x, 0.5)) for x in (0.0, 0.5, 1.0))
    assert left.box[0] == 0 and right.box[2] == pytest.approx(1500)
    assert left.box[0] < middle.box[0] < right.box[0]
    assert left.bucket == middle.bucket == right.bucket == (1216, 832)


def test_the_box_cuts_out_of_the_source_what_the_trainer_sees() -> None:
    source = Image.linear_gradient("L").resize((1500, 1000))
    frame = plan.frame(source.size, 1024, (0.5, 1.0))
    seen = source.resize(frame.resized).crop(
        (*frame.offset, frame.offset[0] + frame.bucket[0], frame.offset[1] + frame.bucket[1])
    )
    ours = source.resize(frame.bucket, box=frame.box)
    pairs = zip(seen.tobytes(), ours.tobytes(), strict=True)
    assert max(abs(one - other) for one, other in pairs) <= 2


def test_small_pictures_keep_their_size_unless_they_may_be_enlarged() -> None:
    kept, enlarged = plan.frame((640, 640)), plan.frame((640, 640), upscale=True)
    assert kept.bucket == (640, 640) and not kept.enlarged and kept.short == pytest.approx(1.6) and kept.too_small
    assert enlarged.bucket == (1024, 1024) and enlarged.enlarged and enlarged.scale == pytest.approx(1.6)


def test_a_picture_without_room_for_a_bucket_is_not_usable() -> None:
    assert not plan.frame((2000, 40)).usable
    assert not plan.frame((60_000, 200)).usable
    assert plan.frame((64, 64)).usable


def test_a_plan_groups_pictures_and_names_the_lonely_ones() -> None:
    made = plan.plan([(1024, 1024), (832, 1216), (1024, 1024), (2048, 2048)])
    assert list(made.buckets.items()) == [((1024, 1024), (0, 2, 3)), ((832, 1216), (1,))]
    assert made.lonely == ((832, 1216),)
    assert plan.plan([(1024, 1024)]).lonely == ()


def test_the_steps_of_an_epoch_count_the_last_batch_of_each_bucket() -> None:
    made = plan.plan([(1024, 1024)] * 3 + [(832, 1216)])
    assert made.steps(1, 1) == 4
    assert made.steps(1, 2) == 3  # 3 in two batches, 1 in one
    assert made.steps(10, 4) == 8 + 3
