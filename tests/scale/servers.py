"""Servers of a test's own: PostgreSQL, Redis, S3, and a studio on them.

The packages of requirements-scale.txt are taken from the Python that STYLESTUDIO_SCALE_PYTHON names, else from this
one. PostgreSQL and Redis are found by themselves; S3 is played by moto's server where that Python has it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from stylestudio.host.rendezvous import free_port

ROOT = Path(__file__).parents[2]
PYTHON = os.environ.get("STYLESTUDIO_SCALE_PYTHON") or sys.executable
PASSWORD = "drawing-room-7"


def has(*modules: str) -> bool:
    """Whether PYTHON can import them."""
    command = [PYTHON, "-c", f"import {', '.join(modules)}"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def unable(reason: str) -> None:
    """Skip; on CI, where all of it is meant to be there, fail."""
    import pytest  # the Python with the servers' packages need not have it

    if os.environ.get("CI", "").lower() in ("1", "true", "yes"):
        pytest.fail(reason)
    pytest.skip(reason)


def binary(name: str) -> str | None:
    """A server's program; Debian keeps PostgreSQL's out of the path."""
    kept = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(kept[-1]) if kept else None)


def until(true: Callable[[], Any], what: str, seconds: float = 60) -> Any:
    """What `true` returns as soon as it is true. OSError means "not yet"."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if result := true():
                return result
        time.sleep(0.1)
    raise AssertionError(f"{what} did not come within {seconds} s")


@dataclass
class House:
    """The environment of one studio, and the processes that this test started."""

    folder: Path
    env: dict[str, str]
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    ports: list[int] = field(default_factory=list)

    def port(self) -> int:
        """One that nobody listens on, and that was not given to a process of this house before."""
        self.ports.append(free_port(but=self.ports))
        return self.ports[-1]

    def start(self, *command: str, log: str, **more: str) -> subprocess.Popen[bytes]:
        """A process that is ended with the house; what it says goes to `log`."""
        with (self.folder / log).open("ab") as output:
            process = subprocess.Popen(
                command, cwd=ROOT, env=self.env | more, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
        self.processes.append(process)
        return process

    def manage(self, *arguments: str, **more: str) -> str:
        """What a command prints."""
        result = subprocess.run(
            [PYTHON, "manage.py", *arguments],
            cwd=ROOT,
            env=self.env | more,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
        assert result.returncode == 0, result.stdout + result.stderr + self.logs()
        return result.stdout

    def ask(self, question: str) -> str:
        """What the database answers to a SELECT, one row a line."""
        client = binary("psql")
        assert client
        command = [client, self.env["DATABASE_URL"], "-tAF ", "-c", question]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def worker(self, log: str) -> subprocess.Popen[bytes]:
        """A worker with one thread, started by hand."""
        return self.start(PYTHON, "manage.py", "worker", log=log, STYLESTUDIO_WORKERS="1")

    def logs(self) -> str:
        """Everything that was said."""
        return "\n".join(f"--- {log.name}\n{log.read_text()}" for log in sorted(self.folder.glob("*.log")))

    def end(self) -> None:
        """Stop the processes, the last one started first."""
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _open_to_postgres(house: House) -> None:
    """PostgreSQL refuses to run as root, so root lends it to the user postgres, who must get to its files."""
    if os.geteuid() == 0:
        for parent in (house.folder, *house.folder.parents[:3]):
            if parent.stat().st_uid == 0 and parent != Path("/tmp"):
                parent.chmod(parent.stat().st_mode | 0o011)


def _make_postgres(house: House) -> None:
    """The files of a PostgreSQL of our own, without a database."""
    data, program = house.folder / "pg", binary("initdb")
    data.mkdir()
    if os.geteuid() == 0:
        shutil.chown(data, "postgres")
    assert program
    made = [*_as_user(), program, "-D", str(data), "-A", "trust", "-U", "studio", "--no-sync"]
    subprocess.run(made, check=True, capture_output=True, cwd="/")


def postgres(house: House) -> str:
    """A PostgreSQL of our own, on the files that are in the house or on new ones; the address of its database."""
    port, client = house.port(), binary("psql")
    _open_to_postgres(house)
    if not (house.folder / "pg").exists():
        _make_postgres(house)
    assert client
    start_postgres(house, port)
    ask = [client, "-h", "127.0.0.1", "-p", str(port), "-U", "studio", "postgres", "-c"]

    def created() -> bool:
        said = subprocess.run([*ask, "CREATE DATABASE studio"], capture_output=True, text=True, check=False)
        return not said.returncode or "already exists" in said.stderr

    until(created, "PostgreSQL")
    return f"postgresql://studio@127.0.0.1:{port}/studio"


def start_postgres(house: House, port: int) -> subprocess.Popen[bytes]:
    """Begin to start PostgreSQL on the files that `postgres` made: at first, and again after it was killed."""
    server, data = binary("postgres"), str(house.folder / "pg")
    assert server
    options = ["-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", ""]
    return house.start(*_as_user(), server, *options, log="postgres.log")


def _as_user() -> list[str]:
    return ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []


def redis(house: House) -> str:
    """A Redis of our own; its address."""
    port = house.port()
    start_redis(house, port)
    return f"redis://127.0.0.1:{port}/0"


def start_redis(house: House, port: int) -> subprocess.Popen[bytes]:
    """Begin to start a Redis that knows nothing: it stores nothing, so after it was killed all messages are lost."""
    program = binary("redis-server")
    assert program
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(house.folder)]
    return house.start(program, *options, log="redis.log")


def bucket(house: House) -> dict[str, str]:
    """An S3 of our own with a bucket; the settings for it."""
    port = house.port()
    address = f"http://127.0.0.1:{port}"
    house.start(PYTHON, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port), log="s3.log")
    until(lambda: urllib.request.urlopen(address, timeout=5).status == 200, "S3")
    keys = {"S3_ACCESS_KEY": "testing", "S3_SECRET_KEY": "testing"}
    make = "import boto3, sys; boto3.client('s3', endpoint_url=sys.argv[1], region_name='us-east-1', "
    make += "aws_access_key_id='testing', aws_secret_access_key='testing').create_bucket(Bucket='studio')"
    subprocess.run([PYTHON, "-c", make, address], check=True, capture_output=True)
    return {"S3_BUCKET": "studio", "S3_ENDPOINT_URL": address, **keys}


def studio(house: House) -> str:
    """`manage.py studio`, when its worker answers; its address."""
    port = house.port()
    house.start(PYTHON, "manage.py", "studio", "--no-browser", "--port", str(port), log="studio.log")
    address = f"http://127.0.0.1:{port}"

    def well() -> bool:
        with urllib.request.urlopen(f"{address}/health", timeout=5) as answer:
            return bool(json.load(answer)["comfyui"] == "connected")

    until(well, "the studio", 180)
    return address


@contextlib.asynccontextmanager
async def signed_in(address: str) -> Any:
    """A session of ada's."""
    async with aiohttp.ClientSession(address, cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        async with session.get("/sign-in/") as page:
            token = page.cookies["csrftoken"].value
        form = {"username": "ada", "password": PASSWORD, "csrfmiddlewaretoken": token}
        async with session.post("/sign-in/", data=form) as answer:
            assert answer.status == 200
            assert "/sign-in/" not in str(answer.url)
        yield session
