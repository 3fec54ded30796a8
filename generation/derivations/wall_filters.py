"""The wall of finished pictures, which are folded under their sources without it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from generation.derivations.models import Derivation
from stylestudio.people import projects


class _Finished:
    """The pictures that were finished."""

    name = "finished"
    title = gettext_lazy("Finished")
    anything = ""
    is_folded = True

    def read(self, text: str) -> str:
        return "1" if text == "1" else ""

    def find(self, person: User, text: str) -> str:
        return "1" if text.casefold() in {"1", "yes", "是"} else ""

    def pictures(self, person: User, value: str) -> QuerySet[Derivation]:
        return Derivation.objects.filter(project=projects.of(person))

    def label(self, person: User, value: str) -> str:
        return _("Finished")

    def rows(self, person: User) -> None:
        return None

    def choices(self, person: User) -> Sequence[tuple[str, str]]:
        return ()

    def facet(self, person: User, pictures: Sequence[int]) -> Mapping[str, int]:
        return {}  # how many there are says little, and each question makes all filters slower


FINISHED = _Finished()
