"""The versions of recipes that pictures were made by."""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class KeptRecipe(models.Model):
    """A version of a recipe with its graphs, as it was when a picture was first ordered by it. Rows are only added."""

    sha256 = models.CharField(max_length=64, primary_key=True)  # `reading.digest` of the document
    name = models.CharField(max_length=64)
    version = models.PositiveIntegerField()
    document = models.JSONField()
    kept_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.name} {self.version}"
