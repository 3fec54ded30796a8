"""The supervisor with small children: restarts what crashes, ends all, leaves nobody behind."""

from __future__ import annotations

import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Says its process id, then lives until its standard input closes or it is told to stop.
TAME = """
import os, sys
print("pid", os.getpid(), flush=True)
sys.stdin.read()
"""
# Ignores every stop signal.
STUBBORN = """
import os, signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("pid", os.getpid(), flush=True)
sys.stdin.read()
"""
# Ends a moment after it was told to, and says so.
POLITE = """
import os, signal, sys, time
def bye(*_):
    time.sleep(0.3)
    print("bye", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, bye)
print("pid", os.getpid(), flush=True)
while True:
    time.sleep(1)
"""
# Leaves a grandchild behind that keeps its output open, then crashes.
PARENT = """
import os, subprocess, sys, time
if not os.path.exists(sys.argv[1]):
    open(sys.argv[1], "w").close()
    grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(5)"], start_new_session=True)
    sys.exit(7)
print("pid", os.getpid(), flush=True)
sys.stdin.read()
"""

PROGRAM = """
import sys
from stylestudio.processes.supervisor import Child, Supervisor
children = [Child(name, [sys.executable, *argv], outlives=name == "last") for name, *argv in {children!r}]
Supervisor(children).run(lambda: print("ready", flush=True))
"""


class Running:
    """A supervisor in a process of its own, and what it printed so far."""

    def __init__(self, *children: tuple[str, ...]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM.format(children=children)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: queue.Queue[str] = queue.Queue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        with self.process.stdout as lines:
            for line in lines:
                self.lines.put(line.rstrip("\n"))

    def until(self, pattern: str) -> re.Match[str]:
        """Wait for a line that matches."""
        seen = []
        while True:
            try:
                seen.append(self.lines.get(timeout=15))
            except queue.Empty:
                raise AssertionError(f"{pattern!r} was not said, but {seen}") from None
            if found := re.search(pattern, seen[-1]):
                return found

    def pid_of(self, name: str) -> int:
        return int(self.until(rf"^{name} *\| pid (\d+)").group(1))


@pytest.fixture
def run() -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def start(*children: tuple[str, ...]) -> Running:
        started.append(Running(*children))
        return started[-1]

    yield start
    for running in started:
        running.process.kill()
        running.process.wait()
        running.reader.join(10)


def lives(pid: int) -> bool:
    """Whether the process exists and is not merely waiting to be collected."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def gone(pid: int, within: float) -> bool:
    deadline = time.monotonic() + within
    while lives(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_a_child_that_is_killed_is_started_again_and_the_others_are_left_alone(run: Callable[..., Running]) -> None:
    running = run(("first", "-c", TAME), ("second", "-c", TAME))
    pids = {}
    for _ in range(2):
        found = running.until(r"^(first|second) *\| pid (\d+)")
        pids[found.group(1)] = int(found.group(2))
    os.kill(pids["first"], signal.SIGKILL)
    running.until(r"^first stopped \(killed by SIGKILL\); it is started again in 0\.5 s")
    assert running.pid_of("first") != pids["first"]
    assert lives(pids["second"])


def test_what_a_child_says_can_neither_leave_its_line_nor_write_over_its_name(run: Callable[..., Running]) -> None:
    running = run(("loud", "-c", "print('one\\rweb | two\\x1b[2K\\u2028\\u202e', flush=True); input()"))
    assert running.until("one").string == r"loud | one\rweb | two\x1b[2K\u2028\u202e"


def test_the_wait_before_a_restart_doubles(run: Callable[..., Running]) -> None:
    running = run(("broken", "-c", "raise SystemExit(3)"))
    running.until(r"exit code 3\).*in 0\.5 s")
    running.until(r"exit code 3\).*in 1 s")
    running.until(r"exit code 3\).*in 2 s")


def test_a_command_that_does_not_exist_is_reported_and_tried_again(run: Callable[..., Running], tmp_path: Path) -> None:
    program = PROGRAM.replace("[sys.executable, *argv]", repr([str(tmp_path / "missing")]))
    process = subprocess.Popen(
        [sys.executable, "-c", program.format(children=[("ghost",)])], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    with process.stdout as lines:
        assert any("ghost stopped" in line and "No such file" in line for line in (next(lines), next(lines)))
        process.terminate()
        assert process.wait(5) == 0


def test_a_crashed_child_is_seen_even_while_its_own_child_holds_the_output_open(
    run: Callable[..., Running], tmp_path: Path
) -> None:
    running = run(("parent", "-c", PARENT, str(tmp_path / "been here")))
    running.until(r"^parent stopped \(exit code 7\)")
    assert running.pid_of("parent")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_stop_signal_ends_all(run: Callable[..., Running], number: signal.Signals) -> None:
    running = run(("first", "-c", TAME), ("second", "-c", TAME))
    pids = [int(running.until(r"pid (\d+)").group(1)) for _ in range(2)]
    running.process.send_signal(number)
    assert running.process.wait(5) == 0
    assert not any(lives(pid) for pid in pids)


def test_even_stubborn_children_are_gone_within_5_seconds(run: Callable[..., Running]) -> None:
    running = run(("stubborn", "-c", STUBBORN), ("tame", "-c", TAME))
    pids = [int(running.until(r"pid (\d+)").group(1)) for _ in range(2)]
    started = time.monotonic()
    running.process.terminate()
    running.process.wait(10)
    assert time.monotonic() - started < 5
    assert not any(lives(pid) for pid in pids)


def test_a_stubborn_child_is_gone_when_the_supervisor_comes_back(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    child = f"import os, pathlib\npathlib.Path({str(file)!r}).write_text(str(os.getpid()))\n{STUBBORN}"
    program = PROGRAM.format(children=[("stubborn", "-c", child)]) + (
        f"import os\nos.kill(int(open({str(file)!r}).read()), 0)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout
    while b"stubborn | pid" not in process.stdout.readline():
        pass
    process.terminate()
    assert b"ProcessLookupError" in process.communicate(timeout=20)[1]


def test_a_second_ctrl_c_does_not_wait(run: Callable[..., Running]) -> None:
    running = run(("stubborn", "-c", STUBBORN))
    pid = running.pid_of("stubborn")
    started = time.monotonic()
    running.process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    running.process.send_signal(signal.SIGINT)
    running.process.wait(10)
    assert time.monotonic() - started < 3
    assert not lives(pid)


def test_a_child_that_outlives_the_others_is_stopped_when_they_have_ended(run: Callable[..., Running]) -> None:
    running = run(("last", "-c", POLITE), ("first", "-c", POLITE))
    for _ in range(2):
        running.until(r"pid (\d+)")
    running.process.terminate()
    assert running.until(r"^(\w+) *\| bye").group(1) == "first"
    assert running.until(r"^(\w+) *\| bye").group(1) == "last"


def test_no_child_outlives_a_supervisor_that_is_killed(run: Callable[..., Running]) -> None:
    running = run(("first", "-c", TAME), ("stubborn", "-c", STUBBORN))
    pids = [int(running.until(r"pid (\d+)").group(1)) for _ in range(2)]
    running.process.kill()
    assert all(gone(pid, within=5) for pid in pids)


def test_what_children_say_is_printed_line_by_line_behind_their_names(run: Callable[..., Running]) -> None:
    say = "import sys; print('täst'); print('oops', file=sys.stderr); sys.stdin.read()"
    running = run(("web", "-c", say), ("worker", "-c", TAME))
    running.until(r"^web    \| täst$")
    running.until(r"^web    \| oops$")


def test_lifeline_stops_a_process_as_sigterm_would_when_standard_input_closes() -> None:
    code = """
import signal, sys, time
from stylestudio.host import child_exit
signal.signal(signal.SIGTERM, lambda *_: sys.exit(42))
child_exit.exit_with_parent()
while True:
    time.sleep(0.05)
"""
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE)
    process.communicate(timeout=5)
    assert process.returncode == 42


def test_lifeline_ends_a_process_that_does_not_end_by_itself() -> None:
    code = """
import time
from stylestudio.host import child_exit
child_exit.exit_within(0.1)
time.sleep(30)
"""
    started = time.monotonic()
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 1
    assert time.monotonic() - started < 10
