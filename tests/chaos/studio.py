"""The processes of a storm: engines, a studio, a second worker. Each can be killed and started again."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
STEP_SECONDS = "0.04"
START_SECONDS = 60.0


def wait_until(true: Callable[[], bool], seconds: float, every: float = 0.1) -> bool:
    """Whether `true()` came true within so many seconds."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(every)
    return True


def ask(url: str, body: Any = None, method: str | None = None, timeout: float = 3.0) -> Any:
    """The JSON (or text) that an address answers; None where it does not answer or is not content."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    with suppress(OSError, HTTPException), urllib.request.urlopen(request, timeout=timeout) as answer:
        text = answer.read().decode(errors="replace")
        try:
            return json.loads(text)
        except ValueError:
            return text
    return None


class Program:
    """A process whose output goes to a file, and which ends when we do."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str], folder: Path) -> None:
        self.name, self.command, self.environment = name, command, environment
        self.output = folder / f"{name}.out"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def alive(self) -> bool:
        """It was started and has not ended."""
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self) -> int | None:
        """Its process id; None where it does not run."""
        return self.process.pid if self.process and self.alive else None

    def start(self) -> bool:
        """Start it where it does not run; False where it runs."""
        if self.alive:
            return False
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                self.command, cwd=ROOT, env=self.environment, stdin=subprocess.PIPE, stdout=output, stderr=output
            )
        return True

    def send(self, number: signal.Signals) -> bool:
        """Signal it; False where nothing runs."""
        if self.process is None or not self.alive:
            return False
        self.process.send_signal(number)
        return True

    def kill(self) -> bool:
        """kill -9; False where nothing ran."""
        if not self.send(signal.SIGKILL):
            return False
        assert self.process is not None
        self.process.wait(10)
        return True

    def stop(self, seconds: float) -> float:
        """SIGTERM, and kill -9 after so many seconds. How long it took."""
        begun = time.monotonic()
        self.send(signal.SIGCONT)
        if self.send(signal.SIGTERM):
            assert self.process is not None
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()
        return time.monotonic() - begun


class PreviewEngine:
    """A preview engine as a process of its own, on a folder that outlives it."""

    def __init__(self, number: int, port: int, folder: Path, environment: dict[str, str]) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.folder = folder / f"engine-{number}"
        options = f"--port {port} --painter flat --step-seconds {STEP_SECONDS} --scriptable --exit-with-parent --data"
        command = [sys.executable, "manage.py", "preview_engine", *options.split(), str(self.folder)]
        self._program = Program(f"engine-{number}", command, environment, folder)

    def start(self) -> None:
        """Begin to start it."""
        self._program.start()

    def kill(self) -> bool:
        """kill -9; False where it was dead."""
        return self._program.kill()

    def trouble(self, told: dict[str, Any]) -> int | None:
        """Cause a trouble; its number, or None where the engine does not answer."""
        answer = ask(f"{self.url}/preview/troubles", told)
        return answer["id"] if isinstance(answer, dict) else None

    def release(self, number: int) -> None:
        """End one trouble."""
        ask(f"{self.url}/preview/troubles/{number}/release", method="POST")

    def calm(self) -> None:
        """End all troubles."""
        ask(f"{self.url}/preview/troubles", method="DELETE")

    def made(self) -> list[str]:
        """The names of the pictures that it has made in all its lives."""
        return [path.name for path in (self.folder / "output" / "stylestudio").glob("*.png")]


class RealEngine:
    """A ComfyUI that two commands start and kill."""

    def __init__(self, port: int, start: str, kill: str, folder: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._start, self._kill = (shlex.split(command.format(port=port)) for command in (start, kill))
        self._output = folder / f"engine-{port}.out"
        self._alive = False

    def start(self) -> None:
        """Begin to start it; one that is there already is taken as it is."""
        if not self._alive:
            self._alive = True
            if not answers(self):
                with self._output.open("ab") as output:
                    subprocess.Popen(self._start, stdin=subprocess.DEVNULL, stdout=output, stderr=output)

    def kill(self) -> bool:
        """Run the command that kills it; False where that was done before."""
        was, self._alive = self._alive, False
        if was:
            subprocess.run(self._kill, check=False, timeout=60, capture_output=True)
        return was

    def trouble(self, told: dict[str, Any]) -> None:
        """A real engine takes no orders of this kind."""

    def release(self, number: int) -> None:
        """Nothing was held."""

    def calm(self) -> None:
        """Nothing was caused."""

    def made(self) -> list[str]:
        """Not known: its folder is its own."""
        return []


Engine = PreviewEngine | RealEngine


def answers(engine: Engine) -> bool:
    """Whether it is up."""
    return ask(f"{engine.url}/system_stats") is not None


def held_prompts(engine: Engine) -> set[str]:
    """The ids of all prompts in its queue, running ones too."""
    queue = ask(f"{engine.url}/queue", timeout=30) or {}
    return {entry[1] for name in ("queue_running", "queue_pending") for entry in queue.get(name, ())}


class Studio:
    """`manage.py studio`: the supervisor with web and worker."""

    def __init__(self, port: int, folder: Path, environment: dict[str, str]) -> None:
        self.url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "manage.py", "studio", "--no-browser", "--port", str(port)]
        self._supervisor = Program("studio", command, environment, folder)

    def start(self) -> bool:
        """Start it where it does not run; False where it runs."""
        return self._supervisor.start()

    def is_well(self) -> bool:
        """Whether database, worker and an engine are there."""
        health = ask(f"{self.url}/health")
        return isinstance(health, dict) and "unreachable" not in health.values()

    def child(self, role: str) -> int | None:
        """The process id of the web, worker or engine process; None where it is just dead."""
        if self._supervisor.process is None or not self._supervisor.alive:
            return None
        command = ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(self._supervisor.process.pid)]
        sign = {"web": "stylestudio.processes.web", "worker": "manage.py worker", "engine": "preview_engine"}[role]
        listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
        return next((int(line.split(None, 1)[0]) for line in listed if sign in line), None)

    def send(self, role: str, number: signal.Signals) -> bool:
        """Signal one of its processes; False where it does not run."""
        if role == "supervisor":
            return self._supervisor.kill() if number == signal.SIGKILL else self._supervisor.send(number)
        pid = self.child(role)
        with suppress(ProcessLookupError):
            if pid:
                os.kill(pid, number)
                return True
        return False

    def stop(self) -> float:
        """As Ctrl-C does. Seconds that it took."""
        return self._supervisor.stop(10)


def second_worker(folder: Path, environment: dict[str, str]) -> Program:
    """A worker that somebody started by hand beside the studio."""
    command = [sys.executable, "manage.py", "worker", "--exit-with-parent"]
    return Program("second", command, environment | {"STYLESTUDIO_WORKER_NAME": "second"}, folder)
