"""Which pictures a job was given besides the one to start from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy

from generation.controls.facts import USUAL, ControlFacts, Fit, control_of, fit_of
from generation.pictures import snapshots
from generation.pictures.models import GenerationTask, Reference
from generation.recipes.recipe import ROLES, SOURCE
from stylestudio.jobs.kinds import Status
from stylestudio.people.visibility import PartQuerySet


class GivenPictureQuerySet(PartQuerySet["GivenPicture"]):
    """Whoever sees the job sees what it was given."""

    part_of = "task"
    whole_manager = "everything"


class GivenPicture(models.Model):
    """A picture that a job was given: the control picture, what that was made of, the reference as it was fitted, or
    one that its recipe asks for, whose role is the recipe's name of it.

    The snapshot of the job names them by their hashes; this says where they are, and keeps them.
    """

    task = models.ForeignKey(GenerationTask, on_delete=models.CASCADE, related_name="given", db_index=False)
    role = models.CharField(max_length=60)
    picture = models.ForeignKey(Reference, on_delete=models.PROTECT, related_name="given")

    objects = GivenPictureQuerySet.as_manager()

    class Meta:
        verbose_name = gettext_lazy("given picture")
        verbose_name_plural = gettext_lazy("given pictures")
        constraints = (models.UniqueConstraint(fields=["task", "role"], name="one_given_picture_of_a_role"),)

    def __str__(self) -> str:
        return f"{self.task_id}: {self.role}"


@dataclass(frozen=True, slots=True)
class Given:
    """What an order gives besides words and the reference itself. `pictures` are those of `control` and `fit` by role,
    `sent` the hash of the reference as it is fitted, "" if engines get it as it is. `asked` are those that the recipe
    asks for, by its names of them.
    """

    control: ControlFacts | None = None
    fit: Fit = USUAL
    sent: str = ""
    pictures: Mapping[str, Reference] = field(default_factory=dict)
    asked: Mapping[str, Reference] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """As a snapshot has it; nothing for what is as always."""
        control = {"control": self.control.as_json()} if self.control else {}
        fit = {"fit": self.fit.as_json() | {"sent": self.sent}} if self.sent else {}
        asked = {"pictures": {name: each.sha256 for name, each in self.asked.items()}} if self.asked else {}
        return control | fit | asked

    @property
    def every(self) -> Mapping[str, Reference]:
        """All pictures by role; that of one that the recipe asks for is its name."""
        return {**self.pictures, **self.asked}

    def save(self, task: GenerationTask) -> None:
        """Store them for a task that was just stored."""
        rows = [GivenPicture(task=task, role=role, picture=picture) for role, picture in self.every.items()]
        GivenPicture.objects.bulk_create(rows)


NOTHING = Given()


def given_to(task: GenerationTask) -> Given:
    """What a task was given. No question if its snapshot says nothing of it."""
    control, fit = control_of(task.snapshot), task.snapshot.get("fit") or {}
    asked = snapshots.pictures_in(task.snapshot)
    if control is None and not fit and not asked:
        return NOTHING
    rows = GivenPicture.objects.filter(task=task).select_related("picture").order_by("pk")
    pictures = {row.role: row.picture for row in rows}
    theirs = {name: pictures.pop(name) for name in asked}
    return Given(control, fit_of(task.snapshot), fit.get("sent", ""), pictures, theirs)


def sources_in_use(pictures: Sequence[int]) -> models.QuerySet[Any, Any]:
    """The keys of these pictures that hold the form of waiting or running jobs, as a question."""
    return _in_use(pictures).filter(role=SOURCE).values_list("picture__picture")


def asked_in_use(pictures: Sequence[int]) -> models.QuerySet[Any, Any]:
    """The keys of these pictures that waiting or running jobs were given because their recipes ask for them."""
    return _in_use(pictures).exclude(role__in=ROLES).values_list("picture__picture")


def _in_use(pictures: Sequence[int]) -> models.QuerySet[GivenPicture]:
    active = GivenPicture.objects.filter(task__status__in=(Status.QUEUED, Status.RUNNING)).order_by()
    return active.filter(picture__picture__in=pictures)
