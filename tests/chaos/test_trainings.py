"""Trainings go on whatever is killed: none is lost, none is trained twice, and nothing stays held.

pytest tests/chaos/test_trainings.py -m heavy --jobs 20 --seed 7
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from .studio import ROOT


def night(data: Path, *options: str, seconds: float) -> int:
    """Run one; the exit code is 0 where nothing is wrong."""
    command = [sys.executable, "-m", "tests.chaos.trainings", f"--data={data}", *options]
    return subprocess.run(command, cwd=ROOT, check=False, timeout=seconds).returncode


def test_three_trainings_end_although_worker_and_engine_are_killed(tmp_path: Path) -> None:
    assert night(tmp_path, "--jobs=3", "--kills=2", "--stops=0", "--seed=1", seconds=240) == 0


@pytest.mark.heavy
def test_a_night_of_trainings_leaves_nothing_wrong(
    tmp_path: Path, told: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    known = [option for option in told if option.partition("=")[0] in ("--jobs", "--seed")]
    with capfd.disabled():
        assert night(tmp_path, *known, seconds=900) == 0
