"""Large files and a real web process: connections that break, kill -9, memory."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from stylestudio.host.rendezvous import free_port

ROOT = Path(__file__).parents[2]
PART = 4 * 2**20
TOKEN = "t" * 32
PREPARE = """
from django.contrib.auth.models import User
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
ada = User.objects.create_superuser("ada", password="drawing-room-7")
session = SessionStore()
session[SESSION_KEY], session[BACKEND_SESSION_KEY] = str(ada.pk), "stylestudio.people.accounts.CuratorBackend"
session[HASH_SESSION_KEY] = ada.get_session_auth_hash()
session.save()
print("session", session.session_key)
"""


class Web:
    """The web process alone, on a data folder of its own, with somebody signed in."""

    def __init__(self, data: Path) -> None:
        self.data, self.port = data, free_port()
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("STYLESTUDIO_")}
        self.environment |= {"STYLESTUDIO_DATA": str(data), "DJANGO_SETTINGS_MODULE": "tests.uploads.upload_settings"}
        self.manage("migrate", "--verbosity", "0")
        (session,) = re.findall(r"session (\w+)", self.manage("shell", "-c", PREPARE))
        self.headers = {"Cookie": f"sessionid={session}; csrftoken={TOKEN}", "X-CSRFToken": TOKEN}
        self.start()

    def manage(self, *arguments: str) -> str:
        command = [sys.executable, "manage.py", *arguments]
        return subprocess.run(
            command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=True, timeout=120
        ).stdout

    def start(self) -> None:
        command = [sys.executable, "-m", "stylestudio.processes.web", "--port", str(self.port)]
        self.process = subprocess.Popen(command, cwd=ROOT, env=self.environment)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with suppress(OSError):
                self.ask("GET", "/health")
                return
            time.sleep(0.1)
        raise AssertionError("The web process does not answer.")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def ask(self, method: str, path: str, body: bytes = b"", kind: str = "") -> tuple[int, Any]:
        """Status and JSON of the answer, or its text."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, self.headers | ({"Content-Type": kind} if kind else {}))
            response = connection.getresponse()
            text = response.read().decode()
            is_json = "json" in response.getheader("Content-Type", "")
            return response.status, json.loads(text) if is_json else text
        finally:
            connection.close()

    def post(self, path: str, **fields: Any) -> tuple[int, Any]:
        return self.ask("POST", path, urlencode(fields).encode(), "application/x-www-form-urlencoded")

    def begin(self, name: str, size: int) -> dict[str, Any]:
        status, facts = self.post("/uploads/start", purpose="keep", name=name, size=size, fingerprint=1)
        assert status == 200, facts
        return dict(facts)

    def put(self, upload: dict[str, Any], offset: int, body: bytes) -> tuple[int, Any]:
        return self.ask("PUT", f"{upload['parts']}?offset={offset}", body, "application/octet-stream")

    def finish(self, upload: dict[str, Any]) -> tuple[int, Any]:
        return self.post(upload["finish"], name="shelf 3")

    def memory(self, what: str) -> int:
        """VmRSS (now) or VmHWM (the most so far) of the process, in bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.findall(rf"{what}:\s+(\d+) kB", status)[0]) * 1024


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    running = Web(tmp_path_factory.mktemp("web"))
    yield running
    running.process.terminate()
    running.process.wait(10)


def test_a_part_that_is_cut_off_counts_nothing_and_the_file_goes_on_afterwards(web: Web) -> None:
    truth = os.urandom(PART + 1000)
    upload = web.begin("cut.bin", len(truth))
    head = "".join(f"{name}: {value}\r\n" for name, value in web.headers.items())
    head += f"Host: 127.0.0.1:{web.port}\r\nContent-Type: application/octet-stream\r\nContent-Length: {PART}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", web.port), timeout=10) as connection:
        connection.sendall(f"PUT {upload['parts']}?offset=0 HTTP/1.1\r\n{head}".encode() + truth[: PART // 2])
    assert web.ask("GET", upload["parts"])[1]["received"] == 0
    assert web.put(upload, 0, truth[:PART]) == (200, {"received": PART})
    assert web.put(upload, 0, truth[:PART]) == (409, {"received": PART})
    assert web.put(upload, PART, truth[PART:]) == (200, {"received": len(truth)})
    assert web.finish(upload) == (200, "<li>cut.bin on shelf 3</li>")
    assert web.finish(upload) == (200, "<li>cut.bin on shelf 3</li>")
    assert (web.data / "kept/cut.bin").read_bytes() == truth


def test_a_body_over_the_limit_of_all_bodies_is_refused_here_too(web: Web) -> None:
    upload = web.begin("large.bin", 10**8)
    status, _text = web.put(upload, 0, bytes(17 * 2**20))
    assert status == 413
    assert web.put(upload, 0, bytes(6 * 2**20))[0] == 413
    assert web.ask("GET", upload["parts"])[1]["received"] == 0
    assert web.ask("DELETE", upload["parts"])[0] == 204


def test_the_mount_still_answers_for_files_beside_the_addresses_of_uploads(web: Web) -> None:
    assert web.ask("GET", "/uploads/references/2026/11/x.png") == (403, "Sign in to see this file.")
    assert web.ask("GET", "/uploads/parts/x.part") == (403, "Sign in to see this file.")


@pytest.mark.heavy
def test_a_web_process_that_is_killed_again_and_again_loses_and_mixes_up_nothing(web: Web) -> None:
    truth = os.urandom(6 * PART + 12345)
    upload = web.begin("killed.bin", len(truth))
    at, deaths, deadline = 0, 0, time.monotonic() + 120
    while at < len(truth) and time.monotonic() < deadline:
        if deaths < 4:
            # From before the bytes arrive to after they are counted: each time a little later.
            killer = threading.Timer(0.004 + 0.012 * deaths, web.kill)
            deaths += 1
            killer.start()
            with suppress(OSError, http.client.HTTPException):
                web.put(upload, at, truth[at : at + PART])
            killer.join()
            web.start()
            at = web.ask("GET", upload["parts"])[1]["received"]
        else:
            at = web.put(upload, at, truth[at : at + PART])[1]["received"]
    assert web.finish(upload)[0] == 200
    assert (web.data / "kept/killed.bin").read_bytes() == truth
    assert not list((web.data / "media/parts").glob(f"{upload['id'].replace('-', '')}*"))


@pytest.mark.heavy
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the memory of a process from /proc")
def test_a_gigabyte_goes_through_with_less_than_100_mb_more_memory(web: Web) -> None:
    piece, count = os.urandom(PART), 256
    small = web.begin("small.bin", PART)
    web.put(small, 0, piece)
    web.finish(small)
    before, began = web.memory("VmRSS"), time.monotonic()
    upload = web.begin("huge.bin", PART * count)
    sent = hashlib.sha256()
    for number in range(count):
        body = number.to_bytes(4, "big") + piece[4:]
        sent.update(body)
        assert web.put(upload, number * PART, body) == (200, {"received": (number + 1) * PART})
    assert web.finish(upload)[0] == 200
    took, grown = time.monotonic() - began, web.memory("VmHWM") - before
    print(f"1 GB in {took:.1f} s, {grown / 2**20:.0f} MB more memory at most, {before / 2**20:.0f} MB before")
    with (web.data / "kept/huge.bin").open("rb") as file:
        assert hashlib.file_digest(file, "sha256").digest() == sent.digest()
    (web.data / "kept/huge.bin").unlink()
    assert grown < 100 * 2**20
