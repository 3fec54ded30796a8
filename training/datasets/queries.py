"""The database queries of the pages of datasets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.core.paginator import Paginator
from django.db.models import Case, Count, F, Q, Sum, When, Window
from django.db.models.functions import RowNumber
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from stylestudio.edge.page_memory import once_a_page
from stylestudio.media.disk_use import Shelf
from stylestudio.people.access import may_change
from stylestudio.people.trash import MOST_LISTED, InTrash
from training.datasets import picture_files
from training.datasets.models import Dataset, DatasetImage, DatasetJob, DatasetSnapshot

PAGE = 24  # datasets in the list
STRIP = 6  # pictures on a card
# The health report shows its own.
SHOWN_JOBS = (DatasetJob.Work.IMPORT, DatasetJob.Work.CAPTION, DatasetJob.Work.CUT_OUT)
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
    same = [F("dataset")]
    without = Case(When(caption="", then=1), default=0)
    placed = live.annotate(
        place=Window(RowNumber(), partition_by=same, order_by=["position", "pk"]),
        pictures=Window(Count("pk"), partition_by=same),
        empty=Window(Sum(without), partition_by=same),
    )
    strips: dict[int, list[Any]] = {}
    for image in placed.filter(place__lte=STRIP).order_by("dataset", "position", "pk"):
        strips.setdefault(image.dataset_id, []).append(image)
    return [
        ShelfCard(dataset, strip, *((strip[0].pictures, strip[0].empty) if strip else (0, 0)))
        for dataset in datasets
        for strip in [strips.get(dataset.pk, [])]
    ]


@dataclass(frozen=True, slots=True)
class Included:
    """How many pictures of a dataset are trained on, and how many of them have no caption."""

    pictures: int
    empty: int


@once_a_page
def included(dataset: Dataset) -> Included:
    """Count what a training on this dataset would see."""
    return Included(
        **dataset.images.included().order_by().aggregate(pictures=Count("pk"), empty=Count("pk", filter=Q(caption="")))
    )


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


def shelf_on_disk() -> Shelf:
    """The pictures of datasets, removed ones included."""
    return Shelf("datasets", _("Datasets"), DatasetImage.everything.all(), "byte_size")


def deleted(dataset: Dataset, user: User) -> InTrash:
    """What its page and the trash tell of a deleted dataset."""
    restore = reverse("training:restore", args=[dataset.slug]) if may_change(user, dataset) else ""
    return InTrash(_("Dataset"), dataset.name, dataset.deleted_at, restore)


def in_trash(user: User) -> list[InTrash]:
    """The datasets in the trash that `user` may see, newest deleted first."""
    found = Dataset.everything.visible_to(user).exclude(deleted_at=None).order_by("-deleted_at", "-pk")
    return [deleted(dataset, user) for dataset in found[:MOST_LISTED]]
