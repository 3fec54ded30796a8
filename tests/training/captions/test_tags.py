"""Captions as tags: splitting, counting, typos."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.datasets.captions import tags
from training.datasets.captions.tags import TagCount

TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=80)


def counted(**numbers: int) -> list[TagCount]:
    return [TagCount(name.replace("_", " "), number) for name, number in numbers.items()]


def test_commas_of_any_script_and_line_ends_part_tags() -> None:
    assert tags.split(" hills ,  red   roof,,\n晨光，山、雾 ") == ["hills", "red roof", "晨光", "山", "雾"]


def test_a_tag_counts_once_per_caption_whatever_its_case() -> None:
    found = tags.counts(["Hills, hills, dusk", "hills", "", "dusk ,  DUSK"])
    assert found == [TagCount("dusk", 2), TagCount("Hills", 2)]


@given(TEXT)
def test_what_is_joined_splits_into_the_same_tags(caption: str) -> None:
    own = tags.split(caption)
    assert tags.split(tags.join(own)) == own


@given(st.lists(TEXT, max_size=6))
def test_unique_tags_keep_their_order_and_lose_nothing_but_repetitions(words: list[str]) -> None:
    own = [tag for word in words for tag in tags.split(word)]
    once = tags.unique(own)
    assert [tags.key(tag) for tag in once] == list(dict.fromkeys(map(tags.key, own)))


@pytest.mark.parametrize(
    ("rare", "often"),
    [("tress", "trees"), ("cotage", "cottage"), ("cotttage", "cottage"), ("morning lihgt", "morning light")],
)
def test_one_letter_off_a_frequent_tag_is_a_likely_typo(rare: str, often: str) -> None:
    assert tags.typos([TagCount(often, 31), TagCount(rare, 1)]) == [tags.Typo(rare, 1, often, 31)]


@pytest.mark.parametrize(
    ("rare", "often"),
    [("tree", "trees"), ("2girls", "1girls"), ("sun", "gun"), ("river", "cottage"), ("boat 1", "boat 2")],
)
def test_plurals_numbers_and_short_words_are_no_typos(rare: str, often: str) -> None:
    assert tags.typos([TagCount(often, 31), TagCount(rare, 1)]) == []


def test_a_tag_that_is_not_much_rarer_is_meant() -> None:
    assert tags.typos(counted(tower=8, towel=2)) == []


def test_of_two_candidates_the_more_frequent_one_is_meant() -> None:
    [typo] = tags.typos(counted(stone=9, store=30, stoie=1))
    assert typo.meant == "store"


@given(st.text("abcd", min_size=1, max_size=8), st.text("abcd", min_size=1, max_size=8))
def test_one_apart_is_what_an_edit_distance_of_one_says(one: str, other: str) -> None:
    def distance(a: str, b: str) -> int:
        rows = [[i + j if i * j == 0 else 0 for j in range(len(b) + 1)] for i in range(len(a) + 1)]
        for i in range(1, len(a) + 1):
            for j in range(1, len(b) + 1):
                same = a[i - 1] == b[j - 1]
                rows[i][j] = min(rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + (not same))
                if i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
                    rows[i][j] = min(rows[i][j], rows[i - 2][j - 2] + 1)
        return rows[-1][-1]

    assert tags._one_apart(one, other) == (distance(one, other) == 1)


def test_two_thousand_captions_are_counted_and_looked_through_in_a_moment() -> None:
    captions = [", ".join(f"thing number {(place * step) % 900}" for step in range(1, 16)) for place in range(2000)]
    begun = time.thread_time()
    found = tags.counts(captions)
    tags.typos(found)
    assert time.thread_time() - begun < 1.0
    assert len(found) == 900
