"""The data of a forecast, read from the database."""

from __future__ import annotations

from django.db.models import Count

from generation.engines import roster
from generation.pictures.estimates import WINDOW, Like, Place, PromptOnEngine, Sample
from generation.pictures.models import EnginePrompt, GeneratedImage, GenerationTask


def pictures_of_active() -> dict[int, int]:
    """How many pictures active tasks have, by the key of the task; of thousands that wait hardly one has any."""
    active = GenerationTask.everything.active().order_by().values("pk")
    made = GeneratedImage.everything.filter(task__in=active).order_by().values_list("task")
    return dict(made.annotate(made=Count("pk")))


class QueueRows:
    """Implements `estimates.Source`."""

    def places(self) -> list[Place]:
        """All active tasks that still start pictures, in serving order within each party."""
        rows = GenerationTask.everything.active().filter(fetching=False).order_by("-priority", "queued_at", "pk")
        fields = ("pk", "owner", "is_face", "priority", "mode", "width", "height", "steps", "count", "progress")
        made = pictures_of_active()
        likes: dict[tuple[str, int, int], Like] = {}
        found = []
        for pk, owner, is_face, priority, mode, width, height, steps, count, progress in rows.values_list(*fields):
            if (left := count - made.get(pk, 0)) > 0:
                kind = mode, width * height, steps
                like = likes.get(kind) or likes.setdefault(kind, Like(*kind))
                found.append(Place(pk, owner, is_face, priority, like, left, count * (100 - progress) / 100))
        return found

    def on_engines(self) -> list[PromptOnEngine]:
        """Our prompts on engines, in the order in which they were sent."""
        rows = EnginePrompt.objects.live().filter(~EnginePrompt.MADE).order_by("pk")
        return [
            PromptOnEngine(*row) for row in rows.values_list("pk", "task", "task__owner", "task__is_face", "engine")
        ]

    def engines(self) -> list[int]:
        """Primary keys of the engines that take work now."""
        return [engine.pk for engine in roster.serving()]

    def samples(self) -> list[Sample]:
        """The newest finished pictures, newest first."""
        done = EnginePrompt.objects.done().filter(started_at__isnull=False)
        rows = done.order_by("-ended_at").values_list(
            "task__mode", "task__width", "task__height", "task__steps", "engine", "started_at", "ended_at"
        )
        return [
            Sample(Like(mode, width * height, steps), engine, (ended - started).total_seconds())
            for mode, width, height, steps, engine, started, ended in rows[:WINDOW]
            if ended and started
        ]
