"""`run.py dev`: what is saved is seen, what cannot be read is said, and nothing outlives it."""

from __future__ import annotations

import contextlib
import http.client
import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stylestudio.host.rendezvous import free_port

ROOT = Path(__file__).parents[2]
READ = ["stylestudio", "styles", "generation", "training", "templates", "static", "locale", "manage.py"]


def environment() -> dict[str, str]:
    """Ours, without what is of tests or of a studio beside them."""
    others = ("STYLESTUDIO_", "COMFYUI_", "DJANGO_SETTINGS_MODULE")
    return {name: value for name, value in os.environ.items() if not name.startswith(others)}


class Watch:
    """The watch over a copy of the program, and what it and its studio say."""

    def __init__(self, copy: Path, data: Path) -> None:
        self.copy = copy
        self.port = free_port()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "stylestudio.processes.development", "--no-browser", "--port", str(self.port)],
            cwd=copy,
            env={**environment(), "STYLESTUDIO_DATA": str(data), "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._said: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout
        with self.process.stdout as lines:
            for line in lines:
                self._said.put(line)

    def until(self, pattern: str, seconds: float = 90) -> None:
        """Wait for a line that matches, from where the last call ended."""
        deadline = time.monotonic() + seconds
        said: list[str] = []
        while not said or not re.search(pattern, said[-1]):
            try:
                said.append(self._said.get(timeout=max(0.01, deadline - time.monotonic())).rstrip())
            except queue.Empty:
                raise AssertionError(f"{pattern!r} was not said, but\n" + "\n".join(said)) from None

    def quiet(self, seconds: float) -> None:
        """Wait, and fail if anything is started again meanwhile."""
        time.sleep(seconds)
        said = [self._said.get() for _ in range(self._said.qsize())]
        assert not [line for line in said if line.startswith("dev |")]

    def page(self) -> str:
        """What a studio without an owner shows everybody."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        with contextlib.closing(connection):
            connection.request("GET", "/sign-in/")
            return connection.getresponse().read().decode()

    def save(self, name: str, text: str) -> None:
        """Add `text` to a file of the copy."""
        with (self.copy / name).open("a") as file:
            file.write(text)

    def gone(self, seconds: float = 20) -> bool:
        """Whether nothing listens any more, within so many seconds."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with socket.socket() as trial:
                if trial.connect_ex(("127.0.0.1", self.port)):
                    return True
            time.sleep(0.1)
        return False


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in READ:
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, copy / name)
    running = Watch(copy, tmp_path / "data")
    yield running
    running.process.kill()
    running.process.wait()
    running.gone()


@pytest.mark.heavy
def test_what_is_saved_is_seen_and_what_cannot_be_read_is_said_and_waited_for(watch: Watch) -> None:
    watch.until("is running at")
    assert "drawn anew" not in watch.page()

    page = watch.copy / "templates/accounts/first_run_help.html"
    page.write_text(page.read_text().replace("{% block main %}", "{% block main %}drawn anew"))
    (watch.copy / "data").mkdir()
    (watch.copy / "data/script.py").touch()
    (watch.copy / ".git").mkdir()
    (watch.copy / ".git/hook.py").touch()
    (watch.copy / "stylestudio/__pycache__").mkdir(exist_ok=True)
    (watch.copy / "stylestudio/__pycache__/left.py").touch()
    watch.quiet(3)
    assert "drawn anew" in watch.page()

    urls = watch.copy / "stylestudio/urls.py"
    before = urls.read_text()
    watch.save("stylestudio/urls.py", "\nprint('addresses are read'\n")
    watch.until(r"^dev \| stylestudio/urls\.py:\d+: ")
    watch.until("goes on as it was")
    assert "drawn anew" in watch.page()
    urls.write_text(f"{before}\nprint('addresses are read', flush=True)\n")
    watch.until(r"^dev \| Changed: stylestudio/urls\.py\.")
    watch.until(r"^web +\| addresses are read")
    watch.until("is running at")

    settings = watch.copy / "stylestudio/settings.py"
    before = settings.read_text()
    watch.save("stylestudio/settings.py", "\nraise RuntimeError('not today')\n")
    watch.until("not today")
    watch.until(r"^dev \| The studio ended with exit code 1\.")
    settings.write_text(before)
    watch.until("is running at")

    watch.process.send_signal(signal.SIGINT)
    assert watch.process.wait(15) == 130
    assert watch.gone(0.5)


@pytest.mark.heavy
def test_the_studio_ends_with_a_watch_that_was_killed(watch: Watch) -> None:
    watch.until("is running at")
    watch.process.kill()
    assert watch.gone()
