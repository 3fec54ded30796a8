"""How long a health check of 1,000 pictures of one megapixel takes, and the report on 2,000.

    .venv/bin/python tests/benchmarks/health.py

prints JSON. Nothing is kept: data folder and pictures are temporary. Half of the pictures are JPEG, half PNG.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
import time
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from training.datasets.models import Dataset

ROOT = Path(__file__).parent.parent.parent
PICTURES, REPORTED = 1000, 2000
WIDTH, HEIGHT = 1216, 832
SOURCES = 50  # different drawings; copies of them are turned and coloured so that no two files are the same


def main() -> None:
    """Measure, and print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(STYLESTUDIO_DATA=folder, DJANGO_SETTINGS_MODULE="stylestudio.settings")
        sys.path.insert(0, str(ROOT))
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        print(json.dumps(measured(), indent=2))


def measured() -> dict[str, object]:
    """The figures."""
    from django.contrib.auth.models import User

    from training.datasets import dataset_jobs
    from training.datasets.health import check_work, report
    from training.datasets.models import Dataset, DatasetImage, DatasetJob

    DatasetJob.wake = staticmethod(lambda seconds=0.0: None)  # type: ignore[method-assign]  # nobody listens
    check_work.QUIET = 0.0
    ada = User.objects.create_user("ada")
    dataset = Dataset.objects.create(name="Benchmark", owner=ada, trigger_words="gouachefield painting")
    for number in range(PICTURES):
        put(dataset, number)

    def run() -> tuple[float, float]:
        job = DatasetJob.objects.create(dataset=dataset, owner=ada, work=DatasetJob.Work.CHECK)
        job.start("benchmark")
        wall, spent = time.perf_counter(), time.process_time()
        check_work.run_check(dataset_jobs.Run(job))
        times = time.perf_counter() - wall, time.process_time() - spent
        job.complete()
        return times

    whole, processor = run()
    for number in range(PICTURES, PICTURES + 10):
        put(dataset, number)
    few, _few_processor = run()

    rows = list(DatasetImage.objects.all())[: REPORTED - PICTURES - 10]
    for place, row in enumerate(rows):
        row.pk, row.sha256, row.position = None, f"copy {place}", PICTURES + 10 + place
    DatasetImage.objects.bulk_create(rows, batch_size=200)
    reports = []
    for _ in range(5):
        started = time.process_time()
        report.report(dataset)
        reports.append(time.process_time() - started)
    return {
        "cores": os.cpu_count(),
        "load_before": os.getloadavg()[0],
        "check_of_1000_s": round(whole, 1),
        "check_of_1000_processor_s": round(processor, 1),
        "pictures_per_s": round(PICTURES / whole, 1),
        "check_of_10_more_s": round(few, 2),
        "report_on_2000_processor_ms": round(1000 * min(reports), 1),
        "first_report_on_2000_processor_ms": round(1000 * reports[0], 1),
    }


def put(dataset: Dataset, number: int) -> None:
    """A picture of one megapixel in the dataset."""
    from django.core.files.base import ContentFile
    from PIL import Image

    from training.datasets.models import DatasetImage

    rng = np.random.default_rng(number % SOURCES)
    patches = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
    small = Image.fromarray(patches).resize((WIDTH // 4, HEIGHT // 4), Image.Resampling.BICUBIC)
    pixels = np.asarray(small.resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR), np.int16)
    shifted = np.roll(pixels, number * 37, axis=1) + np.random.default_rng(number).integers(-4, 5, (HEIGHT, WIDTH, 1))
    image = Image.fromarray(np.clip(shifted, 0, 255).astype(np.uint8))
    file, kind = BytesIO(), ("JPEG", "PNG")[number % 2]
    image.save(file, kind, **({"quality": 90} if kind == "JPEG" else {"compress_level": 1}))
    row = DatasetImage(
        dataset=dataset,
        width=WIDTH,
        height=HEIGHT,
        byte_size=len(file.getvalue()),
        format=kind,
        caption=f"hills, river, word{number}, word{number // 7}, clouds over a wide valley in the morning",
        added_by=dataset.owner,
        sha256=hashlib.sha256(file.getvalue()).hexdigest(),
        perceptual_hash=f"{number:016x}",
        position=number,
        source_name=f"{number}.png",
        thumbnail="none.webp",
    )
    row.file.save(f"{number}.{kind.lower()}", ContentFile(file.getvalue()), save=False)
    row.save()


if __name__ == "__main__":
    main()
