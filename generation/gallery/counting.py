"""How many pictures a wall has, and how many of them each further filter would leave.

The wall comes first: this is a fragment of its own. Up to 10,000 are counted exactly, by going through them, unless
that takes too long. Above it only what is counted when pictures come and go is known, of the wall without filters: all,
by person and by style.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.contrib.auth.models import User
from django.db.models import Count, OuterRef, Subquery
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from generation.gallery import narrowing
from generation.gallery.query import Found
from generation.pictures.models import PictureCount, SearchEntry, SearchKind, StyleCount, TaskStyle
from styles.models import StyleVersion
from stylestudio.database.keys import among

MOST = 10_000
LONGEST = 0.5  # seconds after which counting is given up
_OF_A_KIND = ("engine", "checkpoint", "shape")


@dataclass(frozen=True, slots=True)
class Counts:
    """`total`: exact, or with `is_more` what was counted when counting was given up. `by`: by fact the number of
    pictures with each value, as far as it is known; `others`: the same of the filters of other rooms.
    """

    total: int
    is_more: bool = False
    by: dict[str, dict[int, int]] = field(default_factory=dict)
    others: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """Such as "374 pictures"."""
        if self.is_more:
            return _("more than %s pictures") % f"{self.total:,}"
        return ngettext("%s picture", "%s pictures", self.total) % f"{self.total:,}"


def kept(person: User) -> Counts:
    """Of the wall without filters, as counted when pictures come and go."""
    owners = PictureCount.objects.visible_to(person).by_owner()
    return Counts(sum(owners.values()), by={"owner": owners})


def with_styles(person: User, styles: Sequence[int]) -> Counts:
    """The same with the numbers of these styles."""
    counts = kept(person)
    counts.by["style"] = StyleCount.objects.visible_to(person).by_style(styles)
    return counts


def counted(found: Found, styles: Sequence[int]) -> Counts:
    """Of a wall with filters."""
    if found.wanted.anything and not found.wanted.previews:
        return with_styles(found.wanted.person, styles)
    keys: list[int] = []
    end = time.monotonic() + LONGEST
    for some in found.keys_in_no_order(MOST + 1):
        keys += some
        if len(keys) > MOST or time.monotonic() > end:
            return Counts(min(len(keys), MOST), is_more=True)
    by = _grouped(keys)
    by["style"] = _by_style(keys)
    others = {each.name: dict(each.facet(found.wanted.person, keys)) for each in narrowing.filters()} if keys else {}
    return Counts(len(keys), False, by, others)


def _grouped(keys: Sequence[int]) -> dict[str, dict[int, int]]:
    """By each fact, from one question for all that occurs together."""
    found: dict[str, Counter[int]] = {fact: Counter() for fact in ("owner", "preset", *_OF_A_KIND)}
    kinds = {kind.pk: kind for kind in SearchKind.objects.all()}
    rows = SearchEntry.objects.filter(picture__in=among(keys)).order_by().values_list("owner", "preset", "kind")
    for owner, preset, key, number in rows.annotate(number=Count("pk")):
        kind = kinds[key]
        facts = {"owner": owner, "preset": preset, **{name: getattr(kind, name) for name in _OF_A_KIND}}
        for fact, value in facts.items():
            if value is not None:
                found[fact][value] += number
    return {fact: dict(numbers) for fact, numbers in found.items()}


def _by_style(keys: Sequence[int]) -> dict[int, int]:
    mixes = TaskStyle.objects.filter(task__pictures__in=among(keys)).order_by()
    # Looked up for each: given a join, SQLite begins with all versions and goes through all they were used for.
    style = StyleVersion.everything.filter(pk=OuterRef("version")).values("style")[:1]
    mixes = mixes.annotate(style=Subquery(style))
    return dict(mixes.values_list("style").annotate(number=Count("task__pictures", distinct=True)))
