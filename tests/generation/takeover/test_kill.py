"""A take-over that is killed the hard way, in the middle and again, and begun once more."""

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

from tests.picture_settings.files import png

ROOT = Path(__file__).parents[3]
COUNT = 300


@pytest.mark.heavy
def test_a_take_over_survives_kill_9_and_neither_loses_nor_repeats_a_picture(tmp_path: Path) -> None:
    folder, data = tmp_path / "output", tmp_path / "data"
    folder.mkdir()
    data.mkdir()
    for number in range(COUNT):
        text = f"a fox {number}\nSteps: 4, Seed: {number}"
        (folder / f"{number:04}.png").write_bytes(png((700, 500), parameters=text) + os.urandom(100_000))
    (folder / "broken.png").write_bytes(b"x")
    environment = os.environ | {"STYLESTUDIO_DATA": str(data), "DJANGO_SETTINGS_MODULE": "stylestudio.settings"}

    def begin(*arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "manage.py", *arguments], cwd=ROOT, env=environment)

    def ask(query: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(data / "stylestudio.sqlite3", timeout=20)) as database, database:
            return database.execute(query).fetchall()

    assert begin("migrate", "--verbosity", "0").wait(120) == 0
    owner = "from django.contrib.auth.models import User; User.objects.create_superuser('olga')"
    assert begin("shell", "-c", owner).wait(120) == 0
    stops = []
    for least in (1, 150):
        command = begin("take_over", str(folder))
        until = time.monotonic() + 90
        while ask("SELECT count(*) FROM pictures_generatedimage")[0][0] < least and time.monotonic() < until:  # type: ignore[operator]
            time.sleep(0.005)
        command.send_signal(signal.SIGKILL)
        command.wait()
        stops.append(ask("SELECT count(*) FROM pictures_generatedimage")[0][0])
        ask("UPDATE takeover_takeover SET lease_until = '2000-01-01 00:00:00'")  # half a minute passes
    assert begin("take_over", str(folder)).wait(120) == 1  # one file is broken
    assert 0 < stops[0] <= stops[1] <= COUNT and stops[0] < COUNT  # type: ignore[operator]
    assert ask("SELECT count(*), count(DISTINCT sha256), count(DISTINCT seed) FROM pictures_generatedimage") == [
        (COUNT, COUNT, COUNT)
    ]
    [(status, done, report)] = ask("SELECT status, done, report FROM takeover_takeover")
    assert (status, done) == ("completed", COUNT + 1) and f'"taken": {COUNT}' in str(report)
    for name, size in ask("SELECT file, size FROM pictures_generatedimage"):
        assert (data / "media" / str(name)).stat().st_size == size
