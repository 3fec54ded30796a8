"""Whose media these are, with whole studios on SQLite: lost, old and copied databases beside a full folder.

Heavy: the shortest time from a start to a sweep is a minute. All studios run at once and are looked at together.
"""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from stylestudio.host.rendezvous import free_port

pytestmark = pytest.mark.heavy

ROOT = Path(__file__).parents[2]
NOT_OURS = ("STYLESTUDIO_", "COMFYUI_", "DATABASE_URL", "REDIS_URL", "S3_", "DJANGO_")
SWEPT = 150  # seconds in which a studio sweeps twice


@dataclass
class House:
    """One studio with a data folder of its own."""

    data: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def env(self) -> dict[str, str]:
        ours = {name: value for name, value in os.environ.items() if not name.startswith(NOT_OURS)}
        return ours | {"STYLESTUDIO_DATA": str(self.data), "STYLESTUDIO_SWEEP_MINUTES": "1"}

    def start(self) -> None:
        command = [sys.executable, "manage.py", "studio", "--no-browser", "--port", str(free_port())]
        with self.data.with_suffix(".log").open("ab") as log:
            self.processes.append(subprocess.Popen(command, cwd=ROOT, env=self.env, stdout=log, stderr=log))

    def kill_worker(self) -> None:
        (pid,) = self.rows("SELECT pid FROM stylestudio_worker")
        with suppress(ProcessLookupError):  # the next one has not written its own yet
            os.kill(int(pid), signal.SIGKILL)

    def manage(self, *arguments: str) -> str:
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=self.env, capture_output=True, text=True, check=False, timeout=200)
        assert done.returncode == 0, done.stdout + done.stderr + self.said()
        return done.stdout

    def rows(self, question: str) -> list[str]:
        # A connection left open would see the database's next life through the shared memory of this one, and take
        # its write-ahead log away when it is collected at last: `with` alone only ends the transaction.
        with closing(sqlite3.connect(self.data / "stylestudio.sqlite3")) as database:
            return [str(row[0]) for row in database.execute(question)]

    def said(self) -> str:
        return self.data.with_suffix(".log").read_text()

    def files(self) -> set[str]:
        """What people would miss."""
        media = self.data / "media"
        every = (path for path in media.rglob("*") if path.is_file() and path.name != "studio.json")
        return {str(path.relative_to(media)) for path in every if path.relative_to(media).parts[0] != "bin"}

    def older(self) -> None:
        """All files were made long ago."""
        at = time.time() - 7200
        for path in (self.data / "media").rglob("*.*"):
            os.utime(path, (at, at))

    def end(self) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(20)
        until(lambda: not self.is_alive(), 20)  # the last one to close the database takes its WAL away

    def is_alive(self) -> bool:
        """Whether a process works on this folder."""
        mark = f"STYLESTUDIO_DATA={self.data}\0".encode()
        for environment in Path("/proc").glob("[0-9]*/environ"):
            with suppress(OSError):
                if mark in environment.read_bytes():
                    return True
        return False


@contextmanager
def running(*houses: House) -> Iterator[None]:
    """All of them at once, until the block is over."""
    try:
        for house in houses:
            house.start()
        yield
    finally:
        for house in houses:
            house.end()


def until(true: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.5)


def answers(house: House) -> bool:
    return "is running at" in house.said()


@pytest.fixture
def full(tmp_path: Path) -> tuple[House, Path, Path]:
    """A stopped studio with pictures, its database as it was before half of them, and one copied while it ran."""
    house, old, live = House(tmp_path / "full"), tmp_path / "old.sqlite3", tmp_path / "live.sqlite3"
    house.data.mkdir()
    with running(house):
        until(lambda: answers(house))
        make = "from django.contrib.auth.models import User; User.objects.create_superuser('ada', password='x')"
        house.manage("shell", "-c", make)
        house.manage("generate", "--prompt", "a castle", "--size", "64x64", "--count", "2")
        copy(house, old)
    with running(house):
        until(lambda: house.said().count("is running at") == 2)
        house.manage("generate", "--prompt", "a tower", "--size", "64x64", "--count", "2")
        copy(house, live)
        house.manage("generate", "--prompt", "a bridge", "--size", "64x64", "--count", "2")
    return house, old, live


def copy(house: House, target: Path) -> None:
    """A copy of the database while it is in use."""
    with (
        closing(sqlite3.connect(house.data / "stylestudio.sqlite3")) as database,
        closing(sqlite3.connect(target)) as kept,
    ):
        database.backup(kept)


def whole(house: House, name: str) -> House:
    """A copy of the whole folder of `house`."""
    other = House(house.data.with_name(name))
    shutil.copytree(house.data, other.data)
    return other


def beside(house: House, name: str, database: Path | None) -> House:
    """The folder of `house` with another database in its place, or with none."""
    other = whole(house, name)
    for file in other.data.glob("stylestudio.sqlite3*"):
        file.unlink()
    if database:
        shutil.copy(database, other.data / "stylestudio.sqlite3")
    return other


def test_no_start_costs_anybody_a_file(full: tuple[House, Path, Path]) -> None:
    house, old, live = full
    houses = {
        "empty": beside(house, "empty", None),
        "put_back": beside(house, "put_back", old),
        "live": beside(house, "live", live),
        "whole": whole(house, "whole"),
    }
    prefix = house.rows("SELECT prefix FROM stylestudio_start ORDER BY id DESC LIMIT 1")[0]
    picture = next(name for name in sorted(house.files()) if name.startswith("outputs/2"))
    orphan = Path(picture).with_name(f"{prefix}{uuid.uuid4().hex[:20]}.png")
    (houses["whole"].data / "media" / orphan).write_bytes(b"what a crash left")
    for each in houses.values():
        each.older()
    before = {name: each.files() for name, each in houses.items()}
    with running(*houses.values()):
        until(lambda: all(map(answers, houses.values())))
        time.sleep(SWEPT)
        gone = {name: before[name] - each.files() for name, each in houses.items()}
        assert gone == {"empty": set(), "put_back": set(), "live": set(), "whole": {str(orphan)}}
        assert [path.name for path in (houses["whole"].data / "media/bin").rglob("*.png")] == [orphan.name]
        for name in ("empty", "put_back", "live"):
            assert "adopt_media" in houses[name].said(), name
        said = houses["put_back"].manage("adopt_media", "--yes")
        assert "The media are the newer ones." in said and "belong to this database now" in said
        time.sleep(SWEPT)
        assert before["put_back"] <= houses["put_back"].files()


def test_a_second_studio_on_one_folder_and_a_worker_that_dies_again_and_again_cost_nobody_a_file(
    full: tuple[House, Path, Path],
) -> None:
    house, _old, live = full
    second = beside(house, "second", live)
    shutil.rmtree(second.data / "media")
    (second.data / "media").symlink_to(house.data / "media")
    house.older()
    before = house.files()
    with running(second):
        until(lambda: answers(second))
        with running(house):
            until(lambda: house.said().count("is running at") == 3)
            for each in (house, second):
                each.manage("generate", "--prompt", "a well", "--size", "64x64", "--count", "2")
            both = house.files()
            assert before <= both and len(both) >= len(before) + 4
            for _death in range(12):
                time.sleep(10)
                house.kill_worker()
            time.sleep(SWEPT)
            assert both <= house.files()
            assert "adopt_media" in house.said() + second.said()
