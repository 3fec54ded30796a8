"""What somebody wants an engine to make of a picture that is there."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from generation.pictures.models import GeneratedImage, GenerationTask
from stylestudio.people.projects import InProject
from stylestudio.people.visibility import PartQuerySet

WANTED = Q(task__isnull=True, trouble="")


class PictureChangeQuerySet(PartQuerySet["PictureChange"]):
    """Who sees the picture sees what is made of it."""

    part_of = "source"
    whole_manager = "with_previews"

    def open(self) -> PictureChangeQuerySet:
        """Those that are not made yet, and will be."""
        return self.filter(WANTED | Q(task__ended_at__isnull=True, task__isnull=False))


class PictureChange(InProject):
    """A wish, and the job that makes it; none until there is room for one in the queue.

    `key` names source, person and recipe with its files: of the same there is one, so a worker that is killed doubles
    nothing. Whoever wants it again, because it failed or was deleted, raises `asked`. `trouble` is why no job could be
    ordered for it: missing, broken, too_large or gone.
    """

    source = models.ForeignKey(
        GeneratedImage, null=True, on_delete=models.SET_NULL, related_name="picture_changes", db_index=False
    )
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False)
    recipe = models.CharField(max_length=64)
    key = models.UUIDField(unique=True)
    task = models.OneToOneField(GenerationTask, null=True, on_delete=models.SET_NULL, related_name="picture_change")
    asked = models.PositiveIntegerField(default=1)
    asked_at = models.DateTimeField(default=timezone.now)
    trouble = models.CharField(max_length=20, blank=True)

    objects = PictureChangeQuerySet.as_manager()

    class Meta:
        verbose_name = _("changed picture")
        verbose_name_plural = _("changed pictures")
        indexes = [
            models.Index(fields=["source", "id"], condition=Q(source__isnull=False), name="change_source"),
            models.Index(fields=["id"], condition=WANTED, name="change_wanted"),
        ]

    def __str__(self) -> str:
        return f"#{self.source_id}: {self.recipe}"
