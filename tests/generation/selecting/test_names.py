"""Names of files that every system can store, whatever is in the template."""

from __future__ import annotations

import re

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from generation.selecting import names

# Written down once more, as Windows documents it.
DEVICES = {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"} | {
    f"{d}{n}" for d in ("COM", "LPT") for n in "0123456789¹²³"
}


def storable(name: str) -> bool:
    """Whether Windows, macOS and Linux all take it, in encrypted folders too."""
    return (
        0 < len(name.encode()) <= names.MOST_BYTES
        and not re.search(r'[\x00-\x1f\x7f<>:"/\\|?*]', name)
        and name[-1] not in " ."
        and name not in {".", ".."}
        and name.split(".", maxsplit=1)[0].rstrip(" ").upper() not in DEVICES
    )


@given(st.lists(st.text(max_size=300), max_size=12), st.booleans())
def test_names_are_storable_and_no_two_are_one_on_any_system(stems: list[str], has_sidecar: bool) -> None:
    taken, given_names = set[str](), names.Names()
    for stem in stems:
        endings = (".png", ".json") if has_sidecar else (".png",)
        name = given_names.take(names.fill(stem, {}), *endings)
        for ending in endings:
            assert storable(name + ending), name
            assert (name + ending).casefold() not in taken
            taken.add((name + ending).casefold())


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("CON", "_CON"), ("con.txt", "_con.txt"), ("a/b\\c:d", "a-b-c-d"), ("  .. ", "picture"),
        ("../../etc", "-..-etc"),
        ("trailing. ", "trailing"), ("evil\u202egnp.exe", "evilgnp.exe"), ("n\u0303", "ñ"), ("\ud800x", "x"),
        ("COM1", "_COM1"), ("COM10", "COM10"), ("龙 城堡", "龙 城堡"),
    ],
)  # fmt: skip
def test_what_systems_refuse_is_replaced(text: str, name: str) -> None:
    assert names.clean(text) == name


def test_equal_names_are_numbered_and_case_counts_as_equal() -> None:
    found = names.Names()
    assert [found.take(name, ".png") for name in ("Fox", "fox", "FOX", "fox-2")] == ["Fox", "fox-2", "FOX-3", "fox-2-2"]


def test_a_long_name_is_cut_between_characters_and_still_numbered() -> None:
    found = names.Names()
    first, second = (found.take("龙" * 200, ".png", ".json") for _time in range(2))
    assert first != second and second.endswith("-2")
    assert len(f"{second}.json".encode()) <= names.MOST_BYTES and set(first) == {"龙"}


def test_ten_thousand_equal_names_take_no_longer_each() -> None:
    found = names.Names()
    assert len({found.take("fox", ".png") for _number in range(10_000)}) == 10_000


@pytest.mark.parametrize(("template", "said"), [("{sead}", "{sead}"), ("fox", "at least one field"), ("{}", "{}")])
def test_a_template_with_an_unknown_field_is_refused_in_words(template: str, said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        names.check(template)
    assert said in refused.value.messages[0]
