"""Keeps the processes of a studio alive and stops them together.

Knows nothing about what the children do, and neither Django nor the program: its process is as small as Python is, and
its sentences are English, as those of all commands. It starts commands with a pipe as standard input (a child ends when
the pipe closes, so none outlives a killed supervisor), prints their output prefixed with their names, restarts those
that crash, and stops all within 5 s.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import FrameType

from stylestudio.host.child_exit import GRACE
from stylestudio.text import plain

log = logging.getLogger(__name__)

FIRST_DELAY = 0.5  # seconds before a crashed child is restarted; doubles with each crash
LONGEST_DELAY = 30.0
STEADY = 60.0  # after running for this many seconds, a child gets the first delay again
KILL_AFTER = GRACE + 0.3  # seconds between the request to stop and the kill

STOP_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)]


@dataclass(frozen=True, slots=True)
class Child:
    """One process: its name in the output, its command, and additions to our environment.

    Children with `outlives` are stopped after the others, which still need them.
    """

    name: str
    argv: Sequence[str]
    env: dict[str, str] = field(default_factory=dict)
    cwd: str | None = None
    outlives: bool = False


class Supervisor:
    """Runs `children` until a stop signal or a call of `stop()`."""

    def __init__(self, children: Sequence[Child]) -> None:
        width = max(len(child.name) for child in children)
        self._keepers = [_Keeper(child, width, say) for child in children]
        self._told = 0

    def run(self, ready: Callable[[], None] | None = None) -> None:
        """Start the children, call `ready` in its own thread, and return when all have ended. Main thread only."""
        before = {number: signal.signal(number, self._on_signal) for number in STOP_SIGNALS}
        if sys.platform != "win32":
            # Whoever became this process by exec may have blocked them until now.
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        try:
            for keeper in self._keepers:
                keeper.start()
            if ready:
                threading.Thread(target=ready, name="ready", daemon=True).start()
            # A plain attribute: setting a threading.Event in a signal handler can block for ever.
            while not self._told:
                time.sleep(0.1)
            self._end()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def stop(self) -> None:
        """Let `run` return. For any thread."""
        self._told += 1

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._told += 1

    def _end(self) -> None:
        deadline = time.monotonic() + KILL_AFTER
        impatient = self._told
        for keeper in self._keepers:
            keeper.leave()
        first = [keeper for keeper in self._keepers if not keeper.child.outlives]
        for group in (first, [keeper for keeper in self._keepers if keeper.child.outlives]):
            for keeper in group:
                keeper.terminate()
            # After a second Ctrl-C, do not wait.
            while any(keeper.alive() for keeper in group) and time.monotonic() < deadline and self._told == impatient:
                time.sleep(0.02)
        for keeper in self._keepers:
            keeper.kill()


class _Keeper:
    """Starts one child and restarts it until told to leave it alone."""

    def __init__(self, child: Child, width: int, say: Callable[[str], None]) -> None:
        self.child = child
        self._prefix = f"{child.name:<{width}} | "
        self._say = say
        self._leaving = threading.Event()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._keep, name=child.name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def leave(self) -> None:
        """From now on, do not treat its end as a crash."""
        with self._lock:
            self._leaving.set()

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def terminate(self) -> None:
        if self._process and self.alive():
            with contextlib.suppress(OSError):
                if sys.platform == "win32":
                    self._process.send_signal(signal.CTRL_BREAK_EVENT)
                else:
                    self._process.terminate()

    def kill(self) -> None:
        if self._process and self.alive():
            with contextlib.suppress(OSError):
                self._process.kill()
            self._process.wait()

    def _keep(self) -> None:
        delay = FIRST_DELAY
        while True:
            started = time.monotonic()
            with self._lock:
                if self._leaving.is_set():
                    return
                try:
                    process = self._process = self._start()
                except OSError as error:
                    process, ended = None, str(error)
            if process:
                threading.Thread(target=self._relay, args=(process,), daemon=True).start()
                ended = _how(process.wait())
                if process.stdin:
                    process.stdin.close()
            if time.monotonic() - started > STEADY:
                delay = FIRST_DELAY
            if self._leaving.is_set():
                return
            line = f"{self.child.name} stopped ({ended}); it is started again in {delay:g} s."
            log.warning(line)
            self._say(line)
            if self._leaving.wait(delay):
                return
            delay = min(2 * delay, LONGEST_DELAY)

    def _start(self) -> subprocess.Popen[bytes]:
        # Its own process group: Ctrl-C in the terminal reaches only the supervisor, which stops all in order.
        return subprocess.Popen(  # noqa: S603 - the commands are our own
            list(self.child.argv),
            env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8", **self.child.env},
            cwd=self.child.cwd,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            start_new_session=True,
        )

    def _relay(self, process: subprocess.Popen[bytes]) -> None:
        # In its own thread: a grandchild may hold the pipe open after the child has ended.
        lines = process.stdout
        if lines is None:
            return
        with lines:
            while line := lines.readline(65536):
                self._say(self._prefix + plain.line(line.decode(errors="replace").rstrip("\r\n")))


_saying = threading.Lock()


def say(line: str) -> None:
    """Print one complete line, from any thread and on any terminal."""
    with _saying, contextlib.suppress(OSError):
        try:
            print(line, flush=True)
        except UnicodeEncodeError:
            print(line.encode("ascii", "backslashreplace").decode(), flush=True)


def _how(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
