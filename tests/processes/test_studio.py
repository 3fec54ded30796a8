"""The whole studio from its one command, in a data folder of its own."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import queue
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stylestudio.host.rendezvous import Endpoint, free_port

ROOT = Path(__file__).parents[2]


class Studio:
    """`manage.py studio` as a process, and what it printed so far."""

    def __init__(self, data: Path, *arguments: str, port: int = 0) -> None:
        self.data = data
        self.port = port or free_port()
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "studio", "--no-browser", "--port", str(self.port), *arguments],
            cwd=ROOT,
            env=environment(data),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        with self.process.stdout as lines:
            for line in lines:
                self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def until(self, pattern: str, seconds: float = 60) -> str:
        """Wait for a line that matches."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                line = self._lines.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                line = None
            if line is None:
                raise AssertionError(f"{pattern!r} was not said, but\n" + "\n".join(self.said))
            self.said.append(line)
            if re.search(pattern, line):
                return line

    def get(self, path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def health(self, seconds: float = 30, **wanted: object) -> None:
        """Wait until `/health` says this."""
        deadline = time.monotonic() + seconds
        answer: dict[str, object] = {}
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
                answer = json.loads(self.get("/health")[1])
                if wanted.items() <= answer.items():
                    return
            time.sleep(0.1)
        raise AssertionError(f"health is {answer}, not {wanted}\n" + "\n".join(self.said))

    def children(self) -> dict[str, int]:
        """The process ids of web, worker and engine, read from the system."""
        listed = subprocess.run(
            ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(self.process.pid)],
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        signs = {
            "web": "stylestudio.processes.web",
            "worker": "manage.py worker",
            "engine": "stylestudio.processes.preview_server",
        }
        rows = [line.split(None, 1) for line in listed.splitlines()]
        return {name: int(pid) for name, sign in signs.items() for pid, command in rows if sign in command}

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._reader.join(10)


def environment(data: Path) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("STYLESTUDIO_", "COMFYUI_"))}
    return {**own, "STYLESTUDIO_DATA": str(data), "DJANGO_SETTINGS_MODULE": "stylestudio.settings"}


def refused(data: Path, *arguments: str) -> str:
    """What a start that must fail says on stderr."""
    result = subprocess.run(
        [sys.executable, "manage.py", "studio", "--no-browser", *arguments],
        cwd=ROOT,
        env=environment(data),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode == 1
    assert result.stdout == ""
    return result.stderr


def libraries(pid: int) -> str:
    """What a process has loaded that is compiled."""
    return Path(f"/proc/{pid}/maps").read_text()


def gone(pids: list[int], within: float) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if not any(Path(f"/proc/{pid}").exists() for pid in pids):
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def start() -> Iterator[Callable[..., Studio]]:
    started: list[Studio] = []

    def begin(data: Path, *arguments: str, port: int = 0) -> Studio:
        started.append(Studio(data, *arguments, port=port))
        return started[-1]

    yield begin
    for studio in started:
        studio.end()


needs_proc = pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks at processes through /proc")


@needs_proc
def test_the_studio_starts_comes_back_from_every_crash_and_ends_in_time(
    start: Callable[..., Studio], tmp_path: Path
) -> None:
    studio = start(tmp_path)
    address = f"http://127.0.0.1:{studio.port}/"
    assert address in studio.until("StyleStudio is running at")
    assert address in studio.until("Create the owner account here")
    studio.health(status="ok", comfyui="preview")
    assert Endpoint.from_file(tmp_path / "hub.json")

    sentence = refused(tmp_path, "--port", str(free_port()))
    assert "already running on this data folder" in sentence
    assert address in sentence
    assert "Traceback" not in sentence

    children = studio.children()
    assert set(children) == {"web", "worker", "engine"}
    assert not re.search(r"_sqlite3|_ssl|/numpy/|/PIL/", libraries(studio.process.pid))
    assert not re.search(r"_sqlite3|/cryptography/", libraries(children["engine"]))
    assert "/cryptography/" not in libraries(children["worker"])
    for name, pid in children.items():
        os.kill(pid, signal.SIGKILL)
        studio.until(rf"^{name} stopped \(killed by SIGKILL\)")
    studio.health(status="ok")
    deadline = time.monotonic() + 30
    while set(children := studio.children()) != {"web", "worker", "engine"}:
        assert time.monotonic() < deadline, children
        time.sleep(0.05)

    began = time.monotonic()
    studio.process.send_signal(signal.SIGINT)
    assert studio.process.wait(10) == 0
    assert time.monotonic() - began < 5
    assert gone(list(children.values()), within=0.5)
    assert (tmp_path / "studio.lock").read_text() == ""  # released, and not abandoned
    assert not (tmp_path / "hub.json").exists()


@pytest.mark.heavy
@needs_proc
def test_after_a_kill_nothing_remains_and_the_same_command_starts_again_at_once(
    start: Callable[..., Studio], tmp_path: Path
) -> None:
    studio = start(tmp_path)
    studio.until("StyleStudio is running at")
    children = list(studio.children().values())
    assert len(children) == 3
    studio.process.kill()
    studio.process.wait()
    again = start(tmp_path, port=studio.port)
    again.until("StyleStudio is running at")
    assert gone(children, within=5)
    again.health(status="ok")


def test_a_busy_port_is_one_clear_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        sentence = refused(tmp_path, "--port", str(port))
    assert sentence.startswith(f"Port {port} on 127.0.0.1 cannot be opened")
    assert "choose another port" in sentence
    assert sentence.count("\n") == 1


def test_an_address_that_is_not_ours_is_one_clear_sentence(tmp_path: Path) -> None:
    sentence = refused(tmp_path, "--host", "not.a.host.invalid")
    assert "no address not.a.host.invalid" in sentence
    assert sentence.count("\n") == 1


@pytest.mark.heavy
def test_an_older_database_is_saved_before_it_is_migrated(start: Callable[..., Studio], tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "auth", "--verbosity", "0"],
        cwd=ROOT,
        env=environment(tmp_path),
        check=True,
    )
    for place in (tmp_path, *tmp_path.iterdir()):  # as older versions left it
        place.chmod(0o755 if place.is_dir() else 0o644)
    studio = start(tmp_path)
    studio.until("The database was saved to")
    studio.until("StyleStudio is running at")
    opened = [place for place in (tmp_path, *tmp_path.rglob("*")) if place.lstat().st_mode & 0o077]
    assert [place for place in opened if tmp_path / "media" not in place.parents] == []  # which nobody gets into
    (saved,) = (tmp_path / "backups").iterdir()
    with contextlib.closing(sqlite3.connect(saved)) as copy:
        tables = {name for (name,) in copy.execute("select name from sqlite_master where type = 'table'")}
    assert "auth_user" in tables
    assert "stylestudio_worker" not in tables
