"""Whole studios on a damaged database and on a disk that fills up. Heavy: they are started for each story."""

from __future__ import annotations

import contextlib
import http.client
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from .test_studio import ROOT, Studio, environment

pytestmark = pytest.mark.heavy

PASSWORD = "drawing-room-7"
DATASET = {"name": "Foxes", "template": "{trigger}, {caption}", "resolution": "1024", "repeats": "10"}


def manage(data: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "manage.py", *arguments]
    given = {**environment(data), **more}
    return subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, check=False, timeout=120)


def owner(data: Path) -> None:
    manage(data, "migrate", "-v0")
    account = ("createsuperuser", "--noinput", "--username", "ada", "--email", "ada@example.org")
    assert manage(data, *account, DJANGO_SUPERUSER_PASSWORD=PASSWORD).returncode == 0


class Browser:
    """Keeps cookies."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._cookies: dict[str, str] = {}

    def ask(self, method: str, path: str, data: dict[str, Any] | None = None, **headers: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        headers |= {"Cookie": "; ".join("=".join(pair) for pair in self._cookies.items())}
        body = None
        if data is not None:
            body = urlencode({**data, "csrfmiddlewaretoken": self._cookies.get("csrftoken", "")})
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            text = response.read().decode(errors="replace")
        finally:
            connection.close()
        for cookie in response.headers.get_all("Set-Cookie", []):
            name, _, value = cookie.partition("=")
            self._cookies[name] = value.split(";")[0]
        return response.status, text

    def sign_in(self) -> tuple[int, str]:
        self.ask("GET", "/sign-in/")
        return self.ask("POST", "/sign-in/", {"username": "ada", "password": PASSWORD})


@pytest.fixture
def start() -> Iterator[Callable[[Path], Studio]]:
    started: list[Studio] = []

    def begin(data: Path) -> Studio:
        started.append(Studio(data))
        started[-1].until("StyleStudio is running at")
        return started[-1]

    yield begin
    for studio in started:
        studio.end()


def test_a_damaged_table_is_told_by_health_doctor_backup_and_every_page_that_needs_it(
    start: Callable[[Path], Studio], tmp_path: Path
) -> None:
    owner(tmp_path)
    make = "from training.datasets.models import *; Dataset.objects.create(name='Foxes', owner=User.objects.get())"
    assert manage(tmp_path, "shell", "-c", f"from django.contrib.auth.models import User; {make}").returncode == 0
    database = tmp_path / "stylestudio.sqlite3"
    with closing(sqlite3.connect(database)) as opened:
        opened.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        ask = "SELECT rootpage FROM sqlite_master WHERE name = 'datasets_dataset'"
        (page,) = opened.execute(ask).fetchone()
    with database.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\x5a" * 4096)
    studio = start(tmp_path)
    studio.health(status="error", damaged=True)
    assert studio.get("/health")[0] == 503
    browser = Browser(studio.port)
    assert browser.sign_in()[0] == 302
    status, text = browser.ask("GET", "/datasets/")
    assert status == 503
    assert "database is damaged. Tell whoever runs the studio" in text
    assert browser.ask("GET", "/styles/")[0] == 200
    studio.until("The database is damaged in datasets_dataset")
    doctor = manage(tmp_path, "doctor")
    assert doctor.returncode == 1
    assert re.search(r"FAIL Tables: damaged \(datasets_dataset: .*\n.*newest backup", doctor.stdout)
    backup = manage(tmp_path, "backup", str(tmp_path / "safe"))
    assert "it is damaged" in backup.stderr
    assert "Is there room" not in backup.stderr
    assert list((tmp_path / "safe").iterdir()) == []
    studio.end()
    assert "Traceback" not in "\n".join(studio.said) + (tmp_path / "stylestudio.log").read_text()
    # Way back: what can be read becomes a database with which everything goes on.
    assert manage(tmp_path, "rescue", str(tmp_path / "new.sqlite3")).returncode == 1
    (tmp_path / "new.sqlite3").replace(database)
    for ending in ("-wal", "-shm"):
        database.with_name(database.name + ending).unlink(missing_ok=True)
    again = start(tmp_path)
    again.health(status="ok")
    assert Browser(again.port).sign_in()[0] == 302


@pytest.mark.parametrize("content", [b"no database at all" * 1000, None], ids=["another file", "truncated"])
def test_a_studio_does_not_start_on_what_is_no_whole_database_and_says_why(
    tmp_path: Path, content: bytes | None
) -> None:
    owner(tmp_path)
    database = tmp_path / "stylestudio.sqlite3"
    with closing(sqlite3.connect(database)) as opened:
        opened.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    kept = content or database.read_bytes()[:100_000]
    database.write_bytes(kept)
    for command in (("studio", "--no-browser", "--port", "0"), ("worker",), ("changepassword", "ada")):
        ended = manage(tmp_path, *command)
        assert ended.returncode == 1
        assert "backup" in ended.stderr
        assert "Traceback" not in ended.stderr
    assert database.read_bytes() == kept


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 60 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = ["mount", "-t", "tmpfs", "-o", "size=60m", "none", str(folder)]
    if not shutil.which("mount") or subprocess.run(mounted, capture_output=True, check=False).returncode:
        pytest.skip("this needs a user who may mount")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> None:
    """Until not one byte is left."""
    with (folder / "fill").open("ab", buffering=0) as file:
        for size in (2**20, 4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"x" * size)


def test_a_full_disk_is_told_everywhere_and_with_room_again_everything_goes_on(
    start: Callable[[Path], Studio], small_disk: Path
) -> None:
    owner(small_disk)
    studio = start(small_disk)
    studio.health(status="ok")
    browser, stranger = Browser(studio.port), Browser(studio.port)
    assert browser.sign_in()[0] == 302
    fill(small_disk)
    status, text = stranger.sign_in()
    assert status == 503
    assert "disk is full" in text
    assert 'value="ada"' in text
    status, text = browser.ask("POST", "/datasets/new/", DATASET, **{"HX-Request": "true"})
    assert (status, text.startswith("The studio's disk is full. Nothing was kept.")) == (503, True)
    for path in ("/", "/gallery/", "/queue/"):
        assert browser.ask("GET", path)[0] == 200
    created = manage(small_disk, "createsuperuser", "--noinput", "--username", "bob", "--email", "b@example.org")
    assert (created.returncode, created.stderr) == (1, "The studio's disk is full. (database or disk is full)\n")
    doctor = manage(small_disk, "doctor").stdout
    assert doctor.count("Make room: nothing is free.") == 2
    assert "disk is full" in manage(small_disk, "backup", str(small_disk / "safe")).stderr
    (small_disk / "fill").unlink()
    assert stranger.sign_in()[0] == 302
    assert manage(small_disk, "generate", "--prompt", "a fox", "--size", "64x64", "--steps", "1").returncode == 0
    studio.end()
    assert "Traceback" not in "\n".join(studio.said)
    with closing(sqlite3.connect(small_disk / "stylestudio.sqlite3")) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_bodies_that_find_no_room_for_temporary_files_are_refused_in_words(small_disk: Path, tmp_path: Path) -> None:
    from stylestudio.host.rendezvous import free_port

    owner(tmp_path)
    port = free_port()
    given = {**environment(tmp_path), "TMPDIR": str(small_disk)}
    command = [sys.executable, "-m", "stylestudio.processes.web", "--port", str(port)]
    web = subprocess.Popen(command, cwd=ROOT, env=given, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            with contextlib.suppress(OSError):
                Browser(port).ask("GET", "/health")
                break
            with contextlib.suppress(subprocess.TimeoutExpired):
                web.wait(0.1)
        assert large_body(port)[0] == 403  # taken in, in a temporary file, and it had no token
        fill(small_disk)
        status, text = large_body(port)
        assert status == 503
        assert "no room to take this in" in text
        assert Browser(port).ask("GET", "/sign-in/")[0] == 200
    finally:
        web.terminate()
        web.wait(10)


def large_body(port: int) -> tuple[int, str]:
    """What a body is answered that is too large for memory."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("POST", "/references/", b"x" * 500_000)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()
