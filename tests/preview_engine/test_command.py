"""manage.py preview_engine as a process."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

MANAGE = Path(__file__).parents[2] / "manage.py"


@pytest.fixture
def running() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(MANAGE), "preview_engine", "--port", "0", "--painter", "flat", "--exit-with-parent"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("way", ["Ctrl-C", "its parent ends"])
def test_it_says_where_it_is_and_ends_within_a_second(running: subprocess.Popen[str], way: str) -> None:
    assert running.stdout is not None
    assert running.stdin is not None
    line = running.stdout.readline().strip()
    assert line.startswith("Preview engine on http://127.0.0.1:")
    with urllib.request.urlopen(f"{line.rpartition(' ')[2]}/system_stats") as answer:
        assert json.load(answer)["devices"][0]["name"] == "Preview engine"
    began = time.monotonic()
    if way == "Ctrl-C":
        running.send_signal(signal.SIGINT)
    else:
        running.stdin.close()
    assert running.wait(timeout=5) == 0
    assert time.monotonic() - began < 1.0


def test_it_refuses_the_port_of_comfyui_with_a_sentence() -> None:
    with pytest.raises(CommandError, match=r"8188 belongs to ComfyUI\. Choose another port"):
        call_command("preview_engine", "--port", "8188", "--painter", "flat")


def test_it_refuses_a_taken_port_with_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CommandError, match=f"cannot listen on 127.0.0.1 port {port}: .*Choose another with --port"):
            call_command("preview_engine", "--port", str(port), "--painter", "flat")


def test_it_refuses_a_folder_it_cannot_make_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CommandError, match=r"cannot write to .*Choose another folder with --data"):
        call_command("preview_engine", "--data", str(tmp_path / "file" / "folder"), "--port", "0")
