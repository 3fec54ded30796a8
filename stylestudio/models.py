"""Rows of the house itself: schema, workers, failed sign-ins, large files on their way, presses, the media store."""

from __future__ import annotations

import uuid
from datetime import timedelta
from pathlib import Path
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

PARTS = "parts"  # folder beneath the media root, on the same disk as what becomes of the files
SILENCE = timedelta(seconds=30)  # a worker beats every 5 s; after six missed beats it counts as dead


class DatabaseSchema(models.Model):
    """One row with the number of the schema: a program that knows only lower ones does not start."""

    number = models.PositiveIntegerField()

    def __str__(self) -> str:
        return str(self.number)


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
    looked_at = models.DateTimeField(null=True, blank=True)  # when a thread of it looked for a picture to make

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


class MediaStore(models.Model):
    """What this database knows of the folder or bucket of its media; the mark in there must agree with this one row.

    `stylestudio.media.identity` says how. `token` is new with every turn of the counter, and `held` is the one that the
    store had before: after a crash between the two it still has that.
    """

    class Relation(models.TextChoices):
        """How database and media stand to each other. Only SAME lets anything be deleted."""

        SAME = "same"
        UNMARKED = "unmarked"  # the store has no mark, and too little of what is in it is known here
        EMPTY = "empty"  # the store has neither mark nor files, but rows name some
        OLDER = "older"  # the database is older than the store
        NEWER = "newer"  # the database is newer than the store
        PARTED = "parted"  # both went on from one copy
        OTHER = "other"  # the store belongs to another database
        CONTESTED = "contested"  # two databases use the store at this moment
        UNREADABLE = "unreadable"  # the mark is damaged

    identity = models.UUIDField(default=uuid.uuid4, editable=False)
    counter = models.PositiveBigIntegerField(default=0)
    token = models.CharField(max_length=32, blank=True)
    held = models.CharField(max_length=32, blank=True)
    marked_at = models.DateTimeField(null=True)  # when the counter was raised last
    relation = models.CharField(max_length=12, choices=Relation.choices, default=Relation.UNMARKED)
    adopted_at = models.DateTimeField(null=True)  # what no row names and is older than this stays where it is
    swept_at = models.DateTimeField(null=True)
    swept = models.JSONField(default=dict)  # what the last sweep found: files, unknown, lost, moved, stopped

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="one_media_store")]

    def __str__(self) -> str:
        return f"{self.identity} at {self.counter}: {self.relation}"

    @property
    def is_settled(self) -> bool:
        """Whether database and media belonged together when a worker last looked."""
        return self.relation == self.Relation.SAME


class Start(models.Model):
    """One start of a studio or a worker on this database. Files stored from then on have its prefix in their name."""

    prefix = models.CharField(max_length=12, unique=True)
    at = models.DateTimeField(default=timezone.now, db_index=True)
    over_at = models.DateTimeField(null=True)  # when this database was last seen alive before the next start

    def __str__(self) -> str:
        return f"{self.prefix} since {self.at}"


class Press(models.Model):
    """A form that was sent, so that sending it twice makes one thing (see `stylestudio.jobs.presses`)."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    number = models.UUIDField()  # of the form's request id and everything that was filled in
    at = models.DateTimeField(default=timezone.now, db_index=True)
    answer = models.JSONField(default=dict, blank=True)  # status, headers and text; empty while it is being made

    class Meta:
        constraints = [models.UniqueConstraint(fields=["owner", "number"], name="press_once")]

    def __str__(self) -> str:
        return str(self.number)
