"""What a person may see in lists. Every list begins with `visible_to`, which says it once for each model."""

from __future__ import annotations

from typing import Self, TypeVar

from django.contrib.auth.models import AnonymousUser, User
from django.db import models
from django.db.models import Model, Q
from django.utils.translation import gettext_lazy as _

M = TypeVar("M", bound=Model)
Person = User | AnonymousUser


class Visibility(models.TextChoices):
    """Who may see a row. A studio is one team: everything starts as seen by all."""

    TEAM = "team", _("The team")
    PRIVATE = "private", _("Only me")


class VisibleQuerySet(models.QuerySet[M]):
    """Rows that somebody lists. Unless a model says more, everybody who is signed in sees all of them."""

    def visible_to(self, person: Person) -> Self:
        """What `person` may see; nothing for somebody who is not signed in."""
        return self.all() if person.is_authenticated else self.none()


class OwnedQuerySet(VisibleQuerySet[M]):
    """Rows with an `owner` and a `visibility`."""

    def visible_to(self, person: Person) -> Self:
        """The team's and their own; owners of the studio see all."""
        seen = super().visible_to(person)
        if not person.is_authenticated or person.is_superuser:
            return seen
        return seen.filter(Q(visibility=Visibility.TEAM) | Q(owner=person))
