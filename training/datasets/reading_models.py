"""How ambiguous files were read, stored so that people see it and can change it."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from stylestudio.people.visibility import PartQuerySet


class ReadingQuerySet(PartQuerySet["Reading"]):
    """Readings of files."""

    part_of = "dataset"


class Reading(models.Model):
    """How files of a dataset were interpreted. `choice` is the current reading; "" while nobody has chosen."""

    class Kind(models.TextChoices):
        """What was read."""

        CAPTIONS = "captions", _("Encoding of captions")  # choice: a name of encodings.ENCODINGS
        NAMES = "names", _("Encoding of file names")  # the same
        FOLDERS = "folders", _("Folder names")  # choice: an index into facts["options"], or "none"

    dataset = models.ForeignKey("datasets.Dataset", on_delete=models.CASCADE, related_name="readings")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    choice = models.CharField(max_length=20, blank=True)
    by_hand = models.BooleanField(default=False)  # whether a person chose
    # captions and names: {"likely": [encoding, ...]}. folders: see training.datasets.collecting.readings.
    facts = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now)
    settled_at = models.DateTimeField(null=True)  # since then it is no longer shown

    objects = ReadingQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.kind}: {self.choice}"

    @property
    def is_asked(self) -> bool:
        """Whether somebody has to choose."""
        return not self.choice


class ForeignText(models.Model):
    """The original bytes of a text that does not declare its encoding."""

    reading = models.ForeignKey(Reading, on_delete=models.CASCADE, related_name="texts")
    # captions: what it belongs to, as in WaitingCaption, or the path of a table. names: the displayed name.
    key = models.CharField(max_length=200)
    is_table = models.BooleanField(default=False)
    data = models.BinaryField()

    class Meta:
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["reading", "key"], name="foreigntext_once")]

    def __str__(self) -> str:
        return self.key
