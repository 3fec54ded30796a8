"""The database queries of the pages of datasets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.core.paginator import Paginator
from django.db.models import Count, F, Q, Window
from django.db.models.functions import RowNumber

from stylestudio.people.access import may_change
from training.datasets import picture_files
from training.datasets.models import Dataset, DatasetImage, DatasetJob, DatasetSnapshot

PAGE = 24  # datasets in the list
STRIP = 6  # pictures on a card
SHOWN_JOBS = (DatasetJob.Work.IMPORT, DatasetJob.Work.CAPTION)  # the health report shows its own
MOST_JOBS = 10


@dataclass(frozen=True, slots=True)
class ShelfCard:
    """A dataset in the list, with its first pictures."""

    dataset: Dataset
    strip: list[DatasetImage]
    pictures: int
    empty: int  # pictures without a caption

    @property
    def frames(self) -> range:
        """The empty places of its strip."""
        return range(STRIP - len(self.strip))


@dataclass(frozen=True, slots=True)
class ShelfPage:
    """Some datasets of the list, and the numbers of the pages before and after it."""

    cards: list[ShelfCard]
    newer: int | None
    older: int | None


def shelf(user: User, words: str = "", number: str = "1") -> ShelfPage:
    """A page of the datasets with all of `words` in their name, description or trigger words.

    Most recently changed first. A `number` beyond the end is the last page, and one that is none is the first.
    """
    found = Dataset.objects.visible_to(user).select_related("style", "owner")
    for word in words.split():
        found = found.filter(
            Q(name__icontains=word) | Q(description__icontains=word) | Q(trigger_words__icontains=word)
        )
    page = Paginator(found, PAGE).get_page(number)
    newer = page.previous_page_number() if page.has_previous() else None
    older = page.next_page_number() if page.has_next() else None
    return ShelfPage(cards(user, list(page)), newer, older)


def cards(user: User, datasets: Sequence[Dataset]) -> list[ShelfCard]:
    """The cards of these datasets."""
    live = DatasetImage.objects.visible_to(user).filter(dataset__in=datasets)
    counted = live.order_by().values("dataset").annotate(pictures=Count("pk"), empty=Count("pk", filter=Q(caption="")))
    counts = {row["dataset"]: (row["pictures"], row["empty"]) for row in counted}
    strips: dict[int, list[DatasetImage]] = {}
    place = Window(RowNumber(), partition_by=[F("dataset")], order_by=["position", "pk"])
    for image in live.annotate(place=place).filter(place__lte=STRIP).order_by("dataset", "position", "pk"):
        strips.setdefault(image.dataset_id, []).append(image)
    return [ShelfCard(dataset, strips.get(dataset.pk, []), *counts.get(dataset.pk, (0, 0))) for dataset in datasets]


def frame(dataset: Dataset, user: User) -> dict[str, Any]:
    """The context around every view of a dataset."""
    mine = DatasetJob.objects.visible_to(user).filter(dataset=dataset)
    jobs = mine.filter(cleared_at=None, work__in=SHOWN_JOBS).select_related("owner")
    shown = list(jobs.order_by("-queued_at", "-pk")[:MOST_JOBS])
    for job in shown:
        job.dataset = dataset
    return {
        "dataset": dataset,
        "picture_count": dataset.images.count(),
        "jobs": shown,
        "snapshot": DatasetSnapshot.objects.visible_to(user).filter(dataset=dataset).defer("manifest").first(),
        "accept": ",".join(picture_files.ACCEPT),
        "can_change": may_change(user, dataset),
    }
