"""Stored pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
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
from generation.pictures.models import search_index, style_counts, trash_entries
from generation.pictures.models.engine_prompts import EnginePrompt
from generation.pictures.models.search_tables import SearchEntry
from generation.pictures.shapes import size_text
from stylestudio.database.prepared import OftenUsed
from stylestudio.people.projects import InProject
from stylestudio.people.visibility import PartQuerySet


class PictureQuerySet(PartQuerySet["GeneratedImage"]):
    """Queries of pictures."""

    part_of = "task"
    whole_manager = "everything"

    def unfinished(self) -> Self:
        """Pictures without a thumbnail, for a manager that leaves out the trash."""
        return self.filter(_UNFINISHED)

    def before(self, moment: datetime, pk: int) -> Self:
        """Those that come after this key in the order of the gallery."""
        # The database seeks in the index by the first condition.
        return self.filter(Q(created_at__lte=moment), Q(created_at__lt=moment) | Q(pk__lt=pk))

    def after(self, moment: datetime, pk: int) -> Self:
        """Those that come before this key in the order of the gallery."""
        return self.filter(Q(created_at__gte=moment), Q(created_at__gt=moment) | Q(pk__gt=pk))

    def newest_first(self) -> Self:
        """Sort in the order of the gallery; the key is (created_at, pk)."""
        return self.order_by("-created_at", "-pk")

    def discard(self, pks: Collection[int], moment: datetime | None = None) -> list[int]:
        """Move some of these to the trash, a few hundred at a time; their files stay. The keys of those that this
        caller moved: of several at once one does it. `moment`: when, if it is not now.
        """
        now = moment or timezone.now()
        with transaction.atomic():
            found = self._locked(pks, Q(deleted_at=None))
            moved = [picture.pk for picture in found]
            GeneratedImage.everything.filter(pk__in=moved).update(deleted_at=now)
            trash_entries.add(
                [trash_entries.Discarded(each.pk, each.project_id, each.task.owner_id, each.size) for each in found],
                now,
            )
            _count_by_style(found, -1)
            search_index.remove_pictures(found)
        return moved

    def restore(self, pks: Collection[int]) -> list[int]:
        """Take some of these out of the trash, a few hundred at a time. The keys of those that this caller restored;
        what was deleted for good stays as it is.
        """
        with transaction.atomic():
            found = self._locked(pks, Q(deleted_at__isnull=False, emptied_at=None))
            restored = [picture.pk for picture in found]
            GeneratedImage.everything.filter(pk__in=restored).update(deleted_at=None)
            trash_entries.remove(restored)
            _count_by_style(found, 1)
            known = set(SearchEntry.objects.filter(picture__in=restored).values_list("picture", flat=True))
            search_index.add_pictures([picture for picture in found if picture.pk not in known])
        return restored

    def _locked(self, pks: Collection[int], where: Q) -> list[GeneratedImage]:
        """Those to which this still applies; nobody else changes them until the transaction ends."""
        found = self.filter(where, pk__in=pks).select_related("task").order_by("pk")
        return list(found.select_for_update(of=("self",)))


def _count_by_style(pictures: Collection[GeneratedImage], sign: int) -> None:
    tasks = {picture.task_id: picture.task for picture in pictures}
    numbers = sorted(Counter(picture.task_id for picture in pictures).items())
    style_counts.add_all([(tasks[task], sign * number) for task, number in numbers])


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
    """A stored picture. The row exists only if the file does, or did until the picture was deleted for good.

    What is left then is a tombstone: `emptied_at` says when, the names of its files are empty once these are in the
    bin, and everything else stays as it was.
    """

    task = models.ForeignKey(
        "pictures.GenerationTask", on_delete=models.PROTECT, related_name="pictures", db_index=False
    )
    index = models.PositiveSmallIntegerField()
    prompt = models.OneToOneField(EnginePrompt, on_delete=models.PROTECT, related_name="picture")
    file = models.FileField(upload_to="outputs/%Y/%m")
    # Of a file that was taken over, or as a list says.
    name = models.CharField(max_length=255, blank=True, default="", db_default="")
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
    emptied_at = models.DateTimeField(null=True, editable=False)

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
            # Without the trash, where tombstones have no thumbnail for ever.
            models.Index(
                fields=["-id"], condition=Q(thumbnail="", deleted_at=None), name="generatedimage_no_thumbnail"
            ),
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
        was_ordered = self.task.taken_over is None and not self.task.derived
        return was_ordered and self.size_text != self.task.size_text

    @property
    def thumbnail_url(self) -> str:
        """The thumbnail; the original until the thumbnail is made; "" if it was deleted for good."""
        stored = self.thumbnail or self.file
        return str(stored.url) if stored else ""

    @property
    def alt(self) -> str:
        """The alternative text: the prompt, at most 120 characters."""
        prompt = self.task.prompt
        return prompt if len(prompt) <= 120 else prompt[:119] + "…"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save the row; a new one is found by searches from then on."""
        is_new = self._state.adding
        with transaction.atomic(savepoint=False):
            super().save(*args, **kwargs)
            if is_new:
                search_index.add_picture(self)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Move to the trash; the file stays. One of several callers does it."""
        moved = len(GeneratedImage.everything.discard([self.pk]))
        self.refresh_from_db(fields=["deleted_at"])
        return moved, {"pictures.GeneratedImage": moved}

    def restore(self) -> bool:
        """Take out of the trash, unless it was deleted for good. Of several callers one gets True."""
        restored = bool(GeneratedImage.everything.restore([self.pk]))
        self.refresh_from_db(fields=["deleted_at", "emptied_at"])
        return restored
