"""A worker that is killed the hard way in the middle of an import."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import zipfile
from contextlib import closing
from pathlib import Path

import pytest

from tests.training.datasets.collecting.conftest import picture

ROOT = Path(__file__).parents[4]
COUNT = 120

ORDER = """
from django.contrib.auth.models import User
from django.core.files import File
from training.datasets import dataset_jobs
from training.datasets.collecting import intake
from training.datasets.models import Dataset, DatasetJob
ada = User.objects.create_superuser("ada")
dataset = Dataset.objects.create(name="Killed", owner=ada)
job = dataset_jobs.order(dataset, ada, DatasetJob.Work.IMPORT, source_name="set.zip")
with open({path!r}, "rb") as file:
    job.file.save(intake.archive_name(), File(file))
"""
WORK = """
from django.utils import timezone
from training.datasets import dataset_jobs
from training.datasets.models import DatasetJob
DatasetJob.objects.filter(status="running").update(lease_until=timezone.now() - timezone.timedelta(hours=1))
dataset_jobs.sweep()
dataset_jobs.life.work()
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
        assert self.begin(*arguments).wait(120) == 0

    def ask(self, query: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(self.data / "stylestudio.sqlite3", timeout=20)) as database:
            return database.execute(query).fetchall()


@pytest.mark.heavy
def test_an_import_survives_kill_9_and_neither_loses_nor_repeats_a_picture(tmp_path: Path) -> None:
    archive = tmp_path / "set.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for number in range(COUNT):
            packed.writestr(f"{number:03}.png", picture(number, (700, 500)))
            packed.writestr(f"{number:03}.txt", f"number {number}")
        packed.writestr("bad.png", b"x")
    house = House(tmp_path / "data")
    house.data.mkdir()
    house.manage("migrate", "--verbosity", "0")
    house.manage("shell", "-c", ORDER.format(path=str(archive)))
    stops = []
    for least in (1, COUNT // 2):  # the third death would end the job
        worker = house.begin("shell", "-c", WORK)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            ((done,),) = house.ask("select done from datasets_datasetjob where work = 'import'")
            if int(str(done)) >= least:
                break
            time.sleep(0.02)
        worker.send_signal(signal.SIGKILL)
        worker.wait(10)
        stops.append(house.ask("select done from datasets_datasetjob where work = 'import'")[0][0])
    house.manage("shell", "-c", WORK)
    ((status, report),) = house.ask("select status, report from datasets_datasetjob where work = 'import'")
    told = json.loads(str(report))
    rows = house.ask("select position, source_name, caption from datasets_datasetimage order by position")
    files = [path for path in (house.data / "media/uploads/datasets").rglob("*") if path.is_file()]
    print(f"killed after {stops} of {COUNT + 1}; {len(files) - 2 * COUNT} files of lost batches are left to the sweep")
    assert status == "completed"
    assert (told["added"], told["known"], told["captions"], told["refused_count"]) == (COUNT, 0, COUNT, 1)
    assert rows == [(number, f"{number:03}.png", f"number {number}") for number in range(COUNT)]
    # At most one batch and what was read ahead is done twice at each death.
    assert len(files) - 2 * COUNT <= 2 * len(stops) * (24 + 4)
