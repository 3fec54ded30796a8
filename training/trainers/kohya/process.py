"""sd-scripts as a process that outlives the worker: its identity is on disk, and the next worker takes it over.

POSIX only. Windows has no process groups that end as a whole; it would need a job object.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

LINUX = Path("/proc/self/stat").exists()
OUTPUT = "output.log"
_RECORD, _CODE = "process.json", "code"
GRACE = 10.0  # seconds between SIGTERM and SIGKILL
_POLL = 0.05
# The shell waits for a "go" until its pid is on disk: a worker that is killed in between leaves nothing running. It
# leads the group and writes down the command's exit status, which only a parent learns. $1 is its folder.
_SHELL = """
trap : TERM INT HUP
folder=$1
shift
read -r go || exit 1
"$@" </dev/null >>"$folder/output.log" 2>&1
echo $? >"$folder/code.new"
mv "$folder/code.new" "$folder/code"
"""
# None of the studio's own settings: they contain passwords, and its Python is another one.
_OURS = ("STYLESTUDIO_", "DATABASE_URL", "REDIS_URL", "S3_", "COMFYUI_", "DJANGO_", "PYTHON", "VIRTUAL_ENV")
_FOR_OUTPUT = {
    "PYTHONUNBUFFERED": "1",
    "PYTHONUTF8": "1",  # it prints Japanese, which fails in some encodings
    "COLUMNS": "200",
    "TERM": "dumb",
    "NO_COLOR": "1",
}


class Children:
    """The processes that this one started. Each is waited for once it ended, or the system would keep its number."""

    def __init__(self) -> None:
        self._by_pid: dict[int, subprocess.Popen[bytes]] = {}

    def note(self, child: subprocess.Popen[bytes]) -> None:
        """Remember a child that was started now."""
        self._by_pid[child.pid] = child

    def reap(self, pid: int) -> None:
        """Let the system forget a child if it ended."""
        child = self._by_pid.get(pid)
        if child is not None and child.poll() is not None:
            self._by_pid.pop(pid, None)


children = Children()


@dataclass(frozen=True, slots=True)
class Process:
    """A trainer that was started in `folder` and leads the process group `pid`.

    `started` distinguishes it from another process that got the same pid later; the whole group works in `cwd`.
    """

    folder: Path
    pid: int
    started: str
    cwd: str

    @property
    def running(self) -> bool:
        """Whether the process itself still runs."""
        children.reap(self.pid)
        return bool(self.started) and started(self.pid) == self.started

    @property
    def code(self) -> int | None:
        """Its exit status; None while it runs, or if it was killed together with its shell."""
        try:
            return int((self.folder / _CODE).read_text())
        except (FileNotFoundError, ValueError):
            return None

    def end(self, grace: float = GRACE) -> None:
        """Terminate the whole group, and kill after `grace` seconds what is left. Returns when nobody is left."""
        deadline = time.monotonic() + grace
        self._signal(signal.SIGTERM)
        while self._members() and time.monotonic() < deadline:
            time.sleep(_POLL)
        self.kill()

    def kill(self) -> None:
        """Kill the whole group at once. Returns when nobody is left, after 5 s at most."""
        deadline = time.monotonic() + 5
        while self._members() and time.monotonic() < deadline:
            self._signal(signal.SIGKILL)
            time.sleep(_POLL)

    def _signal(self, number: signal.Signals) -> None:
        if self.running:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, number)
            return
        # If only the shell is gone, its pid may belong to somebody else by now: signal the members one by one, each
        # checked.
        for pid in self._members():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue

    def _members(self) -> list[int]:
        """The pids left of the group."""
        children.reap(self.pid)
        if not LINUX:
            return [self.pid] if self.running else []
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            fields = _stat(int(entry.name))
            if fields and fields[0] != "Z" and int(fields[2]) == self.pid and _works_in(entry, self.cwd):
                found.append(int(entry.name))
        return found


def start(folder: Path, words: Sequence[str], *, cwd: Path, environment: Mapping[str, str] | None = None) -> Process:
    """Start a command in a session of its own; its output goes to a file in `folder`, which is below `cwd`."""
    folder.mkdir(parents=True, exist_ok=True)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    shell = subprocess.Popen(  # noqa: S603 (the operator's settings and our own words)
        ["/bin/sh", "-c", _SHELL, "sh", str(folder.resolve()), *words],
        cwd=cwd,
        env={**inherited, **_FOR_OUTPUT, **(environment or {})},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    children.note(shell)
    process = Process(folder, shell.pid, started(shell.pid), str(cwd.resolve()))
    aside = folder / f"{_RECORD}.new"
    aside.write_text(json.dumps({"pid": process.pid, "started": process.started, "cwd": process.cwd}))
    aside.replace(folder / _RECORD)
    assert shell.stdin
    with shell.stdin as told:
        told.write(b"go\n")
    return process


def find(folder: Path) -> Process | None:
    """The process that was started in `folder`, running or not; None if none was."""
    try:
        record = json.loads((folder / _RECORD).read_text())
        return Process(folder, int(record["pid"]), str(record["started"]), str(record["cwd"]))
    except (FileNotFoundError, ValueError, KeyError):
        return None


def started(pid: int) -> str:
    """When a process started, in this system's own format; empty if it does not run."""
    if LINUX:
        fields = _stat(pid)
        # Counted from the start of the machine, so the boot is part of it.
        return f"{_boot()} {fields[19]}" if fields and fields[0] != "Z" else ""
    told = subprocess.run(  # noqa: S603
        ["/bin/ps", "-o", "state=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()
    state, _space, since = told.partition(" ")
    return "" if state.startswith("Z") else since.strip()


def _stat(pid: int) -> list[str]:
    """Fields of /proc/<pid>/stat from the state on, which follows the name in brackets; empty if it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text[text.rindex(")") + 2 :].split()


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _works_in(entry: Path, cwd: str) -> bool:
    """Whether a process of /proc works in that folder; False if it has just ended."""
    try:
        return str((entry / "cwd").readlink()) == cwd
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False
