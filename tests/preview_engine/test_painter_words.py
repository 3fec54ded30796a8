"""Reading prompts: what a word, a colour before a thing, or a "no" means to the painter."""

from __future__ import annotations

import numpy as np
import pytest

from stylestudio.preview_engine.painter import lexicon
from stylestudio.preview_engine.painter.compose import STILL_LIFE
from stylestudio.preview_engine.painter.scenes.single import EMBLEMS
from stylestudio.preview_engine.painter.subjects import DRAWINGS
from stylestudio.preview_engine.painter.words import Reading, read


def names(reading: Reading) -> list[str]:
    return [subject.name for subject in reading.subjects]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("An old FORTRESS and two kittens", ["castle", "cat"]),
        ("wolves, knives and dragonflies", ["wolf", "sword"]),
        ("rune-carved shield, front view", ["shield"]),
        ("portal ring, blue sparks", ["portal"]),
        ("a planet with rings", ["planet"]),
        ("tall pine trees", ["pine"]),
        ("temple with cherry blossom", ["temple", "blossom"]),
        ("a rose", ["flower"]),
        ("rose castle", ["castle"]),
        ("雪山上的城堡和狐狸", ["castle", "fox"]),
        ("a castle, no dragon", ["castle"]),
        ("castle without any fox", ["castle"]),
        ("", []),
    ],
)
def test_subjects_are_found(prompt: str, expected: list[str]) -> None:
    assert names(read(prompt)) == expected


def test_a_sea_of_fog_is_no_sea() -> None:
    reading = read("castle above a sea of fog")
    assert reading.settings == ()
    assert reading.weather == ("fog",)


def test_a_colour_before_a_thing_is_its_own_and_a_free_colour_tints_all() -> None:
    bound = read("red castle").subjects[0]
    assert bound.colour is not None
    assert bound.colour[0] > bound.colour[1]
    free = read("castle, teal and gold")
    assert free.subjects[0].colour is None
    assert len(free.tints) == 2


def test_the_sun_takes_its_colour_and_a_background_its_own() -> None:
    reading = read("red sun, black background")
    sun, background = reading.sky["sun"], reading.sky["background"]
    assert sun is not None
    assert background is not None
    assert sun[0] > 0.7
    assert float(np.max(background)) < 0.3


def test_time_weather_and_mood_are_read() -> None:
    reading = read("calm misty mountain at dawn, snow")
    assert reading.times == ("dawn",)
    assert set(reading.weather) == {"fog", "snow"}
    assert reading.moods == ("calm",)
    assert reading.settings == ("mountain",)


def test_the_negative_prompt_takes_synonyms_too() -> None:
    assert names(read("a castle and a fox", "kitsune")) == ["castle"]
    assert read("misty lake", "fog").weather == ()


def test_several_are_several() -> None:
    assert read("two cottages").subjects[0].many
    assert read("cottages").subjects[0].many
    assert not read("a cottage").subjects[0].many


def test_everything_in_the_lexicon_can_be_drawn() -> None:
    tables = (lexicon.LANDMARKS, lexicon.FIGURES, lexicon.ITEMS, lexicon.EFFECTS, lexicon.INTERFACE)
    named = {name for table in tables for name in table} | {"planet", "rock", "grass"}
    assert named | set(EMBLEMS.values()) | set(STILL_LIFE) <= set(DRAWINGS)
    assert set(EMBLEMS) == set(lexicon.SETTINGS)
