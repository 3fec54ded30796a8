"""What the pages of datasets ask the database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Count, F, Q, Window
from django.db.models.functions import RowNumber
from django.utils.translation import gettext

from stylestudio.people.access import may_change
from training.datasets.collecting import sources
from training.models import Dataset, DatasetImage, DatasetJob, DatasetSnapshot, TrainingJob
from training.runs import parameters

STRIP = 6  # pictures on a card
SHOWN_JOBS = (DatasetJob.Work.IMPORT, DatasetJob.Work.CAPTION)  # the health report shows its own
MOST_JOBS = 10


@dataclass(frozen=True, slots=True)
class ShelfCard:
    """A dataset on the list, with its first pictures."""

    dataset: Dataset
    strip: list[DatasetImage]
    pictures: int
    empty: int  # pictures without a caption

    @property
    def frames(self) -> range:
        """The places that no picture fills yet."""
        return range(STRIP - len(self.strip))


def shelf(user: User, words: str = "") -> list[ShelfCard]:
    """Datasets in whose name, description or trigger words all of `words` stand, changed lately first."""
    found = Dataset.objects.all().visible_to(user).select_related("style", "owner")
    for word in words.split():
        found = found.filter(
            Q(name__icontains=word) | Q(description__icontains=word) | Q(trigger_words__icontains=word)
        )
    datasets = list(found)
    live = DatasetImage.objects.filter(dataset__in=datasets)
    counted = live.order_by().values("dataset").annotate(pictures=Count("pk"), empty=Count("pk", filter=Q(caption="")))
    counts = {row["dataset"]: (row["pictures"], row["empty"]) for row in counted}
    strips: dict[int, list[DatasetImage]] = {}
    place = Window(RowNumber(), partition_by=[F("dataset")], order_by=["position", "pk"])
    for image in live.annotate(place=place).filter(place__lte=STRIP).order_by("dataset", "position", "pk"):
        strips.setdefault(image.dataset_id, []).append(image)
    return [ShelfCard(dataset, strips.get(dataset.pk, []), *counts.get(dataset.pk, (0, 0))) for dataset in datasets]


def frame(dataset: Dataset, user: User) -> dict[str, Any]:
    """What stands around every view of a dataset."""
    jobs = DatasetJob.objects.filter(dataset=dataset, cleared_at=None, work__in=SHOWN_JOBS).select_related("owner")
    shown = list(jobs.order_by("-queued_at", "-pk")[:MOST_JOBS])
    for job in shown:
        job.dataset = dataset
    return {
        "dataset": dataset,
        "picture_count": dataset.images.count(),
        "jobs": shown,
        "snapshot": DatasetSnapshot.objects.filter(dataset=dataset).defer("manifest").first(),
        "accept": ",".join(sources.ACCEPT),
        "can_change": may_change(user, dataset),
    }


@dataclass(frozen=True, slots=True)
class ConfigRow:
    """One setting of a training, and what another one has in its place."""

    label: str
    value: str
    other: str
    differs: bool


def configuration(job: TrainingJob, other: TrainingJob | None = None) -> list[ConfigRow]:
    """Everything that was asked for, in order; compared with `other` where there is one, differing rows first."""
    own, theirs = _asked(job), _asked(other) if other else {}
    labels = [*own, *(label for label in theirs if label not in own)]
    rows = []
    for label in labels:
        value, another = own.get(label, "–"), theirs.get(label, "–")
        rows.append(ConfigRow(label, value, another, other is not None and value != another))
    return sorted(rows, key=lambda row: not row.differs)


def _asked(job: TrainingJob) -> dict[str, str]:
    facts = {
        gettext("Dataset"): str(job.snapshot),
        gettext("Style"): job.style.title,
        gettext("Trigger words"): job.trigger_words,
        gettext("Trainer"): str(TrainingJob.Trainer(job.trainer).label),
        gettext("Base checkpoint"): job.base,
        gettext("Seed"): str(job.seed),
    }
    if job.left_out:
        names = DatasetImage.everything.filter(pk__in=job.left_out).values_list("source_name", flat=True)
        facts[gettext("Left out")] = ", ".join(names)
    preset = parameters.PRESETS.get(job.config.get("preset", ""))
    if preset:
        facts[gettext("Preset")] = str(preset.label)
    for name, value in job.config.items():
        if name in parameters.SETTINGS:
            facts[str(parameters.SETTINGS[name].label)] = _told(value)
    return facts


def _told(value: object) -> str:
    """The value of a setting as people read it."""
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    return str(value)
