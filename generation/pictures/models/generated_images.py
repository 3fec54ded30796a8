"""Stored pictures."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self

from django.apps import apps
from django.db import models, transaction
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.expressions import RawSQL
from django.db.models.lookups import Exact
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from generation.engines.models import Engine
from generation.pictures.models import search_index, style_counts
from generation.pictures.models.engine_prompts import EnginePrompt
from generation.pictures.shapes import size_text
from stylestudio.database.prepared import OftenUsed
from stylestudio.people.projects import InProject
from stylestudio.people.visibility import PartQuerySet


class PictureQuerySet(PartQuerySet["GeneratedImage"]):
    """Queries of pictures."""

    part_of = "task"
    whole_manager = "everything"

    def unfinished(self) -> Self:
        """Pictures without a thumbnail."""
        return self.filter(_UNFINISHED)

    def before(self, moment: datetime, pk: int) -> Self:
        """Those that come after this key in the order of the gallery."""
        # The database seeks in the index by the first condition.
        return self.filter(Q(created_at__lte=moment), Q(created_at__lt=moment) | Q(pk__lt=pk))

    def newest(self, size: int, before: tuple[datetime, int] | None = None) -> list[GeneratedImage]:
        """The first `size` in this order, or those after a key."""
        return list((self.before(*before) if before else self)[:size])

    def newest_first(self) -> Self:
        """Sort in the order of the gallery; the key is (created_at, pk)."""
        return self.order_by("-created_at", "-pk")


# Whose thumbnail is not made yet. SQLite uses the index for it only if "" stands in the statement and is no parameter.
_UNFINISHED = Exact(F("thumbnail"), RawSQL("''", ()))


class LivePictures(models.Manager["GeneratedImage"]):
    """Pictures that are not in the trash, those that only show a style or a training included."""

    def get_queryset(self) -> PictureQuerySet:
        return PictureQuerySet(self.model, using=self._db).filter(deleted_at=None)


class WantedPictures(LivePictures):
    """Pictures that somebody asked for, and that are not in the trash."""

    def get_queryset(self) -> PictureQuerySet:
        tasks: Any = apps.get_model("pictures", "GenerationTask")  # its module stands above this one
        return super().get_queryset().filter(Exists(tasks.objects.filter(pk=OuterRef("task_id"))))


class GeneratedImage(OftenUsed, InProject):
    """A stored picture. The row exists only if the file does."""

    task = models.ForeignKey(
        "pictures.GenerationTask", on_delete=models.PROTECT, related_name="pictures", db_index=False
    )
    index = models.PositiveSmallIntegerField()
    prompt = models.OneToOneField(EnginePrompt, on_delete=models.PROTECT, related_name="picture")
    file = models.FileField(upload_to="outputs/%Y/%m")
    thumbnail = models.FileField(upload_to="outputs/thumbnails/%Y/%m", blank=True)
    seed = models.BigIntegerField()
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    has_alpha = models.BooleanField(default=False)
    size = models.PositiveBigIntegerField()  # bytes
    sha256 = models.CharField(max_length=64)
    pixel_sha256 = models.CharField(max_length=64, blank=True)
    engine = models.ForeignKey(Engine, on_delete=models.PROTECT, related_name="pictures", db_index=False)
    engine_version = models.CharField(max_length=60, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    deleted_at = models.DateTimeField(null=True)

    objects = WantedPictures.from_queryset(PictureQuerySet)()
    with_previews = LivePictures.from_queryset(PictureQuerySet)()
    everything = PictureQuerySet.as_manager()

    class Meta:
        verbose_name = _("picture")
        verbose_name_plural = _("pictures")
        base_manager_name = "everything"
        constraints = [models.UniqueConstraint(fields=["task", "index"], name="generatedimage_one_per_place")]
        indexes = [
            # Read from its end: in SQLite an index that grows at its beginning stays half empty.
            models.Index(
                fields=["project", "created_at", "id"], condition=Q(deleted_at=None), name="generatedimage_gallery"
            ),
            models.Index(fields=["-id"], condition=Q(thumbnail=""), name="generatedimage_unfinished"),
        ]

    def __str__(self) -> str:
        return f"#{self.pk} {self.task}"

    def get_absolute_url(self) -> str:
        return reverse("generation:picture", args=[self.pk])

    @property
    def size_text(self) -> str:
        """Such as 1024 × 1024."""
        return size_text(self.width, self.height)

    @property
    def is_odd_size(self) -> bool:
        """Whether the engine sent another size than ordered."""
        return self.size_text != self.task.size_text

    @property
    def thumbnail_url(self) -> str:
        """The thumbnail; the original until the thumbnail is made."""
        return str((self.thumbnail or self.file).url)

    @property
    def alt(self) -> str:
        """The alternative text: the prompt, at most 120 characters."""
        prompt = self.task.prompt
        return prompt if len(prompt) <= 120 else prompt[:119] + "…"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save the row; a new one is found by searches from then on."""
        is_new = self._state.adding
        with transaction.atomic():
            super().save(*args, **kwargs)
            if is_new:
                search_index.add_picture(self)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Move to the trash; the file stays. One of several callers does it."""
        now = timezone.now()
        with transaction.atomic():
            moved = GeneratedImage.everything.filter(pk=self.pk, deleted_at=None).update(deleted_at=now)
            if moved:
                style_counts.add(self.task, -1)
        self.deleted_at = self.deleted_at or now
        return moved, {"pictures.GeneratedImage": moved}

    def restore(self) -> None:
        """Take out of the trash. One of several callers does it."""
        with transaction.atomic():
            if GeneratedImage.everything.filter(pk=self.pk, deleted_at__isnull=False).update(deleted_at=None):
                style_counts.add(self.task, 1)
                search_index.add_picture(self)  # what was in the trash while older pictures were indexed is not
        self.deleted_at = None
