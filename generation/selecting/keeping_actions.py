"""Favourites, stars and boards of many pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, cast

from django import forms
from django.contrib.auth.models import User
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from generation.keeping import boards, marks
from generation.keeping.forms import NewBoardForm
from generation.keeping.marks import Marks
from generation.keeping.models import MOST_STARS, Board
from generation.selecting.actions import Action, Outcome, counted
from generation.selecting.selection import visible_of
from stylestudio.forms.fields import StudioForm
from stylestudio.forms.widgets import Segments

MOST_OFFERED = 100  # boards, the last changed ones


# --- Favourites and stars, each person's own


def _favourite(user: User, pictures: Sequence[int], parameters: Mapping[str, Any], prepared: None) -> Outcome:
    return _marked(user, pictures, marks.set_favourite(user, pictures, True), {"favourite": True})


def _stars(user: User, pictures: Sequence[int], parameters: Mapping[str, Any], prepared: None) -> Outcome:
    stars = parameters["stars"] or None
    return _marked(user, pictures, marks.set_stars(user, pictures, stars), {"stars": stars})


def _marked(user: User, pictures: Sequence[int], before: Mapping[int, Marks], after: Mapping[str, Any]) -> Outcome:
    same = visible_of(user, pictures).count() - len(before)
    rows = {str(picture): asdict(each) for picture, each in before.items()}
    return Outcome(len(before), {"before": rows, "after": after}, {"same": same})


def _unmark(user: User, changed: Mapping[str, Any]) -> int:
    """Take back what is still as the action left it."""
    before = {int(picture): Marks(**each) for picture, each in changed["before"].items()}
    now = marks.of(user, before)
    [(name, value)] = changed["after"].items()
    still = [picture for picture in before if getattr(now.get(picture, marks.NOTHING), name) == value]
    number = 0
    for was in {getattr(before[picture], name) for picture in still}:
        some = [picture for picture in still if getattr(before[picture], name) == was]
        # Only the one of both that was changed: the other may have been changed since.
        set_again = marks.set_favourite if name == "favourite" else marks.set_stars
        number += len(set_again(user, some, was))
    return number


class StarsForm(StudioForm):
    """How many stars pictures get; 0 takes them away."""

    stars = forms.TypedChoiceField(
        label=_("Stars"),
        coerce=int,
        choices=[*((number, "★" * number) for number in range(1, MOST_STARS + 1)), (0, _("None"))],
        widget=Segments,
        initial=MOST_STARS,
    )

    def __init__(self, data: Any = None, *, user: User) -> None:
        super().__init__(data)


# --- Boards


class OntoForm(NewBoardForm):
    """The board that pictures are put on: one of those that there are, or a new one."""

    board = forms.ModelChoiceField(Board.objects.none(), label=_("Board"), required=False, empty_label=_("A new one"))
    field_order = ("board", "name")

    def __init__(self, data: Any = None, *, user: User) -> None:
        super().__init__(data)
        self.user = user
        found = Board.objects.visible_to(user)
        # A queryset that is cut cannot be asked for one of them, so the newest are named by key.
        newest = found.filter(pk__in=found.values("pk")[:MOST_OFFERED])
        field = cast("forms.ModelChoiceField[Board]", self.fields["board"])
        field.queryset = newest
        field.initial = newest.first()

    def clean(self) -> dict[str, Any]:
        """The key of the board, which is made now if it is a new one: parameters are stored."""
        found: dict[str, Any] = super().clean() or {}
        board, name = found.get("board"), found.get("name")
        if not self.errors and not board and not name:
            self.add_error("name", _("Choose a board, or name a new one."))
        if self.errors:
            return {}
        onto = Board.objects.create(name=name, owner=self.user) if name else board
        return {"board": onto.pk if onto else None}


def _put(user: User, pictures: Sequence[int], parameters: Mapping[str, Any], prepared: None) -> Outcome:
    seen = visible_of(user, pictures).count()
    board = Board.objects.visible_to(user).filter(pk=parameters["board"]).first()
    if board is None:
        return Outcome(0, {}, {"gone": seen})
    added = boards.add(user, board, pictures)
    return Outcome(len(added), {"board": board.pk, "pictures": added}, {"there": seen - len(added)})


def _take_off(user: User, changed: Mapping[str, Any]) -> int:
    board = Board.objects.visible_to(user).filter(pk=changed["board"]).first()
    return len(boards.remove(user, board, changed["pictures"])) if board else 0


FAVOURITE = Action(
    name="favourite",
    title=_("Mark as favourites"),
    button=_("Favourite"),
    icon="heart",
    key="f",
    done=counted(
        lambda n: ngettext("%(number)s picture is a favourite now.", "%(number)s pictures are favourites now.", n)
    ),
    undone=counted(
        lambda n: ngettext(
            "%(number)s picture is no favourite again.", "%(number)s pictures are no favourites again.", n
        )
    ),
    left={"same": counted(lambda n: ngettext("%(number)s was one already.", "%(number)s were already.", n))},
    apply=_favourite,
    undo=_unmark,
    is_personal=True,
)
STARS = Action(
    name="stars",
    title=_("Give stars"),
    button=_("Stars"),
    icon="star",
    done=counted(
        lambda n: ngettext("%(number)s picture has its stars now.", "%(number)s pictures have their stars now.", n)
    ),
    undone=counted(
        lambda n: ngettext(
            "%(number)s picture has its stars of before.", "%(number)s pictures have their stars of before.", n
        )
    ),
    left={"same": counted(lambda n: ngettext("%(number)s had as many.", "%(number)s had as many.", n))},
    apply=_stars,
    undo=_unmark,
    is_personal=True,
    form=StarsForm,
)
BOARD = Action(
    name="board",
    title=_("Put on a board"),
    button=_("Board"),
    icon="board",
    key="b",
    done=counted(
        lambda n: ngettext("%(number)s picture is on the board now.", "%(number)s pictures are on the board now.", n)
    ),
    undone=counted(
        lambda n: ngettext(
            "%(number)s picture is off the board again.", "%(number)s pictures are off the board again.", n
        )
    ),
    left={
        "there": counted(lambda n: ngettext("%(number)s was on it already.", "%(number)s were on it already.", n)),
        "gone": counted(
            lambda n: ngettext(
                "The board of %(number)s is not there any more.", "The board of %(number)s is not there any more.", n
            )
        ),
    },
    apply=_put,
    undo=_take_off,
    form=OntoForm,
)
