"""What is left of a training: every part of it counts, and the estimate goes down while nothing is heard."""

from __future__ import annotations

import pytest

from training.runs.phases import Doing, Phase
from training.runs.remaining import LONGEST_LENDING, Now, Paces, Part, Way, behind, part_of, rounded
from training.runs.running.stopwatch import Stopwatch
from training.trainers.comfyui import segments

# 90 steps in three runs with two test prompts: a step takes 2 s, a setup 10, a finish 3, a picture 5.
WAY = Way(0, 90, 3, 2)
PACES = Paces(step=2.0, setup=10.0, finish=3.0, picture=5.0)


def left(now: Now, way: Way = WAY, paces: Paces = PACES) -> float:
    seconds = way.seconds(now, paces)
    assert seconds is not None
    return seconds


def test_a_whole_training_is_its_steps_and_everything_between_them() -> None:
    steps, setups, finishes = 90 * 2, 3 * 10, 3 * 3
    pictures = (4 + 2) * 5  # two of the base model are made beside the first; after the last one nothing is waited for
    assert left(Now(0)) == steps + setups + finishes + pictures


def test_nothing_is_said_before_anything_tells_how_long_a_step_takes() -> None:
    assert WAY.seconds(Now(0), Paces(setup=10.0)) is None


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (Now(30, Part.FINISH), 3 + 30 * 4 + 2 * (10 + 3) + 20 + 10),
        (Now(30, Part.LENDING), 20 + 30 * 4 + 2 * (10 + 3) + 10),
        (Now(30, Part.SETUP), 30 * 4 + 2 * (10 + 3) + 10),
        (Now(30, Part.QUEUED), 30 * 4 + 2 * (10 + 3) + 10),
        (Now(30, Part.STEPS), 30 * 4 + 10 + 2 * 3 + 10),
        (Now(75, Part.STEPS), 15 * 2 + 3),
        (Now(90, Part.FINISH), 3),
        (Now(90, Part.LENDING), 0),
    ],
)
def test_each_part_has_what_comes_after_it(now: Now, expected: float) -> None:
    assert left(now) == expected


@pytest.mark.parametrize("part", [Part.SETUP, Part.FINISH, Part.LENDING])
def test_a_part_that_goes_on_gets_less_by_the_second(part: Part) -> None:
    assert left(Now(30, part)) - left(Now(30, part, 2.0)) == pytest.approx(2.0)


def test_between_two_steps_the_estimate_goes_down_too() -> None:
    assert left(Now(35, Part.STEPS)) - left(Now(35, Part.STEPS, 1.5)) == pytest.approx(1.5)
    assert left(Now(35, Part.STEPS)) - left(Now(35, Part.STEPS, 60.0)) == pytest.approx(2.0), "one step at most"


def test_an_engine_that_leaves_steps_out_is_given_the_time_of_all_that_it_may_leave_out() -> None:
    way = Way(0, 4000, 1, 0)
    untold = 20 * 2.0  # half a per cent of the run
    assert left(Now(1000, Part.STEPS), way) - left(Now(1000, Part.STEPS, 39.0), way) == pytest.approx(39.0)
    assert left(Now(1000, Part.STEPS), way) - left(Now(1000, Part.STEPS, 500.0), way) == pytest.approx(untold)


def test_what_takes_longer_than_ever_is_not_said_to_be_nearly_over() -> None:
    assert left(Now(90, Part.FINISH, 40.0)) == pytest.approx(4.0)
    assert left(Now(90, Part.FINISH, 80.0)) == pytest.approx(8.0)


def test_pictures_that_wait_now_are_made_in_the_next_pause_and_no_pause_is_longer_than_it_may_be() -> None:
    assert left(Now(10, Part.STEPS, ahead=100.0)) - left(Now(10, Part.STEPS)) == 100
    long = left(Now(10, Part.STEPS, ahead=10_000.0)) - left(Now(10, Part.STEPS))
    assert long == LONGEST_LENDING - 20
    assert left(Now(70, Part.STEPS, ahead=100.0)) == left(Now(70, Part.STEPS)), "no pause is left"
    assert left(Now(30, Part.LENDING, 5.0, rest=77.0)) - left(Now(30, Part.SETUP)) == 77


def test_pictures_on_their_way_to_the_engine_are_followed_by_the_setup() -> None:
    assert left(Now(0, Part.SENDING, 4.0, rest=12.0)) == left(Now(0)) + 12


def test_the_next_checkpoint_comes_when_what_is_behind_it_is_left() -> None:
    assert left(Now(10, Part.STEPS)) - left(behind(30)) == 20 * 2 + 3


def test_runs_end_where_the_trainer_cuts_them() -> None:
    for first, steps, runs in ((0, 90, 3), (0, 2000, 4), (7, 100, 6), (4, 8, 4), (0, 4, 50)):
        assert Way(first, steps, runs, 0).ends(first) == segments.ends(first, steps, runs)


@pytest.mark.parametrize(("seconds", "told"), [(0.2, 1), (47.6, 48), (75, 60), (100, 120), (5399, 5400), (None, None)])
def test_an_estimate_is_told_in_minutes_from_one_minute_on(seconds: float | None, told: float | None) -> None:
    assert rounded(seconds) == told


def test_every_phase_is_a_part() -> None:
    assert {part_of(Doing(phase)) for phase in Phase} == set(Part) - {Part.STEPS}


# Measuring.


def watched(step: int = 0) -> Stopwatch:
    return Stopwatch(Way(0, 8, 2, 1), step, 100.0)


def test_a_run_is_measured_part_by_part() -> None:
    watch = watched()
    watch.tell(0, Doing(Phase.SENDING, 1, 3), 100.0)
    watch.tell(0, Doing(Phase.WAITING), 106.0)
    watch.tell(0, Doing(Phase.QUEUED, 1), 107.0)
    watch.tell(0, Doing(Phase.LOADING), 207.0)  # behind somebody's prompt, which is no setup
    watch.tell(0, None, 211.0)
    for step in (1, 2, 4):
        watch.tell(step, None, 211.0 + 3 * step)
    watch.tell(4, Doing(Phase.FETCHING, 9), 225.0)
    watch.store(4, 228.0)
    watch.tell(4, Doing(Phase.LENDING), 229.0)
    watch.take_back(2, 249.0)
    assert (watch.seconds, watch.timed) == (12.0, 4)
    assert watch.paces == {"setup": 5.0, "finish": 5.0, "picture": 10.5}
    assert watch.known == Paces(3.0, 5.0, 5.0, 10.5)
    watch.tell(4, Doing(Phase.WAITING), 250.0)
    watch.tell(4, None, 252.0)
    watch.tell(5, None, 255.0)
    assert watch.paces["setup"] == 3.0, "the next one is like the last one"
    assert (watch.seconds, watch.timed) == (15.0, 5)


def test_between_a_checkpoint_and_the_pictures_that_it_brings_these_are_in_the_estimate() -> None:
    watch = Stopwatch(WAY, 29, 100.0)
    watch.tell(30, None, 101.0)
    watch.store(30, 104.0)
    assert WAY.seconds(watch.now(104.0), PACES) == left(Now(30, Part.LENDING))


def test_slow_steps_count_however_slow_they_are() -> None:
    watch = watched()
    watch.tell(0, None, 100.0)
    watch.tell(1, None, 190.0)
    watch.tell(2, None, 280.0)
    assert watch.seconds / watch.timed == 90.0


def test_who_takes_over_a_run_that_goes_on_does_not_count_what_it_did_not_see() -> None:
    watch = watched()
    watch.tell(0, Doing(Phase.WAITING), 100.1)
    watch.tell(3, None, 100.2)
    watch.tell(4, None, 105.0)
    assert (watch.seconds, watch.timed, watch.paces) == (0.0, 0, {})


def test_steps_that_are_done_again_count_by_their_own_time() -> None:
    watch = watched()
    watch.tell(0, None, 100.0)
    watch.tell(3, None, 103.0)
    watch.tell(0, Doing(Phase.LOADING), 150.0)
    watch.tell(0, None, 155.0)
    watch.tell(1, None, 156.0)
    assert (watch.seconds, watch.timed) == (4.0, 4)


def test_what_is_left_of_sending_is_told_by_what_was_sent() -> None:
    watch = watched()
    watch.tell(0, Doing(Phase.SENDING, 1, 10), 100.0)
    watch.tell(0, Doing(Phase.SENDING, 5, 10), 108.0)
    assert watch.now(108.0).rest == pytest.approx(12.0)
