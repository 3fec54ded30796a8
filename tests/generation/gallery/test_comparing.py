"""Comparing two to four pictures."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from stylestudio.people.visibility import Visibility
from tests.generation.browsing import picture_of, place
from tests.pages import page

pytestmark = pytest.mark.django_db


def test_the_table_has_what_differs_first_and_counts_it(ada: User, her: Client) -> None:
    one = picture_of(place(ada, prompt="a fox", steps=4))
    two = picture_of(place(ada, prompt="a hen", steps=8))
    answer = her.get(f"/gallery/compare/?ids={two.pk},{one.pk}")
    rows = answer.context["rows"]
    assert [row.differs for row in rows] == sorted((row.differs for row in rows), reverse=True)
    told = {row.label: list(row.values) for row in rows if row.differs}
    assert told["Prompt"] == ["a hen", "a fox"] and told["Steps"] == ["8", "4"]
    assert f"{len(told)} differences" in page(answer)
    assert "Date" not in told and any(row.label == "Date" for row in rows), "nobody chose it"
    assert "Slider" in page(answer) and page(answer).count('<figure class="pane') == 2


def test_three_and_four_stand_beside_each_other(ada: User, her: Client) -> None:
    ids = [picture_of(place(ada, prompt=f"fox {number}")).pk for number in range(5)]
    shown = page(her.get(f"/gallery/compare/?ids={','.join(map(str, ids[:3]))}&view=slider"))
    assert shown.count('<figure class="pane') == 3 and "Slider" not in shown
    assert "The first four of them are compared." in page(her.get(f"/gallery/compare/?ids={','.join(map(str, ids))}"))


@pytest.mark.parametrize("ids", ["", "nonsense", "1,1", "999999999999999999999", "7,8,9,10,11,12", "-1,2", "1%00,2"])
def test_too_few_are_told_in_words(ids: str, her: Client) -> None:
    answer = her.get(f"/gallery/compare/?ids={ids}")
    assert answer.status_code == 404 and "Choose two to four pictures" in page(answer)


def test_private_pictures_of_others_are_as_if_they_were_not_there(
    ada: User, her: Client, people: Callable[..., User]
) -> None:
    own = [picture_of(place(ada)).pk for _time in range(2)]
    task = place(people("bob"), prompt="a secret")
    task.touch(visibility=Visibility.PRIVATE)
    secret = picture_of(task).pk
    shown = page(her.get(f"/gallery/compare/?ids={own[0]},{secret},{own[1]}"))
    assert "1 picture is not here any more." in shown and "a secret" not in shown
    assert her.get(f"/gallery/compare/?ids={own[0]},{secret}").status_code == 404


def test_other_sizes_are_told(ada: User, her: Client) -> None:
    one, two = (picture_of(place(ada)) for _time in range(2))
    type(two).everything.filter(pk=two.pk).update(width=24, height=40)
    assert "A is 40 × 24 and B is 24 × 40." in page(her.get(f"/gallery/compare/?ids={one.pk},{two.pk}"))


def test_four_ask_as_much_as_two(ada: User, her: Client, django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    ids = [picture_of(place(ada, prompt=f"fox {number}")).pk for number in range(4)]
    her.get("/gallery/")
    with django_assert_max_num_queries(15):
        her.get(f"/gallery/compare/?ids={','.join(map(str, ids))}")


def test_a_picture_is_compared_with_the_one_before_it(ada: User, her: Client) -> None:
    task = place(ada, count=3)
    one, two = picture_of(task), picture_of(task, 1)
    assert f"?ids={one.pk},{two.pk}" in page(her.get(f"/gallery/{two.pk}/"))
    assert f"?ids={two.pk},{one.pk}" in page(her.get(f"/gallery/{one.pk}/"))
