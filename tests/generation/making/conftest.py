"""Engines that pictures are claimed for, engines in trouble, and workers that do not pause."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from generation.engines import roster
from generation.engines.models import Engine
from generation.making import recovery, runner
from stylestudio.comfy import run
from stylestudio.preview_engine.server import PreviewThread
from stylestudio.preview_engine.troubles import (
    Trouble,
)
from tests.generation.making.claiming import FILES, Make
from tests.generation.making.troubled import TROUBLES


@pytest.fixture
def engine_at() -> Make:
    """A healthy engine that has the studio's files: engine_at(1, paused=True)."""

    def make(number: int, **fields: Any) -> Engine:
        known = {"address": f"http://10.0.0.{number}:1", "health": Engine.Health.OK, **FILES}
        return Engine.objects.create(**known | fields)

    return make


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """All pauses are over at once; tries are counted as ever."""
    monkeypatch.setattr(runner, "SECONDS_WITHOUT_CONNECTION", 0.05)
    monkeypatch.setattr(runner, "FETCH_PAUSES", (0.0,) * len(runner.FETCH_PAUSES))
    monkeypatch.setattr(recovery, "BACK_OFF", 0.0)
    monkeypatch.setattr(run, "_SEARCH_PAUSES", (0.0,))
    monkeypatch.setattr(run, "_RETRY_PAUSE", 0.02)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tried often is given up sooner."""
    monkeypatch.setattr(recovery, "MOST_TRIES", 4)
    monkeypatch.setattr(recovery, "MOST_DAMAGED", 3)


@pytest.fixture
def ran(preview: PreviewThread) -> Callable[[], int]:
    """How many prompts the engine has run to their end since the test began."""
    known = set(preview.engine._queue.history(None, -1))
    return lambda: len(set(preview.engine._queue.history(None, -1)) - known)


@pytest.fixture
def trouble(preview: PreviewThread, engine: Engine) -> Callable[..., Trouble]:
    """Make the engine answer like that: trouble("500", "/view", "GET", times=2)."""

    def add(kind: str, path: str, method: str = "GET", times: int | None = 1) -> Trouble:
        if kind == "too slow":
            roster.pool.client(engine).transport.timeout = 0.4
        return preview.troubles.add(TROUBLES[kind](path, method, times))

    return add
