"""Control pictures that engines read from a picture: its depth, or the pose of whoever is in it.

Each is a job like any other, whose picture is kept. Its snapshot says what is read from which picture by which version
of a recipe, so that of the same there is one for each person.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from generation.controls.facts import POSE, READABLE
from generation.making import recipe_lacks
from generation.ordering import orders
from generation.ordering.references import of_ticket
from generation.pictures import snapshots
from generation.pictures.models import LEAST_SIDE, MOST_SIDE, GeneratedImage, GenerationTask, Reference
from generation.pictures.prompts import NO_FRAME
from generation.recipes import registry
from generation.recipes.recipe import Recipe
from stylestudio.images.decoding import BadPicture
from stylestudio.people.visibility import Visibility


class NotRead(BadPicture):
    """Nothing was read from this picture yet."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What is known of reading a picture: its newest job, None if there was none, and what came of it."""

    task: GenerationTask | None = None
    picture: GeneratedImage | None = None

    @property
    def is_under_way(self) -> bool:
        """Whether it waits or runs."""
        return self.task is not None and self.task.is_active


def of(source: Reference, kind: str, user: User) -> Reading:
    """What this person has read from a picture by the recipe of today. Two questions."""
    draft = _Draft(source, registry.readers()[kind], user)
    made = GeneratedImage.everything.visible_to(user).filter(task__in=draft.earlier, emptied_at=None)
    return Reading(draft.earlier.order_by("pk").last(), made.select_related("task").order_by("pk").last())


def order(source: Reference, kind: str, user: User) -> GenerationTask:
    """The job that reads this kind of control picture: the one under way, or a new one unless one is done.

    Raises ValidationError with what engines lack if none can do it.
    """
    recipe = registry.readers()[kind]
    found = of(source, kind, user)
    if found.task and (found.is_under_way or found.picture):
        return found.task
    if trouble := recipe_lacks.trouble(recipe):
        raise ValidationError(trouble)
    registry.keep(recipe)
    draft = _Draft(source, recipe, user)
    # The same state of things makes the same press, whoever presses twice.
    press = uuid.uuid5(uuid.NAMESPACE_URL, f"{draft.sha256} of {user.pk} after {draft.earlier.count()}")
    return orders.store(draft.task, [], draft.how, NO_FRAME, press, ())


def pressed(values: Mapping[str, Any], user: User) -> None:
    """Do what a pressed button asks of the form with these values: read its control picture. If no engine can, the page
    says why.
    """
    source, kind = of_ticket(values.get("control_id"), user), values.get("control")
    if values.get("read_control") and source and kind in READABLE:
        with suppress(ValidationError):
            order(source, kind, user)


def picture_of(source: Reference, kind: str, user: User) -> GeneratedImage:
    """What was read. Raises NotRead, with what to do."""
    found = of(source, kind, user)
    if found.picture:
        return found.picture
    if found.is_under_way:
        raise NotRead(_("An engine is still reading this picture. Wait until it is done."))
    raise NotRead(
        _("Read the pose from this picture first, or say that it is a picture of a pose already.")
        if kind == POSE
        else _("Read the depth from this picture first, or say that it is a picture of depth already.")
    )


def facts_of(picture: GeneratedImage) -> dict[str, Any]:
    """What the snapshot of an order says of how its control picture was read."""
    snapshot = picture.task.snapshot
    return {"recipe": snapshot["recipe"], "files": snapshot["files"]}


class _Draft:
    """A job that was not stored yet."""

    def __init__(self, source: Reference, recipe: Recipe, user: User) -> None:
        files = registry.files_of(recipe)
        width, height = (min(max(side, LEAST_SIDE), MOST_SIDE) for side in (source.width, source.height))
        self.user = user
        self.task = GenerationTask(
            owner=user, visibility=Visibility.PRIVATE, is_face=True, mode=GenerationTask.Mode.IMAGE, recipe=recipe.name,
            reference=source, width=width, height=height, count=1, seeds=[0], checkpoint=next(iter(files.values())),
            lightning="", sampler="", scheduler="",
        )  # fmt: skip
        facts = {"reading": recipe.reads, "size": [width, height]}
        self.how: dict[str, Any] = {
            "schema": snapshots.SCHEMA, "recipe": recipe.facts, "files": files, "fields": {}, "derived": facts,
        }  # fmt: skip
        self.sha256 = snapshots.digest(snapshots.of_task(self.task, [], self.how, NO_FRAME))

    @property
    def earlier(self) -> QuerySet[GenerationTask]:
        """The jobs of this person that were the same."""
        mine = GenerationTask.everything.visible_to(self.user).filter(owner=self.user)
        found: QuerySet[GenerationTask] = mine.filter(is_face=True, snapshot_sha256=self.sha256)
        return found
