"""What a person may see in lists. Every list begins with `visible_to`, which says it once for each model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any, ClassVar, Self, TypeVar

from django.contrib.auth.models import AnonymousUser, User
from django.db import models
from django.db.models import Count, Exists, Model, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from stylestudio.people import projects

M = TypeVar("M", bound=Model)
Person = User | AnonymousUser


class Visibility(models.TextChoices):
    """Who may see a row. A studio is one team: everything starts as seen by all."""

    TEAM = "team", _("The team")
    PRIVATE = "private", _("Only me")


class VisibleQuerySet(models.QuerySet[M]):
    """Rows that people list. Unless a model says more, everybody who is signed in sees all of them."""

    def visible_to(self, person: Person) -> Self:
        """What `person` may see, of the project they work in; nothing for somebody who is not signed in."""
        if not person.is_authenticated:
            return self.none()
        return self.filter(project=projects.of(person)) if issubclass(self.model, projects.InProject) else self.all()


class OwnedQuerySet(VisibleQuerySet[M]):
    """Rows with an `owner` and a `visibility`."""

    def visible_to(self, person: Person) -> Self:
        """The team's and their own; owners of the studio see all."""
        seen = super().visible_to(person)
        if person.is_superuser:
            return seen
        return seen.filter(Q(visibility=Visibility.TEAM) | Q(owner=person.pk))

    def by_owner(self) -> Any:
        """How many of these rows there are of each project, owner and visibility, for `counts_of`."""
        return self.order_by().values("project", "owner", "visibility").annotate(number=Count("pk"))


def counts_of(
    rows: Iterable[tuple[int, int, str, int]], people: Collection[User]
) -> dict[int, tuple[int, int]]:  # fmt: skip
    """How many each person has, and how many they may see, of what `by_owner` counted: `visible_to` for many."""
    own: Counter[tuple[int, int]] = Counter()  # by project and owner
    hidden: Counter[tuple[int, int]] = Counter()
    total: Counter[int] = Counter()  # by project
    private: Counter[int] = Counter()
    for project, owner, visibility, number in rows:
        own[project, owner] += number
        total[project] += number
        if visibility != Visibility.TEAM:
            hidden[project, owner] += number
            private[project] += number
    found = {}
    for person in people:
        at = projects.of(person)
        from_others = 0 if person.is_superuser else private[at] - hidden[at, person.pk]
        found[person.pk] = own[at, person.pk], total[at] - from_others
    return found


class PartQuerySet(VisibleQuerySet[M]):
    """Rows that belong to another one: whoever sees that one sees them."""

    part_of: ClassVar[str]  # the foreign key to the whole
    whole_manager: ClassVar[str] = "objects"  # in whose rows the whole is looked for

    def visible_to(self, person: Person) -> Self:
        """The parts of what `person` may see."""
        whole: Any = self.model._meta.get_field(self.part_of).related_model
        seen = getattr(whole, self.whole_manager).visible_to(person)
        # Asked for each row, so that the newest of a million are found in the order of their index. As a list of all
        # wholes, or as a join, SQLite goes through those first and sorts what it finds.
        return super().visible_to(person).filter(Exists(seen.filter(pk=OuterRef(f"{self.part_of}_id"))))
