"""Engines that files of styles are put on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from generation.engines import roster
from generation.engines.models import Engine
from generation.making import recovery
from stylestudio.preview_engine.options import Options
from stylestudio.preview_engine.server import PreviewThread
from stylestudio.processes import workers


@pytest.fixture
def nothing_on_its_way(preview: PreviewThread, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test counts its own uploads, and nobody waits between two attempts."""
    preview.engine.requests.clear()
    monkeypatch.setattr(recovery, "BACK_OFF", 0.0)


@pytest.fixture
def small() -> Iterator[tuple[PreviewThread, Engine]]:
    """An engine that takes uploads up to 1 MB."""
    with PreviewThread(Options(painter="flat", max_upload=2**20)) as thread:
        row = Engine.objects.create(address=thread.url, name="Small box")
        assert roster.probe(row)
        workers.stopping.clear()
        yield thread, row
        roster.pool.close()
