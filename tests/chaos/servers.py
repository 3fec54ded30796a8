"""The servers of a storm over two machines: PostgreSQL, Redis and S3. The first two can be killed and started again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.scale.servers import House, binary, bucket, has, postgres, redis, start_postgres, start_redis, until

PACKAGES = ("psycopg", "psycopg_pool", "redis", "storages", "moto.server")
PROGRAMS = ("initdb", "postgres", "psql", "pg_isready", "redis-server")


def missing() -> list[str]:
    """What this machine lacks for `servers`."""
    return [name for name in PACKAGES if not has(name)] + [name for name in PROGRAMS if not binary(name)]


class Servers:
    """PostgreSQL, Redis and a bucket; `settings` lead a studio to them, `away` has the names of those just dead."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.away: set[str] = set()
        database = postgres(house)
        self._postgres = house.processes[-1]
        messages = redis(house)
        self._redis = house.processes[-1]
        self._ports = {"postgresql": urlsplit(database).port or 0, "redis": urlsplit(messages).port or 0}
        self.settings = {"DATABASE_URL": database, "REDIS_URL": messages, **bucket(house)}

    def kill(self, name: str) -> bool:
        """kill -9; False where it was dead."""
        if name in self.away:
            return False
        self.away.add(name)
        if name == "redis":
            self._redis.kill()
        else:
            # Not what was started, which lends it to another user where that is root.
            os.kill(int((self._house.folder / "pg" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        return True

    def start(self, name: str) -> None:
        """Start it where it is dead, on its port, and wait until it answers."""
        if name in self.away:
            until(self._redis_answers if name == "redis" else self._postgres_answers, name)
            self.away.discard(name)

    def _redis_answers(self) -> bool:
        if self._redis.poll() is not None:
            self._redis = start_redis(self._house, self._ports["redis"])
        with socket.create_connection(("127.0.0.1", self._ports["redis"]), timeout=1):
            return True

    def _postgres_answers(self) -> bool:
        # It ends at once while a process of the one before still holds the shared memory: then it is started again.
        if self._postgres.poll() is not None:
            self._postgres = start_postgres(self._house, self._ports["postgresql"])
        asked = [str(binary("pg_isready")), "-h", "127.0.0.1", "-p", str(self._ports["postgresql"])]
        return subprocess.run(asked, check=False, capture_output=True).returncode == 0


@contextmanager
def servers(folder: Path, environment: dict[str, str]) -> Iterator[Servers]:
    """Servers that keep what they have in `folder`, until the end of the block."""
    folder.mkdir()
    house = House(folder, environment)
    started: Servers | None = None
    try:
        yield (started := Servers(house))
    finally:
        if started:
            started.kill("postgresql")  # told to end, it would wait for whoever is still connected
        house.end()
