"""The studio on PostgreSQL, Redis and S3: servers of this test's own, real processes, one of which is killed.

Heavy: `run.py test -m heavy tests/scale`. The packages of requirements-scale.txt are taken from the Python that
STYLESTUDIO_SCALE_PYTHON names, else from this one. PostgreSQL and Redis are found by themselves; S3 is played by moto's
server where that Python has it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from stylestudio.handover import free_port

pytestmark = pytest.mark.heavy

ROOT = Path(__file__).parents[2]
PYTHON = os.environ.get("STYLESTUDIO_SCALE_PYTHON") or sys.executable
PASSWORD = "drawing-room-7"


def has(*modules: str) -> bool:
    """Whether PYTHON can import them."""
    command = [PYTHON, "-c", f"import {', '.join(modules)}"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def unable(reason: str) -> None:
    """Skip; on CI, where all of it is meant to be there, fail."""
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


def postgres(house: House) -> str:
    """A PostgreSQL of our own; its address. It refuses to run as root, so root lends it to the user postgres."""
    port, data = free_port(), house.folder / "pg"
    data.mkdir()
    as_user: list[str] = []
    if os.geteuid() == 0:
        as_user = ["runuser", "-u", "postgres", "--"]
        shutil.chown(data, "postgres")
        for parent in (house.folder, *house.folder.parents[:3]):
            if parent.stat().st_uid == 0 and parent != Path("/tmp"):
                parent.chmod(parent.stat().st_mode | 0o011)
    initdb, server, client = binary("initdb"), binary("postgres"), binary("psql")
    assert initdb and server and client
    made = [*as_user, initdb, "-D", str(data), "-A", "trust", "-U", "studio", "--no-sync"]
    subprocess.run(made, check=True, capture_output=True, cwd="/")
    house.start(*as_user, server, "-D", str(data), "-h", "127.0.0.1", "-p", str(port), "-k", "", log="postgres.log")
    ask = [client, "-h", "127.0.0.1", "-p", str(port), "-U", "studio", "postgres", "-c"]

    def created() -> bool:
        return not subprocess.run([*ask, "CREATE DATABASE studio"], capture_output=True, check=False).returncode

    until(created, "PostgreSQL")
    return f"postgresql://studio@127.0.0.1:{port}/studio"


def redis(house: House) -> str:
    """A Redis of our own; its address."""
    program, port = binary("redis-server"), free_port()
    assert program
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(house.folder)]
    house.start(program, *options, log="redis.log")
    return f"redis://127.0.0.1:{port}/0"


def bucket(house: House) -> dict[str, str]:
    """An S3 of our own with a bucket; the settings for it."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    house.start(PYTHON, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port), log="s3.log")
    until(lambda: urllib.request.urlopen(address, timeout=5).status == 200, "S3")
    keys = {"S3_ACCESS_KEY": "testing", "S3_SECRET_KEY": "testing"}
    make = "import boto3, sys; boto3.client('s3', endpoint_url=sys.argv[1], region_name='us-east-1', "
    make += "aws_access_key_id='testing', aws_secret_access_key='testing').create_bucket(Bucket='studio')"
    subprocess.run([PYTHON, "-c", make, address], check=True, capture_output=True)
    return {"S3_BUCKET": "studio", "S3_ENDPOINT_URL": address, **keys}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """PostgreSQL, Redis and an engine that takes 0.4 s a picture; migrated, with an account."""
    if not has("psycopg", "psycopg_pool", "channels_redis"):
        unable(f"{PYTHON} has no requirements-scale.txt; name one that has in STYLESTUDIO_SCALE_PYTHON")
    if missing := [name for name in ("initdb", "postgres", "psql", "redis-server") if not binary(name)]:
        unable(f"{', '.join(missing)} is not installed")
    mine = ("DATABASE_URL", "REDIS_URL", "S3_", "STYLESTUDIO_", "COMFYUI_", "DJANGO_", "AWS_")
    env = {name: value for name, value in os.environ.items() if not name.startswith(mine)}
    house = House(tmp_path, env | {"STYLESTUDIO_DATA": str(tmp_path / "data")})
    try:
        engine = free_port()
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


def studio(house: House) -> str:
    """`manage.py studio`, when its worker answers; its address."""
    port = free_port()
    house.start(PYTHON, "manage.py", "studio", "--no-browser", "--port", str(port), log="studio.log")
    address = f"http://127.0.0.1:{port}"

    def well() -> bool:
        with urllib.request.urlopen(f"{address}/health", timeout=5) as answer:
            return bool(json.load(answer)["comfyui"] == "connected")

    until(well, "the studio")
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


async def test_a_picture_is_made_and_heard_of_through_postgresql_and_redis(house) -> None:
    address = await asyncio.to_thread(studio, house)
    data = Path(house.env["STYLESTUDIO_DATA"])
    assert not (data / "hub.json").exists()
    assert not (data / "wake.json").exists()
    assert not (data / "stylestudio.sqlite3").exists()
    assert "Database: postgresql" in await asyncio.to_thread(house.manage, "doctor")
    async with signed_in(address) as session, session.ws_connect("/ws/progress?watch=mine&format=json") as socket:
        # Longer than a client of Redis waits by default: a silent socket stays open.
        with pytest.raises(asyncio.TimeoutError):
            await socket.receive(timeout=7)
        order = ("generate", "--prompt", "a fox", "--count", "4", "--size", "64x64", "--json")
        told = asyncio.create_task(asyncio.to_thread(house.manage, *order))
        heard: list[dict[str, Any]] = []
        while not heard or heard[-1]["status"] != "completed":
            heard.append(json.loads((await socket.receive(timeout=60)).data))
        assert len(heard) > 2
        assert heard[-1]["saved"] == 4
        assert '"status": "completed", "progress": 100' in (await told).splitlines()[-1]


def test_two_workers_share_the_work_and_one_finishes_it_when_the_other_is_killed(house) -> None:
    first, second = house.worker("first.log"), house.worker("second.log")
    until(lambda: house.ask("SELECT count(*) FROM generation_engine WHERE health = 'ok'") == "1", "the engine")
    until(lambda: house.ask("SELECT count(*) FROM stylestudio_worker") == "2", "the second worker")
    order = ("generate", "--prompt", "a fox", "--count", "10", "--size", "64x64", "--json")
    orders = [house.start(PYTHON, "manage.py", *order, log=f"order-{number}.log") for number in range(2)]
    made = "SELECT DISTINCT worker FROM generation_engineprompt WHERE state = 'done'"
    until(lambda: len(house.ask(made).split()) == 2, "a picture of each worker")
    held = f"SELECT count(*) FROM generation_engineprompt WHERE state = 'posted' AND worker LIKE '%-{second.pid}'"
    until(lambda: house.ask(held) == "1", "a picture that the second worker makes")
    second.kill()
    for process in orders:
        assert process.wait(150) == 0, house.logs()
    assert house.ask("SELECT status, count(*) FROM generation_generationtask GROUP BY 1") == "completed 2"
    assert house.ask("SELECT count(*), count(DISTINCT (task_id, index)) FROM generation_generatedimage") == "20 20"
    # The engine made no picture twice: what the dead worker had begun was taken over from there.
    with urllib.request.urlopen(f"{house.env['COMFYUI_URL']}/history", timeout=5) as answer:
        assert len(json.load(answer)) == 20
    assert house.ask("SELECT count(DISTINCT prompt_id) FROM generation_generatedimage") == "20"
    assert first.poll() is None


async def test_pictures_in_a_bucket_are_seen_by_those_who_are_signed_in(house) -> None:
    if not await asyncio.to_thread(has, "storages", "moto.server"):
        unable("moto's server plays S3, and it is not installed")
    house.env |= await asyncio.to_thread(bucket, house)
    address = await asyncio.to_thread(studio, house)
    assert "Bucket: studio" in await asyncio.to_thread(house.manage, "doctor")
    await asyncio.to_thread(house.manage, "generate", "--prompt", "a fox", "--count", "2", "--size", "64x64")
    small = "SELECT file, thumbnail FROM generation_generatedimage WHERE thumbnail <> ''"
    await asyncio.to_thread(until, lambda: len(house.ask(small).splitlines()) == 2, "both thumbnails")
    names = house.ask(small).splitlines()[0].split()
    media = Path(house.env["STYLESTUDIO_DATA"], "media")
    assert not [path for path in media.rglob("*") if path.is_file()]
    async with aiohttp.ClientSession() as stranger, stranger.get(f"{address}/{names[0]}") as answer:
        assert answer.status == 403
    async with signed_in(address) as session:
        async with session.get("/gallery/") as page:
            assert f"img-src 'self' data: {house.env['S3_ENDPOINT_URL']};" in page.headers["Content-Security-Policy"]
            assert f'src="/{names[1]}"' in await page.text()
        for name, kind in zip(names, ("image/png", "image/webp"), strict=True):
            async with session.get(f"/{name}") as answer:
                assert answer.status == 200
                assert str(answer.url).startswith(house.env["S3_ENDPOINT_URL"])
                assert answer.headers["Content-Type"] == kind
                assert answer.headers["Cache-Control"].startswith("private")
                assert await answer.read()
        async with session.get(f"/{names[0]}?download=ein%20Fuchs") as answer:
            assert answer.headers["Content-Disposition"] == 'attachment; filename="ein Fuchs.png"'
        async with session.get("/outputs/../secret_key", allow_redirects=False) as answer:
            assert answer.status in (403, 404)


def test_a_database_of_a_newer_program_is_refused_and_left_as_it_is(house) -> None:
    told = "INSERT INTO django_migrations(app, name, applied) VALUES ('styles', '0099_of_the_future', now())"
    house.ask(f"{told} RETURNING id")
    house.ask("DELETE FROM django_migrations WHERE app = 'sessions' RETURNING id")  # and something is missing
    for command in (("studio", "--no-browser", "--port", "0"), ("worker",), ("migrate",)):
        ended = subprocess.run(
            [PYTHON, "manage.py", *command], cwd=ROOT, env=house.env, capture_output=True, text=True, check=False,
            timeout=120,
        )  # fmt: skip
        assert ended.returncode == 1
        assert ended.stderr.startswith("The database is of a newer StyleStudio")
        assert "styles.0099_of_the_future" in ended.stderr
    assert house.ask("SELECT count(*) FROM django_migrations WHERE app = 'sessions'") == "0"


async def test_files_that_a_bucket_lost_are_told_by_doctor_and_in_place_of_a_download(house) -> None:
    if not has("storages", "boto3", "moto.server"):
        unable(f"{PYTHON} has no moto and boto3")
    house.env |= await asyncio.to_thread(bucket, house)
    address = await asyncio.to_thread(studio, house)
    order = ("generate", "--prompt", "a fox", "--count", "2", "--size", "64x64")
    await asyncio.to_thread(house.manage, *order)
    name = house.ask("SELECT file FROM generation_generatedimage ORDER BY id LIMIT 1")
    gone = f"from django.core.files.storage import default_storage; default_storage.delete('{name}')"
    await asyncio.to_thread(house.manage, "shell", "-c", gone)
    doctor = await asyncio.to_thread(
        subprocess.run, [PYTHON, "manage.py", "doctor"], cwd=ROOT, env=house.env, capture_output=True, text=True
    )
    assert f"1 of {await asyncio.to_thread(known, house)} are missing: {name}" in doctor.stdout
    assert "Tables" not in doctor.stdout
    async with signed_in(address) as session:
        async with session.get(f"/{name}?download=fox", allow_redirects=False) as answer:
            assert (answer.status, await answer.text()) == (404, "There is no such file.")
        other = house.ask("SELECT file FROM generation_generatedimage ORDER BY id DESC LIMIT 1")
        async with session.get(f"/{other}?download=fox", allow_redirects=False) as answer:
            assert answer.status == 302


def known(house: House) -> int:
    """Files that rows name."""
    fields = (("generatedimage", "file"), ("generatedimage", "thumbnail"))
    counted = " + ".join(f"(SELECT count(*) FROM generation_{t} WHERE {f} <> '')" for t, f in fields)
    styles = "(SELECT count(*) FROM styles_styleversion WHERE file <> '') + "
    styles += "(SELECT count(*) FROM styles_styleversion WHERE sheet <> '') + "
    styles += "(SELECT count(*) FROM styles_style WHERE cover <> '')"
    return int(house.ask(f"SELECT {counted} + {styles}"))
