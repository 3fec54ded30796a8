"""What our log costs and keeps, beside concurrent-log-handler's; docs/decisions/log-rotation.md has the figures.

pip install concurrent-log-handler, then: .venv/bin/python tests/benchmarks/log_rotation.py [rounds]
"""

from __future__ import annotations

import logging
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

SIZE, KEEP = 200_000, 100  # bytes in a file, files that stay
ONE, EACH, PROCESSES = 20_000, 5_000, 4  # records of one process; of each of several


def handler(kind: str, file: str, size: int) -> logging.Handler:
    """One of the two, that writes to `file`."""
    if kind == "ours":
        from stylestudio.host.logs import SharedRotatingFile

        return SharedRotatingFile(file, size=size, keep=KEEP)
    from concurrent_log_handler import ConcurrentRotatingFileHandler

    theirs: logging.Handler = ConcurrentRotatingFileHandler(file, maxBytes=size, backupCount=KEEP)
    return theirs


def write(kind: str, file: str, size: int, name: str, records: int) -> None:
    """Write them, and print: records a second, median and worst microseconds, megabytes of memory."""
    target = handler(kind, file, size)
    times = []
    for number in range(records):
        record = logging.LogRecord("x", logging.INFO, "", 0, f"{name} {number:06} {'x' * 80}", (), None)
        began = time.perf_counter()
        target.handle(record)
        times.append(time.perf_counter() - began)
    times.sort()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(records / sum(times), times[records // 2] * 1e6, times[-1] * 1e6, memory)


def processes(kind: str, folder: Path, size: int, names: str, records: int) -> list[list[float]]:
    """What each process printed."""
    command = [sys.executable, __file__, "write", kind, str(folder / "studio.log"), str(size)]
    running = [
        subprocess.Popen([*command, name, str(records)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for name in names
    ]
    return [[float(word) for word in each.communicate()[0].split()] for each in running]


def kept(folder: Path, names: str, records: int) -> tuple[int, int]:
    """How many records are whole in the files, and how many lines are something else."""
    wanted = {f"{name} {number:06} {'x' * 80}" for name in names for number in range(records)}
    files = [file for file in folder.iterdir() if "lock" not in file.name]
    lines = [line for file in files for line in file.read_text(errors="replace").splitlines()]
    return len(wanted & set(lines)), len(lines) - len(wanted & set(lines))


def main(rounds: int) -> None:
    """Both in turn, so that whatever else the machine does meets both."""
    single: dict[str, list[list[float]]] = {"ours": [], "theirs": []}
    several: dict[str, list[float]] = {"ours": [], "theirs": []}
    for number in range(rounds):
        for kind in ("ours", "theirs") if number % 2 else ("theirs", "ours"):
            with tempfile.TemporaryDirectory() as folder:
                single[kind] += processes(kind, Path(folder), 2**30, "a", ONE)
            with tempfile.TemporaryDirectory() as folder:
                began = time.perf_counter()
                processes(kind, Path(folder), SIZE, "abcd"[:PROCESSES], EACH)
                several[kind].append(PROCESSES * EACH / (time.perf_counter() - began))
                whole, odd = kept(Path(folder), "abcd"[:PROCESSES], EACH)
                print(f"{kind}: {PROCESSES * EACH - whole} lost, {odd} torn or twice of {PROCESSES * EACH}")
    for kind, measured in single.items():
        rate, median, worst, memory = (statistics.median(column) for column in zip(*measured, strict=True))
        together = statistics.median(several[kind])
        print(
            f"{kind}: alone {rate:,.0f} records/s, {median:.0f} µs, worst {worst:,.0f} µs, {memory:.0f} MB; "
            f"{PROCESSES} that rotate {together:,.0f} records/s"
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["write"]:
        write(sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5], int(sys.argv[6]))
    else:
        main(int(sys.argv[1]) if sys.argv[1:] else 7)
