"""How fast a folder of ComfyUI's output is taken over: read, hashed, checked, settings read, copied, stored.

1,000 PNG files of 1024×1024 pixels and 1.4 MB with `prompt` and `workflow`, as ComfyUI writes them, and 2,000 small
ones; by `manage.py take_over` and by a worker, each a process of its own with an empty SQLite database. Prints JSON:
pictures a second from the job's start to its end and, for the command, from its call to its end; milliseconds of
processor time for each picture, its start included. Thumbnails are made afterwards; `--thumbnails` waits for them.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import shutil
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[3]
SIZES = {"usual": (1_000, 1024), "small": (2_000, 256)}  # number and side of the pictures
DIFFERENT = 10  # sets of pixels; the texts make every file a different one
GRAPH: dict[str, Any] = {
    "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd_xl_base_1.0.safetensors"}},
    "2": {
        "class_type": "LoraLoader",
        "inputs": {
            "model": ["1", 0], "clip": ["1", 1], "lora_name": "ink.safetensors", "strength_model": 0.8,
            "strength_clip": 0.8,
        },
    },
    "3": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["2", 1], "text": ""}},
    "4": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["2", 1], "text": "blurry, low quality"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 1024, "height": 1024, "batch_size": 1}},
    "6": {
        "class_type": "KSampler",
        "inputs": {
            "model": ["2", 0], "positive": ["3", 0], "negative": ["4", 0], "latent_image": ["5", 0], "seed": 0,
            "steps": 28, "cfg": 6.5, "sampler_name": "dpmpp_2m", "scheduler": "karras", "denoise": 1.0,
        },
    },
    "7": {"class_type": "VAEDecode", "inputs": {"samples": ["6", 0], "vae": ["1", 2]}},
    "8": {"class_type": "SaveImage", "inputs": {"images": ["7", 0], "filename_prefix": "ComfyUI"}},
}  # fmt: skip
WORDS = (
    "fox", "lantern", "harbour", "snow", "mist", "tower", "garden", "river", "crane", "paper", "ink", "dawn", "moss",
)  # fmt: skip


def write(folder: Path, count: int, side: int) -> float:
    """Pictures of this size, each with a prompt and seed of its own. Megabytes of one."""
    folder.mkdir()
    random = np.random.default_rng(1)
    pixels = [_encoded(random, side) for _each in range(DIFFERENT)]
    graph = json.loads(json.dumps(GRAPH))
    size = 0
    for number in range(count):
        words = " ".join(random.choice(WORDS, 12))
        graph["3"]["inputs"]["text"], graph["6"]["inputs"]["seed"] = f"a {words}, number {number}", number
        texts = {"prompt": json.dumps(graph), "workflow": json.dumps(_workflow(graph))}
        chunks = b"".join(_chunk(f"{name}\0{text}".encode()) for name, text in texts.items())
        head, rest = pixels[number % DIFFERENT][:33], pixels[number % DIFFERENT][33:]
        size = (folder / f"ComfyUI_{number:05}_.png").write_bytes(head + chunks + rest)
    return size / 1e6


def _encoded(random: np.random.Generator, side: int) -> bytes:
    """A gradient with grain, as SaveImage encodes it, about as large as what diffusion models make."""
    slope = np.linspace(0, 255, side)
    soft = np.stack([np.add.outer(slope * random.random(), slope * random.random()) for _each in range(3)], axis=-1)
    grain = random.normal(0, 2.0, soft.shape)
    file = io.BytesIO()
    Image.fromarray((soft / 2 + grain).clip(0, 255).astype(np.uint8)).save(file, "PNG", compress_level=4)
    return file.getvalue()


def _workflow(graph: dict[str, Any]) -> dict[str, Any]:
    """About what the editor stores of a graph: places, sizes and sockets of nodes, besides what is in them."""
    nodes = [
        {
            "id": int(key), "type": node["class_type"], "pos": [120.5 * int(key), 300], "size": [315, 262], "flags": {},
            "order": int(key), "mode": 0, "properties": {"Node name for S&R": node["class_type"], "cnr_id": "core"},
            "inputs": [{"name": name, "type": "*", "link": int(key)} for name in node["inputs"]],
            "outputs": [{"name": "OUT", "type": "*", "slot_index": 0, "links": [int(key)]}],
            "widgets_values": [value for value in node["inputs"].values() if not isinstance(value, list)],
        }
        for key, node in graph.items()
    ]  # fmt: skip
    return {"last_node_id": len(nodes), "nodes": nodes, "links": [], "groups": [], "extra": {}, "version": 0.4}


def _chunk(text: bytes) -> bytes:
    body = b"tEXt" + text
    return struct.pack(">I", len(text)) + body + struct.pack(">I", zlib.crc32(body))


class Studio:
    """A data folder with an owner and nothing else."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._environment = os.environ | {
            "STYLESTUDIO_DATA": str(place),
            "COMFYUI_URL": "http://127.0.0.1:9",  # where nobody answers
            "DJANGO_SETTINGS_MODULE": "stylestudio.settings",
        }

    def begin(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start `manage.py`."""
        return subprocess.Popen(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self._environment,
            stdout=subprocess.DEVNULL,
        )

    def call(self, *arguments: str) -> None:
        """Run `manage.py` to its end."""
        assert self.begin(*arguments).wait() == 0, arguments

    def ask(self, query: str) -> Any:
        """The first value of the answer of its database."""
        with closing(sqlite3.connect(self._place / "stylestudio.sqlite3", timeout=30)) as database:
            return database.execute(query).fetchone()[0]

    def job_seconds(self) -> float:
        """How long its one job took."""
        begin, end = (datetime.fromisoformat(self.ask(f"SELECT {name} FROM takeover_takeover")) for name in
                      ("started_at", "ended_at"))  # fmt: skip
        return (end - begin).total_seconds()


@contextmanager
def copied(template: Path) -> Iterator[Studio]:
    """A studio like the template, until the block ends."""
    with tempfile.TemporaryDirectory(dir=template.parent) as name:
        place = Path(name, "data")
        shutil.copytree(template, place)
        yield Studio(place)


def by_command(studio: Studio, folder: Path, count: int) -> dict[str, float]:
    """What the command needs."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    studio.call("take_over", str(folder))
    seconds = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert studio.ask("SELECT count(*) FROM pictures_generatedimage") == count
    return {
        "per_second": round(count / studio.job_seconds()),
        "per_second_with_start": round(count / seconds),
        "cpu_ms": round(1000 * spent / count, 1),
    }


ORDER = """
from django.contrib.auth.models import User
from generation.takeover import takeover_jobs
takeover_jobs.order(User.objects.get(), "folder", folder={folder!r}, source_name="x")
"""


def by_worker(studio: Studio, folder: Path, count: int, *, wait: bool) -> dict[str, float]:
    """What a worker needs that has nothing else to do. `wait`: for the thumbnails."""
    worker = studio.begin("worker")
    try:
        while not studio.ask("SELECT count(*) FROM stylestudio_worker"):
            time.sleep(0.1)
        time.sleep(3)  # its start
        before = _processor_seconds(worker.pid)
        studio.call("shell", "-c", ORDER.format(folder=str(folder)))
        while studio.ask("SELECT status FROM takeover_takeover") not in {"completed", "failed"}:
            time.sleep(0.05)
        spent = _processor_seconds(worker.pid) - before
        assert studio.ask("SELECT count(*) FROM pictures_generatedimage") == count
        found = {"per_second": round(count / studio.job_seconds()), "cpu_ms": round(1000 * spent / count, 1)}
        if wait:
            began = time.perf_counter()
            left = first = studio.ask("SELECT count(*) FROM pictures_generatedimage WHERE thumbnail = ''")
            while left:
                time.sleep(0.2)
                left = studio.ask("SELECT count(*) FROM pictures_generatedimage WHERE thumbnail = ''")
            found["thumbnails_per_second"] = round(first / (time.perf_counter() - began))
    finally:
        worker.terminate()
        worker.wait()
    return found


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--thumbnails", action="store_true", help="wait for them, and say how many come in a second")
    parser.add_argument("--rounds", type=int, default=1, help="how often each is measured")
    parser.add_argument("--only", choices=sorted(SIZES), help="only these pictures")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        template = place / "template"
        template.mkdir()
        studio = Studio(template)
        studio.call("migrate", "--verbosity", "0")
        studio.call("shell", "-c", "from django.contrib.auth.models import User; User.objects.create_superuser('ada')")
        for size, (count, side) in SIZES.items():
            if options.only not in {None, size}:
                continue
            megabytes = write(place / size, count, side)
            for _round in range(options.rounds):
                with copied(template) as studio:
                    command = by_command(studio, place / size, count)
                with copied(template) as studio:
                    worker = by_worker(studio, place / size, count, wait=options.thumbnails)
                print(json.dumps({size: {"mb": round(megabytes, 2), "command": command, "worker": worker}}), flush=True)


if __name__ == "__main__":
    main()
