"""Boards: their order, what is on them for whom, and who may change what."""

from __future__ import annotations

import random
import time

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from generation.keeping import boards
from generation.keeping.models import Board, BoardPicture
from generation.pictures.models import GeneratedImage
from tests.generation.browsing import HTMX, signed_in
from tests.generation.keeping.conftest import Shots

pytestmark = pytest.mark.django_db


def order(person: User, board: Board) -> list[int]:
    """The pictures on a board, as somebody sees it."""
    return [place.picture_id for place in boards.page(person, board, None, 1000)]


def keys(pictures: list[GeneratedImage]) -> list[int]:
    return [picture.pk for picture in pictures]


def arranged(browser: Client, board: Board, **fields: object) -> int:
    """A press while a board is arranged."""
    return browser.post(reverse("generation:board-arrange", args=[board.pk]), fields, headers=HTMX).status_code


def test_pictures_are_added_once_at_the_end_in_the_order_given(shots: Shots, ada: User, board: Board) -> None:
    one, two, three = keys(shots(3))
    assert boards.add(ada, board, [three, one]) == [three, one]
    assert boards.add(ada, board, [one, two, two]) == [two]
    assert order(ada, board) == [three, one, two]


def test_any_moves_lead_to_the_order_that_lists_have(shots: Shots, ada: User, board: Board) -> None:
    pictures = keys(shots(9))
    boards.add(ada, board, pictures)
    dice, expected = random.Random(7), list(pictures)
    for _move in range(300):  # always into the same few gaps, so that they run out
        moved = dice.choice(expected)
        others = [each for each in expected if each != moved]
        place = dice.choice([*others[:2], None])
        boards.move(board, moved, place)
        others.insert(others.index(place) if place else len(others), moved)
        expected = others
        assert order(ada, board) == expected


def test_a_move_writes_few_rows_of_many(shots: Shots, ada: User, board: Board) -> None:
    pictures = keys(shots(12))
    boards.add(ada, board, pictures)
    for position, place in enumerate(BoardPicture.objects.filter(board=board).order_by("position")):
        BoardPicture.objects.filter(pk=place.pk).update(position=position)  # no gap anywhere
    before = dict(BoardPicture.objects.filter(board=board).values_list("picture", "position"))
    boards.SPREAD, kept = 3, boards.SPREAD
    try:
        with CaptureQueriesContext(connection) as asked:
            boards.move(board, pictures[-1], pictures[6])
    finally:
        boards.SPREAD = kept
    after = dict(BoardPicture.objects.filter(board=board).values_list("picture", "position"))
    assert order(ada, board) == [*pictures[:6], pictures[-1], *pictures[6:-1]]
    assert all(before[pk] == after[pk] for pk in pictures[:6]), "what stands before it keeps its place"
    assert len(asked) < 15


def test_a_removal_is_undone_to_the_same_place(shots: Shots, ada: User, her: Client, board: Board) -> None:
    pictures = keys(shots(4))
    boards.add(ada, board, pictures)
    said = her.post(reverse("generation:board-remove", args=[board.pk]), {"picture": pictures[1]}, follow=True)
    assert order(ada, board) == [pictures[0], *pictures[2:]]
    [note] = said.context["messages"]
    assert her.post(note.extra_tags).status_code == 302
    assert order(ada, board) == pictures
    assert her.post(note.extra_tags).status_code == 302, "twice is once"
    assert order(ada, board) == pictures


def test_many_are_removed_and_put_back_at_once(shots: Shots, ada: User, board: Board) -> None:
    pictures = keys(shots(6))
    boards.add(ada, board, pictures)
    places = boards.remove(ada, board, [*pictures[1:4], 10**9])
    assert set(places) == set(pictures[1:4])
    assert boards.put_back(ada, board, places) == 3
    assert order(ada, board) == pictures


def test_deleted_pictures_leave_boards_and_come_back_in_their_place(shots: Shots, ada: User, board: Board) -> None:
    pictures = shots(3)
    boards.add(ada, board, keys(pictures))
    pictures[1].delete()
    assert order(ada, board) == [pictures[0].pk, pictures[2].pk]
    pictures[1].restore()
    assert order(ada, board) == keys(pictures)


def test_a_private_picture_on_a_board_of_the_team_is_there_for_its_maker_alone(
    shots: Shots, ada: User, bob: User, curator: User, board: Board
) -> None:
    [hidden], [shown] = shots(owner=bob, private=True), shots()
    assert boards.add(curator, board, [hidden.pk]) == []
    boards.add(bob, board, [hidden.pk, shown.pk])
    assert order(bob, board) == [hidden.pk, shown.pk] and order(curator, board) == [shown.pk]
    sizes = {who: boards.counted(who, Board.objects.all(), 100).get() for who in (bob, curator)}
    assert [vars(sizes[who])["size"] for who in (bob, curator)] == [2, 1]
    covers = {who: boards.with_covers(who, Board.objects.all())[0] for who in (bob, curator)}
    assert [vars(covers[who])["front"].pk for who in (bob, curator)] == [hidden.pk, shown.pk]
    assert boards.remove(curator, board, [hidden.pk]) == {}
    boards.set_cover(board, hidden.pk)
    assert vars(boards.with_covers(curator, Board.objects.all())[0])["front"].pk == shown.pk


def test_others_add_and_remove_on_boards_of_the_team_and_change_nothing_else(
    shots: Shots, ada: User, bob: User, board: Board
) -> None:
    pictures, his = shots(2), signed_in(bob)
    assert boards.add(bob, board, keys(pictures)) == keys(pictures)
    assert his.post(reverse("generation:board-remove", args=[board.pk]), {"picture": pictures[0].pk}).status_code == 302
    assert order(bob, board) == [pictures[1].pk]
    assert arranged(his, board, first=pictures[1].pk) == 403
    for name in ("board-edit", "board-delete", "board-restore"):
        assert his.post(reverse(f"generation:{name}", args=[board.pk]), {"name": "Mine now"}).status_code == 403
    Board.objects.update(visibility="private")
    assert his.get(board.get_absolute_url()).status_code == 404
    assert his.post(reverse("generation:board-remove", args=[board.pk])).status_code == 404


def test_a_board_is_arranged_by_steps_to_the_front_and_before_or_behind_another(
    shots: Shots, ada: User, her: Client, board: Board
) -> None:
    one, two, three, four = keys(shots(4))
    boards.add(ada, board, [one, two, three, four])
    assert arranged(her, board, later=one) == 204 and order(ada, board) == [two, one, three, four]
    assert arranged(her, board, earlier=four) == 204 and order(ada, board) == [two, one, four, three]
    assert arranged(her, board, first=three) == 204 and order(ada, board) == [three, two, one, four]
    assert arranged(her, board, move=three, place=four) == 204 and order(ada, board) == [two, one, three, four]
    assert arranged(her, board, move=two, behind=four) == 204 and order(ada, board) == [one, three, four, two]
    assert arranged(her, board, earlier=one) == 200 and order(ada, board) == [one, three, four, two], "it is said"
    assert arranged(her, board, move=one, place=99) == arranged(her, board, move="x") == arranged(her, board) == 404
    assert arranged(her, board, cover=four) == 200 and Board.objects.get().cover_id == four


def test_a_step_passes_over_what_one_does_not_see(
    shots: Shots, ada: User, bob: User, her: Client, board: Board
) -> None:
    one, two = keys(shots(2))
    [hidden] = keys(shots(owner=bob, private=True))
    boards.add(ada, board, [one])
    boards.add(bob, board, [hidden])
    boards.add(ada, board, [two])
    assert arranged(her, board, later=one) == 204
    assert order(ada, board) == [two, one] and order(bob, board)[0] != one


def test_a_board_comes_back_with_its_pictures_and_meanwhile_its_owner_finds_it_among_the_deleted(
    shots: Shots, ada: User, bob: User, her: Client, board: Board
) -> None:
    pictures = keys(shots(2))
    boards.add(ada, board, pictures)
    said = her.post(reverse("generation:board-delete", args=[board.pk]), follow=True)
    [note] = said.context["messages"]
    assert her.get(board.get_absolute_url()).status_code == 404
    listed = her.get(reverse("generation:boards"), {"deleted": "1"}).content.decode()
    assert "Moods" in listed and reverse("generation:board-restore", args=[board.pk]) in listed
    assert "Moods" not in signed_in(bob).get(reverse("generation:boards"), {"deleted": "1"}).content.decode()
    her.post(note.extra_tags)
    assert order(ada, board) == pictures


def test_pages_of_a_board_hold_every_picture_once(shots: Shots, ada: User, board: Board) -> None:
    pictures = keys(shots(7))
    boards.add(ada, board, pictures)
    BoardPicture.objects.filter(board=board).update(position=5)  # as after undone removals: the key decides
    seen: list[int] = []
    after = None
    while rows := boards.page(ada, board, after, 2):
        seen += [row.picture_id for row in rows]
        after = rows[-1].key
    assert seen == pictures


def test_a_board_shows_its_next_pictures_and_knows_bad_keys(
    shots: Shots, ada: User, her: Client, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("generation.keeping.board_views.PAGE", 2)
    boards.add(ada, board, keys(shots(3)))
    page = her.get(board.get_absolute_url())
    assert page.context["more"] and "3 pictures" in page.content.decode()
    further = her.get(f"{board.get_absolute_url()}?after={page.context['more']}", headers=HTMX).content.decode()
    assert further.count("<figure") == 1 and "<html" not in further
    for bad in ("x", "1", "1~", "~1", "1~x", f"{10**30}~1", "1~²"):
        assert her.get(board.get_absolute_url(), {"after": bad}).status_code == 404
    assert her.get(board.get_absolute_url(), {"arrange": "1"}).content.decode().count("<figure") == 2


def test_the_dialog_puts_on_several_takes_off_and_makes_a_new_one(
    shots: Shots, ada: User, her: Client, board: Board
) -> None:
    [picture] = keys(shots())
    other, third = (Board.objects.create(name=name, owner=ada) for name in ("Client", "Later"))
    boards.add(ada, board, [picture])
    address = reverse("generation:board-choose")
    dialog = her.get(address, {"picture": picture}, headers=HTMX).content.decode()
    assert dialog.count("checked") == 1 and f'name="was" value="{board.pk}"' in dialog
    boards.add(ada, third, [picture])  # by somebody else, after it was opened
    sent = {"picture": picture, "was": [board.pk], "board": [other.pk], "name": "Brand new"}
    said = her.post(address, sent, headers=HTMX)
    assert said.headers["HX-Trigger"] == "boards-chosen"
    assert "The picture is on Client, Brand new now. The picture is off Moods." in said.content.decode()
    on = set(BoardPicture.objects.filter(picture=picture).values_list("board__name", flat=True))
    assert on == {"Client", "Brand new", "Later"}, "what others did meanwhile stays"


def test_the_page_of_a_picture_lists_its_new_board_also_where_one_came_from_a_wall(
    shots: Shots, ada: User, her: Client
) -> None:
    [picture] = shots()
    here = {**HTMX, "HX-Current-URL": f"http://testserver{picture.get_absolute_url()}?q=fox"}
    sent = {"picture": picture.pk, "name": "Brand new"}
    said = her.post(reverse("generation:board-choose"), sent, headers=here).content.decode()
    assert 'id="picture-boards" hx-swap-oob="true"' in said and Board.objects.get().get_absolute_url() in said


def test_the_dialog_works_as_a_page_too_and_refuses_what_is_too_long(shots: Shots, ada: User, her: Client) -> None:
    [picture] = shots()
    address = reverse("generation:board-choose")
    refused = her.post(address, {"picture": picture.pk, "name": "x" * 81})
    assert refused.status_code == 422 and "80" in refused.content.decode()
    assert not Board.objects.exists()
    made = her.post(address, {"picture": picture.pk, "name": "Harbour"})
    assert made.headers["Location"] == picture.get_absolute_url()
    assert "Harbour" in her.get(picture.get_absolute_url()).content.decode()
    assert her.get(address).status_code == her.get(address, {"picture": 10**9}).status_code == 404


def test_a_search_in_the_dialog_keeps_what_is_ticked(shots: Shots, ada: User, her: Client, board: Board) -> None:
    [picture] = keys(shots())
    wanted = Board.objects.create(name="Harbour", owner=ada)
    asked: dict[str, str | int] = {"picture": picture, "q": "harb", "board": board.pk, "again": "1"}
    found = her.get(reverse("generation:board-choose"), asked, headers={**HTMX, "HX-Target": "board-options"})
    assert found.content.decode().count("checked") == 1
    assert [each.pk for each in found.context["offered"]] == [board.pk, wanted.pk]


def test_boards_are_made_changed_and_listed_by_their_last_change(her: Client, ada: User) -> None:
    her.post(reverse("generation:board-new"), {"name": "First", "visibility": "team"})
    her.post(reverse("generation:board-new"), {"name": "Second", "description": "dusk", "visibility": "private"})
    first = Board.objects.get(name="First")
    assert her.post(reverse("generation:board-edit", args=[first.pk]), {"name": ""}).status_code == 422
    her.post(reverse("generation:board-edit", args=[first.pk]), {"name": "First of all", "visibility": "team"})
    shown = her.get(reverse("generation:boards")).context["boards"]
    assert [each.name for each in shown] == ["First of all", "Second"]
    assert [each.name for each in her.get(reverse("generation:boards"), {"q": "dusk"}).context["boards"]] == ["Second"]
    assert "No board matches" in her.get(reverse("generation:boards"), {"q": "zzz"}).content.decode()


def test_a_studio_without_boards_says_what_they_are_for(her: Client) -> None:
    assert "Put together what belongs together" in her.get(reverse("generation:boards")).content.decode()


def test_a_search_for_many_words_is_quick(her: Client, board: Board) -> None:
    Board.objects.filter(pk=board.pk).update(name="a b c d e f g h", description="i j k l m n o p q r s t u v w x y z")
    began = time.process_time()
    page = her.get(reverse("generation:boards"), {"q": " ".join("abcdefghijklmnopqrstuvwxyz")}).text
    assert time.process_time() - began < 5 and "a b c d e f g h" in page


@pytest.mark.parametrize("position", ["0" * 20 + "9" * 30, "9" * 5000, str(2**62)])
def test_nothing_is_put_back_where_no_board_reaches(shots: Shots, her: Client, board: Board, position: str) -> None:
    address = reverse("generation:board-put-back", args=[board.pk])
    assert her.post(f"{address}?picture={shots(1)[0].pk}&position={position}").status_code == 404
