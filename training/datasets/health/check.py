"""The health check's work in the worker: measures new pictures and compares them with all."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from stylestudio.processes import workers
from training.datasets import dataset_jobs
from training.datasets.crops import clear
from training.datasets.crops.clear import measured_on
from training.datasets.health import measures, similar
from training.datasets.health.facts import is_current, is_measured
from training.datasets.models import Dataset, DatasetImage, DatasetJob

BATCH = 24  # pictures between two commits
ROWS = 200  # of one statement
THREADS = min(8, os.cpu_count() or 1)  # Pillow and numpy let go of the interpreter while they work
QUIET = 2.0  # seconds that nothing may come in before a check ends: many drops are one check
GLANCE = 0.25
AFTER_FAILURE = timedelta(minutes=10)  # before a check that failed, or was cancelled, is ordered again by itself


def want(dataset: Dataset, user: User) -> DatasetJob | None:
    """Order a check where pictures wait to be measured and none waits already.

    One that runs does not count: it may have looked just before the newest picture came. So there are two at most.
    """
    mine = DatasetJob.objects.filter(dataset=dataset, work=DatasetJob.Work.CHECK)
    failed = mine.filter(status="failed", ended_at__gt=timezone.now() - AFTER_FAILURE)
    if mine.waiting().exists() or failed.exists() or not _open(dataset):
        return None
    return dataset_jobs.order(dataset, user, DatasetJob.Work.CHECK)


def hear_of_pictures(sender: object, dataset: Dataset, user: User, **_facts: Any) -> None:
    """Pictures came in."""
    want(dataset, user)


def want_if_idle(dataset: Dataset) -> DatasetJob | None:
    """Order a check for the dataset's owner where pictures wait and no check waits, runs or was cancelled just now."""
    mine = DatasetJob.objects.filter(dataset=dataset, work=DatasetJob.Work.CHECK)
    cancelled = mine.filter(status="cancelled", ended_at__gt=timezone.now() - AFTER_FAILURE)
    if mine.active().exists() or cancelled.exists():
        return None
    return want(dataset, dataset.owner)


def run(run: dataset_jobs.Run) -> None:
    """Handler of the work CHECK. What is stored is not measured again, so that a crash costs one batch."""
    dataset, done = run.job.dataset, 0
    with ThreadPoolExecutor(THREADS) as threads:
        while pks := _next(run, dataset, done):
            total = done + len(pks)
            for start in range(0, len(pks), BATCH):
                part = pks[start : start + BATCH]
                _measure(part, threads)
                done += len(part)
                run.step(done, total)
            _compare(dataset)


def _next(run: dataset_jobs.Run, dataset: Dataset, done: int) -> list[int]:
    """Pictures to measure. Once some were measured it waits a little for more before it says that there are none."""
    waited = 0.0
    while not (pks := _open(dataset)) and done and waited < QUIET:
        workers.stopping.wait(GLANCE)
        waited += GLANCE
        run.step(done, done)
    return pks


def _open(dataset: Dataset) -> list[int]:
    """Pictures that lack figures of today's code, or of what they lie on now."""
    rows = dataset.images.order_by("position", "pk").values_list("pk", "measures")
    grounds = _grounds(dataset.pk)
    return [pk for pk, found in rows if found is None or not is_current(found, grounds.get(pk))]


def _grounds(dataset: int) -> dict[int, str]:
    """What each transparent picture is measured on. Read anew, since somebody may choose while others are measured."""
    ground = clear.ground(Dataset.everything.get(pk=dataset))
    return {each.pk: measured_on(each.own, each.colours, ground.colour) for each in ground.every}


@dataclass(frozen=True, slots=True)
class _Result:
    image: DatasetImage
    measures: dict[str, Any]
    descriptor: bytes | None


def _measure(pks: Sequence[int], threads: ThreadPoolExecutor) -> None:
    """Measure pictures side by side, and store them together."""
    images = list(DatasetImage.objects.filter(pk__in=pks).only("file", "background", "measures", "dataset"))
    grounds = _grounds(images[0].dataset_id) if images else {}
    missing = [image for image in images if not is_measured(image.measures or {}, grounds.get(image.pk))]
    own = {image.pk: image.background for image in missing}
    for image in missing:  # what is stored stays as it is
        image.background = grounds.get(image.pk, "")
    results = list(threads.map(_measured, missing))
    with transaction.atomic():
        for each in results:
            # Who chose another background meanwhile is measured again.
            row = DatasetImage.everything.filter(pk=each.image.pk, background=own[each.image.pk])
            on = {"on": each.image.background} if each.image.background else {}
            row.update(measures={**each.measures, **on}, descriptor=each.descriptor)


def _measured(image: DatasetImage) -> _Result:
    try:
        with image.file.open("rb") as file:
            found = measures.measure(file, image.background)
    except (OSError, ValueError):
        return _Result(image, {"version": measures.VERSION, "broken": True, "twins": []}, None)
    return _Result(image, found.measures, found.descriptor)


def _compare(dataset: Dataset) -> None:
    """Find the copies of pictures that were not compared yet among all, and note them there.

    Removed ones are compared too: they may come back.
    """
    rows: list[Any] = [
        row
        for row in DatasetImage.everything.filter(dataset=dataset)
        .exclude(descriptor=None)
        .order_by("position", "pk")
        .values_list("pk", "width", "height", "measures", "descriptor")
        if row[3] and row[3].get("version") == measures.VERSION
    ]
    new = [place for place, row in enumerate(rows) if "twins" not in row[3]]
    if not new:
        return
    patches = measures.read_patches([row[4] for row in rows])
    shapes = [width / height for _pk, width, height, _measures, _descriptor in rows]
    anew = {rows[place][0] for place in new}
    # What an older picture was like of those is to be found out again: they may lie on another ground now.
    twins: dict[int, list[tuple[int, float, bool]]] = {place: [] for place in new}
    for pair in similar.find(patches, shapes, new):
        here, there = (pair.first, pair.second) if pair.first in twins else (pair.second, pair.first)
        twins[here].append((rows[there][0], pair.likeness, pair.mirrored))
    noted = {rows[place][0]: {**rows[place][3], "twins": found} for place, found in twins.items()}
    for pk, _width, _height, figures, _descriptor in rows:
        if pk not in anew and any(twin[0] in anew for twin in figures["twins"]):
            noted[pk] = {**figures, "twins": [twin for twin in figures["twins"] if twin[0] not in anew]}
    with transaction.atomic():
        # Whoever chose another background meanwhile has emptied the measures: those are made anew.
        still = DatasetImage.everything.select_for_update().filter(pk__in=noted, measures__isnull=False)
        changed = [DatasetImage(pk=pk, measures=noted[pk]) for pk in still.values_list("pk", flat=True)]
        DatasetImage.everything.bulk_update(changed, ["measures"], batch_size=ROWS)
