"""From a wish to a job in the queue: a few at a time for each person, so that the queue stays short.

A job's id follows from the wish: whatever kills a worker between the two, none is lost or doubled.
"""

from __future__ import annotations

import uuid
from collections import Counter
from typing import Any

from django.db import transaction
from django.db.models import Count

from generation.changing import laying, tasks
from generation.changing.models import WANTED, PictureChange
from generation.changing.wanting import FACTORS
from generation.derivations.rows import SAME
from generation.derivations.steps.limits import Unfit
from generation.ordering import orders, references
from generation.pictures import snapshots
from generation.pictures.models import GeneratedImage, GenerationTask, Reference, TaskStyle
from generation.recipes import registry
from generation.recipes.recipe import Recipe
from generation.selecting.models import PictureJob
from stylestudio.images.decoding import BadPicture
from stylestudio.processes import workers

AT_ONCE = 20  # jobs of one person that wait or run together
_LOOKED_AT = 500  # wishes of one turn


def sweep() -> None:
    """Order what a lost message left."""
    if PictureChange.objects.filter(WANTED).exists():
        tasks.order_wanted()


def follow(task: GenerationTask, **_sent: Any) -> None:
    """A job has ended: if it was a change, there is room for another one."""
    if task.is_face and PictureChange.objects.filter(task=task).exists():
        tasks.order_wanted()
        PictureJob.wake()


def follow_retry(task: GenerationTask, again: GenerationTask, **_sent: Any) -> None:
    """A job is made again, from wherever: its picture is the one that was wanted."""
    PictureChange.objects.filter(task=task).update(task=again)


def place_wanted() -> None:
    """Order what is wanted, the oldest wish of each person first, as far as there is room."""
    running = PictureChange.objects.filter(task__ended_at__isnull=True, task__isnull=False)
    room = Counter(dict(running.values_list("owner").annotate(number=Count("pk"))))
    for change in (
        PictureChange.objects.filter(WANTED).select_related("source__task", "owner").order_by("pk")[:_LOOKED_AT]
    ):
        if workers.stopping.is_set():
            return
        if room[change.owner_id] < AT_ONCE:
            room[change.owner_id] += 1
            place(change)
            workers.give_connection_back()
    if not running.exists():
        PictureJob.wake()  # nothing will end: what could not be ordered is told now


def place(change: PictureChange) -> None:
    """Order a job for this wish, or note why that cannot be done."""
    try:
        reference, sha256 = _prepared(change)
    except _Trouble as error:
        PictureChange.objects.filter(WANTED, pk=change.pk).update(trouble=str(error))
        PictureJob.wake()
        return
    recipe = registry.changers()[change.recipe]
    registry.keep(recipe)
    assert change.source  # otherwise nothing was prepared
    task, how, mix = _drafted(change, change.source, recipe, reference, sha256)
    press = uuid.uuid5(change.key, str(change.asked))
    with transaction.atomic():
        still = PictureChange.objects.filter(WANTED, pk=change.pk, asked=change.asked)
        if list(still.select_for_update().values_list("pk")):
            still.update(task=orders.store(task, mix, how, change.source.task.frame, press, ()))


class _Trouble(Exception):
    """Why no job can be ordered: one of the reasons of `PictureChange.trouble`."""


def _prepared(change: PictureChange) -> tuple[Reference, str]:
    """The picture that engines get, stored, and the hash of the source's file. Raises _Trouble."""
    source = change.source
    if source is None or source.emptied_at or change.recipe not in registry.changers():
        raise _Trouble("gone")
    try:
        with source.file.open("rb") as file:
            data = bytes(file.read())
        sent = laying.sent(registry.changers()[change.recipe], data)
    except FileNotFoundError as error:
        raise _Trouble("missing") from error
    except BadPicture as error:
        raise _Trouble("broken") from error
    except Unfit as error:
        raise _Trouble(error.reason) from error
    reference = references.keep(sent.reference, change.owner)
    Reference.objects.filter(pk=reference.pk).update(picture=source)
    return reference, sent.sha256


def _drafted(
    change: PictureChange, source: GeneratedImage, recipe: Recipe, reference: Reference, sha256: str
) -> tuple[GenerationTask, dict[str, Any], list[TaskStyle]]:
    """A job that says of prompt and styles what the source's says, how it is made, and the styles of its mix."""
    files = registry.files_of(recipe)
    facts = {name: getattr(source.task, name) for name in SAME}
    facts |= {"mode": GenerationTask.Mode.IMAGE, "recipe": recipe.name, "reference_id": reference.pk, "denoise": 1.0}
    facts |= {"checkpoint": next(iter(files.values()), ""), "lightning": ""}
    task = GenerationTask(owner=change.owner, is_face=True, count=1, seeds=[source.seed], **facts)
    factor = FACTORS.get(recipe.name, 1)
    derived = {
        "source": source.pk,
        "source_sha256": sha256,
        "change": recipe.name,
        "size": [reference.width * factor, reference.height * factor],
    }
    how = {"schema": snapshots.SCHEMA, "recipe": recipe.facts, "files": files, "fields": {}, "derived": derived}
    mix = [
        TaskStyle(version=row.version, position=row.position, weight=row.weight, triggers=row.triggers)
        for row in source.task.mix.select_related("version__style")
    ]
    return task, how, mix
