"""Operations on captions: what each does, and that none does harm."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.datasets.captions import operations, tags
from training.datasets.captions.operations import BadOperation, Captioned, build, change
from training.datasets.models import MOST_CAPTION

TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=60)


def done(name: str, caption: str, source_name: str = "a.png", **given: object) -> str:
    return next(change(build(name, given), [Captioned(caption, source_name)]))


@pytest.mark.parametrize(
    ("name", "given_", "before", "after"),
    [
        ("prefix", {"text": "gouache"}, "hills, dusk", "gouache, hills, dusk"),
        ("prefix", {"text": "gouache"}, "Gouache, hills", "Gouache, hills"),
        ("prefix", {"text": " gouache , flat"}, "", "gouache, flat"),
        ("suffix", {"text": "flat"}, "hills, ", "hills, flat"),
        ("suffix", {"text": "flat"}, "hills, flat", "hills, flat"),
        ("remove_tag", {"tag": "Red  roof"}, "hills, red roof, dusk", "hills, dusk"),
        ("remove_tag", {"tag": "roof"}, "hills,red roof", "hills,red roof"),
        ("replace", {"find": "hut", "replacement": "white hut"}, "a hut, huts", "a white hut, white huts"),
        ("replace", {"find": "Cottage", "replacement": "x"}, "cottage", "cottage"),
        ("rename_tag", {"find": "tress", "replacement": "trees"}, "tress, hills", "trees, hills"),
        ("rename_tag", {"find": "tress", "replacement": "trees"}, "hills, trees, tress", "hills, trees"),
        ("rename_tag", {"find": "tress", "replacement": "trees"}, "stress, hills", "stress, hills"),
        ("rename_tag", {"find": "a", "replacement": "b, c"}, "x, A, y, a", "x, b, c, y"),
        ("replace_pattern", {"find": r"(\w+) roof", "replacement": r"roof of \1"}, "red roof", "roof of red"),
        ("replace_pattern", {"find": r"\p{Han}+", "replacement": "x"}, "山 hills", "x hills"),
        ("sort", {}, "hills, Cottage, dusk", "Cottage, dusk, hills"),
        ("sort", {"keep": "1"}, "hills, dusk, cottage", "hills, cottage, dusk"),
        ("tidy", {}, " hills ,, red   roof\nhills,", "hills, red roof"),
        ("lower", {}, "Hills, DUSK", "hills, dusk"),
        ("file_name", {}, "", "red roof"),
        ("file_name", {}, "hills", "hills"),
    ],
)  # fmt: skip
def test_each_operation_does_what_it_says(name: str, given_: dict[str, Any], before: str, after: str) -> None:
    assert done(name, before, "012_red-roof (3).png", **given_) == after


@pytest.mark.parametrize(
    ("source_name", "words"),
    [
        ("0001.png", ""),
        ("IMG_2041.JPG", ""),
        ("red_roof_at_dusk.webp", "red roof at dusk"),
        ("folder/sub/old-mill.png", "old mill"),
        ("C:\\pictures\\old mill copy.png", "old mill"),
        ("晨光.png", "晨光"),
        (".png", "png"),
        ("no ending", "no ending"),
    ],
)
def test_the_words_of_a_file_name_come_without_numbering_and_ending(source_name: str, words: str) -> None:
    assert operations.words_of(source_name) == words


@pytest.mark.parametrize(
    ("name", "given_"),
    [
        ("prefix", {"text": " "}),
        ("suffix", {"text": " ,, "}),
        ("remove_tag", {}),
        ("replace", {"find": ""}),
        ("rename_tag", {"find": "a, b"}),
        ("sort", {"keep": "-1"}),
        ("sort", {"keep": "x"}),
        ("nonsense", {}),
        ("replace_pattern", {"find": "["}),
        ("replace_pattern", {"find": "a", "replacement": r"\9"}),
        ("replace_pattern", {"find": "a", "replacement": r"\U99999999"}),
        ("replace_pattern", {"find": "a", "replacement": r"\g<²>"}),
        ("replace_pattern", {"find": "a", "replacement": r"\g<n>"}),
        ("replace", {"find": "x" * 501}),
    ],
)
def test_parameters_that_make_no_sense_are_refused_with_a_sentence(name: str, given_: dict[str, Any]) -> None:
    with pytest.raises(BadOperation) as refused:
        done(name, "a caption", **given_)
    assert str(refused.value).endswith(".")


@pytest.mark.parametrize("pattern", [r"((((a{500}){500}){500}){500})", r"(?:a{40}){40}"])
def test_counts_that_would_fill_the_memory_are_refused_before_they_are_compiled(pattern: str) -> None:
    with pytest.raises(BadOperation, match="multiply"):
        build("replace_pattern", {"find": pattern})


def test_a_catastrophic_pattern_is_stopped_in_time_and_says_so() -> None:
    begun = time.perf_counter()
    with pytest.raises(BadOperation, match="too long"):
        done("replace_pattern", "a" * 3000 + "c", find=r"((((a{1,500}){1,500}){1,500}){1,500})b")
    assert time.perf_counter() - begun < 3


def test_many_slow_captions_together_are_stopped_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "ALL_SECONDS", 0.0)
    with pytest.raises(BadOperation, match="too long"):
        list(change(build("lower", {}), [Captioned("A", "a.png")] * 3))


def test_a_caption_that_would_become_too_long_is_named_and_stops_everything() -> None:
    operation = build("replace", {"find": "a", "replacement": "b" * 100})
    with pytest.raises(BadOperation, match=r"second\.png"):
        list(change(operation, [Captioned("x", "first.png"), Captioned("a" * 100, "second.png")]))
    assert len("b" * 100 * 100) > MOST_CAPTION


@pytest.mark.parametrize("name", operations.OPERATIONS)
def test_what_is_kept_of_an_operation_makes_the_same_one_again(name: str) -> None:
    given_ = {"text": "a", "tag": "b", "find": "c", "replacement": "d", "keep": "2"}
    made = build(name, given_)
    assert build(name, operations.parameters(made)) == made


@given(TEXT, TEXT, st.sampled_from(["prefix", "suffix", "remove_tag", "rename_tag", "sort", "tidy", "lower"]))
def test_doing_it_twice_changes_nothing_more(caption: str, text: str, name: str) -> None:
    given_ = {"text": text, "tag": text, "find": text, "replacement": "other", "keep": 1}
    try:
        operation = build(name, given_)
    except BadOperation:
        return
    [once] = change(operation, [Captioned(caption, "a.png")])
    [twice] = change(operation, [Captioned(once, "a.png")])
    assert twice == once


@given(TEXT)
def test_sorting_and_tidying_lose_no_tag(caption: str) -> None:
    assert sorted(tags.split(done("sort", caption))) == sorted(tags.split(caption))
    assert tags.keys(done("tidy", caption)) == tags.keys(caption)


@given(TEXT, TEXT)
def test_a_removed_tag_is_gone_and_the_others_stay(caption: str, tag: str) -> None:
    try:
        after = done("remove_tag", caption, tag=tag)
    except BadOperation:
        return
    assert tags.keys(after) == tags.keys(caption) - tags.keys(tag.replace("\0", ""))


@settings(max_examples=300)
@given(TEXT, st.text(alphabet="ab(){}[]+*?|.\\^$1,<>P=!:", max_size=24), TEXT)
def test_no_pattern_does_anything_but_work_or_say_why_not(caption: str, pattern: str, replacement: str) -> None:
    try:
        assert isinstance(done("replace_pattern", caption, find=pattern, replacement=replacement), str)
    except BadOperation as refused:
        assert str(refused)


@given(TEXT)
def test_any_file_name_gives_words_without_line_ends(source_name: str) -> None:
    words = operations.words_of(source_name)
    assert words == " ".join(words.split())
