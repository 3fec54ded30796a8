"""The memory of a studio at rest, as PSS of its four processes; with --against beside that of another worktree.

    python tests/benchmarks/memory.py [--rest 30] [--against WORKTREE] [--json]

Each side starts twice on a data folder of its own: the first start draws the sheets of the sketch styles, and the
second one is measured after so many seconds of rest. Linux only: the figures are those of /proc/PID/smaps_rollup.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from beside import ROOT
from commands import environment

MOST = 0.6  # of theirs
FIRST_REST = 60.0  # seconds, for the sheets
SIGNS = {"worker": "manage.py worker", "web": ".web", "engine": "preview"}  # in the command of a child


def measured(root: Path, data: Path, rest: float) -> dict[str, float]:
    """Start the studio in `root`, let it rest so many seconds, and end it. Megabytes by process."""
    process = subprocess.Popen(
        [sys.executable, "manage.py", "studio", "--no-browser", "--port", "0"],
        cwd=root,
        env=environment(data),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout
    try:
        assert any("running at" in line for line in process.stdout)
        subprocess.Popen(["cat"], stdin=process.stdout, stdout=subprocess.DEVNULL)  # or its pipe fills
        time.sleep(rest)
        return {"supervisor": pss(process.pid)} | {name: pss(pid) for name, pid in children(process.pid).items()}
    finally:
        process.terminate()
        process.wait(60)  # machines that measure are busy


def children(parent: int) -> dict[str, int]:
    """The process ids of web, worker and engine."""
    command = ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(parent)]
    rows = [line.split(None, 1) for line in subprocess.check_output(command, text=True).splitlines()]
    return {name: int(pid) for name, sign in SIGNS.items() for pid, arguments in rows if sign in arguments}


def pss(pid: int) -> float:
    """Megabytes of a process, with its share of what it has in common with others."""
    found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    assert found
    return round(int(found[1]) / 1024, 1)


def main() -> None:
    """Measure one side after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rest", type=float, default=30.0)
    parser.add_argument("--against", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    roots = {"ours": ROOT} | ({"theirs": options.against.resolve()} if options.against else {})
    report: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, root in roots.items():
            measured(root, Path(folder, name), FIRST_REST)
            sizes = measured(root, Path(folder, name), options.rest)
            report[name] = sizes | {"sum": round(sum(sizes.values()), 1)}
    if options.json:
        print(json.dumps(report, indent=2))
        return
    for name, sizes in report.items():
        print(f"{name}: " + ", ".join(f"{what} {size} MB" for what, size in sizes.items()))
    if options.against:
        print(f"{report['ours']['sum'] / report['theirs']['sum']:.2f} x theirs (at most {MOST})")


if __name__ == "__main__":
    main()
