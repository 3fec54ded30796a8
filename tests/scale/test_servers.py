"""The studio on PostgreSQL, Redis and S3: servers of this test's own, real processes, one of which is killed.

Heavy: `run.py test -m heavy tests/scale`; `tests/scale/servers.py` says what it needs.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.scale.servers import PYTHON, ROOT, House, bucket, has, signed_in, studio, unable, until

pytestmark = pytest.mark.servers


async def test_a_picture_is_made_and_heard_of_through_postgresql_and_redis(house: House) -> None:
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
        async with asyncio.timeout(60):  # `receive` begins to count again with every ping of the server
            while not heard or heard[-1]["status"] != "completed":
                heard.append(json.loads((await socket.receive()).data))
        assert len(heard) > 2
        assert heard[-1]["saved"] == 4
        assert '"status": "completed", "progress": 100' in (await told).splitlines()[-1]


def test_two_workers_share_the_work_and_one_finishes_it_when_the_other_is_killed(house: House) -> None:
    first, second = house.worker("first.log"), house.worker("second.log")
    until(lambda: house.ask("SELECT count(*) FROM engines_engine WHERE health = 'ok'") == "1", "the engine")
    until(lambda: house.ask("SELECT count(*) FROM stylestudio_worker") == "2", "the second worker")
    order = ("generate", "--prompt", "a fox", "--count", "10", "--size", "64x64", "--json")
    orders = [house.start(PYTHON, "manage.py", *order, log=f"order-{number}.log") for number in range(2)]
    made = "SELECT DISTINCT worker FROM pictures_engineprompt WHERE state = 'done'"
    until(lambda: len(house.ask(made).split()) == 2, "a picture of each worker")
    held = f"SELECT count(*) FROM pictures_engineprompt WHERE state = 'posted' AND worker LIKE '%-{second.pid}'"
    until(lambda: house.ask(held) == "1", "a picture that the second worker makes")
    second.kill()
    for process in orders:
        assert process.wait(150) == 0, house.logs()
    assert house.ask("SELECT status, count(*) FROM pictures_generationtask GROUP BY 1") == "completed 2"
    assert house.ask("SELECT count(*), count(DISTINCT (task_id, index)) FROM pictures_generatedimage") == "20 20"
    # The engine made no picture twice: what the dead worker had begun was taken over from there.
    with urllib.request.urlopen(f"{house.env['COMFYUI_URL']}/history", timeout=5) as answer:
        assert len(json.load(answer)) == 20
    assert house.ask("SELECT count(DISTINCT prompt_id) FROM pictures_generatedimage") == "20"
    assert first.poll() is None


async def test_pictures_in_a_bucket_are_seen_by_those_who_are_signed_in(house: House) -> None:
    if not await asyncio.to_thread(has, "storages", "moto.server"):
        unable("moto's server plays S3, and it is not installed")
    house.env |= await asyncio.to_thread(bucket, house)
    address = await asyncio.to_thread(studio, house)
    assert "Bucket: studio" in await asyncio.to_thread(house.manage, "doctor")
    await asyncio.to_thread(house.manage, "generate", "--prompt", "a fox", "--count", "2", "--size", "64x64")
    small = "SELECT file, thumbnail FROM pictures_generatedimage WHERE thumbnail <> ''"
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


async def test_files_and_sockets_end_with_their_session_on_every_web_process(house: House) -> None:
    """Signed out on one, they end on the other at once; what only the database knows ends within a minute."""
    first = await asyncio.to_thread(studio, house)
    port = house.port()
    second = f"http://127.0.0.1:{port}"
    named = {"DJANGO_SETTINGS_MODULE": "stylestudio.settings"}
    house.start(PYTHON, "-m", "stylestudio.processes.web", "--port", str(port), log="second.log", **named)
    await asyncio.to_thread(
        until, lambda: urllib.request.urlopen(f"{second}/health", timeout=5), "the second web process"
    )
    picture = Path(house.env["STYLESTUDIO_DATA"], "media", "outputs", "fox.png")
    picture.parent.mkdir(parents=True, exist_ok=True)
    picture.write_bytes(b"png")

    async def fetch(session: aiohttp.ClientSession) -> int:
        """What the second process answers to this browser; a cookie jar asks for no port."""
        async with session.get(f"{second}/outputs/fox.png") as answer:
            return answer.status

    async def ended(session: aiohttp.ClientSession, seconds: float) -> None:
        async with asyncio.timeout(seconds):
            while await fetch(session) != 403:
                await asyncio.sleep(0.2)

    async with signed_in(first) as here, signed_in(first) as there:
        cookies = {name.key: name.value for name in here.cookie_jar}
        assert (await fetch(here), await fetch(there)) == (200, 200)
        async with here.ws_connect(f"{second}/ws/progress?format=json") as socket:
            async with here.get("/account/") as page:
                token = page.cookies["csrftoken"].value if "csrftoken" in page.cookies else cookies["csrftoken"]
            async with here.post("/sign-out/", data={"csrfmiddlewaretoken": token}) as answer:
                assert "/sign-in/" in str(answer.url)
            assert (await socket.receive(timeout=5)).data == 4401
        held = {"Cookie": f"media={cookies['media']}"}
        async with aiohttp.ClientSession(headers=held) as thief:
            await ended(thief, 5)
        assert await fetch(there) == 200
        async with there.ws_connect(f"{second}/ws/progress?format=json") as socket:
            await asyncio.to_thread(house.ask, "UPDATE auth_user SET is_active = false")
            await ended(there, 60)
            assert (await socket.receive(timeout=60)).data == 4401


def test_a_database_of_a_newer_program_is_refused_and_left_as_it_is(house: House) -> None:
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


async def test_files_that_a_bucket_lost_are_told_by_doctor_and_in_place_of_a_download(house: House) -> None:
    if not has("storages", "boto3", "moto.server"):
        unable(f"{PYTHON} has no moto and boto3")
    house.env |= await asyncio.to_thread(bucket, house)
    address = await asyncio.to_thread(studio, house)
    order = ("generate", "--prompt", "a fox", "--count", "2", "--size", "64x64")
    await asyncio.to_thread(house.manage, *order)
    name = house.ask("SELECT file FROM pictures_generatedimage ORDER BY id LIMIT 1")
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
        other = house.ask("SELECT file FROM pictures_generatedimage ORDER BY id DESC LIMIT 1")
        async with session.get(f"/{other}?download=fox", allow_redirects=False) as answer:
            assert answer.status == 302


def known(house: House) -> int:
    """Files that rows name."""
    fields = (("generatedimage", "file"), ("generatedimage", "thumbnail"))
    counted = " + ".join(f"(SELECT count(*) FROM pictures_{t} WHERE {f} <> '')" for t, f in fields)
    styles = "(SELECT count(*) FROM styles_styleversion WHERE file <> '') + "
    styles += "(SELECT count(*) FROM styles_styleversion WHERE sheet <> '') + "
    styles += "(SELECT count(*) FROM styles_style WHERE cover <> '')"
    return int(house.ask(f"SELECT {counted} + {styles}"))
