"""What the form "New pictures" remembers of each person."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone


class Draft(models.Model):
    """The form of one person as it was last: what a browser would post, each name with its values in order."""

    owner = models.OneToOneField(settings.AUTH_USER_MODEL, primary_key=True, on_delete=models.CASCADE, related_name="+")
    fields = models.JSONField(default=dict)
    cleared = models.JSONField(null=True)  # what was in it when it was emptied, for Undo
    updated_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return str(self.owner)
