"""The way on which somebody came to a picture, which says what is before and after it and where Back leads: a wall of
the gallery with its filters, a board in its order, or without either the jobs as they were ordered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from django.urls import reverse
from django.utils.translation import gettext as _

from generation.gallery import query
from generation.gallery.query import Film, Filters
from generation.keeping import boards
from generation.keeping.models import Board
from generation.pictures.models import GeneratedImage
from stylestudio.people.access import StudioRequest, whole_numbers


class Way(Protocol):
    """How one goes on from a picture."""

    @property
    def walk(self) -> str:
        """What the addresses of pictures on this way end with."""
        ...

    @property
    def title(self) -> str:
        """What the place that one came from is called."""
        ...

    def film(self, picture: GeneratedImage) -> Film:
        """The pictures of the same job, and those before and after on this way."""
        ...

    def back(self, picture: int) -> str:
        """The address of the place that one came from, at this picture."""
        ...


@dataclass(frozen=True, slots=True)
class _Jobs:
    request: StudioRequest

    @property
    def walk(self) -> str:
        return ""

    @property
    def title(self) -> str:
        return _("Gallery")

    def film(self, picture: GeneratedImage) -> Film:
        return query.film(picture, self.request.user)

    def back(self, picture: int) -> str:
        return reverse("generation:gallery")


@dataclass(frozen=True, slots=True)
class _Wall:
    request: StudioRequest
    filters: Filters

    @property
    def walk(self) -> str:
        return walk_along(self.filters)

    @property
    def title(self) -> str:
        return _("Gallery")

    def film(self, picture: GeneratedImage) -> Film:
        wall = query.pictures(self.request.user, self.filters)
        beside = wall.near(query.place_of(wall, picture))
        return query.film(picture, self.request.user, beside)

    def back(self, picture: int) -> str:
        return f"{reverse('generation:gallery')}?{self.filters.query(at=str(picture))}#picture-{picture}"


@dataclass(frozen=True, slots=True)
class _OnBoard:
    request: StudioRequest
    board: Board

    @property
    def walk(self) -> str:
        return boards.walk(self.board)

    @property
    def title(self) -> str:
        return self.board.name

    def film(self, picture: GeneratedImage) -> Film:
        return query.film(picture, self.request.user, boards.beside(self.request.user, self.board, picture.pk))

    def back(self, picture: int) -> str:
        after = boards.start_of_page_with(self.request.user, self.board, picture)
        page = f"?after={after}" if after else ""
        return f"{self.board.get_absolute_url()}{page}#picture-{picture}"


def walk_along(filters: Filters) -> str:
    """What the addresses of pictures of a wall end with."""
    return f"?{filters.query(wall='1')}"


def of(request: StudioRequest) -> Way:
    """The way that the address of a picture names. A board that the person does not see is none."""
    wall = request.GET.get("wall", "")
    if wall == "1":
        return _Wall(request, Filters.read(request.GET))
    numbers = whole_numbers([wall.removeprefix(boards.WALK)]) if wall.startswith(boards.WALK) else []
    board = Board.objects.visible_to(request.user).filter(pk__in=numbers).first() if numbers else None
    return _OnBoard(request, board) if board else _Jobs(request)
