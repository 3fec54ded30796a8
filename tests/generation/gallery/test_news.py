"""Pictures that come in while a wall is open: how many there are for this person and this filter."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.http import QueryDict
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from generation.gallery import query
from generation.pictures.models import GeneratedImage
from stylestudio.people.visibility import Visibility
from tests.generation.browsing import picture_of, place
from tests.pages import page

pytestmark = pytest.mark.django_db
NOBODYS = 999_999  # a key


def made(user: User, **asked: object) -> GeneratedImage:
    """A picture that came in just now."""
    return picture_of(place(user, **{"count": 1} | asked))


def hidden(picture: GeneratedImage) -> GeneratedImage:
    """The same, for its maker alone."""
    type(picture.task).everything.filter(pk=picture.task_id).update(visibility=Visibility.PRIVATE)
    return picture


def newer(user: User, than: GeneratedImage | int, search: str = "") -> int:
    filters = query.Filters.read(QueryDict(search))
    return query.newer(user, filters, than if isinstance(than, int) else than.pk)


def test_what_is_newer_and_passes_the_filter_counts_for_those_who_may_see_it(ada: User, bob: User) -> None:
    first = made(ada, prompt="a fox")
    assert newer(bob, first) == 0
    hidden(made(ada, prompt="a fox"))
    assert (newer(ada, first), newer(bob, first)) == (1, 0)
    last = made(bob, prompt="a hen")
    assert (newer(ada, first), newer(bob, first)) == (2, 1)
    assert (newer(ada, first, "q=hen"), newer(ada, first, "q=fox"), newer(ada, first, "q=dog")) == (1, 1, 0)
    assert newer(bob, last) == 0


def test_an_older_picture_that_is_taken_over_later_is_no_news(ada: User) -> None:
    first = made(ada)
    old = made(ada)
    GeneratedImage.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=300))
    assert newer(ada, first) == 0


def test_on_an_empty_wall_all_count_and_beside_a_picture_that_is_not_there_none(ada: User, bob: User) -> None:
    secret = hidden(made(ada))
    made(ada)
    assert newer(bob, 0) == 1
    assert newer(bob, NOBODYS) == newer(bob, secret) == 0


def test_a_picture_in_the_trash_is_still_a_place_on_the_wall(ada: User) -> None:
    first, _second = made(ada), made(ada)
    first.delete()
    assert newer(ada, first) == 1


def test_more_than_a_page_are_not_counted(
    ada: User, monkeypatch: pytest.MonkeyPatch, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    monkeypatch.setattr(query, "PAGE", 2)
    first = made(ada)
    for _number in range(4):
        made(ada)
    with django_assert_max_num_queries(2):
        assert newer(ada, first) == 3
    client = Client()
    client.force_login(ada)
    assert "2+ new pictures" in page(client.get(reverse("generation:gallery-news"), {"than": first.pk}))


def test_the_wall_says_what_its_newest_picture_is_and_is_made_anew_with_the_day_on_top(ada: User) -> None:
    client, address = Client(), reverse("generation:gallery-news")
    client.force_login(ada)
    assert "?than=0&" in page(client.get(reverse("generation:gallery")))
    first = made(ada, prompt="a fox")
    wall = page(client.get(reverse("generation:gallery"), {"q": "fox"}))
    assert f"{address}?than={first.pk}&amp;q=fox" in wall
    assert "show-news" not in wall
    last = made(ada, prompt="a fox")
    told = page(client.get(address, {"than": str(first.pk), "q": "fox"}))
    assert "1 new picture<" in told
    anew = page(client.get(address, {"show": "1", "q": "fox"}))
    assert re.findall(r"/gallery/(\d+)/", anew) == [str(last.pk), str(first.pk)]
    assert anew.count("Today") == 1
    assert f"?than={last.pk}&amp;q=fox" in anew
    assert "show-news" not in anew


def test_a_later_page_of_the_wall_tells_no_news(ada: User) -> None:
    client, picture = Client(), made(ada)
    client.force_login(ada)
    before = query.key(picture)
    made(ada)
    assert 'id="news"' not in page(client.get(reverse("generation:gallery"), {"before": before}))


@pytest.mark.parametrize("than", ["x", "-1", "9" * 30, "1.5"])
def test_what_is_no_key_is_not_found(ada: User, than: str) -> None:
    client = Client()
    client.force_login(ada)
    assert client.get(reverse("generation:gallery-news"), {"than": than}).status_code == 404
