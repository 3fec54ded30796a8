"""Probe prompts, what the pictures of previews are for, and of which pictures covers were made."""

from __future__ import annotations

from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from generation.pictures.models import MOST_SEED, GeneratedImage, GenerationTask
from styles.kinds.of_kind import Kind
from styles.models import Style, StyleVersion


class ProbeQuerySet(models.QuerySet["Probe"]):
    """Probe prompts. Deleting is soft, so that the initial ones are not created again."""

    def delete(self) -> tuple[int, dict[str, int]]:
        """Soft delete."""
        count = self.update(deleted_at=timezone.now())
        return count, {"previews.Probe": count}


class LiveProbes(models.Manager["Probe"]):
    """Probe prompts that were not deleted."""

    def get_queryset(self) -> ProbeQuerySet:
        return ProbeQuerySet(self.model, using=self._db).filter(deleted_at=None)


class Probe(models.Model):
    """A prompt with a seed to show what styles look like. Four of them make a preview sheet."""

    prompt = models.CharField(_("prompt"), max_length=500)
    seed = models.BigIntegerField(_("seed"), default=1, validators=[MinValueValidator(0), MaxValueValidator(MOST_SEED)])
    position = models.PositiveSmallIntegerField(_("position"), default=0)
    kind = models.CharField(
        _("type"),
        max_length=20,
        choices=Kind.choices,
        blank=True,
        help_text=_("Only for styles of this type, and before the general ones. Leave it empty for all styles"),
    )
    active = models.BooleanField(_("in use"), default=True)
    deleted_at = models.DateTimeField(null=True, editable=False)

    objects = LiveProbes.from_queryset(ProbeQuerySet)()
    everything = ProbeQuerySet.as_manager()

    class Meta:
        ordering = ["position", "pk"]
        verbose_name = _("probe prompt")
        verbose_name_plural = _("probe prompts")

    def __str__(self) -> str:
        return self.prompt

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Soft delete."""
        self.deleted_at = timezone.now()
        self.save(update_fields=["deleted_at"])
        return 1, {"previews.Probe": 1}


class Cover(models.Model):
    """The picture that the cover of a style was made of. It counts as long as the style's cover is this file."""

    style = models.OneToOneField(Style, on_delete=models.CASCADE, related_name="+")
    picture = models.ForeignKey(GeneratedImage, on_delete=models.CASCADE, related_name="covers")
    name = models.CharField(max_length=100)  # of the cover's file

    def __str__(self) -> str:
        return f"{self.style}: #{self.picture_id}"


class Face(models.Model):
    """What a one-picture task is for: a place in a version's preview sheet, comparison or strength strip.

    One task can have several faces: versions share pictures with equal inputs. Of several faces at one place the newest
    counts; older ones stay, because their pictures do.
    """

    class Purpose(models.TextChoices):
        """What the pictures of all places form together."""

        SHEET = "sheet", _("Preview sheet")
        EFFECT = "effect", _("Does the style change anything?")
        STRENGTHS = "strengths", _("Strength strip")

    version = models.ForeignKey(StyleVersion, on_delete=models.CASCADE, related_name="faces")
    task = models.ForeignKey(GenerationTask, on_delete=models.CASCADE, related_name="faces")
    purpose = models.CharField(max_length=10, choices=Purpose.choices)
    position = models.PositiveSmallIntegerField()  # from 0
    strength = models.FloatField()  # 0: without the style
    asked_at = models.DateTimeField(default=timezone.now)  # a retry copies it
    settled = models.BooleanField(default=False)  # its task ended, and the follow-up is done

    class Meta:
        ordering = ["asked_at", "pk"]
        indexes = [
            models.Index(fields=["version", "purpose"], name="face_of_version"),
            models.Index(fields=["task"], condition=Q(settled=False), name="face_open"),
        ]

    def __str__(self) -> str:
        return f"{self.version} {self.purpose} {self.position}"
