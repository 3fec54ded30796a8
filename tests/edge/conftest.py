"""Every test of this room has a data folder of its own: unlisted proxies are noted there, files beneath it served."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def in_own_data(own_data: Path) -> None:
    """Take it for all of them."""
