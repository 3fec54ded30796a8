"""A studio whose media have its mark, in a data folder of its own: the lock of the media lies there."""

from __future__ import annotations

from pathlib import Path

import pytest

from stylestudio.media import identity


@pytest.fixture(autouse=True)
def in_own_data(own_data: Path) -> None:
    """Take it for all of them."""


@pytest.fixture
def studio(db: None, media: Path) -> Path:
    """A studio that has started on an empty folder."""
    identity.record_start()
    return media
