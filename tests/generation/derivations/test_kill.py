"""A worker that is killed the hard way, twice, while it finishes three hundred pictures."""

from __future__ import annotations

import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.generation.selecting.test_kill import FREE, UNDO, House

COUNT = 300

ORDER = f"""
from io import BytesIO
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.utils import timezone
from PIL import Image
from generation.derivations import presets
from generation.derivations.actions import FINISH
from generation.engines.models import Engine
from generation.pictures.models import EnginePrompt, GeneratedImage, GenerationTask
from generation.selecting import orders
from generation.selecting.selection import Selection
owner = User.objects.create_superuser("owner")
engine, now, keys = Engine.objects.create(address="http://127.0.0.1:9"), timezone.now(), []
for number in range({COUNT}):
    image = Image.new("RGBA", (256, 256))
    image.paste((number % 256, 40, 90, 255), (20, 30, 60 + number % 150, 200))
    file = BytesIO()
    image.save(file, "PNG")
    task = GenerationTask.objects.create(
        owner=owner, prompt="a fox", final_prompt="a fox", width=256, height=256, count=1, seeds=[number],
        checkpoint="b", lightning="l", status="completed", ended_at=now, own_values={{}},
    )
    row = EnginePrompt.objects.create(
        task=task, index=0, engine=engine, worker="w", lease_until=now, state="done", own_values={{}}
    )
    picture = GeneratedImage(
        task=task, index=0, prompt=row, seed=number, width=256, height=256, size=len(file.getvalue()),
        sha256="0" * 64, engine=engine,
    )
    picture.file.save(f"{{number}}.png", ContentFile(file.getvalue()), save=False)
    picture.save()
    keys.append(picture.pk)
parameters = {{"name": "Icon", "plan": presets.SHIPPED[0].plan}}
orders.place(owner, FINISH, Selection(tuple(keys)), parameters)
"""


@pytest.mark.heavy
def test_finishing_survives_kill_9_and_neither_loses_nor_doubles_a_picture(tmp_path: Path) -> None:
    house = House(tmp_path / "data")
    house.data.mkdir()
    house.manage("migrate", "--verbosity", "0")
    house.manage("shell", "-c", ORDER)
    made, done = "select count(*) from derivations_derivation", "select done from selecting_picturejob"
    stops = []
    for least in (1, COUNT // 2):
        worker = house.begin("shell", "-c", FREE)
        deadline = time.monotonic() + 240
        while time.monotonic() < deadline and house.number(done) < least:
            time.sleep(0.01)
        worker.send_signal(signal.SIGKILL)
        worker.wait(10)
        stops.append(house.number(done))
        assert house.number(made) == house.number(done)
    assert 0 < stops[0] <= stops[1] < COUNT
    house.manage("shell", "-c", FREE)
    assert house.number(made) == COUNT == house.number("select count(distinct source_id) from derivations_derivation")
    with closing(sqlite3.connect(house.data / "stylestudio.sqlite3")) as database:
        files = database.execute(
            "select file, size from pictures_generatedimage where id in (select picture_id from derivations_derivation)"
        ).fetchall()
    assert all((house.data / "media" / name).stat().st_size == size for name, size in files)
    house.manage("shell", "-c", UNDO)
    gone = "select count(*) from pictures_generatedimage where deleted_at is not null"
    assert house.number(gone) == COUNT
