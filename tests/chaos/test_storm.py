"""Processes die and engines misbehave while people press on: nothing is lost, made twice, or said to be what it is not.

pytest tests/chaos -m heavy --jobs 300 --seed 7
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scale.servers import unable

from .servers import missing
from .studio import ROOT

SHORT = 24  # jobs


def storm(data: Path, *options: str, seconds: float) -> int:
    """Run one; the exit code is 0 where nothing is wrong."""
    command = [sys.executable, "-m", "tests.chaos.storm", f"--data={data}", *options]
    return subprocess.run(command, cwd=ROOT, check=False, timeout=seconds).returncode


@pytest.mark.heavy
def test_a_short_storm_leaves_nothing_wrong(tmp_path: Path, told: list[str]) -> None:
    assert storm(tmp_path, "--short", f"--jobs={SHORT}", *told, seconds=240) == 0


@pytest.mark.heavy
@pytest.mark.servers
def test_a_short_storm_over_two_studios_on_servers_leaves_nothing_wrong(tmp_path: Path, told: list[str]) -> None:
    if lacking := missing():
        unable(f"{', '.join(lacking)} is not there")
    assert storm(tmp_path, "--servers", "--short", f"--jobs={SHORT}", *told, seconds=600) == 0
    assert json.loads((tmp_path / "result.json").read_text())["problems"] == []


@pytest.mark.heavy
def test_a_storm_leaves_nothing_wrong(tmp_path: Path, told: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    with capfd.disabled():
        assert storm(tmp_path, *told, seconds=3600) == 0
