"""A studio on Redis alone, with pages open: Redis goes and comes back, and the web process is killed.

`.ci/servers` runs it; `tests/scale/servers.py` says what it needs.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests.scale.servers import PASSWORD, PYTHON, House, binary, has, redis, signed_in, studio, unable, until

pytestmark = pytest.mark.servers

MOST_LINES = 12  # for web and worker, when Redis goes and when it is back
PAGES = 30


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """SQLite, Redis, an engine and an account."""
    if not has("redis", "channels"):
        unable(f"{PYTHON} has no requirements-scale.txt; name one that has in STYLESTUDIO_SCALE_PYTHON")
    if not binary("redis-server"):
        unable("redis-server is not installed")
    mine = ("DATABASE_URL", "REDIS_URL", "S3_", "STYLESTUDIO_", "COMFYUI_", "DJANGO_", "AWS_")
    env = {name: value for name, value in os.environ.items() if not name.startswith(mine)}
    house = House(tmp_path, env | {"STYLESTUDIO_DATA": str(tmp_path / "data")})
    try:
        engine = house.port()
        options = ["--painter", "flat", "--step-seconds", "0.1", "--port", str(engine)]
        house.start(PYTHON, "manage.py", "preview_engine", *options, log="engine.log")
        house.env |= {"COMFYUI_URL": f"http://127.0.0.1:{engine}", "REDIS_URL": redis(house)}
        house.manage("migrate", "--verbosity", "0")
        account = ("createsuperuser", "--noinput", "--username", "ada", "--email", "")
        house.manage(*account, DJANGO_SUPERUSER_PASSWORD=PASSWORD)
        yield house
    finally:
        house.end()


def heard_groups(house: House) -> set[str]:
    """The groups that somebody still reads, as Redis sees it."""
    client = [PYTHON, "-c", "import redis, sys; print(redis.Redis.from_url(sys.argv[1]).pubsub_channels())"]
    found = subprocess.run([*client, house.env["REDIS_URL"]], capture_output=True, text=True, check=True).stdout
    return {name.rpartition(".0.")[2] for name in found.strip("[]\n").replace("'", "").split(", ") if name}


def lines(house: House) -> list[str]:
    """The log of the studio."""
    return (house.folder / "data/stylestudio.log").read_text().splitlines()


def web_process(address: str) -> int:
    """The number of the process that serves this address."""
    listed = subprocess.run(["ps", "-ww", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
    port = f"--port {urlsplit(address).port}"
    (found,) = [line for line in listed.splitlines() if "stylestudio.processes.web" in line and port in line]
    return int(found.split()[0])


async def ends(socket: aiohttp.ClientWebSocketResponse) -> int | None:
    """The code with which the server closes it."""
    async with asyncio.timeout(60):
        while (await socket.receive()).type not in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED):
            pass
    return socket.close_code


def second_web(house: House) -> str:
    """Another web process of the same studio, as on another machine; its address."""
    port = house.port()
    command = (PYTHON, "-m", "stylestudio.processes.web", "--port", str(port))
    house.start(*command, log="second.log", DJANGO_SETTINGS_MODULE="stylestudio.settings")
    address = f"http://127.0.0.1:{port}"
    until(lambda: urllib.request.urlopen(f"{address}/health", timeout=5).status == 200, "the second web process")
    return address


async def completed(socket: aiohttp.ClientWebSocketResponse) -> None:
    """Until it tells of a job that is done."""
    async with asyncio.timeout(60):
        while json.loads((await socket.receive()).data)["status"] != "completed":
            pass


async def test_three_seconds_without_redis_leave_few_lines_and_pages_come_back(house: House) -> None:
    server = house.processes[-1]
    address = await asyncio.to_thread(studio, house)
    path = "/ws/progress?watch=all&format=json"
    async with signed_in(address) as session:
        sockets = await asyncio.gather(*(session.ws_connect(path) for _number in range(PAGES)))
        said = len(lines(house))
        server.kill()
        server.wait()
        assert await asyncio.gather(*map(ends, sockets)) == [4503] * PAGES
        assert await ends(await session.ws_connect(path)) == 4503  # after some seconds of waiting for Redis
        port = str(urlsplit(house.env["REDIS_URL"]).port)
        options = ["--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", str(house.folder)]
        house.start(str(binary("redis-server")), *options, log="redis.log")
        # Whoever comes back meanwhile waits until Redis is there.
        again = await asyncio.gather(*(session.ws_connect(path) for _number in range(PAGES)))
        order = ("generate", "--prompt", "a fox", "--size", "64x64", "--json")
        made = asyncio.to_thread(house.manage, *order)
        await asyncio.gather(made, *map(completed, again))
        assert len(lines(house)) - said <= MOST_LINES, "\n".join(lines(house)[said:])


async def test_nothing_of_a_killed_web_process_stays_in_redis(house: House) -> None:
    address = await asyncio.to_thread(studio, house)
    async with signed_in(address) as session:
        pages = [await session.ws_connect("/ws/progress?watch=mine&lang=en") for _number in range(PAGES)]
        assert {"jobs.user.1.en", "shell.en", "shell", "passes"} <= heard_groups(house)
        os.kill(web_process(address), signal.SIGKILL)
        await asyncio.to_thread(until, lambda: heard_groups(house) <= {"passes"}, "the end of every subscription")
        back: list[aiohttp.ClientWebSocketResponse] = []
        async with asyncio.timeout(90):
            while len(back) < PAGES:
                try:
                    back.append(await session.ws_connect("/ws/progress?watch=mine&lang=en"))
                except aiohttp.ClientError:
                    await asyncio.sleep(0.2)
        assert all([await ends(page) == 1006 for page in pages])
        for page in back:
            await page.close()
        await asyncio.to_thread(until, lambda: heard_groups(house) == {"passes"}, "the end of every subscription")


async def test_who_signs_out_or_is_deleted_at_one_web_process_ends_at_the_other(house: House) -> None:
    address = await asyncio.to_thread(studio, house)
    other = await asyncio.to_thread(second_web, house)
    path = f"{other}/ws/progress?watch=mine&format=json"
    async with signed_in(address) as leaves, signed_in(address) as stays:
        sockets = [await leaves.ws_connect(path), await stays.ws_connect(path)]
        ending, staying = [asyncio.create_task(ends(each)) for each in sockets]
        async with leaves.get("/") as page:
            (token,) = {part.split('"')[0] for part in (await page.text()).split('csrfmiddlewaretoken" value="')[1:]}
        async with leaves.post("/sign-out/", data={"csrfmiddlewaretoken": token}) as answer:
            assert answer.ok
        assert await ending == 4401
        await asyncio.sleep(0.5)
        assert not staying.done()
        gone = "from django.contrib.auth.models import User; User.objects.get(username='ada').delete()"
        await asyncio.to_thread(house.manage, "shell", "-c", gone)
        assert await staying == 4401
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            await stays.ws_connect(path)
