"""What counts as the same text, and that an index misses nothing that a text contains."""

from __future__ import annotations

import unicodedata
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stylestudio.text.search_words import LONGEST_PART, Needle, fold, needles, parts, words

LETTERS = "abcXYZß éÉïﬁ４ＡＢｃ龙城堡麒龍カガｶﾞ한각İıΣς%_-,.(1:2)\u0301\u0308\n😀"
texts = st.text(LETTERS, max_size=60) | st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Dragon", "DRAGON"),
        ("ｄｒａｇｏｎ", "dragon"),
        ("ﬁre", "FIRE"),
        ("straße", "STRASSE"),
        ("caf\u00e9", "cafe\u0301"),
        ("①２③", "123"),
        ("ﾄﾞﾗｺﾞﾝ", "ドラゴン"),
        ("Σίσυφος", "ΣΊΣΥΦΟΣ"),
        ("金\uf90a", "金金"),
        ("a\0b", "ab"),
    ],
)
def test_width_case_and_how_a_letter_is_composed_do_not_count(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@given(texts)
def test_texts_that_nfkc_makes_equal_are_equal(text: str) -> None:
    assert fold(unicodedata.normalize("NFKC", text)) == fold(text)
    assert fold(fold(text)) == fold(text)


@given(st.text("abcXYZß éÉïﬁ４ＡＢｃ龙城堡カガｶﾞ한각%_-,.(1:2)", max_size=40), st.integers(0, 40), st.integers(0, 40))
def test_a_part_of_a_text_is_a_part_of_it_folded(text: str, begin: int, length: int) -> None:
    marks = [unicodedata.combining(sign) for sign in unicodedata.normalize("NFKD", text)]
    assume(not any(one and other for one, other in pairwise(marks)))  # the order of several marks on a letter is set
    for written in (text, unicodedata.normalize("NFD", text)):
        assert fold(written[begin : begin + length]) in fold(written)


@given(texts, st.integers(0, 60), st.integers(1, 60))
def test_a_text_has_a_word_for_every_needle_of_what_it_contains(text: str, begin: int, length: int) -> None:
    folded = fold(text)
    had = words(folded)
    ends = {end for word in had for end in parts(word)}
    for needle in needles(folded[begin : begin + length]):
        if needle.is_part:
            assert any(end.startswith(needle.text) for end in ends)
        else:
            assert needle.text in had


def test_chinese_is_indexed_as_characters_and_pairs_and_other_writing_as_words() -> None:
    assert words("red 龙城堡, 4k") == {"red", "龙", "城", "堡", "龙城", "城堡", ",", "4k"}
    assert needles("龙") == [Needle("龙")]
    assert needles("龙城堡") == [Needle("龙城"), Needle("城堡")]
    assert needles("100%_x龙") == [
        Needle("100", is_part=True), Needle("%"), Needle("_"), Needle("x", is_part=True), Needle("龙"),
    ]  # fmt: skip
    assert needles(" ") == []


def test_parts_of_a_word_are_kept_up_to_a_length() -> None:
    assert parts("dragon") == {"dragon", "ragon", "agon", "gon", "on", "n"}
    assert parts("龙") == parts(",") == parts("") == set()
    long = "abcdefghij" * 40
    assert max(map(len, parts(long))) == LONGEST_PART
    assert needles(long) == [Needle(long[:LONGEST_PART], is_part=True)]
