"""What `manage.py studio` becomes once the data is prepared: a small process that supervises the others.

It loads neither Django nor the program, so it takes no more memory than Python itself. The plan comes through a pipe,
since it holds secrets, which others could read among the arguments. On Windows, which has no exec, `studio` stays.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import signal
import socket
import sys
import time
import webbrowser
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn

from stylestudio.host import child_exit, logs
from stylestudio.host.locks import FileLock
from stylestudio.processes.supervisor import STOP_SIGNALS, Child, Supervisor, say

MODULE = "stylestudio.processes.launch"
RENDEZVOUS = ("hub.json", "wake.json")  # files of the data folder that are only right while the studio runs


@dataclass(frozen=True, slots=True)
class Plan:
    """What is left to do. `lines` are printed once the pages respond at `host` and `port`, and `opens` in a browser."""

    children: Sequence[Child]
    data: str
    host: str
    port: int
    lines: Sequence[str]
    opens: str = ""  # an address, or "" to open none
    exit_with_parent: bool = False

    def as_json(self) -> str:
        """For `from_json`."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """Restore what `as_json` wrote."""
        facts = json.loads(text)
        return cls(**{**facts, "children": [Child(**child) for child in facts["children"]]})


def become(plan: Plan, lock: FileLock, root: Path) -> NoReturn:
    """Replace this process by one that carries out the plan and goes on holding the lock. Not on Windows.

    `root` is the folder of the program. No thread may be in the middle of something that matters.
    """
    reader, writer = os.pipe()
    os.set_inheritable(reader, True)
    with os.fdopen(writer, "w") as pipe:
        pipe.write(plan.as_json())  # a few kilobytes: a pipe holds 64
    command = [sys.executable, "-m", MODULE, "--plan", str(reader), "--lock", str(lock.hand_over())]
    sys.stdout.flush()
    sys.stderr.flush()
    os.chdir(root)
    # Until the other program listens for them, signals wait.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    os.execv(sys.executable, command)  # noqa: S606 - ourselves


def carry_out(plan: Plan) -> None:
    """Run the children until the studio is told to stop."""
    if plan.exit_with_parent:
        child_exit.exit_with_parent()
    Supervisor(plan.children).run(lambda: _announce(plan))
    for name in RENDEZVOUS:
        Path(plan.data, name).unlink(missing_ok=True)


def _announce(plan: Plan) -> None:
    """Once the pages respond, print their address and open a browser."""
    while not _answers(plan.host, plan.port):
        time.sleep(0.1)
    for line in plan.lines:
        say(line)
    if plan.opens:
        webbrowser.open(plan.opens)


def _answers(host: str, port: int) -> bool:
    with (
        contextlib.suppress(OSError),
        socket.create_connection((host.strip("[]"), port), timeout=1) as connection,
    ):
        connection.sendall(b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n")
        return connection.recv(5) == b"HTTP/"
    return False


def main() -> None:
    """Carry out the plan that `become` left in the pipe."""
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}")
    parser.add_argument("--plan", type=int, required=True, help="descriptor to read the plan from")
    parser.add_argument("--lock", type=int, required=True, help="descriptor that holds the lock of the data folder")
    options = parser.parse_args()
    with os.fdopen(options.plan) as pipe:
        plan = Plan.from_json(pipe.read())
    handler = logs.SharedRotatingFile(Path(plan.data, "stylestudio.log"))
    handler.setFormatter(logs.PlainFormatter(logs.LINE))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    with contextlib.ExitStack() as held:
        held.push(FileLock.taken_over(Path(plan.data, "studio.lock"), options.lock))
        carry_out(plan)


if __name__ == "__main__":
    main()
