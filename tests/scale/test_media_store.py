"""Whose media these are, on PostgreSQL with a bucket: dumps, copies and empty databases beside a full bucket.

Heavy, and slow: the shortest time from a start to a sweep is a minute.
"""

from __future__ import annotations

import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.scale.servers import PYTHON, House, binary, bucket, has, studio, unable, until

pytestmark = pytest.mark.heavy


PAUSE = {"STYLESTUDIO_SWEEP_MINUTES": "1"}
LIST = """
from django.core.files.storage import default_storage as store
def walk(folder):
    folders, files = store.listdir(folder)
    for name in files: print(f"{folder}/{name}".lstrip("/"))
    for name in folders: walk(f"{folder}/{name}".lstrip("/"))
walk("")
"""


def objects(house: House) -> set[str]:
    """Everything in the bucket."""
    said = house.manage("shell", "--verbosity", "0", "-c", LIST).splitlines()
    return {line for line in said if "/" in line and " " not in line}


def swept(house: House) -> None:
    """Wait until a worker of this house could have swept twice."""
    time.sleep(150)
    assert "Traceback" not in house.logs()


def make(house: House, count: int) -> None:
    """Pictures, with their thumbnails."""
    house.manage("generate", "--prompt", "a fox", "--count", str(count), "--size", "64x64")
    small = "SELECT count(*) FROM pictures_generatedimage WHERE thumbnail = ''"
    until(lambda: house.ask(small) == "0", "the thumbnails")


def database(house: House, name: str, dump: Path | None = None) -> str:
    """Another database of the same server, empty or with a dump in it; its address."""
    address = house.env["DATABASE_URL"].rpartition("/")[0]
    client, restore = binary("psql"), binary("pg_restore")
    assert client and restore
    subprocess.run([client, f"{address}/postgres", "-c", f"CREATE DATABASE {name}"], check=True, capture_output=True)
    if dump:
        subprocess.run([restore, "--no-owner", "-d", f"{address}/{name}", str(dump)], check=True, capture_output=True)
    return f"{address}/{name}"


@contextmanager
def beside(house: House, address: str, folder: str) -> Iterator[House]:
    """A second studio with a database of its own, on the same bucket."""
    data = house.folder / folder
    data.mkdir()
    other = House(data, house.env | {"DATABASE_URL": address, "STYLESTUDIO_DATA": str(data / "data")})
    other.env["REDIS_URL"] = house.env["REDIS_URL"].removesuffix("0") + str(len(list(house.folder.iterdir())) % 15 + 1)
    try:
        studio(other)
        yield other
    finally:
        other.end()


def test_dumps_copies_and_empty_databases_beside_a_bucket_cost_nobody_a_file(house: House) -> None:
    if not has("storages", "moto.server"):
        unable("moto's server plays S3, and it is not installed")
    house.env |= bucket(house) | PAUSE
    studio(house)
    make(house, 4)
    dump, save = house.folder / "studio.dump", binary("pg_dump")
    assert save
    subprocess.run([save, "-Fc", "-f", str(dump), house.env["DATABASE_URL"]], check=True, capture_output=True)
    make(house, 4)
    full = objects(house)
    assert len(full) >= 16
    with (
        beside(house, database(house, "empty"), "empty") as empty,
        beside(house, database(house, "copy", dump), "copy") as copy,
    ):
        make(house, 4)
        make(copy, 2)
        both = objects(house)
        assert full <= both and len(both) == len(full) + 12
        swept(house)
        assert both <= objects(house)
        assert "belong to another database" in empty.logs()
        assert "adopt_media" in copy.logs() or "adopt_media" in house.logs()
        # Whoever was there first is told as well.
        make(house, 1)
    assert both <= objects(house)
    said = house.manage("adopt_media", "--yes")
    assert "belong to this database now" in said
    orphan = house.ask("SELECT prefix FROM stylestudio_start ORDER BY id DESC LIMIT 1") + uuid.uuid4().hex[:20] + ".png"
    folder = next(name for name in both if name.startswith("outputs/2")).rpartition("/")[0]
    put = f"from django.core.files.storage import default_storage as s; s.put('{folder}/{orphan}', b'x')"
    house.manage("shell", "-c", put)
    until(lambda: any(name.startswith("bin/") and name.endswith(orphan) for name in objects(house)), "the bin", 240)
    assert both <= objects(house)


def test_a_worker_that_is_restarted_again_and_again_costs_nobody_a_file(house: House) -> None:
    if not has("storages", "moto.server"):
        unable("moto's server plays S3, and it is not installed")
    house.env |= bucket(house) | PAUSE
    studio(house)
    make(house, 3)
    full = objects(house)
    for _restart in range(12):
        worker = house.start(PYTHON, "manage.py", "worker", log="worker.log")
        time.sleep(10)
        worker.kill()
        worker.wait()
    assert full <= objects(house)
    assert house.ask("SELECT relation FROM stylestudio_mediastore") == "same"
