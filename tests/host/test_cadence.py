"""Work that is done now and then."""

from __future__ import annotations

import time

import pytest

from stylestudio.host.cadence import Every


def test_it_is_due_at_once_then_after_its_seconds_and_whenever_somebody_hurries(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    every = Every(5.0)

    def due() -> bool:
        return every.is_due

    assert due()
    every.done()
    now += 4.9
    assert not due()
    now += 0.1
    assert due()
    every.done()
    every.hurry()
    assert due()
