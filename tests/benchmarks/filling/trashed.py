"""What a studio of years has in its trash, filled by `years.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any

BATCH = 10_000  # rows written at once


def fill(number: int, every: int, table: Callable[..., Any], moments: Iterator[datetime]) -> None:
    """So many pictures are in the trash, one of each so many, deleted at these moments; the oldest ones are due."""
    from django.db.models import Count, F, Sum
    from django.db.models.functions import TruncDate
    from django.utils import timezone

    from generation.pictures.models import GeneratedImage, TrashCount, TrashEntry
    from generation.trash import schedule

    schedule.keep()
    now = timezone.now()
    rows = GeneratedImage.everything.filter(pk__lte=every * number).annotate(rest=F("pk") % every).filter(rest=3)
    entries = table(TrashEntry)
    found = rows.order_by("pk").values_list("pk", "project_id", "task__owner_id", "size").iterator(BATCH)
    while some := list(islice(found, BATCH)):
        entries.write(
            {
                "picture_id": pk, "project_id": of, "owner_id": owner, "size": size, "deleted_at": moment,
                "counted_from": moment, "look_at": moment,
            }
            for (pk, of, owner, size), moment in zip(some, moments, strict=False)
        )  # fmt: skip
    rows.update(deleted_at=now)
    counted = TrashEntry.objects.order_by().values_list("project", "owner", TruncDate("counted_from", tzinfo=UTC))
    TrashCount.objects.bulk_create(
        TrashCount(project_id=of, owner_id=owner, day=day, pictures=pictures, size=size)
        for of, owner, day, pictures, size in counted.annotate(Count("pk"), Sum("size"))
    )
