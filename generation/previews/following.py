"""What happens once the pictures that show a version have ended: composing a sheet, measuring a difference.

It happens once, in the first process to hear of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from django.core.files.base import ContentFile
from django.db import transaction
from PIL import Image

from generation.pictures.models import GeneratedImage, GenerationTask
from generation.previews import contact_sheets, signals, tasks
from generation.previews.models import Face
from generation.previews.panels import Cell, panel, publish_panel
from generation.previews.wishes import Purpose
from styles.models import Effect, StyleVersion
from stylestudio.images import decoding
from stylestudio.jobs.kinds import ACTIVE
from stylestudio.media import identity

# Mean difference (0 to 1) below which a style counts as having no effect. One step of 255 in every pixel and channel is
# 0.004, and nobody sees it; the sketch styles differ by 0.03 to 0.4 at their default strengths, another seed by 0.1.
NOTHING = 0.01


def hear_of_end(sender: object, task: GenerationTask, **_facts: Any) -> None:
    """Queue the follow-up of an ended task if it shows versions."""
    if task.is_face and not task.is_active:
        tasks.finish_previews_soon(task.pk)


def finish_previews(task_pk: int) -> None:
    """Finish what an ended task of previews leads to, and publish it to open pages."""
    signals.followed.send(Face, task=task_pk)
    for version, purpose in _shown_by(task_pk):
        finish_purpose(version, purpose)
        publish_panel(version, purpose)


def hear_of_reopening(sender: object, task: GenerationTask, **_facts: Any) -> None:
    """Publish the panels of a reopened task to open pages."""
    _show(task.pk)


def take_over(sender: object, task: GenerationTask, again: GenerationTask, **_facts: Any) -> None:
    """Move the previews of `task` to its retry."""
    if not task.is_face or again.faces.exists():
        return
    transaction.on_commit(partial(_show, again.pk))
    Face.objects.bulk_create(
        Face(
            version=face.version,
            task=again,
            purpose=face.purpose,
            position=face.position,
            strength=face.strength,
            asked_at=face.asked_at,
        )
        for face in task.faces.select_related("version")
    )


def _show(task_pk: int) -> None:
    for version, purpose in _shown_by(task_pk):
        publish_panel(version, purpose)


def _shown_by(task_pk: int) -> set[tuple[StyleVersion, str]]:
    faces = Face.objects.filter(task=task_pk).select_related("version__style")
    return {(face.version, face.purpose) for face in faces}


def finish_missed_previews() -> None:
    """Do what a lost message left undone."""
    missed = Face.objects.filter(settled=False).exclude(task__status__in=ACTIVE).select_related("version__style")
    for version, purpose in {(face.version, face.purpose) for face in missed}:
        if finish_purpose(version, purpose):
            publish_panel(version, purpose)


def finish_purpose(version: StyleVersion, purpose: str) -> bool:
    """Compose the sheet or measure the difference, once no more pictures are to come.

    Failed pictures do not prevent it for the others. False if pictures are still to come or nothing is left to do.
    Doing it twice has the same result.
    """
    faces = list(Face.objects.filter(version=version, purpose=purpose, settled=False).values_list("pk", flat=True))
    shown = panel(version, purpose)
    if not faces or shown.active:
        return False
    if purpose == Purpose.SHEET:
        return _compose(version, shown.cells, faces)
    if purpose == Purpose.EFFECT:
        _measure(version, shown.cells)
    return _settled(faces)


def _settled(faces: Sequence[int]) -> bool:
    """Mark the faces as settled; True for the one caller that did."""
    left = Face.objects.filter(pk__in=faces, settled=False).exclude(task__status__in=ACTIVE)
    return bool(left.update(settled=True))


def _compose(version: StyleVersion, cells: Sequence[Cell], faces: Sequence[int]) -> bool:
    """Store the sheet of the finished pictures and delete the old file. Without any picture the old sheet stays.

    Of several workers at once only one stores it: a page that shows the sheet must not lose it to a second one.
    """
    if not any(cell.picture for cell in cells):
        return _settled(faces)
    sheet = contact_sheets.side_by_side([_opened(cell.picture) if cell.picture else None for cell in cells])
    old = ""
    version.sheet.save(identity.new_name(".webp"), ContentFile(sheet), save=False)
    with transaction.atomic():
        first = _settled(faces)
        if first:
            old = str(StyleVersion.everything.get(pk=version.pk).sheet.name or "")
            StyleVersion.everything.filter(pk=version.pk).update(sheet=version.sheet.name)
    if not first:
        version.sheet.delete(save=False)
    elif old:
        version.sheet.storage.delete(old)
    return first


def _measure(version: StyleVersion, cells: Sequence[Cell]) -> None:
    """Store how much the picture with the style differs from the one without.
    A sketch is not compared with a picture.
    """
    without, with_it = (cell.picture for cell in cells)
    if without is None or with_it is None or without.engine.is_preview != with_it.engine.is_preview:
        return
    differs = contact_sheets.difference(_opened(without), _opened(with_it))
    effect = Effect.NONE if differs < NOTHING else Effect.VISIBLE
    StyleVersion.everything.filter(pk=version.pk).update(effect=effect, difference=differs)


def _opened(picture: GeneratedImage) -> Image.Image:
    with picture.file.open("rb") as handle, decoding.open_picture(handle) as opened:
        opened.load()
        return opened
