"""A large file behind a proxy that sends each part to another machine. Real servers and processes.

Heavy: `run.py test -m heavy tests/scale`; `tests/scale/servers.py` says what it needs.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.scale.servers import PYTHON, House, bucket, has, signed_in, unable, until

pytestmark = pytest.mark.heavy

PART = 4 * 2**20
TRUTH = os.urandom(6 * PART + 12345)
LEFT = "from stylestudio.uploads import shared_parts; print('left', shared_parts.names())"


@dataclass
class Machine:
    """A web process with a data folder of its own."""

    address: str
    data: Path
    process: subprocess.Popen[bytes]

    def answers(self) -> bool:
        """Whether it serves pages. Raises OSError."""
        with urllib.request.urlopen(f"{self.address}/sign-in/", timeout=5) as answer:
            return bool(answer.status == 200)


def machines(house: House) -> list[Machine]:
    """Two of them, with one database, when they answer."""
    found = []
    for name in ("first", "second"):
        port, data = house.port(), house.folder / name
        own = {"STYLESTUDIO_DATA": str(data), "DJANGO_SETTINGS_MODULE": "tests.uploads.upload_settings"}
        command = (PYTHON, "-m", "stylestudio.processes.web", "--port", str(port))
        found.append(Machine(f"http://127.0.0.1:{port}", data, house.start(*command, log=f"{name}.log", **own)))
    for machine in found:
        until(machine.answers, "a web process")  # /health is not well, as there is no worker
    return found


@dataclass
class Sender:
    """Ada's page, whose requests reach the machine that is named."""

    session: aiohttp.ClientSession

    async def ask(self, machine: Machine, method: str, path: str, **more: Any) -> tuple[int, Any]:
        """Status and answer, read as JSON if it is some."""
        token = next(cookie.value for cookie in self.session.cookie_jar if cookie.key == "csrftoken")
        headers = {"X-CSRFToken": token, **more.pop("headers", {})}
        async with self.session.request(method, f"{machine.address}{path}", headers=headers, **more) as answer:
            is_json = "json" in answer.headers["Content-Type"]
            return answer.status, await (answer.json() if is_json else answer.text())

    async def begin(self, machine: Machine) -> dict[str, Any]:
        facts = {"purpose": "keep", "name": "a.bin", "size": str(len(TRUTH)), "fingerprint": "1"}
        status, upload = await self.ask(machine, "POST", "/uploads/start", data=facts)
        assert status == 200, upload
        return dict(upload)

    async def put(self, machine: Machine, upload: dict[str, Any], offset: int) -> tuple[int, Any]:
        kind = {"Content-Type": "application/octet-stream"}
        part = TRUTH[offset : offset + PART]
        return await self.ask(machine, "PUT", f"{upload['parts']}?offset={offset}", data=part, headers=kind)

    async def finish(self, machine: Machine, upload: dict[str, Any]) -> tuple[int, Any]:
        return await self.ask(machine, "POST", upload["finish"], data={"name": "shelf 3"})


async def test_with_a_bucket_parts_may_reach_any_machine_even_one_after_another_was_killed(house: House) -> None:
    if not await asyncio.to_thread(has, "storages", "moto.server"):
        unable("moto's server plays S3, and it is not installed")
    house.env |= await asyncio.to_thread(bucket, house)
    first, second = await asyncio.to_thread(machines, house)
    async with signed_in(first.address) as session:
        sender = Sender(session)
        upload = await sender.begin(first)
        for number in range(4):
            at, end = number * PART, (number + 1) * PART
            # Both at the same moment: each part counts once.
            answers = await asyncio.gather(*(sender.put(machine, upload, at) for machine in (first, second)))
            assert sorted(answers) == [(200, {"received": end}), (409, {"received": end})]
        first.process.kill()
        assert (await sender.begin(second))["received"] == 4 * PART
        for at in range(4 * PART, len(TRUTH), PART):
            assert (await sender.put(second, upload, at))[0] == 200
        answers = await asyncio.gather(*(sender.finish(second, upload) for _one in range(2)))
        assert answers == [(200, "<li>a.bin on shelf 3</li>")] * 2
    assert (second.data / "kept/a.bin").read_bytes() == TRUTH
    assert "left []" in await asyncio.to_thread(house.manage, "shell", "-c", LEFT)


async def test_with_a_bucket_a_file_is_finished_once_though_both_machines_are_asked(house: House) -> None:
    if not await asyncio.to_thread(has, "storages", "moto.server"):
        unable("moto's server plays S3, and it is not installed")
    house.env |= await asyncio.to_thread(bucket, house)
    both = await asyncio.to_thread(machines, house)
    async with signed_in(both[0].address) as session:
        sender = Sender(session)
        upload = await sender.begin(both[0])
        for number, at in enumerate(range(0, len(TRUTH), PART)):
            assert (await sender.put(both[number % 2], upload, at))[0] == 200
        answers = await asyncio.gather(*(sender.finish(machine, upload) for machine in both))
        assert answers == [(200, "<li>a.bin on shelf 3</li>")] * 2
    (kept,) = [file for machine in both if (file := machine.data / "kept/a.bin").exists()]
    assert kept.read_bytes() == TRUTH
    assert not [file for machine in both for file in (machine.data / "media").rglob("*.part")]


async def test_without_a_bucket_the_other_machine_says_what_to_do(house: House) -> None:
    first, second = await asyncio.to_thread(machines, house)
    async with signed_in(first.address) as session:
        sender = Sender(session)
        upload = await sender.begin(first)
        assert await sender.put(first, upload, 0) == (200, {"received": PART})
        status, answer = await sender.put(second, upload, PART)
        assert status == 422
        assert answer["error"].startswith("What has arrived of this file is not on this machine of the studio.")
        for at in range(PART, len(TRUTH), PART):
            assert (await sender.put(first, upload, at))[0] == 200
        assert (await sender.finish(first, upload))[0] == 200
    assert (first.data / "kept/a.bin").read_bytes() == TRUTH
