"""One log, several processes, nothing lost when it is rotated."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from stylestudio.host.locks import FileLock, Locked
from stylestudio.host.logs import SharedRotatingFile

ROOT = Path(__file__).parents[2]

WRITER = """
import logging, sys
from stylestudio.host.logs import SharedRotatingFile
handler = SharedRotatingFile(sys.argv[1], size=20_000, keep=50)
for number in range(1000):
    handler.emit(logging.LogRecord("x", 20, "", 0, f"{sys.argv[2]} {number:04}", (), None))
"""

HOLDER = """
import sys
from pathlib import Path
from stylestudio.host.locks import FileLock
with FileLock(Path(sys.argv[1])) as lock:
    lock.note("http://127.0.0.1:1/")
    print(lock.abandoned, flush=True)
    sys.stdin.read()
"""


def record(text: str) -> logging.LogRecord:
    return logging.LogRecord("x", logging.INFO, "", 0, text, (), None)


def hold(file: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLDER, str(file)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_three_processes_share_a_log_and_no_line_is_lost_or_torn(tmp_path: Path) -> None:
    log = tmp_path / "studio.log"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(log), name], cwd=ROOT) for name in "abc"]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    files = [file for file in tmp_path.iterdir() if not file.name.endswith(".lock")]
    lines = [line for file in files for line in file.read_text().splitlines()]
    assert sorted(lines) == [f"{name} {number:04}" for name in "abc" for number in range(1000)]
    assert len(files) > 1


def test_the_log_is_cut_at_its_size_and_the_oldest_parts_go(tmp_path: Path) -> None:
    handler = SharedRotatingFile(tmp_path / "studio.log", size=100, keep=2)
    for number in range(100):
        handler.emit(record(f"line {number:02} " + "x" * 40))
    names = sorted(file.name for file in tmp_path.iterdir())
    assert [name for name in names if not name.endswith(".lock")][-2:] == ["studio.log.1", "studio.log.2"]
    assert "studio.log.3" not in names
    assert "line 99" in (tmp_path / "studio.log.1").read_text() + (tmp_path / "studio.log").read_text()


def test_the_folder_of_the_log_is_made(tmp_path: Path) -> None:
    SharedRotatingFile(tmp_path / "new" / "studio.log").emit(record("hello"))
    assert (tmp_path / "new" / "studio.log").read_text() == "hello\n"


def test_a_lock_that_is_held_says_what_its_holder_noted(tmp_path: Path) -> None:
    holder = hold(tmp_path / "lock")
    assert holder.stdout and holder.stdout.readline() == "False\n"
    with pytest.raises(Locked, match=r"http://127\.0\.0\.1:1/"), FileLock(tmp_path / "lock"):
        pass
    holder.communicate()
    with FileLock(tmp_path / "lock") as lock:
        assert not lock.abandoned


def test_the_lock_of_a_killed_process_is_free_and_known_as_abandoned(tmp_path: Path) -> None:
    holder = hold(tmp_path / "lock")
    assert holder.stdout and holder.stdout.readline() == "False\n"
    holder.kill()
    holder.communicate()
    with FileLock(tmp_path / "lock") as lock:
        assert lock.abandoned
