"""The studio and its engines as processes that can be killed one by one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SIGNS = {"web": "stylestudio.web", "worker": "manage.py worker"}


def until(true: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait for something that has to become true."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise SystemExit(f"Not within {seconds:g} s: {what}")
        time.sleep(0.05)


def ask(url: str, body: object = None, method: str = "") -> Any:
    """The JSON that an address answers with; None where it does not answer with any."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, method=method or ("GET" if body is None else "POST"))
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.loads(answer.read() or b"null")
    except (OSError, ValueError, urllib.error.URLError):
        return None


class Engine:
    """A preview engine that is told to make trouble, in a process of its own."""

    def __init__(self, port: int, data: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._command = [
            sys.executable, "manage.py", "preview_engine", "--port", str(port), "--painter", "flat", "--scriptable",
            "--step-seconds", "0.02", "--data", str(data),
        ]  # fmt: skip
        self._log = data.with_suffix(".log").open("ab")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, with empty history. It answers a moment later."""
        self._process = subprocess.Popen(
            self._command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log
        )

    def kill(self) -> None:
        """SIGKILL."""
        if self._process:
            self._process.kill()
            self._process.wait()

    def trouble(self, **told: object) -> bool:
        """Make trouble; False when it is not there to be told."""
        return ask(f"{self.url}/preview/troubles", told) is not None

    def calm(self) -> None:
        """End every trouble."""
        ask(f"{self.url}/preview/troubles", method="DELETE")

    def answers(self) -> bool:
        """Whether it is there."""
        return ask(f"{self.url}/system_stats") is not None

    def prompts(self) -> list[str]:
        """Ids of what it runs and what waits there."""
        queue = ask(f"{self.url}/queue") or {}
        return [item[1] for part in ("queue_running", "queue_pending") for item in queue.get(part, [])]


class RealEngine(Engine):
    """Any other engine, started and killed by commands."""

    def __init__(self, port: int, start: str, kill: str) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._start, self._kill = start.format(port=port), kill.format(port=port)

    def start(self) -> None:
        """Start it and wait until it answers."""
        subprocess.run(self._start, shell=True, check=True, stdout=subprocess.DEVNULL)

    def kill(self) -> None:
        """End it with SIGKILL."""
        subprocess.run(self._kill, shell=True, check=False)

    def trouble(self, **told: object) -> bool:
        """A real engine makes no trouble when told to."""
        return False

    def calm(self) -> None:
        """Nothing to end."""


class Studio:
    """`manage.py studio` and its children."""

    def __init__(self, data: Path, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._command = [sys.executable, "manage.py", "studio", "--no-browser", "--port", str(port)]
        self._log = data.with_suffix(".log").open("ab")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it. Its data folder and its engines are in the environment."""
        self._process = subprocess.Popen(
            self._command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log
        )

    def wait(self) -> None:
        """Until database, worker and an engine are there."""
        until(lambda: (ask(f"{self.url}/health") or {}).get("comfyui") == "connected", 60, "the studio is healthy")

    def kill(self, role: str) -> bool:
        """SIGKILL the web process, the worker, or with "studio" the supervisor. False where there is none just now."""
        pid = self._pid(role)
        if pid:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            if role == "studio" and self._process:
                self._process.wait()
        return bool(pid)

    def stop(self) -> float:
        """Stop it as a person does; seconds that took."""
        begun = time.monotonic()
        if self._process:
            self._process.terminate()
            self._process.wait(20)
        return time.monotonic() - begun

    def alive(self) -> bool:
        """Whether the supervisor runs."""
        return self._process is not None and self._process.poll() is None

    def _pid(self, role: str) -> int:
        if not self.alive() or self._process is None:
            return 0
        if role == "studio":
            return self._process.pid
        command = ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(self._process.pid)]
        listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        rows = [line.split(None, 1) for line in listed.splitlines()]
        return next((int(pid) for pid, arguments in rows if SIGNS[role] in arguments), 0)
