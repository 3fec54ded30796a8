"""Favourites, stars and boards of many pictures, with one Undo that leaves what was changed since."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from generation.keeping import boards, marks
from generation.keeping.marks import Marks
from generation.keeping.models import Board
from generation.selecting.models import PictureJob
from stylestudio.people.visibility import Visibility
from tests.generation.browsing import HTMX, signed_in
from tests.generation.selecting.conftest import Shoot
from tests.pages import page

pytestmark = pytest.mark.django_db
ACT = "/gallery/selection/"


@pytest.fixture
def bob(people: Callable[..., User]) -> User:
    """Another member."""
    return people("bob")


def press(browser: Client, work: str, keys: list[int], **fields: str) -> str:
    """What the page says after a button of the bar."""
    return page(browser.post(ACT, {"work": work, "pictures": ",".join(map(str, keys)), **fields}, headers=HTMX))


def undo(browser: Client) -> str:
    """What the page says after Undo of what was done last."""
    last = PictureJob.objects.order_by("-pk")[0]
    return page(browser.post(reverse("generation:bulk-undo", args=[last.pk]), headers=HTMX))


def test_pictures_become_favourites_and_undo_leaves_those_that_were(shoot: Shoot, ada: User, her: Client) -> None:
    keys = shoot(ada, 4)
    marks.set_favourite(ada, keys[:1], True)
    assert "3 pictures are favourites now. 1 was one already." in press(her, "favourite", keys)
    marks.set_stars(ada, keys[1:2], 2)
    marks.set_favourite(ada, keys[3:], False)
    assert "2 pictures are no favourites again." in undo(her)
    assert marks.of(ada, keys) == {keys[0]: Marks(favourite=True), keys[1]: Marks(stars=2)}


def test_stars_are_asked_for_given_and_taken_back(shoot: Shoot, ada: User, bob: User, her: Client) -> None:
    keys = shoot(ada, 3)
    marks.set_stars(ada, keys[:1], 3)
    marks.set_stars(bob, keys, 1)
    assert 'name="stars"' in press(her, "stars", keys)
    assert PictureJob.objects.count() == 0
    assert "3 pictures have their stars now." in press(her, "stars", keys, asked="1", stars="5")
    assert {each.stars for each in marks.of(ada, keys).values()} == {5}
    assert {each.hundredths for each in marks.averages(keys).values()} == {300}
    marks.set_stars(ada, keys[2:], 4)
    assert "2 pictures have their stars of before." in undo(her)
    assert marks.of(ada, keys) == {keys[0]: Marks(stars=3), keys[2]: Marks(stars=4)}
    assert {each.stars for each in marks.of(bob, keys).values()} == {1}
    assert her.post(ACT, {"work": "stars", "pictures": str(keys[0]), "asked": "1", "stars": "6"}).status_code == 422


def test_pictures_are_put_on_a_board_in_their_order_or_on_a_new_one(shoot: Shoot, ada: User, her: Client) -> None:
    keys = shoot(ada, 5)
    board = Board.objects.create(name="Mood", owner=ada)
    boards.add(ada, board, keys[:1])
    assert f'<option value="{board.pk}" selected>Mood</option>' in press(her, "board", keys)
    said = press(her, "board", keys, asked="1", board=str(board.pk), name="")
    assert "4 pictures are on the board now. 1 was on it already." in said
    assert "4 pictures are off the board again." in undo(her)
    assert [place.picture_id for place in boards.page(ada, board, None, 9)] == keys[:1]
    assert "5 pictures are on the board now." in press(her, "board", keys, asked="1", board="", name="Best of a week")
    made = Board.objects.get(name="Best of a week")
    assert made.owner == ada
    assert {place.picture_id for place in boards.page(ada, made, None, 9)} == set(keys)


def test_what_somebody_marks_is_nobody_elses_business(shoot: Shoot, ada: User, bob: User, her: Client) -> None:
    keys = shoot(ada, 2)
    for work, fields in (("favourite", {}), ("stars", {"asked": "1", "stars": "2"})):
        press(her, work, keys, **fields)
        done = PictureJob.objects.order_by("-pk")[0]
        assert signed_in(bob).get(done.get_absolute_url()).status_code == 404
        assert undo(her) and not PictureJob.objects.visible_to(bob).exists()


def test_a_board_has_to_be_chosen_or_named(shoot: Shoot, ada: User, her: Client) -> None:
    keys = shoot(ada, 1)
    answer = her.post(ACT, {"work": "board", "pictures": str(keys[0]), "asked": "1", "board": "", "name": " "})
    assert answer.status_code == 422 and "Choose a board, or name a new one." in page(answer)
    assert not Board.objects.exists() and not PictureJob.objects.exists()


def test_neither_boards_nor_pictures_that_are_private_are_reached(
    shoot: Shoot, ada: User, bob: User, her: Client
) -> None:
    keys, secret = shoot(ada, 2), shoot(bob, 1, visibility=Visibility.PRIVATE)
    hidden = Board.objects.create(name="Hidden", owner=bob, visibility=Visibility.PRIVATE)
    assert "Hidden" not in press(her, "board", keys)
    refused = her.post(ACT, {"work": "board", "pictures": str(keys[0]), "asked": "1", "board": str(hidden.pk)})
    assert refused.status_code == 422
    assert "2 pictures are favourites now." in press(her, "favourite", [*keys, *secret])
    team = Board.objects.create(name="Team", owner=bob)
    assert "2 pictures are on the board now." in press(her, "board", [*keys, *secret], asked="1", board=str(team.pk))
    assert marks.of(ada, secret) == {} and boards.page(bob, team, None, 9)[-1].picture_id in keys


def test_a_board_that_is_gone_meanwhile_changes_nothing(shoot: Shoot, ada: User, bob: User, her: Client) -> None:
    keys, board = shoot(ada, 2), Board.objects.create(name="Mood", owner=bob)
    press(her, "board", keys, asked="1", board=str(board.pk))
    board.visibility = Visibility.PRIVATE
    board.save()
    assert "0 pictures are off the board again." in undo(her)
    assert len(boards.page(bob, board, None, 9)) == 2
    assert signed_in(bob).get(board.get_absolute_url()).status_code == 200


def test_an_owner_of_the_studio_takes_back_nobody_elses_favourites(
    shoot: Shoot, ada: User, bob: User, her: Client
) -> None:
    keys = shoot(ada, 3)
    press(her, "favourite", keys)
    User.objects.filter(pk=bob.pk).update(is_staff=True, is_superuser=True)
    marks.set_favourite(bob, keys, True)
    assert "There is nothing to take back." in undo(signed_in(bob))
    assert all(set(marks.of(each, keys)) == set(keys) for each in (ada, bob))
    assert "3 pictures are no favourites again." in undo(her)
