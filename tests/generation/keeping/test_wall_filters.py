"""What a wall is narrowed down to: each person's own marks, and boards that they see."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from generation.keeping import boards, marks
from generation.keeping.models import Board
from generation.keeping.wall_filters import FAVOURITES, ON_BOARD, STARS
from generation.pictures.models import SearchEntry
from stylestudio.host import rooms
from stylestudio.people.visibility import Visibility
from tests.generation.keeping.conftest import Shots

pytestmark = pytest.mark.django_db


def test_the_room_contributes_them_in_this_order() -> None:
    ours = [each for each in rooms.contributed("wall_filters") if each in {FAVOURITES, STARS, ON_BOARD}]
    assert ours == [FAVOURITES, STARS, ON_BOARD]


def test_favourites_and_stars_are_those_of_the_person_who_looks(shots: Shots, ada: User, bob: User) -> None:
    one, two, three = [picture.pk for picture in shots(3)]
    marks.set_favourite(ada, [one], True)
    marks.set_stars(ada, [one, two], 4)
    marks.set_stars(ada, [three], 2)
    marks.set_stars(bob, [three], 5)
    assert [row.picture_id for row in FAVOURITES.pictures(ada, "1")] == [one]
    assert not FAVOURITES.pictures(bob, "1")
    assert {row.picture_id for row in STARS.pictures(ada, "3")} == {one, two}
    assert {row.picture_id for row in STARS.pictures(bob, "3")} == {three}
    assert FAVOURITES.facet(ada, [one, two]) == {"1": 1}
    assert STARS.facet(ada, [one, two, three]) == {"1": 3, "2": 3, "3": 2, "4": 2, "5": 0}


def test_rows_have_the_moments_by_which_a_wall_is_sorted(shots: Shots, ada: User, board: Board) -> None:
    [picture] = shots()
    marks.set_favourite(ada, [picture.pk], True)
    boards.add(ada, board, [picture.pk])
    moment = SearchEntry.objects.get(picture=picture).moment
    placed = ON_BOARD.pictures(ada, str(board.pk))
    assert placed is not None
    assert FAVOURITES.pictures(ada, "1").get().moment == placed.get().moment == moment


def test_a_board_that_one_does_not_see_is_none(shots: Shots, ada: User, bob: User, board: Board) -> None:
    [picture] = shots()
    boards.add(ada, board, [picture.pk])
    value = str(board.pk)
    assert [board.name for board in ON_BOARD.rows(bob)] == ["Moods"] and ON_BOARD.find(bob, "moo") == value
    assert ON_BOARD.facet(bob, [picture.pk]) == {value: 1} and ON_BOARD.label(bob, value) == "Board: Moods"
    Board.objects.update(visibility=Visibility.PRIVATE)
    assert ON_BOARD.pictures(bob, value) is None and ON_BOARD.find(bob, "moods") == ""
    assert not ON_BOARD.rows(bob) and ON_BOARD.facet(bob, [picture.pk]) == {}
    assert "Moods" not in ON_BOARD.label(bob, value)


@pytest.mark.parametrize("text", ["", "0", "6", "x", "-1", "²", "1" * 30])
def test_what_means_nothing_filters_nothing(text: str) -> None:
    assert FAVOURITES.read(text) == STARS.read(text) == ""
    assert ON_BOARD.read(text) in {"", text}


def test_the_wall_shows_what_is_kept_and_the_average_is_stored_for_it(
    shots: Shots, ada: User, bob: User, her: Client, board: Board
) -> None:
    one, two, three = [picture.pk for picture in shots(3)]
    marks.set_favourite(ada, [one], True)
    marks.set_stars(ada, [one, two], 4)
    marks.set_stars(bob, [two], 1)
    boards.add(ada, board, [three, one])
    ratings = dict(SearchEntry.objects.values_list("picture", "rating"))
    assert ratings == {one: 400, two: 250, three: None}

    def shown(**asked: str) -> set[int]:
        page = her.get(reverse("generation:gallery"), asked).context["page"]
        return {picture.pk for picture in page.pictures}

    assert shown(favourite="1") == {one} and shown(stars="4") == {one, two} and shown(stars="5") == set()
    assert shown(board=str(board.pk)) == {one, three} and shown(board="999") == set()
    assert shown(average="3") == {one} and shown(average="2") == {one, two}
    marks.set_stars(bob, [two], None)
    assert shown(average="4") == {one, two}
