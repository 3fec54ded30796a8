"""The health check in the worker: measures new pictures and compares them with all."""

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
from training.datasets.crops import backgrounds
from training.datasets.crops.backgrounds import measured_on
from training.datasets.health import stored
from training.datasets.health.dataset_facts import is_current, is_measured
from training.datasets.models import Dataset, DatasetImage, DatasetJob

BATCH = 24  # pictures between two commits
ROWS = 200  # per statement
THREADS = min(8, os.cpu_count() or 1)  # Pillow and numpy release the GIL while they work
QUIET = 2.0  # seconds without new pictures before a check ends: many drops are one check
GLANCE = 0.25
AFTER_FAILURE = timedelta(minutes=10)  # before a failed or cancelled check is ordered again automatically


def order_check(dataset: Dataset, user: User) -> DatasetJob | None:
    """Order a check if pictures wait to be measured and no check is waiting already.

    A running check does not count: it may have queried just before the newest picture arrived. So there are at most
    two.
    """
    mine = DatasetJob.objects.filter(dataset=dataset, work=DatasetJob.Work.CHECK)
    failed = mine.filter(status="failed", ended_at__gt=timezone.now() - AFTER_FAILURE)
    if mine.waiting().exists() or failed.exists() or not _open(dataset):
        return None
    return dataset_jobs.order(dataset, user, DatasetJob.Work.CHECK)


def hear_of_pictures(sender: object, dataset: Dataset, user: User, **_facts: Any) -> None:
    """Order a check when pictures were added."""
    order_check(dataset, user)


def order_check_if_idle(dataset: Dataset) -> DatasetJob | None:
    """Order a check for the dataset's owner if pictures wait and no check waits, runs or was cancelled recently."""
    mine = DatasetJob.objects.filter(dataset=dataset, work=DatasetJob.Work.CHECK)
    cancelled = mine.filter(status="cancelled", ended_at__gt=timezone.now() - AFTER_FAILURE)
    if mine.active().exists() or cancelled.exists():
        return None
    return order_check(dataset, dataset.owner)


def run_check(run: dataset_jobs.Run) -> None:
    """The handler of the work CHECK. Stored results are not measured again, so a crash costs one batch."""
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
    """Pictures to measure. After the first ones it waits a little for more before it returns none."""
    waited = 0.0
    while not (pks := _open(dataset)) and done and waited < QUIET:
        workers.stopping.wait(GLANCE)
        waited += GLANCE
        run.step(done, done)
    return pks


def _open(dataset: Dataset) -> list[int]:
    """Pictures without current measures, or measured on another background than they have now."""
    rows = dataset.images.order_by("position", "pk").values_list("pk", "measures")
    grounds = _grounds(dataset.pk)
    return [pk for pk, found in rows if found is None or not is_current(found, grounds.get(pk))]


def _grounds(dataset: int) -> dict[int, str]:
    """The background each transparent picture is measured on.
    Queried again every time, since somebody may change it.
    """
    ground = backgrounds.ground(Dataset.everything.get(pk=dataset))
    return {each.pk: measured_on(each.own, each.colours, ground.colour) for each in ground.every}


@dataclass(frozen=True, slots=True)
class _Result:
    image: DatasetImage
    measures: dict[str, Any]
    descriptor: bytes | None


def _measure(pks: Sequence[int], threads: ThreadPoolExecutor) -> None:
    """Measure pictures in parallel, and store the results together."""
    images = list(DatasetImage.objects.filter(pk__in=pks).only("file", "background", "measures", "dataset"))
    grounds = _grounds(images[0].dataset_id) if images else {}
    missing = [image for image in images if not is_measured(image.measures or {}, grounds.get(image.pk))]
    own = {image.pk: image.background for image in missing}
    for image in missing:  # the stored background stays as it is
        image.background = grounds.get(image.pk, "")
    results = list(threads.map(_measured, missing))
    with transaction.atomic():
        for each in results:
            # A picture whose background was changed meanwhile is measured again.
            row = DatasetImage.everything.filter(pk=each.image.pk, background=own[each.image.pk])
            on = {"on": each.image.background} if each.image.background else {}
            row.update(measures={**each.measures, **on}, descriptor=each.descriptor)


def _measured(image: DatasetImage) -> _Result:
    from training.datasets.health import measures  # with numpy, only in the process that checks

    try:
        with image.file.open("rb") as file:
            found = measures.measure(file, image.background)
    except (OSError, ValueError):
        return _Result(image, {"version": stored.VERSION, "broken": True, "twins": []}, None)
    return _Result(image, found.measures, found.descriptor)


def _compare(dataset: Dataset) -> None:
    """Find copies among all pictures of those not compared yet, and store them with these.

    Removed pictures are compared too: they may come back.
    """
    rows: list[Any] = [
        row
        for row in DatasetImage.everything.filter(dataset=dataset)
        .exclude(descriptor=None)
        .order_by("position", "pk")
        .values_list("pk", "width", "height", "measures", "descriptor")
        if row[3] and row[3].get("version") == stored.VERSION
    ]
    new = [place for place, row in enumerate(rows) if "twins" not in row[3]]
    if not new:
        return
    from training.datasets.health import measures, similar  # as above

    patches = measures.read_patches([row[4] for row in rows])
    shapes = [width / height for _pk, width, height, _measures, _descriptor in rows]
    anew = {rows[place][0] for place in new}
    # Copies stored with older pictures are dropped if they name these: they may be on another background now.
    twins: dict[int, list[tuple[int, float, bool]]] = {place: [] for place in new}
    for pair in similar.find_copies(patches, shapes, new):
        here, there = (pair.first, pair.second) if pair.first in twins else (pair.second, pair.first)
        twins[here].append((rows[there][0], pair.likeness, pair.mirrored))
    noted = {rows[place][0]: {**rows[place][3], "twins": found} for place, found in twins.items()}
    for pk, _width, _height, figures, _descriptor in rows:
        if pk not in anew and any(twin[0] in anew for twin in figures["twins"]):
            noted[pk] = {**figures, "twins": [twin for twin in figures["twins"] if twin[0] not in anew]}
    with transaction.atomic():
        # If the background was changed meanwhile, the measures are empty and will be computed again.
        still = DatasetImage.everything.select_for_update().filter(pk__in=noted, measures__isnull=False)
        changed = [DatasetImage(pk=pk, measures=noted[pk]) for pk in still.values_list("pk", flat=True)]
        DatasetImage.everything.bulk_update(changed, ["measures"], batch_size=ROWS)
