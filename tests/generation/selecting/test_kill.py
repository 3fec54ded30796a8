"""A worker that is killed the hard way in the middle of deleting five thousand pictures."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
COUNT = 5_000

ORDER = f"""
from django.contrib.auth.models import User
from django.utils import timezone
from generation.engines.models import Engine
from generation.pictures.models import EnginePrompt, GeneratedImage, GenerationTask
from generation.selecting import orders
from generation.selecting.selection import Selection
from generation.selecting.trash_actions import DELETE
owner = User.objects.create_superuser("owner")
engine, now, keys = Engine.objects.create(address="http://127.0.0.1:9"), timezone.now(), []
for number in range({COUNT} // 100):
    tasks = GenerationTask.everything.bulk_create(
        GenerationTask(
            owner=owner, prompt="a fox", final_prompt="a fox", width=1024, height=1024, count=4, seeds=[1, 2, 3, 4],
            checkpoint="b", lightning="l", status="completed", ended_at=now, own_values={{}},
        )
        for _each in range(25)
    )
    prompts = EnginePrompt.objects.bulk_create(
        EnginePrompt(task=task, index=index, engine=engine, worker="w", lease_until=now, state="done", own_values={{}})
        for task in tasks for index in range(4)
    )
    rows = GeneratedImage.everything.bulk_create(
        GeneratedImage(
            task=row.task, index=row.index, prompt=row, seed=1, width=1024, height=1024, size=1, sha256="0" * 64,
            engine=engine, file="outputs/none.png",
        )
        for row in prompts
    )
    keys += [row.pk for row in rows]
orders.place(owner, DELETE, Selection(tuple(keys)), {{}})
"""
FREE = """
from django.utils import timezone
from generation.selecting import bulk_jobs
from generation.selecting.models import PictureJob
PictureJob.objects.filter(status="running").update(lease_until=timezone.now() - timezone.timedelta(hours=1))
bulk_jobs.sweep()
bulk_jobs.life.work()
"""
UNDO = """
from django.contrib.auth.models import User
from generation.selecting import bulk_jobs, orders
from generation.selecting.models import PictureJob
orders.undo(User.objects.get(username="owner"), PictureJob.objects.get(undo_of=None))
bulk_jobs.life.work()
"""


class House:
    """A data folder, and processes on it."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.environment = os.environ | {
            "STYLESTUDIO_DATA": str(data),
            "DJANGO_SETTINGS_MODULE": "stylestudio.settings",
        }

    def begin(self, *arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "manage.py", *arguments], cwd=ROOT, env=self.environment)

    def manage(self, *arguments: str) -> None:
        assert self.begin(*arguments).wait(300) == 0

    def number(self, query: str) -> int:
        with closing(sqlite3.connect(self.data / "stylestudio.sqlite3", timeout=20)) as database:
            return int(database.execute(query).fetchone()[0])


@pytest.mark.heavy
def test_deleting_survives_kill_9_and_undo_is_exact(tmp_path: Path) -> None:
    house = House(tmp_path / "data")
    house.data.mkdir()
    house.manage("migrate", "--verbosity", "0")
    house.manage("shell", "-c", ORDER)
    gone = "select count(*) from pictures_generatedimage where deleted_at is not null"
    done = "select done from selecting_picturejob where undo_of_id is null"
    before, stops = house.number(gone), []
    for least in (1, COUNT // 2):
        worker = house.begin("shell", "-c", FREE)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and house.number(done) < least:
            time.sleep(0.01)
        worker.send_signal(signal.SIGKILL)
        worker.wait(10)
        stops.append(house.number(done))
        # What is deleted and what the job knows of are the same at every moment.
        assert house.number(gone) - before == house.number(done)
    house.manage("shell", "-c", FREE)
    print(f"killed after {stops} of {COUNT}")
    assert house.number(gone) - before == COUNT == house.number(done)
    assert house.number("select json_extract(report, '$.changed') from selecting_picturejob") == COUNT
    house.manage("shell", "-c", UNDO)
    assert house.number(gone) == before
