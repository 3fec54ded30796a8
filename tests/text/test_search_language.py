"""What somebody types is taken apart as meant, and nothing that can be typed is an error."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stylestudio.text.search_language import MOST_TERMS, Asked, Fault, Field, Words, read, read_days

NAMES = {"by", "style", "seed", "after"}
TODAY = date(2026, 3, 15)
ODD = st.text('ab "“”:：-－OR\tby:style:龙。\0\u3000', max_size=60)


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("red dragon", Asked((Words(("red",)), Words(("dragon",))))),
        ('"red dragon"', Asked((Words(("red dragon",), is_phrase=True),))),
        ("“红色 龙”", Asked((Words(("红色 龙",), is_phrase=True),))),
        ("a OR b OR c d", Asked((Words(("a", "b", "c")), Words(("d",))))),
        ("-cat", Asked((Words(("cat",), is_not=True),))),
        ("a - b", Asked((Words(("a",)), Words(("-",)), Words(("b",))))),
        ("by:ada", Asked((), (Field("by", "ada"),))),
        ("BY：ada", Asked((), (Field("by", "ada"),))),
        ('-style:"Ink & mist"', Asked((), (Field("style", "Ink & mist", is_not=True),))),
        ("http://x 3:2 it's 5\"", Asked((Words(("http://x",)), Words(("3:2",)), Words(("it's",)), Words(('5"',))))),
        ("or", Asked((Words(("or",)),))),
        ('"OR"', Asked((Words(("OR",), is_phrase=True),))),
    ],
)
def test_it_is_taken_apart_as_meant(text: str, asked: Asked) -> None:
    assert read(text, NAMES) == asked


@pytest.mark.parametrize(
    ("text", "fault", "words"),
    [
        ('"a b', Fault.OPEN_QUOTE, ("a b",)),
        ("by: x", Fault.EMPTY_FIELD, ("x",)),
        ("OR x", Fault.LONELY_OR, ("x",)),
        ("x OR", Fault.LONELY_OR, ("x",)),
        ("x OR by:ada", Fault.ONLY_FIELDS_JOINED, ("x",)),
        (" ".join("w" * 30), Fault.TOO_MANY, ("w",) * MOST_TERMS),
    ],
)
def test_what_cannot_be_meant_is_said(text: str, fault: Fault, words: tuple[str, ...]) -> None:
    asked = read(text, NAMES)
    assert [each for each, _about in asked.faults] == [fault]
    assert tuple(text for each in asked.words for text in each.texts) == words


@given(ODD)
@example('-"')
@example("by:“")
@example("-by:OR OR -OR")
def test_nothing_that_can_be_typed_is_an_error(text: str) -> None:
    asked = read(text, NAMES)
    assert all(each for words in asked.words for each in words.texts)
    assert all(field.name in NAMES and field.value for field in asked.fields)
    assert len(asked.words) + len(asked.fields) <= MOST_TERMS


@given(st.lists(st.text("ab龙-:", min_size=1, max_size=6), max_size=8))
def test_a_phrase_is_taken_as_it_stands(phrases: list[str]) -> None:
    asked = read(" ".join(f'"{phrase}"' for phrase in phrases), NAMES)
    assert [words.texts for words in asked.words] == [(phrase,) for phrase in phrases]


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("2026-03-01", (date(2026, 3, 1), date(2026, 3, 2))),
        ("2026/3/1", (date(2026, 3, 1), date(2026, 3, 2))),
        ("2026年3月1日", (date(2026, 3, 1), date(2026, 3, 2))),
        ("2026-12", (date(2026, 12, 1), date(2027, 1, 1))),
        ("2026", (date(2026, 1, 1), date(2027, 1, 1))),
        ("today", (TODAY, date(2026, 3, 16))),
        ("昨天", (date(2026, 3, 14), TODAY)),
        ("2026-02-30", None),
        ("2026-13", None),
        ("2026-00", None),
        ("0001", None),
        ("9999", None),
        ("soon", None),
        ("２０２６", (date(2026, 1, 1), date(2027, 1, 1))),
    ],
)
def test_dates_name_a_day_a_month_or_a_year(text: str, days: tuple[date, date] | None) -> None:
    assert read_days(text, TODAY) == days


@given(st.text("0123456789-/.年月日 today", max_size=12))
def test_no_date_is_an_error(text: str) -> None:
    days = read_days(text, TODAY)
    assert days is None or days[0] < days[1]
