"""When the trash is emptied, what people ordered to be done with all of it, and what the studio takes on disk."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from stylestudio.people.projects import InProject
from stylestudio.people.visibility import Person, VisibleQuerySet


class TrashRule(models.Model):
    """One row: the number of days in force, and until when nothing is emptied because it was not announced yet."""

    days = models.PositiveSmallIntegerField()
    not_before = models.DateTimeField(null=True)
    looked_at = models.DateTimeField(default=timezone.now)  # when a studio was last seen running, to the hour

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(pk=1), name="one_trash_rule")]

    def __str__(self) -> str:
        return f"{self.days} days"


class OrderQuerySet(VisibleQuerySet["TrashOrder"]):
    """Orders about the whole trash."""

    def visible_to(self, person: Person) -> OrderQuerySet:
        """One's own; owners of the studio see everybody's."""
        seen = super().visible_to(person)
        return seen if person.is_superuser else seen.filter(asked_by=person.pk)


class TrashOrder(InProject):
    """Restoring, or deleting for good, all that was in somebody's trash at a moment. Workers do it in slices.

    `owner`: whose, None for everybody's. `after_at`, `after_picture`: how far it is, oldest first. `kept`: left because
    something uses them.
    """

    class Action(models.TextChoices):
        """What is done with each picture."""

        RESTORE = "restore"
        EMPTY = "empty"

    action = models.CharField(max_length=7, choices=Action.choices)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="+")
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    asked_at = models.DateTimeField(default=timezone.now)
    pictures = models.PositiveIntegerField()  # how many there were
    after_at = models.DateTimeField(null=True)
    after_picture = models.BigIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    kept = models.PositiveIntegerField(default=0)
    ended_at = models.DateTimeField(null=True)

    objects: ClassVar[OrderQuerySet] = OrderQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        indexes = [models.Index(fields=["project", "asked_by", "asked_at"], name="trashorder_of_person")]

    def __str__(self) -> str:
        return f"{self.action}: {self.done} of {self.pictures}"

    @property
    def passed(self) -> int:
        """How many it is past."""
        return self.done + self.kept

    def cancel(self) -> bool:
        """Stop where it is. Whether it was going on."""
        open_ones = TrashOrder.objects.filter(pk=self.pk, ended_at=None)
        return bool(open_ones.update(ended_at=timezone.now()))


class DiskSum(models.Model):
    """What one kind of file takes, added up in slices along the keys of its rows; `told_…` is the last whole sum."""

    name = models.CharField(max_length=40, primary_key=True)
    upto = models.BigIntegerField(default=0)  # the key that this round has reached
    number = models.BigIntegerField(default=0)
    size = models.BigIntegerField(default=0)  # bytes
    told_number = models.BigIntegerField(default=0)
    told_size = models.BigIntegerField(default=0)
    told_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.name}: {self.told_size}"
