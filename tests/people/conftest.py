"""Every test of this room has a data folder of its own: the one-time link lies in the data folder."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def in_own_data(own_data: Path) -> None:
    """Take it for all of them."""
