"""Rows of the house itself: who works, and who failed to sign in."""

from __future__ import annotations

from datetime import timedelta
from typing import Self

from django.db import models
from django.db.models.functions import Now

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
