"""Pictures that were made of others on the CPU, and the named lists of steps that make them."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from generation.derivations import words
from generation.derivations.steps.limits import FORMATS
from generation.pictures.models import GeneratedImage
from stylestudio.people.projects import InProject
from stylestudio.people.visibility import PartQuerySet, VisibleQuerySet

MOST_NAME = 60


class ExportPresetQuerySet(VisibleQuerySet["ExportPreset"]):
    """Queries of presets."""


class ExportPreset(InProject):
    """A named list of steps of the studio's own. What was made with it keeps the steps of that time."""

    class Format(models.TextChoices):
        """What is written, both without loss."""

        PNG = "png", "PNG"
        WEBP = "webp", "WebP"

    name = models.CharField(max_length=MOST_NAME)
    steps = models.JSONField(default=list)  # as `steps.catalogue.read` takes them
    format = models.CharField(max_length=4, choices=Format.choices, default=Format.PNG)
    keep_hidden = models.BooleanField(default=False)  # the colours of clear pixels
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    updated_at = models.DateTimeField(default=timezone.now)

    objects: ClassVar[ExportPresetQuerySet] = ExportPresetQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ["name", "pk"]
        verbose_name = _("export preset")
        verbose_name_plural = _("export presets")
        constraints = [
            models.UniqueConstraint(fields=["project", "name"], name="exportpreset_name_once"),
            models.CheckConstraint(condition=Q(format__in=FORMATS), name="exportpreset_format_is_known"),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("generation:export-preset", args=[self.pk])

    @property
    def plan(self) -> dict[str, Any]:
        """What a picture is made with."""
        return {"steps": self.steps, "format": str(self.format), "keep_hidden": self.keep_hidden}


class DerivationQuerySet(PartQuerySet["Derivation"]):
    """Queries of derivations: who sees the picture sees how it was made."""

    part_of = "picture"
    whole_manager = "with_previews"


class Derivation(InProject):
    """How a picture was made of another one, which it is folded under on the wall.

    `key` names source, person, settings and libraries: of the same a person has one picture, so a worker that is killed
    doubles nothing. Who deleted it for good can make it again; then the older one has no key any more.
    """

    picture = models.OneToOneField(
        GeneratedImage, primary_key=True, on_delete=models.CASCADE, related_name="derivation"
    )
    moment = models.BigIntegerField()  # of the picture, as in its `SearchEntry`
    source = models.ForeignKey(
        GeneratedImage, null=True, on_delete=models.SET_NULL, related_name="derivations", db_index=False
    )
    source_number = models.BigIntegerField()  # its key, also when there is no row any more
    source_sha256 = models.CharField(max_length=64)  # of the file
    source_pixels = models.CharField(max_length=64)  # see `steps.digests.of_pixels`
    pixels = models.CharField(max_length=64)  # of the result; the sha256 of its file is the picture's
    preset = models.CharField(max_length=MOST_NAME)  # what it was called then
    settings = models.JSONField()
    settings_sha256 = models.CharField(max_length=64)
    libraries = models.JSONField()
    remarks = models.JSONField(default=list)  # see `words.REMARKS`
    measures = models.JSONField(default=dict)  # {"colours": 12, "seam": 1.04}
    seconds = models.FloatField()  # of processor work
    key = models.UUIDField(null=True, unique=True)

    objects: ClassVar[DerivationQuerySet] = DerivationQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        verbose_name = _("finished picture")
        verbose_name_plural = _("finished pictures")
        indexes = [
            models.Index(fields=["project", "moment", "picture"], name="derivation_newest"),
            models.Index(fields=["source", "picture"], condition=Q(source__isnull=False), name="derivation_source"),
        ]

    def __str__(self) -> str:
        return f"#{self.picture_id}: {self.preset}"

    @property
    def change(self) -> str:
        """The recipe by which an engine changed it, or "mend_seam"; "" if the studio did."""
        return "mend_seam" if self.settings.get("seamless") else str(self.settings.get("change", ""))

    @property
    def title(self) -> str:
        """What it was made with: the preset, or what the engine did in the reader's language."""
        return words.title(self.change) if self.change else self.preset
