"""A house of servers for tests of the studio on more than one machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scale.servers import PASSWORD, PYTHON, House, binary, has, postgres, redis, unable


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """PostgreSQL, Redis and an engine that takes 0.4 s a picture; migrated, with an account."""
    if not has("psycopg", "psycopg_pool", "channels_redis"):
        unable(f"{PYTHON} has no requirements-scale.txt; name one that has in STYLESTUDIO_SCALE_PYTHON")
    if missing := [name for name in ("initdb", "postgres", "psql", "redis-server") if not binary(name)]:
        unable(f"{', '.join(missing)} is not installed")
    mine = ("DATABASE_URL", "REDIS_URL", "S3_", "STYLESTUDIO_", "COMFYUI_", "DJANGO_", "AWS_")
    env = {name: value for name, value in os.environ.items() if not name.startswith(mine)}
    house = House(tmp_path, env | {"STYLESTUDIO_DATA": str(tmp_path / "data"), "STYLESTUDIO_SECRET_KEY": "scale" * 10})
    try:
        engine = house.port()
        options = ["--painter", "flat", "--step-seconds", "0.1", "--port", str(engine)]
        house.start(PYTHON, "manage.py", "preview_engine", *options, log="engine.log")
        house.env |= {"DATABASE_URL": postgres(house), "REDIS_URL": redis(house)}
        house.env["COMFYUI_URL"] = f"http://127.0.0.1:{engine}"
        house.manage("migrate", "--verbosity", "0")
        account = ("createsuperuser", "--noinput", "--username", "ada", "--email", "")
        house.manage(*account, DJANGO_SUPERUSER_PASSWORD=PASSWORD)
        yield house
    finally:
        house.end()
