"""Attempts: the prompts sent to engines."""

from __future__ import annotations

import uuid
from datetime import timedelta
from functools import cached_property
from typing import Any, Self

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from generation.engines.models import Engine
from generation.pictures.models import patterns
from generation.pictures.models.patterns import Pattern
from stylestudio.database.prepared import OftenUsed

# Whose graph is stored whole.
WHOLE = Q(pattern__isnull=True, own_values__isnull=False)


class PromptQuerySet(models.QuerySet["EnginePrompt"]):
    """Queries of attempts."""

    def live(self) -> Self:
        """Prompts that engines have, or are about to get."""
        # The time says the same as the state, in words that the index has too (see `stylestudio.jobs.kinds`).
        return self.filter(ended_at__isnull=True, state__in=EnginePrompt.LIVE)


class EnginePrompt(OftenUsed, models.Model):
    """One attempt at one picture on one engine. Stored before it is posted to the engine, so nothing is made twice."""

    class State(models.TextChoices):
        """CLAIMED and POSTED are live: a picture has at most one such row.

        UNFETCHED has ended, but its engine made the picture, or may have, so it can be fetched once more.
        """

        CLAIMED = "claimed"
        POSTED = "posted"
        DONE = "done"
        FAILED = "failed"
        CANCELLED = "cancelled"
        LOST = "lost"
        UNFETCHED = "unfetched"

    LIVE = (State.CLAIMED, State.POSTED)
    # Live prompts whose picture is made and waits to be fetched: their engine is not busy with them.
    MADE = Q(output__isnull=False, worker="")

    task = models.ForeignKey(
        "pictures.GenerationTask", on_delete=models.CASCADE, related_name="prompts", db_index=False
    )
    index = models.PositiveSmallIntegerField()
    attempt = models.PositiveSmallIntegerField(default=1)
    prompt_id = models.UUIDField(unique=True, default=uuid.uuid4)
    engine = models.ForeignKey(Engine, on_delete=models.PROTECT, related_name="prompts", db_index=False)
    # Which of the engine's places it takes while it is live; null: none, as its picture only waits to be fetched.
    slot = models.SmallIntegerField(null=True)
    worker = models.CharField(max_length=200)
    lease_until = models.DateTimeField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.CLAIMED)
    progress = models.PositiveSmallIntegerField(default=0)  # percent of this picture
    # What `graph` is made of: what it has in common with others, and its own values; or the whole of it.
    pattern = models.ForeignKey(Pattern, null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    own_values = models.JSONField(null=True, db_column="graph")
    claimed_at = models.DateTimeField(default=timezone.now)
    posted_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    error = models.TextField(blank=True)
    # The engine's output file, in the form of `ImageRef`; known once fetching it has failed.
    output = models.JSONField(null=True)
    # How often the engine answered but failed, and since when without being unreachable in between.
    misses = models.PositiveSmallIntegerField(default=0)
    missed_since = models.DateTimeField(null=True)
    # Ended here although the engine could not be reached: it may still hold the prompt, and is told once it is back.
    unclean = models.BooleanField(default=False)

    objects = PromptQuerySet.as_manager()

    class Meta:
        ordering = ["task", "index", "attempt"]
        constraints = [
            models.UniqueConstraint(fields=["task", "index", "attempt"], name="engineprompt_attempt_once"),
            models.UniqueConstraint(
                fields=["task", "index"], condition=Q(state__in=["claimed", "posted"]), name="engineprompt_one_live"
            ),
            # However many workers claim at once, an engine gets no more prompts than it has places.
            models.UniqueConstraint(
                fields=["engine", "slot"], condition=Q(state__in=["claimed", "posted"]), name="engineprompt_slot_once"
            ),
        ]
        indexes = [
            models.Index(fields=["engine"], condition=Q(ended_at__isnull=True), name="engineprompt_live"),
            models.Index(fields=["engine"], condition=Q(unclean=True), name="engineprompt_unclean"),
            models.Index(fields=["id"], condition=WHOLE, name="engineprompt_whole"),
        ]

    def __str__(self) -> str:
        return f"{self.task_id}/{self.index} attempt {self.attempt}"

    @cached_property
    def _graph(self) -> Any:
        if self.pattern_id is None:
            return self.own_values
        return patterns.find(self.pattern_id, self._known_values(), self.own_values or ())

    @property
    def graph(self) -> Any:
        """The graph for its engine, None if there is none. Raises ValueError if parts of it are gone."""
        return self._graph

    @graph.setter
    def graph(self, nodes: Any) -> None:
        self.pattern_id, self.own_values = None, nodes
        self._graph = nodes

    def share(self, stored: set[int] | None = None) -> None:
        """Set the columns that `graph` is made of to what it has in common with others, and its own values. For
        `stored` see `patterns.keep`.
        """
        if self.pattern_id is None and self.own_values is not None:
            known = self._known_values()
            self.pattern_id, self.own_values = patterns.keep(self.own_values, known, patterns.in_graph, stored)

    def _known_values(self) -> dict[str, Any]:
        return patterns.graph_values(self.task.snapshot, self.task_id, self.index, self.prompt_id)

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save the row; the graph of a new one shares its pattern."""
        if self._state.adding:
            self.share()
        super().save(*args, **kwargs)

    def end(self, state: EnginePrompt.State, error: str = "", *, unclean: bool = False) -> bool:
        """Move from live to an ended state; False if it had ended. `unclean`: the engine may still hold it and was
        unreachable.
        """
        live = EnginePrompt.objects.live().filter(pk=self.pk)
        # A prompt that ends at once had no time to write when it was posted and started.
        seen = {"posted_at": self.posted_at, "started_at": self.started_at, "output": self.output}
        counted = {"misses": self.misses, "missed_since": self.missed_since}
        return bool(live.update(state=state, ended_at=timezone.now(), error=error, unclean=unclean, **seen, **counted))

    def park(self, rest: float = 0.0, error: str = "") -> bool:
        """Release the prompt while its engine may still be making it: whoever finds the engine well asks for the
        result.

        Nobody takes it over within `rest` seconds. `error` is why it was released.
        """
        live = EnginePrompt.objects.live().filter(pk=self.pk)
        over = Now() + timedelta(seconds=rest) - timedelta(milliseconds=1)
        counted = {"output": self.output, "misses": self.misses, "missed_since": self.missed_since}
        if self.output:
            counted["slot"] = None
        posted = self.posted_at or timezone.now()
        return bool(
            live.update(state=self.State.POSTED, worker="", lease_until=over, posted_at=posted, error=error, **counted)
        )

    def miss(self) -> None:
        """Count an engine that answered but failed. `end` or `park` stores the count."""
        self.misses += 1
        self.missed_since = self.missed_since or timezone.now()
