"""How soon a worker's thread has a message: woken by a byte, or by Huey's own polling.

    python tests/benchmarks/waking.py [--messages 60] [--threads 4 102]

Each way is a consumer in a process of its own on a queue of its own, asked by turns; messages come at random moments.
`idle_cpu` is what it takes of one processor while there is nothing to do, in per cent.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
QUIET = 10.0  # seconds

# The same queue in consumer and sender. "N" on the sender's input enqueues so many; the consumer prints milliseconds.
QUEUE = """
import logging, sys, time
from django.conf import settings
settings.configure()
from huey import SqliteHuey
from stylestudio.processes.workers import WakingHuey
role, way, folder, threads, most = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), float(sys.argv[5])
huey = (WakingHuey if way == "byte" else SqliteHuey)(
    "trial", filename=f"{folder}/queue.sqlite3", immediate=False, results=False)
@huey.task()
def note(sent):
    print((time.time() - sent) * 1000, flush=True)
if role == "sender":
    for line in sys.stdin:
        note(time.time())
else:
    huey.create_consumer(
        workers=threads, worker_type="thread", initial_delay=min(0.05, most), max_delay=most, periodic=False).run()
"""
WAYS = {"byte": ("byte", 0.25), "polled every 0.25 s": ("poll", 0.25), "polled every 0.05 s": ("poll", 0.05)}


class Way:
    """A consumer and what sends to it."""

    def __init__(self, name: str, threads: int, stack: ExitStack) -> None:
        self.name = name
        way, most = WAYS[name]
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        self.consumer, self.sender = (
            subprocess.Popen(
                [sys.executable, "-c", QUEUE, role, way, folder, str(threads), str(most)],
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for role in ("consumer", "sender")
        )
        stack.callback(self.consumer.wait)
        stack.callback(self.consumer.kill)
        stack.callback(self.sender.wait)
        stack.callback(self.sender.kill)
        self.picked_up_ms: list[float] = []

    def send(self) -> float:
        """Milliseconds until a thread has the message."""
        assert self.sender.stdin and self.consumer.stdout
        self.sender.stdin.write("\n")
        self.sender.stdin.flush()
        return float(self.consumer.stdout.readline())

    def processor_seconds(self) -> float:
        """What the consumer has used so far."""
        fields = Path(f"/proc/{self.consumer.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def compare(threads: int, messages: int) -> dict[str, Any]:
    """By turns."""
    with ExitStack() as stack:
        ways = [Way(name, threads, stack) for name in WAYS]
        for way in ways:
            way.send()
        time.sleep(2)
        before = [way.processor_seconds() for way in ways]
        time.sleep(QUIET)
        idle = [(way.processor_seconds() - used) / QUIET * 100 for way, used in zip(ways, before, strict=True)]
        for _message in range(messages):
            for way in ways:
                time.sleep(0.2 + 0.3 * random.random())
                way.picked_up_ms.append(way.send())
        return {
            way.name: {
                "picked_up_ms": round(median(way.picked_up_ms), 1),
                "at_most_ms": round(max(way.picked_up_ms), 1),
                "idle_cpu": round(used, 1),
            }
            for way, used in zip(ways, idle, strict=True)
        }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--messages", type=int, default=60)
    parser.add_argument("--threads", type=int, nargs="*", default=[4, 102])
    options = parser.parse_args()
    print(json.dumps({str(each): compare(each, options.messages) for each in options.threads}, indent=2))
