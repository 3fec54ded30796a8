"""Checks of datasets, done by the tests themselves."""

from __future__ import annotations

import pytest

from training.datasets.models import DatasetJob


@pytest.fixture(autouse=True)
def asleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """No worker is woken."""
    monkeypatch.setattr(DatasetJob, "wake", staticmethod(lambda seconds=0.0: None))
