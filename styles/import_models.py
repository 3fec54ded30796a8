"""LoRA files that were brought in and are no versions yet."""

from __future__ import annotations

from typing import Self

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone

from stylestudio.people.visibility import Person, VisibleQuerySet


class ImportQuerySet(VisibleQuerySet["LoraImport"]):
    """Files that wait."""

    def visible_to(self, person: Person) -> Self:
        """Each person's own: nobody else says what becomes of them."""
        return super().visible_to(person).filter(owner=person.pk)


class LoraImport(models.Model):
    """A file that was brought in and waits for somebody to say what becomes of it. See `styles.importing`."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="lora_imports")
    file = models.FileField(upload_to="uploads/styles/%Y/%m")
    name = models.CharField(max_length=255)  # as its owner calls it
    title = models.CharField(max_length=80)
    size = models.PositiveBigIntegerField()  # bytes
    sha256 = models.CharField(max_length=64)
    tensor_sha256 = models.CharField(max_length=64)
    triggers = models.CharField(max_length=500, blank=True)
    found = models.JSONField(default=dict)
    picture = models.ImageField(upload_to="uploads/covers/%Y/%m", blank=True)
    engines_copy = models.FileField(upload_to="uploads/styles/%Y/%m", blank=True)
    sheet = models.ImageField(upload_to="outputs/sheets/%Y/%m", blank=True)  # of a style card
    created_at = models.DateTimeField(default=timezone.now)

    objects = ImportQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("styles:import", args=[self.pk])
