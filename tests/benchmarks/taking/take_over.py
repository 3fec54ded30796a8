"""How fast a folder of ComfyUI's pictures is taken over: read, hashed, checked, settings read, copied, stored.

PNG files with a graph inside. Prints JSON for each size of file: pictures per second, and milliseconds of processor
time for each. Thumbnails are made afterwards, in the background.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

ROOT = Path(__file__).resolve().parents[3]
FEW, MANY = 400, 2_000
GRAPH = {
    "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd_xl_base_1.0.safetensors"}},
    "3": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["1", 1], "text": ""}},
    "4": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["1", 1], "text": "blurry, low quality"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 1024, "height": 1024, "batch_size": 1}},
    "6": {
        "class_type": "KSampler",
        "inputs": {
            "model": ["1", 0], "positive": ["3", 0], "negative": ["4", 0], "latent_image": ["5", 0], "seed": 0,
            "steps": 28, "cfg": 6.5, "sampler_name": "dpmpp_2m", "scheduler": "karras", "denoise": 1.0,
        },
    },
    "7": {"class_type": "SaveImage", "inputs": {"images": ["6", 0], "filename_prefix": "ComfyUI"}},
}  # fmt: skip
WORDS = (
    "fox", "lantern", "harbour", "snow", "mist", "tower", "garden", "river", "crane", "paper", "ink", "dawn", "moss",
)  # fmt: skip


def write(folder: Path, count: int, side: int) -> float:
    """Pictures of this size, each with a prompt and seed of its own. Megabytes of one."""
    folder.mkdir()
    random = np.random.default_rng(1)
    graph = json.loads(json.dumps(GRAPH))
    base = random.integers(0, 256, (side // 4 or 1, side // 4 or 1, 3), dtype=np.uint8)
    picture = Image.fromarray(base).resize((side, side), Image.Resampling.BILINEAR)
    size = 0
    for number in range(count):
        words = " ".join(random.choice(WORDS, 12))
        graph["3"]["inputs"]["text"], graph["6"]["inputs"]["seed"] = f"a {words}, number {number}", number
        info = PngImagePlugin.PngInfo()
        info.add_text("prompt", json.dumps(graph))
        info.add_text("workflow", json.dumps({"nodes": [dict(graph["6"], id=each) for each in range(60)]}))
        picture.putpixel((number % side, number // side % side), (number % 256, 0, 0))
        path = folder / f"ComfyUI_{number:05}_.png"
        picture.save(path, "PNG", pnginfo=info, compress_level=1)
        size = path.stat().st_size
    return size / 1e6


def measured(folder: Path) -> tuple[float, float]:
    """Pictures a second, and milliseconds of processor time for each."""
    from django.contrib.auth.models import User

    from generation.takeover import files, taking
    from generation.takeover.models import TakeOver

    owner = User.objects.get_or_create(username="ada")[0]
    job = TakeOver.objects.create(owner=owner, source=TakeOver.Source.FOLDER, folder=str(folder))
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    tally = taking.take(files.folder(folder), job, lambda *done, **more: None)
    seconds = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_SELF)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert not tally.refused_count
    return tally.taken / seconds, 1000 * spent / tally.taken


def main() -> None:
    """Measure in a data folder of its own."""
    place = Path(tempfile.mkdtemp())
    os.environ |= {"STYLESTUDIO_DATA": str(place / "data"), "DJANGO_SETTINGS_MODULE": "stylestudio.settings"}
    sys.path.insert(0, str(ROOT))
    os.chdir(ROOT)
    import django

    django.setup()
    from django.core.management import call_command
    from huey.contrib.djhuey import HUEY

    HUEY.storage.enqueue = lambda data, priority=None: None  # no worker runs here
    call_command("migrate", verbosity=0)
    report = {}
    try:
        for name, count, side in (("small", MANY, 256), ("megapixel", FEW, 1024)):
            megabytes = write(place / name, count, side)
            rate, spent = measured(place / name)
            report[name] = {"mb": round(megabytes, 2), "per_second": round(rate), "cpu_ms": round(spent, 1)}
    finally:
        shutil.rmtree(place)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
