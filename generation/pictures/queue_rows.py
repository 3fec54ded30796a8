"""The facts of a forecast, from the rows."""

from __future__ import annotations

from django.db.models import Count

from generation.engines import roster
from generation.pictures.estimates import WINDOW, Like, On, Place, Sample
from generation.pictures.models import EnginePrompt, GenerationTask


class QueueRows:
    """Does what `estimates.Source` says."""

    def places(self) -> list[Place]:
        """All active tasks that begin pictures, in the order in which one party's are served."""
        rows = GenerationTask.everything.active().filter(fetching=False).order_by("-priority", "queued_at", "pk")
        fields = ("pk", "owner", "is_face", "priority", "mode", "width", "height", "steps", "count", "progress")
        # Asked for apart, because of thousands that wait hardly one has pictures.
        begun = GenerationTask.everything.active().filter(pictures__isnull=False).order_by().values("pk")
        made = dict(begun.annotate(made=Count("pictures")).values_list("pk", "made"))
        likes: dict[tuple[str, int, int], Like] = {}
        found = []
        for pk, owner, is_face, priority, mode, width, height, steps, count, progress in rows.values_list(*fields):
            if (left := count - made.get(pk, 0)) > 0:
                kind = mode, width * height, steps
                like = likes.get(kind) or likes.setdefault(kind, Like(*kind))
                found.append(Place(pk, owner, is_face, priority, like, left, count * (100 - progress) / 100))
        return found

    def on_engines(self) -> list[On]:
        """What engines have of ours, in the order in which they got it."""
        rows = EnginePrompt.objects.live().filter(~EnginePrompt.MADE).order_by("pk")
        return [On(*row) for row in rows.values_list("pk", "task", "task__owner", "task__is_face", "engine")]

    def engines(self) -> list[int]:
        """Who takes work now, by number."""
        return [engine.pk for engine in roster.serving()]

    def samples(self) -> list[Sample]:
        """The newest pictures that were made, newest first."""
        done = EnginePrompt.objects.done().filter(started_at__isnull=False)
        rows = done.order_by("-ended_at").values_list(
            "task__mode", "task__width", "task__height", "task__steps", "engine", "started_at", "ended_at"
        )
        return [
            Sample(Like(mode, width * height, steps), engine, (ended - started).total_seconds())
            for mode, width, height, steps, engine, started, ended in rows[:WINDOW]
            if ended and started
        ]
