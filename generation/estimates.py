"""How long, and how many before: numbers from what really happened, and none before there are three samples."""

from __future__ import annotations

from collections import defaultdict
from statistics import median
from typing import TYPE_CHECKING

from django.db.models import Count, F, Q
from django.db.models.functions import Greatest

from stylestudio.jobs import Status

if TYPE_CHECKING:
    from generation.models import GenerationTask

SAMPLES = 15  # newest finished pictures looked at
ENOUGH = 3  # fewer say too little


def typical_seconds(width: int, height: int, steps: int) -> float | None:
    """Median seconds of one picture of this size and number of steps; None with fewer than three samples."""
    from generation.models import EnginePrompt

    rows = (
        EnginePrompt.objects.filter(
            state=EnginePrompt.State.DONE,
            task__width=width,
            task__height=height,
            task__steps=steps,
            started_at__isnull=False,
        )
        .order_by("-ended_at")
        .values_list("started_at", "ended_at")[:SAMPLES]
    )
    seconds = [(ended - started).total_seconds() for started, ended in rows if started and ended]
    return median(seconds) if len(seconds) >= ENOUGH else None


def seconds_per_picture(task: GenerationTask) -> float | None:
    """Median seconds of one picture like this task's."""
    return typical_seconds(task.width, task.height, task.steps)


def remaining_by_owner(before: GenerationTask | None = None) -> dict[int, int]:
    """Pictures still to make, by owner; with `before` only those of tasks asked for earlier."""
    from generation.models import GenerationTask

    tasks = GenerationTask.objects.filter(status__in=(Status.QUEUED, Status.RUNNING))
    if before is not None:
        tasks = tasks.filter(Q(queued_at__lt=before.queued_at) | Q(queued_at=before.queued_at, pk__lt=before.pk))
    rows = tasks.annotate(left=Greatest(F("count") - Count("pictures"), 0)).values_list("owner_id", "left")
    remaining: defaultdict[int, int] = defaultdict(int)
    for owner, left in rows:
        remaining[owner] += left
    return remaining


def pictures_ahead(task: GenerationTask) -> int:
    """Pictures made before this task's first: its owner's earlier ones, and by turns those of other people."""
    own = remaining_by_owner(before=task).get(task.owner_id, 0)
    others = (left for owner, left in remaining_by_owner().items() if owner != task.owner_id)
    return own + sum(min(left, own + 1) for left in others)


def ahead_of_new(owner_id: int) -> int:
    """Pictures made before the first one that `owner_id` would ask for now."""
    everyone = remaining_by_owner()
    own = everyone.pop(owner_id, 0)
    return own + sum(min(left, own + 1) for left in everyone.values())
