"""What the benchmarks share: management commands as processes beside them, and a studio with its engines."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


@contextmanager
def running(
    *arguments: str, until: str, root: Path = ROOT, env: dict[str, str] | None = None, python: str = sys.executable
) -> Iterator[str]:
    """A management command of the program in `root`, beside us; gives the address in the line that `until` finds."""
    process = subprocess.Popen(
        [python, "manage.py", *arguments],
        cwd=root,
        env=env,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if found := re.search(until, line):
                break
        else:
            raise SystemExit(f"{arguments[0]} did not start.")
        # Whatever it says from now on must be read, or its pipe fills.
        subprocess.Popen(["cat"], stdin=process.stdout, stdout=subprocess.DEVNULL)
        yield found.group(1)
    finally:
        process.terminate()
        process.wait(10)


def wait_until_well(url: str) -> None:
    """Until /health says that database, worker and engine are there."""
    for _try in range(600):
        with suppress(OSError), urllib.request.urlopen(f"{url}health", timeout=5) as answer:
            if b'"connected"' in answer.read():
                return
        time.sleep(0.1)
    raise SystemExit("The studio did not become healthy.")


@contextmanager
def studio(engines: int = 1, *, step_seconds: float = 0.0) -> Iterator[list[str]]:
    """A whole studio on so many engines that paint plain colours; gives their addresses. Django is set up after it."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        os.environ |= {"STYLESTUDIO_DATA": folder, "DJANGO_SETTINGS_MODULE": "stylestudio.settings", "COMFYUI_URL": ""}
        preview = ("preview_engine", "--port", "0", "--painter", "flat", "--step-seconds", str(step_seconds))
        urls = [
            stack.enter_context(running(*preview, "--data", f"{folder}/engine{number}", until=r"(http://\S+)"))
            for number in range(engines)
        ]
        os.environ["COMFYUI_URL"] = ",".join(urls)
        address = stack.enter_context(
            running("studio", "--no-browser", "--port", "0", until=r"running at (http://\S+)")
        )
        wait_until_well(address)
        sys.path.insert(0, str(ROOT))
        import django

        django.setup()
        yield urls
