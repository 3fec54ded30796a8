"""Trigger words in front of the prompt, each once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.pictures.prompts import final_parts, final_prompt, missing_triggers
from stylestudio.text.grammar import contains, for_comfyui


def test_triggers_stand_in_front_in_order() -> None:
    assert final_prompt("a fox", ["inkmist style", "layered papercut"]) == "inkmist style, layered papercut, a fox"


def test_a_trigger_that_is_in_the_prompt_is_not_repeated() -> None:
    assert final_prompt("a fox, Inkmist  Style", ["inkmist style"]) == "a fox, Inkmist  Style"


def test_a_trigger_inside_a_longer_word_does_not_count() -> None:
    assert final_prompt("inkwell", ["ink"]) == "ink, inkwell"


def test_two_styles_with_the_same_trigger_add_it_once() -> None:
    assert missing_triggers("a fox", ["pixel art", "Pixel art"]) == ["pixel art"]


def test_parts_say_what_is_a_trigger() -> None:
    assert final_parts("a fox", ["ink"]) == [("ink", True), ("a fox", False)]


@pytest.mark.parametrize("phrase", ["c++", "style (v2)", "水墨", "a.b*c"])
def test_phrases_are_text_and_never_patterns(phrase: str) -> None:
    assert contains(f"x, {phrase}, y", phrase)
    assert final_prompt("z", [phrase]) == f"{for_comfyui(phrase)}, z"


@given(st.text(max_size=60), st.lists(st.text(max_size=20), max_size=4))
def test_any_text_is_accepted_and_the_prompt_survives(prompt: str, phrases: list[str]) -> None:
    assert final_prompt(prompt, phrases).endswith(prompt.strip())


@given(st.text(max_size=60), st.lists(st.text(max_size=20), max_size=4))
def test_adding_triggers_twice_adds_nothing(prompt: str, phrases: list[str]) -> None:
    once = missing_triggers(prompt, phrases)
    assert missing_triggers(final_prompt(prompt, phrases), once) == []
