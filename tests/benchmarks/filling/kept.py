"""What people kept in the studio of years: marks and boards, filled by `years.py`; steps of `million.py` with them.

For a million pictures 300,000 marks of 25 people, and 200 boards, one of them with 20,000 pictures; with few as many
as fill a page.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import chain
from typing import Any

LEAST = 250  # pictures that one person marked, and on the large board
LEAST_BOARDS = 60  # more than two pages
AT_ONCE = 10_000  # keys in one statement
Picture = tuple[int, int, int]  # key, project and moment


def fill(table: type[Any], dice: random.Random, people: Sequence[int], share: float) -> None:
    """Let people mark pictures and put them on boards. `table`: the one of `years.py`."""
    from generation.keeping.models import Board, BoardPicture, Mark
    from generation.pictures.models import GeneratedImage

    latest = GeneratedImage.objects.filter(project=1).order_by("-pk")
    newest = list(_pictures(latest[: max(LEAST, int(20_000 * share))]))
    sample = _sample(dice, GeneratedImage, max(500, int(300_000 * share)))
    parts = (sample[begin : begin + AT_ONCE] for begin in range(0, len(sample), AT_ONCE))
    others = chain.from_iterable(_pictures(GeneratedImage.everything.filter(pk__in=part)) for part in parts)
    marked = {(picture, people[4]): (picture, project, moment) for picture, project, moment in newest[:LEAST]}
    for picture, project, moment in others:
        person = people[min(int(dice.expovariate(0.2)), len(people) - 1)]
        marked.setdefault((picture, person), (picture, project, moment))
    table(Mark, person_id=0, picture_id=0, moment=0).write(
        {
            "id": number,
            "person_id": person,
            "picture_id": picture,
            "project_id": project,
            "moment": moment,
            "favourite": number <= LEAST or number % 2 == 0,
            "stars": 1 + number % 5 if number <= LEAST or number % 4 else None,
        }
        for number, ((picture, person), (_picture, project, moment)) in enumerate(marked.items(), 1)
    )
    boards = max(LEAST_BOARDS, int(200 * share))
    Board.objects.bulk_create(
        Board(
            name=f"Board {number}",
            owner_id=people[number % len(people)],
            visibility="private" if number % 10 == 9 else "team",
        )
        for number in range(boards)
    )
    places = table(BoardPicture, board_id=0, picture_id=0, position=0, moment=0)
    keys = list(Board.objects.order_by("pk").values_list("pk", flat=True))
    on = ((board, newest if number == 0 else dice.sample(newest, 150)) for number, board in enumerate(keys))
    rows = ((board, place, picture) for board, chosen in on for place, picture in enumerate(chosen))
    places.write(
        {"id": number, "board_id": board, "picture_id": picture, "position": 65_536 * (place + 1), "moment": moment}
        for number, (board, place, (picture, _project, moment)) in enumerate(rows, 1)
    )


def _sample(dice: random.Random, model: type[Any], number: int) -> list[int]:
    last = model.everything.order_by("-pk").values_list("pk", flat=True).first()
    return dice.sample(range(1, last + 1), min(number, last))


def _pictures(found: Any) -> Iterator[Picture]:
    from generation.pictures.models.search_index import moment_of

    def told(row: tuple[int, int, datetime]) -> Picture:
        picture, project, created_at = row
        return picture, project, moment_of(created_at)

    return map(told, found.values_list("pk", "project", "created_at"))


def steps(
    page: Callable[[str], Callable[[], Any]],
    taken_back: Callable[[Callable[[], Any]], Callable[[], Any]],
    person: Any,
) -> dict[str, Callable[[], Any]]:
    """Pages and verbs by name, as `million.steps` has them."""
    from generation.keeping import boards, marks
    from generation.keeping.models import Board, BoardPicture
    from generation.keeping.wall_filters import FAVOURITES, ON_BOARD, STARS
    from generation.pictures.models import GeneratedImage

    large = Board.objects.order_by("pk").first()
    assert large is not None
    seen = GeneratedImage.objects.visible_to(person).order_by("-pk")
    pictures = list(seen.values_list("pk", flat=True)[:200])
    places = BoardPicture.objects.filter(board=large).order_by("position")
    middle = places[places.count() // 2]
    first = places[0].picture_id
    asked = "&".join(f"picture={picture}" for picture in pictures[:60])
    newest = "-moment", "-picture"
    on_board = ON_BOARD.pictures(person, str(large.pk))
    assert on_board is not None
    return {
        "favourites": lambda: list(FAVOURITES.pictures(person, "1").order_by(*newest)[:61]),
        "stars": lambda: list(STARS.pictures(person, "4").order_by(*newest)[:61]),
        "newest of a board": lambda: list(on_board.order_by(*newest)[:61]),
        "gallery, favourites": page("/gallery/?favourite=1"),
        "gallery, my stars": page("/gallery/?stars=4"),
        "gallery, a board": page(f"/gallery/?board={large.pk}"),
        "boards": page("/boards/"),
        "boards, second page": page("/boards/?page=2"),
        "board": page(f"/boards/{large.pk}/"),
        "board, further": page(f"/boards/{large.pk}/?after={middle.position}~{middle.picture_id}"),
        "boards of a picture": page(f"/boards/choose/?picture={pictures[0]}"),
        "marks of tiles": page(f"/marks/?{asked}"),
        "rate one": taken_back(lambda: marks.set_stars(person, [pictures[30]], 3)),
        "rate 200": taken_back(lambda: marks.set_stars(person, pictures[:200], 2)),
        "put 200 on a board": taken_back(lambda: boards.add(person, large, pictures[:200])),
        "move to the front": taken_back(lambda: boards.move(large, middle.picture_id, first)),
        "move to the end": taken_back(lambda: boards.move(large, first, None)),
    }
