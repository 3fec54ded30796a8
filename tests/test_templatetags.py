"""How icons, numbers, times and sizes are written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone, translation

from stylestudio.templatetags import studio


@dataclass(slots=True)
class Sized:
    width: int
    height: int


def test_an_icon_is_decoration_and_points_into_the_sprite() -> None:
    assert studio.icon("queue") == '<svg class="i" aria-hidden="true"><use href="#i-queue"/></svg>'
    assert 'class="i s"' in studio.icon("x", "s")


def test_an_icon_name_cannot_break_out_of_its_attribute() -> None:
    assert '"><script' not in studio.icon('x"><script')


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, ""),
        (-1, ""),
        (0, "0 s"),
        (0.02, "0.1 s"),
        (2, "2 s"),
        (9.84, "9.8 s"),
        (9.96, "10 s"),
        (48.2, "48 s"),
        (59.6, "1 min"),
        (80, "1 min 20 s"),
        (3600, "1 h"),
        (7500, "2 h 5 min"),
        (7530, "2 h 5 min"),
        (97200, "1 d 3 h"),
    ],
)
def test_a_duration_has_at_most_two_units(seconds: float | None, words: str) -> None:
    assert studio.duration(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, ""),
        (0.2, "1 s"),
        (5.4, "5 s"),
        (6, "about 6 s"),
        (62, "about 1 min"),
        (100, "about 2 min"),
        (4800, "about 1 h 20 min"),
    ],
)
def test_an_estimate_over_five_seconds_says_about(seconds: float | None, words: str) -> None:
    assert studio.about(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-30, "just now"), (2, "just now"), (40, "40 s ago"), (130, "2 min ago"), (3 * 3600 + 50, "3 h ago")],
)
def test_recent_times_are_relative_in_one_unit(seconds: int, words: str) -> None:
    assert studio.ago(timezone.now() - timedelta(seconds=seconds, milliseconds=100)) == words


def test_older_times_are_dates_with_the_year_where_it_is_another() -> None:
    assert studio.ago(datetime(2001, 5, 12, 12, tzinfo=UTC)) == "May 12, 2001"
    assert studio.ago(None) == ""
    recently = timezone.now() - timedelta(days=1)
    if recently.year == timezone.now().year:
        assert studio.ago(recently) == f"{recently:%B} {recently.day}"


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (None, ""),
        (0, "0 B"),
        (512, "512 B"),
        (14 * 1024, "14 kB"),
        (1023 * 1024, "1.0 MB"),
        (int(1.4 * 2**30), "1.4 GB"),
        (24 * 2**30, "24 GB"),
        (5 * 2**50, "5120 TB"),
    ],
)
def test_sizes_are_in_the_largest_unit_that_fits(count: int | None, words: str) -> None:
    assert studio.byte_size(count) == words


@pytest.mark.parametrize(
    ("width", "height", "name"),
    [
        (1024, 1024, "1:1"),
        (512, 512, "1:1"),
        (1216, 832, "3:2"),
        (1920, 1080, "16:9"),
        (768, 1344, "9:16"),
        (64, 2048, "9:16"),
    ],
)
def test_any_size_has_the_nearest_of_the_eight_shapes(width: int, height: int, name: str) -> None:
    assert studio.shape_name(Sized(width, height)) == name
    assert studio.ratio(Sized(width, height)) == "r-" + name.replace(":", "x")


def test_the_shapes_of_the_form_are_told_apart() -> None:
    names = [studio.shape_name(Sized(width, height)) for _name, width, height in studio.SHAPES]
    assert names == [name for name, _width, _height in studio.SHAPES]


def test_a_weight_keeps_its_point_in_every_language() -> None:
    with translation.override("de"):
        assert studio.weight(0.8) == "0.80"
    assert studio.weight("1.5") == "1.50"
    assert studio.weight("much") == "much"


def test_thousands_are_set_apart() -> None:
    assert studio.thousands(1500) == "1,500"
