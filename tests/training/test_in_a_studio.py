"""A whole training in a studio of its own: what its worker writes, what a script reads, and what is said to be left."""

from __future__ import annotations

import itertools
import json
import os
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from stylestudio.host.rendezvous import free_port
from tests.chaos.studio import ROOT, START_SECONDS, Studio, wait_until
from tests.preview_engine.pictures import in_palette

STEPS = 2000
OWN = ("runs_trainingjob", "runs_lossblock", "runs_logblock")
# What only goes on: a row of a training in which nothing else is set has not changed its state.
GOES_ON = {"version", "updated_at", "step", "epoch", "progress", "seconds", "timed", "ends_at", "paces"}
BEATS = ({"lease_until"}, {"held_until"}, {"heartbeat_at"}, {"heartbeat_at", "looked_at"})
PASSING = ("version", "timestamp", "left_seconds")


@dataclass
class Told:
    """What a command printed, and what the row said meanwhile: (moment, status, step, phase, seconds that are left)."""

    lines: list[dict[str, Any]] = field(default_factory=list)
    read: list[tuple[float, str, int, str, float | None]] = field(default_factory=list)
    began: float = 0.0
    ended: float = 0.0


class House:
    """A studio on a folder of its own, with a dataset."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        foreign = ("STYLESTUDIO_", "COMFYUI_", "DATABASE_", "REDIS_", "S3_", "SD_SCRIPTS_")
        own = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        self.environment = own | {
            "STYLESTUDIO_DATA": str(folder),
            "DJANGO_SETTINGS_MODULE": "tests.training.noting_settings",
            "COMFYUI_URL": "",
            "PYTHONUNBUFFERED": "1",
            "DJANGO_SUPERUSER_PASSWORD": "drawing-room-7",
        }
        self.studio = Studio(free_port(), folder, self.environment)

    def manage(self, *arguments: str) -> str:
        """What a management command printed."""
        command = [sys.executable, "manage.py", *arguments]
        return subprocess.run(
            command, cwd=ROOT, env=self.environment, text=True, capture_output=True, check=True
        ).stdout

    def fill(self) -> None:
        """An owner and a dataset called hills."""
        self.manage("createsuperuser", "--noinput", "--username", "olga", "--email", "")
        pictures = self.folder / "hills"
        pictures.mkdir()
        for place, picture in enumerate(in_palette(6)):
            picture.save(pictures / f"{place}.png")
            (pictures / f"{place}.txt").write_text(f"hill {place}")
        self.manage("import_dataset", str(pictures), "--name", "hills")

    def train(self, steps: int, *more: str) -> Told:
        """Train and listen to it."""
        told, command = Told(began=time.time()), [sys.executable, "manage.py", "train", "--dataset", "hills"]
        command += ["--style", "Hills", "--preset", "quick", "--steps", str(steps), "--set", "resolution=256"]
        command += ["--set", "batch_size=1", "--set", "rank=4", "--wait", "--json", *more]
        process = subprocess.Popen(command, cwd=ROOT, env=self.environment, text=True, stdout=subprocess.PIPE)
        while process.poll() is None:
            time.sleep(0.25)
            self._look(told)
        told.ended = next(at for at, status, *_rest in reversed(told.read) if status == "running")
        assert process.stdout is not None
        told.lines = [json.loads(line) for line in process.stdout]
        assert process.returncode == 0
        return told

    def _look(self, told: Told) -> None:
        with closing(sqlite3.connect(self.folder / "stylestudio.sqlite3", timeout=5)) as database:
            asked = "SELECT status, step, preparing, ends_at FROM runs_trainingjob ORDER BY id DESC LIMIT 1"
            if row := database.execute(asked).fetchone():
                end = datetime.fromisoformat(row[3]).replace(tzinfo=UTC).timestamp() if row[3] else None
                phase = (json.loads(row[2]) or [""])[0]
                now = time.time()
                told.read.append((now, row[0], row[1], phase, None if end is None else max(1.0, end - now)))

    def writes(self, told: Told) -> list[tuple[float, str, str, set[str], str]]:
        """What the worker wrote while a training was asked for and run."""
        lines = (self.folder / "writes").read_text("utf-8").splitlines()
        found = [(at, verb, table, set(columns), params) for at, verb, table, columns, params in map(json.loads, lines)]
        return [each for each in found if told.began <= each[0] <= told.ended + 1]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A studio that is well, and ends with the test."""
    made = House(tmp_path / "data")
    made.folder.mkdir()
    made.studio.start()
    try:
        assert wait_until(made.studio.is_well, START_SECONDS)
        made.fill()
        yield made
    finally:
        made.studio.stop()


@pytest.mark.heavy
def test_a_long_training_writes_sparingly_says_nothing_twice_and_knows_what_is_left(house: House) -> None:
    """2,000 steps on the preview engine; then a shorter one, which knows from the first what is left."""
    told = house.train(STEPS)
    seconds = told.ended - told.began
    every = house.writes(told)
    beats = [each for each in every if each[3] in BEATS]
    rest = [each for each in every if each[3] not in BEATS]
    own = [each for each in rest if each[2] in OWN]
    goes_on = [each for each in own if each[1] != "UPDATE" or each[2] != OWN[0] or each[3] <= GOES_ON]
    states = [each for each in own if each not in goes_on]
    print(f"{seconds:.0f} s: {len(goes_on)} writes of what goes on, {len(states)} changes of state, {len(beats)} beats")
    print(Counter(table for _at, _verb, table, _columns, _params in rest))
    assert told.lines[-1]["step"] == STEPS
    assert len(goes_on) <= seconds
    assert len(own) <= seconds + len(states)
    said = [{name: value for name, value in line.items() if name not in PASSING} for line in told.lines]
    assert all(one != two for one, two in itertools.pairwise(said)), "a line that differs in its time alone"
    assert len(said) <= seconds + len(states)

    again = house.train(400)
    running = [each for each in again.read if each[1] == "running" and each[4] is not None]
    off = []
    for place, (at, _status, step, phase, left) in enumerate(running):
        truth = again.ended - at
        if place % 8 == 0:
            print(f"step {step:3} {phase:8} told {left:5.1f} s, in truth {truth:5.1f} s")
        if left is None or abs(left - truth) > max(5.0, 0.4 * truth):
            off.append((step, phase, left, truth))
    assert len(off) <= len(running) // 10, off
