"""What rooms contribute to the filters of a wall, such as favourites and boards, through `wall_filters` of their app.

The wall knows nothing else of them: it reads each by its name from the address, takes the pictures from the newest on
or asks for each picture whether it is among them, whichever is quicker, and says in a chip that it is set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from django.contrib.auth.models import User
from django.db.models import QuerySet

from stylestudio.host import rooms


class WallFilter(Protocol):
    """One filter. Rooms list the address of such an object, "module:NAME"."""

    @property
    def name(self) -> str:
        """Its name in the address, and that of its field in the search, such as "board": lower-case letters."""

    @property
    def title(self) -> str:
        """What a form calls it, such as "Board"."""

    @property
    def anything(self) -> str:
        """The choice that filters nothing, such as "Any board"; "" for a checkbox, whose value is "1"."""

    @property
    def is_folded(self) -> bool:
        """Whether a wall leaves its pictures out unless it asks for them. They are those of tasks that are `is_face`,
        which no wall shows but one with previews.
        """

    def read(self, text: str) -> str:
        """The value in an address, "" if that means nothing."""

    def find(self, person: User, text: str) -> str:
        """The value that is meant by the text of a field of the search, such as a board's name; "" for none."""

    def pictures(self, person: User, value: str) -> QuerySet[Any] | None:
        """Rows with `moment` (microseconds since 1970, as in `SearchEntry`) and `picture`, each picture once, without
        an order. None if there is nothing of that value that `person` may see.

        Two indexes have to find them: one that ends with moment and picture and begins with what is asked for, so that
        the newest come first, and one by picture.
        """

    def label(self, person: User, value: str) -> str:
        """What the chip says, such as "Board: Harbour"."""

    def rows(self, person: User) -> QuerySet[Any] | None:
        """What the form offers, if the database has to be asked: rows without an order that have `pk`, `name` and
        `updated_at`, by which they are sorted, the newest first. A wall asks for those of all rooms in one question.
        """

    def choices(self, person: User) -> Sequence[tuple[str, str]]:
        """Values with what the form says for each, if there are no rows; none for a checkbox."""

    def facet(self, person: User, pictures: Sequence[int]) -> Mapping[str, int]:
        """How many of these pictures (at most 10,000) each value finds, by one question. May be empty."""


def filters() -> list[WallFilter]:
    """Those of all rooms, in the order of the apps."""
    return list(rooms.contributed("wall_filters"))
