"""How fast an archive of pictures is taken in, beside what Pillow alone needs to decode and shrink them.

200 JPEG pictures of one megapixel with captions, in a zip. Prints JSON: pictures per second, the ratio to one thread of
Pillow that decodes and writes a thumbnail of the same pictures in the same run, processor time per picture (however
busy the machine is: 80 ms are 25 a second on two cores), and how much memory the import added.
"""

from __future__ import annotations

import io
import json
import os
import resource
import shutil
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

COUNT, SIDE = 200, 1000


def pack(target: Path) -> None:
    """Soft patches of colour with grain, about as large as photographs are."""
    random = np.random.default_rng(1)
    grain = Image.effect_noise((SIDE, SIDE), 20).convert("RGB")
    with zipfile.ZipFile(target, "w") as archive:
        for number in range(COUNT):
            patches = random.integers(0, 256, (24, 24, 3), dtype=np.uint8)
            soft = Image.fromarray(patches).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
            file = io.BytesIO()
            Image.blend(soft, grain, 0.3).save(file, "JPEG", quality=90)
            archive.writestr(f"10_bench/{number:04}.jpg", file.getvalue())
            archive.writestr(f"10_bench/{number:04}.txt", f"hills, number {number}")


def bare(source: Path) -> float:
    """Pictures per second of Pillow alone in one thread."""
    began = time.perf_counter()
    with zipfile.ZipFile(source) as archive:
        for name in archive.namelist():
            if name.endswith(".jpg"):
                with Image.open(io.BytesIO(archive.read(name))) as picture:
                    picture.load()
                    picture.thumbnail((320, 320))
                    picture.save(io.BytesIO(), "WEBP", quality=80)
    return COUNT / (time.perf_counter() - began)


def taken_in(source: Path) -> tuple[float, float]:
    """Pictures per second of an import, rows and files and all, and milliseconds of processor time for each."""
    from django.contrib.auth.models import User
    from django.core.management import call_command

    from training.datasets.collecting import archives, intake
    from training.datasets.models import Dataset

    call_command("migrate", verbosity=0)
    owner = User.objects.create_superuser("ada")
    dataset = Dataset.objects.create(name="Bench", owner=owner)
    began, worked, tally = time.perf_counter(), time.process_time(), intake.Tally()
    with source.open("rb") as file, archives.opened(file) as contents:
        intake.import_source(contents, dataset, owner, tally, lambda done: None)
    seconds, worked = time.perf_counter() - began, time.process_time() - worked
    assert (tally.added, tally.captions, tally.refused_count) == (COUNT, COUNT, 0)
    return COUNT / seconds, worked / COUNT * 1000


def peak_mb() -> float:
    """The most memory this process had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Measure and print."""
    import django

    folder = Path(tempfile.mkdtemp(prefix="stylestudio-bench-"))
    os.environ |= {"STYLESTUDIO_DATA": str(folder), "DJANGO_SETTINGS_MODULE": "stylestudio.settings"}
    try:
        django.setup()
        source = folder / "bench.zip"
        pack(source)
        alone, before = bare(source), peak_mb()
        studio, worked = taken_in(source)
        figures = {
            "pictures_per_s": round(studio, 1),
            "pillow_alone_per_s": round(alone, 1),
            "ratio": round(studio / alone, 2),
            "cpu_ms_per_picture": round(worked, 1),
            "memory_added_mb": round(peak_mb() - before),
            "zip_mb": round(source.stat().st_size / 2**20),
        }
        print(json.dumps(figures))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    main()
