"""Moving many pictures to the trash and out of it: a fixed number of questions, however many they are.

`GeneratedImage.delete` and `restore` do the same for one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from generation.pictures.models import search_index, style_counts
from generation.pictures.models.generated_images import GeneratedImage
from generation.pictures.models.generation_tasks import GenerationTask, TaskStyle
from generation.pictures.models.search_tables import SearchEntry


def move_to_trash(keys: Collection[int], moment: datetime) -> list[int]:
    """Move those of the pictures that are not in the trash there, and return their keys, in ascending order."""
    with transaction.atomic():
        moved = _locked(GeneratedImage.everything.filter(pk__in=keys, deleted_at=None))
        GeneratedImage.everything.filter(pk__in=moved).update(deleted_at=moment)
        _count(moved, -1)
    return moved


def take_out(keys: Collection[int], moment: datetime | None = None) -> list[int]:
    """Take pictures out of the trash, those alone that were moved there at `moment` if it is given.

    Returns the keys of those that came back, in ascending order.
    """
    with transaction.atomic():
        asked = GeneratedImage.everything.filter(pk__in=keys, deleted_at__isnull=False)
        back = _locked(asked if moment is None else asked.filter(deleted_at=moment))
        GeneratedImage.everything.filter(pk__in=back).update(deleted_at=None)
        _count(back, 1)
        # What was in the trash while older pictures were indexed has no entry.
        found = set(SearchEntry.objects.filter(picture__in=back).values_list("picture", flat=True))
        missing = [pk for pk in back if pk not in found]
        for picture in GeneratedImage.everything.filter(pk__in=missing).select_related("task"):
            search_index.add_picture(picture)
    return back


def _locked(pictures: QuerySet[GeneratedImage]) -> list[int]:
    """Their keys. Nobody else moves them until the transaction ends: of two who delete at once each has some."""
    return list(pictures.select_for_update(of=("self",)).order_by("pk").values_list("pk", flat=True))


def _count(pictures: Sequence[int], sign: int) -> None:
    """Keep the counts by style, and mark the tasks as changed."""
    rows = GeneratedImage.everything.filter(pk__in=pictures).order_by().values_list("task", flat=True)
    by_task = Counter(rows)
    tasks = GenerationTask.everything.filter(pk__in=by_task)
    tasks.update(version=F("version") + 1, updated_at=timezone.now())
    facts = {
        pk: (owner, seen) for pk, owner, seen in tasks.filter(is_face=False).values_list("pk", "owner", "visibility")
    }
    mixed = TaskStyle.objects.filter(task__in=facts).order_by().values_list("task", "version__style").distinct()
    numbers: Counter[tuple[int, int, str]] = Counter()
    for task, style in mixed:
        numbers[style, *facts[task]] += sign * by_task[task]
    style_counts.add_all(numbers)
