"""Masks, stored once, and which pictures were edited with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from generation.masks.facts import EditFacts, of_snapshot
from generation.pictures.models import GeneratedImage, GenerationTask
from stylestudio.jobs.kinds import Status
from stylestudio.media.stored_once import stored_once
from stylestudio.people.visibility import PartQuerySet


class Mask(models.Model):
    """A grey picture: white is made anew, black stays as it is. Stored once however often it is used."""

    sha256 = models.CharField(max_length=64, unique=True)
    file = models.FileField(upload_to="uploads/masks/%Y/%m")
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = gettext_lazy("mask")
        verbose_name_plural = gettext_lazy("masks")

    def __str__(self) -> str:
        return f"{self.width} × {self.height}"


class EditQuerySet(PartQuerySet["Edit"]):
    """Whoever sees the job sees what it edits."""

    part_of = "task"
    whole_manager = "everything"


class Edit(models.Model):
    """What a job edits. The snapshot of the job determines its pictures; this says where source and masks are."""

    task = models.OneToOneField(GenerationTask, primary_key=True, on_delete=models.CASCADE, related_name="edit")
    source = models.ForeignKey(GeneratedImage, null=True, on_delete=models.SET_NULL, related_name="edits")
    mask = models.ForeignKey(Mask, on_delete=models.PROTECT, related_name="edits", db_index=False)
    sent_mask = models.ForeignKey(Mask, on_delete=models.PROTECT, related_name="+", db_index=False)

    objects = EditQuerySet.as_manager()

    class Meta:
        verbose_name = gettext_lazy("edit")
        verbose_name_plural = gettext_lazy("edits")

    def __str__(self) -> str:
        return str(self.task_id)


@dataclass(frozen=True, slots=True)
class Parts:
    """What an order for an edit names."""

    facts: EditFacts
    source: GeneratedImage
    mask: Mask
    sent_mask: Mask

    def save(self, task: GenerationTask) -> None:
        """Store them for a task that was just stored."""
        Edit(task=task, source=self.source, mask=self.mask, sent_mask=self.sent_mask).save(force_insert=True)


def parts_of(task: GenerationTask) -> Parts | None:
    """What a task edits; None if it edits nothing.

    Raises SourceGone if its source was deleted for good.
    """
    facts = of_snapshot(task.snapshot)
    if facts is None:
        return None
    row = Edit.objects.select_related("source", "mask", "sent_mask").get(task=task)
    if row.source is None or row.source.emptied_at is not None:
        raise SourceGone
    return Parts(facts, row.source, row.mask, row.sent_mask)


class SourceGone(Exception):
    """The picture that is edited was deleted for good, or its file is missing or another one."""


def gone_words() -> str:
    """What to tell somebody then."""
    return _("The picture that this edits is gone for good, so nothing can be put back on it.")


def keep(pixels: bytes, width: int, height: int) -> Mask:
    """Store a mask of `width` x `height` grey values; equal ones are stored once."""
    from generation.masks.pixels import png_of  # not with the models: what only reads rows needs no Pillow

    made = png_of(pixels, (width, height))
    return stored_once(Mask, made.sha256, made.png, ".png", width=width, height=height)


def read(mask: Mask) -> bytes:
    """The file of a mask. Raises OSError if it is missing."""
    with mask.file.open("rb") as handle:
        return bytes(handle.read())


def sources_in_use(pictures: Sequence[int]) -> models.QuerySet[Any, Any]:
    """The keys of these pictures that waiting or running jobs edit, as a question."""
    active = Edit.objects.filter(source__in=pictures, task__status__in=(Status.QUEUED, Status.RUNNING)).order_by()
    return active.values_list("source")
