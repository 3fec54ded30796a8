"""Favourites, stars and the team's average: whose they are, what they count, how they are undone."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from generation.keeping import marks
from generation.keeping.marks import Average, Marks
from generation.keeping.models import Mark
from tests.generation.browsing import HTMX, signed_in
from tests.generation.keeping.conftest import Shots

pytestmark = pytest.mark.django_db


def send(browser: Client, picture: int, **fields: str) -> int:
    """A press on the page of a picture."""
    return browser.post(reverse("generation:mark", args=[picture]), fields, headers=HTMX).status_code


def test_everybody_marks_for_themselves_and_the_row_goes_with_the_last_mark(
    shots: Shots, ada: User, bob: User, her: Client
) -> None:
    [picture] = shots()
    assert send(her, picture.pk, favourite="1") == send(her, picture.pk, stars="4") == 200
    assert marks.of(ada, [picture.pk]) == {picture.pk: Marks(favourite=True, stars=4)}
    assert marks.of(bob, [picture.pk]) == {}
    send(her, picture.pk, favourite="0")
    assert marks.of(ada, [picture.pk]) == {picture.pk: Marks(stars=4)}
    send(her, picture.pk, stars="0")
    assert not Mark.objects.filter(picture=picture).exists()


def test_without_a_script_a_press_leads_back_to_the_picture_which_shows_it(shots: Shots, her: Client) -> None:
    [picture] = shots()
    answer = her.post(reverse("generation:mark", args=[picture.pk]), {"stars": "3"}, follow=True)
    assert answer.redirect_chain == [(picture.get_absolute_url(), 302)]
    page = answer.content.decode()
    assert 'data-marks="0 3"' in page and "Team 3.0 · 1 rating" in page


@pytest.mark.parametrize("fields", [{"stars": "6"}, {"stars": "-1"}, {"stars": "ten"}, {"favourite": "yes"}])
def test_other_marks_there_are_not(shots: Shots, her: Client, fields: dict[str, str]) -> None:
    [picture] = shots()
    assert send(her, picture.pk, **fields) == 404
    assert not Mark.objects.filter(picture=picture).exists()


def test_the_average_counts_the_people_who_see_the_picture(shots: Shots, ada: User, bob: User, curator: User) -> None:
    [shown], [hidden] = shots(), shots(private=True)
    for person, stars in ((ada, 5), (bob, 4), (curator, 4)):
        marks.set_stars(person, [shown.pk, hidden.pk], stars)
    assert marks.averages([shown.pk, hidden.pk]) == {shown.pk: Average(433, 3), hidden.pk: Average(500, 1)}
    assert marks.of(bob, [hidden.pk]) == {}, "what one does not see one does not rate"


def test_stars_from_before_a_picture_became_private_count_no_more(shots: Shots, ada: User, bob: User) -> None:
    [picture] = shots()
    marks.set_stars(ada, [picture.pk], 2)
    marks.set_stars(bob, [picture.pk], 5)
    type(picture.task).everything.filter(pk=picture.task_id).update(visibility="private")
    assert marks.averages([picture.pk]) == {picture.pk: Average(200, 1)}


def test_many_are_marked_at_once_and_the_undo_gives_each_its_own_marks_back(
    shots: Shots, ada: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    pictures = [picture.pk for picture in shots(6)]
    marks.set_stars(ada, pictures[:2], 1)
    marks.set_favourite(ada, pictures[:1], True)
    before = marks.of(ada, pictures)
    with django_assert_max_num_queries(12):
        changed = marks.set_stars(ada, pictures, 5)
    assert set(changed) == set(pictures) and {each.stars for each in marks.of(ada, pictures).values()} == {5}
    assert marks.set_stars(ada, pictures, 5) == {}, "nothing is left to change"
    marks.put_back(ada, changed)
    assert marks.of(ada, pictures) == before


def test_a_heart_and_stars_from_two_tabs_are_both_kept(shots: Shots, ada: User) -> None:
    """Each writes its own column, whatever the other one read before."""
    [picture] = shots()
    stale = marks.of
    marks.set_stars(ada, [picture.pk], 4)
    try:
        marks.of = lambda person, pictures: {}  # a tab that read before the other one wrote
        marks.set_favourite(ada, [picture.pk], True)
    finally:
        marks.of = stale
    assert marks.of(ada, [picture.pk]) == {picture.pk: Marks(favourite=True, stars=4)}


def test_a_wall_shows_the_marks_of_its_tiles_with_one_question(
    shots: Shots, ada: User, her: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    pictures = shots(8)
    marks.set_favourite(ada, [pictures[0].pk, pictures[3].pk], True)
    with django_assert_num_queries(1):
        marks.show_on(ada, pictures)
    page = her.get(reverse("generation:gallery")).content.decode()
    assert page.count('data-marks="1 0"') == 2 and page.count('data-marks="0 0"') == 6


def test_a_script_reads_ones_own_marks_of_many_pictures(shots: Shots, ada: User, bob: User, her: Client) -> None:
    first, second = shots(2)
    marks.set_stars(ada, [first.pk], 3)
    marks.set_stars(bob, [second.pk], 5)
    asked: dict[str, list[int | str]] = {"picture": [first.pk, second.pk, "x", 10**30]}
    assert her.get(reverse("generation:marks"), asked).json() == {str(first.pk): [0, 3]}
    assert signed_in(bob).get(reverse("generation:marks"), asked).json() == {str(second.pk): [0, 5]}


def test_marks_stay_with_a_picture_that_goes_to_the_trash_and_comes_back(shots: Shots, ada: User) -> None:
    [picture] = shots()
    marks.set_favourite(ada, [picture.pk], True)
    picture.delete()
    assert marks.set_stars(ada, [picture.pk], 5) == {}, "what is in the trash is not marked"
    picture.restore()
    assert marks.of(ada, [picture.pk]) == {picture.pk: Marks(favourite=True)}
