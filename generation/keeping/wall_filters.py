"""What a wall can be narrowed down to: favourites and stars of the person who looks, and the pictures of a board.

The gallery, which stands above, reads these from `wall_filters` of the app and says there what each part is for. All
rows have the moment of their picture, by which a wall is sorted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.contrib.auth.models import User
from django.db.models import Count, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from generation.keeping.models import MOST_STARS, Board, BoardPicture, Mark
from stylestudio.database.keys import among
from stylestudio.people.access import whole_numbers

MOST_OFFERED = 100  # boards in the form; a search names the others


class _Favourites:
    """The pictures that the person marked as favourites."""

    name = "favourite"
    title = gettext_lazy("Favourites")
    anything = ""
    is_folded = False

    def read(self, text: str) -> str:
        return "1" if text == "1" else ""

    def find(self, person: User, text: str) -> str:
        return "1" if text.casefold() in {"1", "yes", "me", "是"} else ""

    def pictures(self, person: User, value: str) -> QuerySet[Mark]:
        return Mark.objects.visible_to(person).filter(favourite=True)

    def label(self, person: User, value: str) -> str:
        return _("Favourites")

    def rows(self, person: User) -> None:
        return None

    def choices(self, person: User) -> Sequence[tuple[str, str]]:
        return ()

    def facet(self, person: User, pictures: Sequence[int]) -> Mapping[str, int]:
        return {"1": self.pictures(person, "1").filter(picture__in=among(pictures)).count()}


class _Stars:
    """The pictures to which the person gave at least so many stars."""

    name = "stars"
    title = gettext_lazy("My stars")
    anything = gettext_lazy("Any stars")
    is_folded = False

    def read(self, text: str) -> str:
        return text if text in {str(number) for number in range(1, MOST_STARS + 1)} else ""

    def find(self, person: User, text: str) -> str:
        return self.read(text.strip("★ +"))

    def pictures(self, person: User, value: str) -> QuerySet[Mark]:
        # The first condition is that of the index.
        return Mark.objects.visible_to(person).filter(stars__isnull=False, stars__gte=int(value))

    def label(self, person: User, value: str) -> str:
        return dict(self.choices(person))[value]

    def rows(self, person: User) -> None:
        return None

    def choices(self, person: User) -> Sequence[tuple[str, str]]:
        five = str(MOST_STARS), _("My stars: %(number)d") % {"number": MOST_STARS}
        fewer = range(MOST_STARS - 1, 0, -1)
        return [five, *((str(number), _("My stars: %(number)d or more") % {"number": number}) for number in fewer)]

    def facet(self, person: User, pictures: Sequence[int]) -> Mapping[str, int]:
        rated = self.pictures(person, "1").filter(picture__in=among(pictures)).order_by()
        counts = dict(rated.values_list("stars").annotate(number=Count("pk")))
        numbers = range(1, MOST_STARS + 1)
        return {str(least): sum(counts.get(stars, 0) for stars in numbers if stars >= least) for least in numbers}


class _OnBoard:
    """The pictures of a board."""

    name = "board"
    title = gettext_lazy("Board")
    anything = gettext_lazy("Any board")
    is_folded = False

    def read(self, text: str) -> str:
        return next((str(number) for number in whole_numbers([text])), "")

    def find(self, person: User, text: str) -> str:
        named = Board.objects.visible_to(person).filter(name__iexact=text)
        like = Board.objects.visible_to(person).filter(name__icontains=text)
        found = named.first() or like.first()
        return str(found.pk) if found else ""

    def pictures(self, person: User, value: str) -> QuerySet[BoardPicture] | None:
        board = Board.objects.visible_to(person).filter(pk=int(value)).first()
        return BoardPicture.objects.filter(board=board) if board else None

    def label(self, person: User, value: str) -> str:
        board = Board.objects.visible_to(person).filter(pk=int(value)).first()
        return _("Board: %(name)s") % {"name": board.name if board else _("not there")}

    def rows(self, person: User) -> QuerySet[Board]:
        seen = Board.objects.visible_to(person)
        return seen.filter(pk__in=seen.values("pk")[:MOST_OFFERED]).order_by()

    def choices(self, person: User) -> Sequence[tuple[str, str]]:
        return ()

    def facet(self, person: User, pictures: Sequence[int]) -> Mapping[str, int]:
        boards = Board.objects.visible_to(person).values("pk")
        placed = BoardPicture.objects.filter(picture__in=among(pictures), board__in=boards).order_by()
        return {str(board): number for board, number in placed.values_list("board").annotate(number=Count("pk"))}


FAVOURITES, STARS, ON_BOARD = _Favourites(), _Stars(), _OnBoard()
