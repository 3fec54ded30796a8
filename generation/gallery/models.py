"""Filters of the gallery that somebody saved under a name."""

from __future__ import annotations

from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from stylestudio.people.projects import InProject
from stylestudio.people.visibility import Person, VisibleQuerySet

MOST_SAVED = 100  # of one person
LONGEST_NAME = 60
LONGEST_QUERY = 4000


class SavedFilterQuerySet(VisibleQuerySet["SavedFilter"]):
    """Saved filters."""

    def visible_to(self, person: Person) -> Self:
        """A person's own ones."""
        return super().visible_to(person).filter(owner=person.pk)


class SavedFilter(InProject):
    """A wall's address under a name, for one person."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    name = models.CharField(_("name"), max_length=LONGEST_NAME)
    query = models.CharField(max_length=LONGEST_QUERY)  # of the address, as `Filters.query` makes it

    objects: ClassVar[SavedFilterQuerySet] = SavedFilterQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        verbose_name = _("saved filter")
        verbose_name_plural = _("saved filters")
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["project", "owner", "name"], name="savedfilter_name_once")]

    def __str__(self) -> str:
        return self.name
