"""Pictures to start from."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from generation.pictures.shapes import Shape, fitting


class Reference(models.Model):
    """A picture to start from, cleaned, and stored once however often it is used."""

    sha256 = models.CharField(max_length=64, unique=True)
    file = models.ImageField(upload_to="uploads/references/%Y/%m", width_field="width", height_field="height")
    width = models.PositiveIntegerField(default=0)
    height = models.PositiveIntegerField(default=0)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    # What it was made of last, unless it was uploaded.
    picture = models.ForeignKey(
        "pictures.GeneratedImage", null=True, on_delete=models.SET_NULL, related_name="references", editable=False
    )
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.width} × {self.height}"

    @property
    def fitting(self) -> Shape:
        """The size of pictures that start from it, if they shall have its shape."""
        return fitting(self.width, self.height)
