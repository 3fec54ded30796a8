"""Asking for the pictures that show a version, and removing them with it.

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
from generation.pictures.models import EnginePrompt, GeneratedImage, GenerationTask
from generation.previews import following
from generation.previews.models import Face
from generation.previews.panels import panel, publish
from generation.previews.wishes import Purpose, Wish, wishes
from styles.models import StyleVersion
from stylestudio.people.visibility import Visibility

_PRESSES = uuid.UUID("7d0a3a42-5c55-4d2b-9b0e-6f6f2c1f7a11")  # what presses of these buttons are named in


def ask_for_sheet(version: StyleVersion, user: User) -> list[GenerationTask]:
    """Ask for the preview sheet of a version in the name of `user`: after an import or a training, or at a press."""
    return ask(version, user, Purpose.SHEET)


def greet(sender: object, version: StyleVersion, user: User, **_facts: Any) -> None:
    """A file became a version: make its previews."""
    with suppress(ValidationError):  # nothing is lost without probe prompts; the page offers the button
        ask_for_sheet(version, user)


def forget(sender: object, version: StyleVersion, **_facts: Any) -> None:
    """A version is removed for good: so are the pictures that show it. ValidationError while some are made.

    Those without the style stay, since other versions share them.
    """
    tasks = GenerationTask.everything.filter(is_face=True, mix__version=version)
    live_prompts = EnginePrompt.objects.live().filter(task__in=tasks)
    if tasks.active().exists() or live_prompts.exists():
        raise ValidationError(_("Its previews are still being made. Cancel them, or wait until they are there."))
    pictures = GeneratedImage.everything.filter(task__in=tasks)
    files = [file for picture in pictures for file in (picture.file, picture.thumbnail) if file]
    pictures.delete()
    tasks.delete()
    for file in files:
        transaction.on_commit(partial(file.storage.delete, str(file.name)))


def ask(version: StyleVersion, user: User, purpose: str) -> list[GenerationTask]:
    """Ask for what a purpose lacks; where nothing is lacking, for all of it anew. ValidationError says why not.

    Pictures that are there or on their way for the same inputs are shared: those without a style always.
    """
    wished = wishes(version, purpose)
    anew = panel(version, purpose).whole
    last = Face.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    tasks = []
    with transaction.atomic():
        for wish in wished:
            press = uuid.uuid5(_PRESSES, f"{version.pk} {purpose} {wish.position} {last}")
            there = None if anew and _is_own(wish, version) else made(wish.order)
            task = there or orders.place(wish.order, user, request_id=press, is_face=True)
            Face.objects.create(
                version=version, task=task, purpose=purpose, position=wish.position, strength=wish.strength
            )
            tasks.append(task)
        transaction.on_commit(partial(_asked, version, purpose, tasks))
    return tasks


def _asked(version: StyleVersion, purpose: str, tasks: Sequence[GenerationTask]) -> None:
    publish(version, purpose)
    if not any(task.is_active for task in tasks):  # all of them are shared, so none is going to end
        following.follow_soon(tasks[0].pk)


def _is_own(wish: Wish, version: StyleVersion) -> bool:
    return bool(wish.order.mix) or version.style.is_base


def made(order: Order) -> GenerationTask | None:
    """A task of the same inputs that is on its way, or whose picture is stored and from the kind of engine that serves.

    A sketch says nothing about a style that a real engine draws.
    """
    wanted = orders.digest(orders.snapshot(order))
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
