"""How many pictures a wall has, and how many of them each further filter would leave.

The wall comes first: this is a fragment of its own. Up to 10,000 are counted exactly, by going through them. Above it
only what is counted when pictures come and go is known, of the wall without filters: all, by person and by style.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.contrib.auth.models import User
from django.db.models import Count
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from generation.gallery import narrowing
from generation.gallery.query import Found
from generation.pictures.models import PictureCount, SearchEntry, SearchKind, StyleCount, TaskStyle

MOST = 10_000
_OF_A_KIND = ("engine", "checkpoint", "shape")


@dataclass(frozen=True, slots=True)
class Counts:
    """`total`: exact, or None for more than 10,000. `by`: by fact the number of pictures with each value, as far as it
    is known; `others`: the same of the filters of other rooms.
    """

    total: int | None
    by: dict[str, dict[int, int]] = field(default_factory=dict)
    others: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """Such as "374 pictures"."""
        if self.total is None:
            return _("more than %s pictures") % f"{MOST:,}"
        return ngettext("%s picture", "%s pictures", self.total) % f"{self.total:,}"


def kept(person: User) -> Counts:
    """Of the wall without filters, as counted when pictures come and go."""
    owners = PictureCount.objects.visible_to(person).by_owner()
    return Counts(sum(owners.values()), {"owner": owners})


def with_styles(person: User, styles: Sequence[int]) -> Counts:
    """The same with the numbers of these styles."""
    counts = kept(person)
    counts.by["style"] = StyleCount.objects.visible_to(person).by_style(styles)
    return counts


def counted(found: Found, styles: Sequence[int]) -> Counts:
    """Of a wall with filters."""
    if found.wanted.anything and not found.wanted.previews:
        return with_styles(found.wanted.person, styles)
    keys = [key for some in found.keys(most=MOST + 1) for key in some]
    if len(keys) > MOST:
        return Counts(None)
    by = _grouped(keys)
    by["style"] = _by_style(keys)
    others = {each.name: dict(each.facet(found.wanted.person, keys)) for each in narrowing.filters()} if keys else {}
    return Counts(len(keys), by, others)


def _grouped(keys: Sequence[int]) -> dict[str, dict[int, int]]:
    """By each fact, from one question for all that occurs together."""
    found: dict[str, Counter[int]] = {fact: Counter() for fact in ("owner", "preset", *_OF_A_KIND)}
    kinds = {kind.pk: kind for kind in SearchKind.objects.all()}
    rows = SearchEntry.objects.filter(picture__in=keys).order_by().values_list("owner", "preset", "kind")
    for owner, preset, key, number in rows.annotate(number=Count("pk")):
        kind = kinds[key]
        facts = {"owner": owner, "preset": preset, **{name: getattr(kind, name) for name in _OF_A_KIND}}
        for fact, value in facts.items():
            if value is not None:
                found[fact][value] += number
    return {fact: dict(numbers) for fact, numbers in found.items()}


def _by_style(keys: Sequence[int]) -> dict[int, int]:
    mixes = TaskStyle.objects.filter(task__pictures__in=keys).order_by()
    return dict(mixes.values_list("version__style").annotate(number=Count("task__pictures", distinct=True)))
