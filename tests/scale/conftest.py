"""A house of servers for tests of the studio on more than one machine."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scale.servers import PASSWORD, PYTHON, House, binary, has, postgres, redis, unable


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with PostgreSQL's files and the studio's: migrated, with an account. Each house has a copy."""
    if not has("psycopg", "psycopg_pool", "redis"):
        unable(f"{PYTHON} has no requirements-scale.txt; name one that has in STYLESTUDIO_SCALE_PYTHON")
    if missing := [name for name in ("initdb", "postgres", "psql", "redis-server") if not binary(name)]:
        unable(f"{', '.join(missing)} is not installed")
    house = empty(tmp_path_factory.mktemp("furnished"))
    try:
        house.env["DATABASE_URL"] = postgres(house)
        house.manage("migrate", "--verbosity", "0")
        account = ("createsuperuser", "--noinput", "--username", "ada", "--email", "")
        house.manage(*account, DJANGO_SUPERUSER_PASSWORD=PASSWORD)
    finally:
        house.end()
    return house.folder


@pytest.fixture
def house(tmp_path: Path, furnished: Path) -> Iterator[House]:
    """PostgreSQL, Redis and an engine that takes 0.4 s a picture; migrated, with an account."""
    house = empty(tmp_path)
    try:
        engine = house.port()
        options = ["--painter", "flat", "--step-seconds", "0.1", "--port", str(engine)]
        house.start(PYTHON, "manage.py", "preview_engine", *options, log="engine.log")
        for part in ("pg", "data"):  # with its owner, which is another if root runs the tests
            subprocess.run(["cp", "-a", str(furnished / part), str(tmp_path)], check=True)
        house.env |= {"DATABASE_URL": postgres(house), "REDIS_URL": redis(house)}
        house.env["COMFYUI_URL"] = f"http://127.0.0.1:{engine}"
        yield house
    finally:
        house.end()


def empty(folder: Path) -> House:
    """A house in which nothing runs yet."""
    mine = ("DATABASE_URL", "REDIS_URL", "S3_", "STYLESTUDIO_", "COMFYUI_", "DJANGO_", "AWS_")
    env = {name: value for name, value in os.environ.items() if not name.startswith(mine)}
    return House(folder, env | {"STYLESTUDIO_DATA": str(folder / "data"), "STYLESTUDIO_SECRET_KEY": "scale" * 10})
