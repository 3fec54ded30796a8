"""All results of a list at once: its pictures, and what was made of all of them since, such as their cut-outs.

What was made of a picture is followed by what it was made with, so that the finished cut-outs of a list are one thing,
whoever made which of them in how many presses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from generation.derivations import words
from generation.derivations.models import Derivation
from generation.keeping.marks import slices
from generation.lists.models import OrderList
from generation.lists.outcome import results

DEEPEST = 6  # steps one after the other that are followed
MOST = 12  # stages that are shown
BETWEEN = " › "
Path = tuple[str, ...]  # what was done, one after the other: a recipe that changes pictures, or a preset


@dataclass(frozen=True, slots=True)
class Stage:
    """Pictures of a list, all made in the same way. `pictures` are keys in the order of the rows, of `total` places."""

    path: Path
    title: str
    pictures: tuple[int, ...]
    total: int

    @property
    def key(self) -> str:
        """What forms call it."""
        return BETWEEN.join(self.path)

    @property
    def missing(self) -> int:
        """How many of its pictures are not there."""
        return max(0, self.total - len(self.pictures))

    @property
    def missing_text(self) -> str:
        """That some of its pictures are left out."""
        said = ngettext(
            "%(number)s picture of the list is not there, and is left out.",
            "%(number)s pictures of the list are not there, and are left out.",
            self.missing,
        )
        return said % {"number": f"{self.missing:,}"} if self.missing else ""


def of(found: OrderList, person: User, upto: int) -> list[Stage]:
    """What there is of a list as this person sees it, up to the picture with the key `upto`."""
    keys, total = results.keys(found, person)
    begin = {place: pk for place, pk in enumerate(keys) if pk <= upto}
    stages: dict[Path, dict[int, int]] = {(): begin}
    newest: Iterable[Path] = [()]
    for _depth in range(DEEPEST):
        made = _made_of({path: stages[path] for path in newest}, person, upto)
        stages |= made
        newest = list(made)
    shown = list(stages.items())[:MOST]
    return [
        Stage(path, _title(path), tuple(pk for _place, pk in sorted(places.items())), total) for path, places in shown
    ]


def _made_of(stages: Mapping[Path, Mapping[int, int]], person: User, upto: int) -> dict[Path, dict[int, int]]:
    """What was made of the pictures of these stages; of several alike that were made of one, the newest."""
    places = {pk: (path, place) for path, each in stages.items() for place, pk in each.items()}
    found: dict[Path, dict[int, int]] = {}
    for some in slices(list(places)):
        rows = Derivation.objects.visible_to(person).filter(source__in=some, picture__lte=upto).order_by("picture")
        asked = rows.values_list("picture", "source", "preset", "settings__change", "settings__seamless")
        for picture, source, preset, change, is_seamless in asked:
            path, place = places[source]
            how = "mend_seam" if is_seamless else change or preset
            found.setdefault((*path, how), {})[place] = picture
    return found


def _title(path: Path) -> str:
    return BETWEEN.join(words.title(each) for each in path) if path else _("Pictures as they were made")
