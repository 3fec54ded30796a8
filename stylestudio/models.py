"""Rows of the house itself: who works, who failed to sign in, and which large files are on their way."""

from __future__ import annotations

import uuid
from datetime import timedelta
from pathlib import Path
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

PARTS = "parts"  # folder beneath the media root, on the same disk as what becomes of the files
SILENCE = timedelta(seconds=30)  # a worker beats every 5 s; after six missed beats it counts as dead


class WorkerQuerySet(models.QuerySet["Worker"]):
    """Questions about workers."""

    def alive(self) -> Self:
        """Those that beat lately, by the database's clock."""
        return self.filter(ended_at=None, heartbeat_at__gt=Now() - SILENCE)


class Worker(models.Model):
    """A worker process. Its heartbeat says whether it lives; `/health` and the leases look at it."""

    name = models.CharField(max_length=200, unique=True)
    host = models.CharField(max_length=200, blank=True)
    pid = models.PositiveIntegerField(default=0)
    threads = models.PositiveSmallIntegerField(default=0)
    started_at = models.DateTimeField()
    heartbeat_at = models.DateTimeField(db_index=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = WorkerQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class SignInFailure(models.Model):
    """One failed sign-in, kept to slow down guessing."""

    name = models.CharField(max_length=150)
    address = models.GenericIPAddressField(null=True)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["name", "address", "at"], name="sign_in_failures")]

    def __str__(self) -> str:
        return f"{self.name} from {self.address}"


class Upload(models.Model):
    """A large file that arrives in parts. `received` counts the bytes that are safely in the file `path`."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    purpose = models.CharField(max_length=50)
    name = models.CharField(max_length=200)  # as people know it; no file is ever called so
    fingerprint = models.CharField(max_length=64)  # the same again means the same file on the same person's disk
    size = models.BigIntegerField()
    received = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(db_index=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    answer = models.JSONField(default=dict, blank=True)  # what finishing was answered with; said again when asked again

    moved_to = ""  # name in the media folder, while the purpose of a complete file takes it

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "purpose", "fingerprint"],
                condition=models.Q(finished_at=None),
                name="one_unfinished_upload_of_a_file",
            )
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.received} of {self.size} bytes"

    @property
    def path(self) -> Path:
        """Where its bytes are. Nothing in that folder is served."""
        return Path(settings.MEDIA_ROOT, PARTS, f"{self.id.hex}.part")
