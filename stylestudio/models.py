"""The kernel's own tables: schema, projects, workers, failed sign-ins, unfinished uploads, presses, the media store."""

from __future__ import annotations

import uuid
from datetime import timedelta
from pathlib import Path
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

PARTS = "parts"  # folder in the media root, on the same disk as the finished files
SILENCE = timedelta(seconds=30)  # a worker beats every 5 s; after six missed beats it counts as dead


class DatabaseSchema(models.Model):
    """One row with the schema number: a program that knows only lower numbers does not start."""

    number = models.PositiveIntegerField()

    def __str__(self) -> str:
        return str(self.number)


class Project(models.Model):
    """A work of the team; see `people.projects`."""

    name = models.CharField(max_length=80, unique=True)
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.name


class WorkerQuerySet(models.QuerySet["Worker"]):
    """Filters for workers."""

    def alive(self) -> Self:
        """Workers with a recent heartbeat, by the database's clock."""
        return self.filter(ended_at=None, heartbeat_at__gt=Now() - SILENCE)


class Worker(models.Model):
    """A worker process. Its heartbeat shows whether it is alive; `/health` and the leases rely on it."""

    name = models.CharField(max_length=200, unique=True)
    host = models.CharField(max_length=200, blank=True)
    pid = models.PositiveIntegerField(default=0)
    threads = models.PositiveSmallIntegerField(default=0)
    started_at = models.DateTimeField()
    heartbeat_at = models.DateTimeField(db_index=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    looked_at = models.DateTimeField(null=True, blank=True)  # when one of its threads last looked for a picture to make

    objects = WorkerQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class SignInFailure(models.Model):
    """One failed sign-in, stored to slow down guessing."""

    name = models.CharField(max_length=150)
    address = models.GenericIPAddressField(null=True)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["name", "address", "at"], name="sign_in_failures")]

    def __str__(self) -> str:
        return f"{self.name} from {self.address}"


class Upload(models.Model):
    """A large file that arrives in parts. `received` counts bytes that are safe in the file `path` or the bucket."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    purpose = models.CharField(max_length=50)
    name = models.CharField(max_length=200)  # the name people know; no file on disk is ever called this
    fingerprint = models.CharField(max_length=64)  # the same value means the same file on the same person's disk
    size = models.BigIntegerField()
    received = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(db_index=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    answer = models.JSONField(default=dict, blank=True)  # response to finishing, repeated if the request is repeated

    moved_to = ""  # name in the media folder while its purpose takes over the complete file

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
        """The file that holds its bytes, at the latest when it is finished. Nothing in that folder is served."""
        return Path(settings.MEDIA_ROOT, PARTS, f"{self.id.hex}.part")


class MediaStore(models.Model):
    """What this database knows about its media folder or bucket; the mark stored there must agree with this single row.

    `stylestudio.media.identity` says how. `token` changes with every increment of the counter; `held` is the token that
    the store had before, and still has after a crash between the two writes.
    """

    class Relation(models.TextChoices):
        """How database and media relate. Deleting is allowed only with SAME."""

        SAME = "same"
        UNMARKED = "unmarked"  # the store has no mark, and too few of its files are known here
        EMPTY = "empty"  # the store has neither a mark nor files, but rows name some
        OLDER = "older"  # the database is older than the store
        NEWER = "newer"  # the database is newer than the store
        PARTED = "parted"  # both went on from one common copy
        OTHER = "other"  # the store belongs to another database
        CONTESTED = "contested"  # two databases are using the store right now
        UNREADABLE = "unreadable"  # the mark is damaged

    identity = models.UUIDField(default=uuid.uuid4, editable=False)
    counter = models.PositiveBigIntegerField(default=0)
    token = models.CharField(max_length=32, blank=True)
    held = models.CharField(max_length=32, blank=True)
    marked_at = models.DateTimeField(null=True)  # when the counter was last incremented
    relation = models.CharField(max_length=12, choices=Relation.choices, default=Relation.UNMARKED)
    adopted_at = models.DateTimeField(null=True)  # files older than this that no row names are left alone
    swept_at = models.DateTimeField(null=True)
    swept = models.JSONField(default=dict)  # what the last sweep found: files, unknown, lost, moved, stopped

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="one_media_store")]

    def __str__(self) -> str:
        return f"{self.identity} at {self.counter}: {self.relation}"

    @property
    def is_settled(self) -> bool:
        """Whether database and media belonged together when a worker last checked."""
        return self.relation == self.Relation.SAME


class Start(models.Model):
    """One start of a studio or worker on this database. Files stored since carry its prefix in their names."""

    prefix = models.CharField(max_length=12, unique=True)
    at = models.DateTimeField(default=timezone.now, db_index=True)
    over_at = models.DateTimeField(null=True)  # when this database was last seen in use before the next start

    def __str__(self) -> str:
        return f"{self.prefix} since {self.at}"


class Press(models.Model):
    """A submitted form, so that sending it twice makes one thing (see `stylestudio.jobs.presses`)."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    number = models.UUIDField()  # derived from the form's request id and all its contents
    at = models.DateTimeField(default=timezone.now, db_index=True)
    answer = models.JSONField(default=dict, blank=True)  # status, headers and text; empty until it has been answered

    class Meta:
        constraints = [models.UniqueConstraint(fields=["owner", "number"], name="press_once")]

    def __str__(self) -> str:
        return str(self.number)
