"""Ordering the pictures that show a version, and deleting them with it.

They are ordinary tasks of one picture each; a `Face` says what such a task is for.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from generation.engines import roster
from generation.ordering import orders
from generation.ordering.orders import Order
from generation.pictures import snapshots
from generation.pictures.models import EnginePrompt, GeneratedImage, GenerationTask, trash_entries
from generation.previews.models import Face
from generation.previews.panels import panel, publish_panel
from generation.previews.tasks import finish_previews_soon
from generation.previews.wishes import Purpose, Wish, wishes
from styles.models import StyleVersion
from stylestudio.people.visibility import Visibility

_PRESSES = uuid.UUID("7d0a3a42-5c55-4d2b-9b0e-6f6f2c1f7a11")  # the namespace of the ids of presses


def order_sheet(version: StyleVersion, user: User) -> list[GenerationTask]:
    """Order a version's preview sheet in the name of `user`: after an import or a training, or at a press."""
    return order_previews(version, user, Purpose.SHEET)


def order_first_sheet(sender: object, version: StyleVersion, user: User, **_facts: Any) -> None:
    """Order the previews of a new version that has a file."""
    with suppress(ValidationError):  # nothing is lost without probe prompts; the page offers the button
        order_sheet(version, user)


def delete_previews(sender: object, version: StyleVersion, **_facts: Any) -> None:
    """Delete the pictures that show a version that is being purged. Raises ValidationError while some are being made.

    Pictures without the style stay, since other versions share them.
    """
    tasks = GenerationTask.everything.made_here().filter(is_face=True, mix__version=version)
    live_prompts = EnginePrompt.objects.live().filter(task__in=tasks)
    if tasks.active().exists() or live_prompts.exists():
        raise ValidationError(_("Its previews are still being made. Cancel them, or wait until they are there."))
    pictures = GeneratedImage.everything.filter(task__in=tasks)
    files = [file for picture in pictures for file in (picture.file, picture.thumbnail) if file]
    trash_entries.remove(list(pictures.exclude(deleted_at=None).values_list("pk", flat=True)))
    pictures.delete()
    tasks.delete()
    for file in files:
        transaction.on_commit(partial(file.storage.delete, str(file.name)))


def order_previews(version: StyleVersion, user: User, purpose: str) -> list[GenerationTask]:
    """Order the pictures a purpose lacks; if it lacks none, all of them anew. Raises ValidationError with the reason.

    Existing or pending pictures with the same inputs are shared; those without a style always.
    """
    wished = wishes(version, purpose)
    anew = panel(version, purpose).whole
    last = Face.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    tasks = []
    with transaction.atomic():
        for wish in wished:
            press = uuid.uuid5(_PRESSES, f"{version.pk} {purpose} {wish.position} {last}")
            there = None if anew and _is_own(wish, version) else existing_task(wish.order)
            task = there or orders.place(wish.order, user, request_id=press, is_face=True)
            Face.objects.create(
                version=version, task=task, purpose=purpose, position=wish.position, strength=wish.strength
            )
            tasks.append(task)
        transaction.on_commit(partial(_asked, version, purpose, tasks))
    return tasks


def _asked(version: StyleVersion, purpose: str, tasks: Sequence[GenerationTask]) -> None:
    publish_panel(version, purpose)
    if not any(task.is_active for task in tasks):  # all of them are shared, so none is going to end
        finish_previews_soon(tasks[0].pk)


def _is_own(wish: Wish, version: StyleVersion) -> bool:
    return bool(wish.order.mix) or version.style.is_base


def existing_task(order: Order) -> GenerationTask | None:
    """A task with the same inputs that is pending, or whose picture is stored and from the kind of engine that serves.

    A sketch shows nothing of a style that a real engine draws. None if there is no such task.
    """
    wanted = snapshots.digest(orders.snapshot(order))
    same = GenerationTask.everything.filter(is_face=True, snapshot_sha256=wanted, visibility=Visibility.TEAM)
    serving = roster.serving()
    sketched = bool(serving) and all(engine.is_preview for engine in serving)
    for task in same.order_by("-pk"):
        if task.is_active:
            return task
        picture = task.pictures(manager="with_previews").select_related("engine").first()
        if picture and picture.engine.is_preview == sketched and picture.file.storage.exists(str(picture.file.name)):
            return task
    return None
