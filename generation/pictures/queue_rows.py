"""The data of a forecast, read from the database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, F, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from generation.engines import roster
from generation.pictures.estimates import WINDOW, Like, Place, PromptOnEngine, Sample
from generation.pictures.models import EnginePrompt, GeneratedImage, GenerationTask
from stylestudio.database.prepared import Moment, Prepared
from stylestudio.edge.page_memory import once_a_page


@dataclass(frozen=True, slots=True)
class LivePrompt:
    """A prompt of ours that an engine has, and what cards tell of its task."""

    pk: int
    engine: int
    started_at: Any  # comparable with that of others; None if it waits there
    task: int
    title: str
    visibility: str
    owner: int
    username: str
    is_face: bool


@once_a_page
def live_prompts() -> list[LivePrompt]:
    """Our prompts that engines have, in the order in which they were sent."""
    return sorted((LivePrompt(*row) for row in _live.rows()), key=lambda prompt: prompt.pk)


def _live_prompts() -> QuerySet[EnginePrompt, Any]:
    task = GenerationTask.everything.filter(pk=OuterRef("task")).order_by()
    # Looked up for each, and sorted here: given a join, SQLite begins with people and goes through all they made; asked
    # for this order, it goes through all prompts along their keys.
    told = {
        "title": Subquery(task.values("prompt")),
        "visibility": Subquery(task.values("visibility")),
        "owner": Subquery(task.values("owner")),
        "username": Subquery(task.values("owner__username")),
        "is_face": Subquery(task.values("is_face")),
    }
    rows = EnginePrompt.objects.live().filter(~EnginePrompt.MADE).order_by()
    return rows.annotate(began=Moment("started_at"), **told).values_list("pk", "engine", "began", "task", *told)


_live = Prepared(_live_prompts)


def pictures_of_active() -> dict[int, int]:
    """How many pictures active tasks have, by the key of the task; of thousands that wait hardly one has any."""
    active = GenerationTask.everything.active().order_by().values("pk")
    made = GeneratedImage.everything.filter(task__in=active).order_by().values_list("task")
    return dict(made.annotate(made=Count("pk")))


class QueueRows:
    """Implements `estimates.Source`."""

    def places(self) -> list[Place]:
        """All active tasks that still start pictures, in serving order within each party."""
        made = GeneratedImage.everything.filter(task=OuterRef("pk")).order_by().values("task").annotate(n=Count("pk"))
        tasks = GenerationTask.everything.active().filter(fetching=False).order_by("-priority", "queued_at", "pk")
        rows = tasks.annotate(left=F("count") - Coalesce(Subquery(made.values("n")), 0)).values_list(
            "pk",
            "owner",
            "is_face",
            "priority",
            "recipe",
            "mode",
            "width",
            "height",
            "steps",
            "count",
            "left",
            "progress",
        )
        likes: dict[tuple[str, str, int, int], Like] = {}
        found = []
        for pk, owner, is_face, priority, recipe, mode, width, height, steps, count, left, progress in rows:
            if left > 0:
                kind = recipe, mode, width * height, steps
                like = likes.get(kind) or likes.setdefault(kind, Like(*kind))
                found.append(Place(pk, owner, is_face, priority, like, left, count * (100 - progress) / 100))
        return found

    def on_engines(self) -> list[PromptOnEngine]:
        """Our prompts on engines, in the order in which they were sent."""
        return [
            PromptOnEngine(prompt.pk, prompt.task, prompt.owner, prompt.is_face, prompt.engine)
            for prompt in live_prompts()
        ]

    def engines(self) -> list[int]:
        """Primary keys of the engines that take work now."""
        return [engine.pk for engine in roster.serving()]

    def samples(self) -> list[Sample]:
        """The newest finished pictures, newest first; those in the trash took as long."""
        rows = GeneratedImage.everything.order_by("-prompt_id").values_list(  # pictures from elsewhere are the last
            "task__recipe",
            "task__mode",
            "task__width",
            "task__height",
            "task__steps",
            "engine",
            "prompt__started_at",
            "prompt__ended_at",
        )
        return [
            Sample(Like(recipe, mode, width * height, steps), engine, (ended - started).total_seconds())
            for recipe, mode, width, height, steps, engine, started, ended in rows[:WINDOW]
            if ended and started
        ]
