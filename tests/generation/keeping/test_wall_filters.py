"""What a wall is narrowed down to: each person's own marks, and boards that they see."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

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
    assert ON_BOARD.choices(bob) == [(value, "Moods")] and ON_BOARD.find(bob, "moo") == value
    assert ON_BOARD.facet(bob, [picture.pk]) == {value: 1} and ON_BOARD.label(bob, value) == "Board: Moods"
    Board.objects.update(visibility=Visibility.PRIVATE)
    assert ON_BOARD.pictures(bob, value) is None and ON_BOARD.find(bob, "moods") == ""
    assert ON_BOARD.choices(bob) == [] and ON_BOARD.facet(bob, [picture.pk]) == {}
    assert "Moods" not in ON_BOARD.label(bob, value)


@pytest.mark.parametrize("text", ["", "0", "6", "x", "-1", "²", "1" * 30])
def test_what_means_nothing_filters_nothing(text: str) -> None:
    assert FAVOURITES.read(text) == STARS.read(text) == ""
    assert ON_BOARD.read(text) in {"", text}
