"""The figure that users feel: what the studio adds to a picture."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

MOST_ADDED_MS = 40  # median, 64 × 64, on two cores


@pytest.mark.heavy
def test_the_studio_adds_little_to_a_picture() -> None:
    script = Path(__file__).parent / "overhead.py"
    answer = subprocess.run([sys.executable, str(script)], text=True, capture_output=True, check=True, timeout=600)
    report = json.loads(answer.stdout)
    print(answer.stdout)
    assert report["64x64"]["added_median_ms"] <= MOST_ADDED_MS
