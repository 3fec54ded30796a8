"""Documents come back to the byte, and those that differ in their own values alone have one pattern."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stylestudio.text.json_patterns import LONG, Path, join, split

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
documents = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
)


def choose(path: Path, value: Any) -> Sequence[str] | None:
    """Numbers and texts may be known as "a" or "b", but for those in a list."""
    is_value = isinstance(value, int | float | str) and not isinstance(value, bool)
    return ("a", "b") if is_value and path and isinstance(path[-1], str) else None


@given(documents, scalars, scalars)
def test_any_document_comes_back_to_the_byte(document: Any, a: Any, b: Any) -> None:
    known = {"a": a, "b": b}
    pattern, own = split(document, known, choose)
    stored = json.loads(json.dumps(own))
    assert json.dumps(join(pattern, known, stored)) == json.dumps(document)


def test_documents_that_differ_in_known_and_own_values_have_one_pattern() -> None:
    first = split({"seed": 7, "text": "a fox", "link": ["1", 0]}, {"a": 7}, choose)
    other = split({"seed": 8, "text": "a wolf", "link": ["1", 0]}, {"a": 8}, choose)
    assert first[0] == other[0]
    assert (first[1], other[1]) == (["a fox"], ["a wolf"])
    assert split({"seed": 8, "text": "a wolf", "link": ["1", 1]}, {"a": 8}, choose)[0] != first[0]


@pytest.mark.parametrize(("known", "value"), [(1, 1.0), (1.0, 1), (1, True), (0.0, -0.0), ("1", 1)])
def test_what_only_seems_equal_is_a_value_of_its_own(known: Any, value: Any) -> None:
    assert split({"x": value}, {"a": known}, lambda _path, value: None if isinstance(value, dict) else ("a",))[1] == [
        value
    ]


def test_a_long_text_that_stands_twice_is_kept_once() -> None:
    text = "x" * (LONG + 1)
    document = {"prompt": text, "final_prompt": text, "short": "y", "again": "y"}
    pattern, own = split(document, {}, choose)
    assert own == [text, "y", "y"]
    assert join(pattern, {}, own) == document


@pytest.mark.parametrize(("known", "own"), [({}, ["fox"]), ({"a": 1}, [])])
def test_a_value_that_is_gone_is_an_error(known: dict[str, Any], own: list[Any]) -> None:
    pattern, _own = split({"seed": 1, "text": "fox"}, {"a": 1}, choose)
    with pytest.raises(ValueError, match="lacks a value"):
        join(pattern, known, own)
