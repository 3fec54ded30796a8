"""Pictures of a board are gone through in its order, and Back leads to their place on it."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client

from generation.keeping import boards
from generation.keeping.boards import AHEAD
from generation.keeping.models import Board
from generation.pictures.models import GeneratedImage
from stylestudio.people.visibility import Visibility
from tests.generation.keeping.conftest import Shots
from tests.pages import page

pytestmark = pytest.mark.django_db


def way(client: Client, address: str) -> tuple[str, dict[str, str]]:
    """Where Back leads from a picture, and the links before and after it."""
    html = page(client.get(address)).replace("&amp;", "&")
    back = re.search(r'href="([^"]+)" data-up', html)
    assert back
    return back[1], {rel: link for link, rel in re.findall(r'href="([^"]+)"\s+rel="(\w+)"', html)}


def address(picture: GeneratedImage, board: Board) -> str:
    """Of a picture to which somebody came from a board."""
    return f"{picture.get_absolute_url()}?wall=board-{board.pk}"


def test_arrows_follow_the_order_of_the_board(shots: Shots, ada: User, her: Client, board: Board) -> None:
    one, two, three = shots(3)
    boards.add(ada, board, [three.pk, one.pk, two.pk])
    wall = page(her.get(board.get_absolute_url()))
    assert f'href="{address(one, board)}"' in wall and f'id="picture-{one.pk}"' in wall
    back, beside = way(her, address(one, board))
    assert back == f"{board.get_absolute_url()}#picture-{one.pk}"
    assert beside == {"prev": address(three, board), "next": address(two, board)}
    assert way(her, address(two, board))[1] == {"prev": address(one, board)}
    her.post(f"/gallery/{one.pk}/delete/?wall=board-{board.pk}")
    assert way(her, address(three, board))[1] == {"next": address(two, board)}


def test_back_leads_to_the_page_of_the_board_that_has_the_picture(
    shots: Shots, ada: User, her: Client, board: Board
) -> None:
    pictures = [*shots(12), *shots(AHEAD - 8)]
    boards.add(ada, board, [picture.pk for picture in pictures])
    assert way(her, address(pictures[AHEAD], board))[0] == f"{board.get_absolute_url()}#picture-{pictures[AHEAD].pk}"
    last = pictures[-1]
    back, _beside = way(her, address(last, board))
    assert back.startswith(f"{board.get_absolute_url()}?after=")
    shown = page(her.get(back.partition("#")[0]))
    assert f'id="picture-{last.pk}"' in shown and f'id="picture-{pictures[0].pk}"' not in shown


def test_a_board_that_is_hidden_or_has_lost_the_picture_leads_nowhere(
    shots: Shots, ada: User, bob: User, her: Client, board: Board
) -> None:
    one, two = shots(2)
    boards.add(ada, board, [one.pk])
    assert way(her, address(two, board)) == (f"{board.get_absolute_url()}#picture-{two.pk}", {})
    hidden = Board.objects.create(name="Hidden", owner=bob, visibility=Visibility.PRIVATE)
    for other in (f"board-{hidden.pk}", "board-0", "board-x", f"board-{'9' * 40}", "board-"):
        assert way(her, f"{one.get_absolute_url()}?wall={other}")[0] == "/gallery/"
