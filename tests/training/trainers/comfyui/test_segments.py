"""A training is cut into few segments, none of which is lost or repeats another's noise."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from training.trainers.comfyui import graph, segments
from training.trainers.comfyui.segments import Segment


@given(st.integers(0, 5000), st.integers(1, 100_000), st.integers(1, 50))
def test_segments_follow_each_other_to_the_last_step(first: int, steps: int, count: int) -> None:
    ends = segments.ends(first, first + steps, count)
    assert len(ends) <= count
    assert ends[-1] == first + steps
    sizes = [end - begin for begin, end in zip([first, *ends], ends, strict=False)]
    assert max(sizes) - min(sizes) <= 1
    assert min(sizes) >= min(segments.LEAST_STEPS, steps)


def test_a_training_that_goes_on_in_the_middle_of_a_segment_ends_it() -> None:
    assert segments.following(0, 0, 1500, 4) == Segment(0, 375)
    assert segments.following(500, 0, 1500, 4) == Segment(500, 750)
    assert segments.following(750, 0, 1500, 4) == Segment(750, 1125)


def test_no_segment_repeats_the_seeds_of_another() -> None:
    seeds = []
    for segment in (Segment(0, 10), Segment(10, 20)):
        begun = segments.seed_of(segment, 2**64 - 5000, accumulation=2)
        seeds += [(begun + micro * segments.SEED_STRIDE) % 2**64 for micro in range(2 * segment.steps)]
    assert len(set(seeds)) == 40
    assert all(0 <= seed < 2**64 for seed in seeds)


def test_epochs_count_what_was_shown() -> None:
    config = {"batch_size": 2, "accumulation": 2, "repeats": 2}
    assert [segments.epoch(step, 10, config) for step in (0, 1, 5, 6, 10, 11)] == [1, 1, 1, 2, 2, 3]


def test_losses_of_micro_steps_are_those_of_steps() -> None:
    shown = ('{\n "loss": [1.0, 3.0, 2.0, 6.0]}',)
    assert graph.losses(shown, 1, divided=False) == [1, 3, 2, 6]
    assert graph.losses(shown, 2, divided=False) == [2, 4]
    assert graph.losses(shown, 2, divided=True) == [4, 8], "the node had divided them by 2 already"


def test_losses_that_cannot_be_read_are_none() -> None:
    assert graph.losses(("<LossMap object>",), 1, divided=False) == []
    assert graph.losses(('{"loss": null}',), 1, divided=False) == []
    assert graph.losses((), 1, divided=False) == []
