"""A preview engine for the captioner that runs a workflow."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from generation.engines import roster
from generation.engines.models import Engine
from stylestudio.preview_engine.options import Options
from stylestudio.preview_engine.server import PreviewThread
from stylestudio.processes import workers


@pytest.fixture(scope="module")
def preview() -> Iterator[PreviewThread]:
    """An engine; its troubles are cleared between tests."""
    with PreviewThread(Options(painter="flat", scriptable=True)) as engine:
        yield engine


@pytest.fixture
def engine(db: None, preview: PreviewThread) -> Iterator[Engine]:
    """Its row, probed."""
    preview.troubles.clear()
    row = Engine.objects.create(address=preview.url, source=Engine.Source.ADMIN)
    assert roster.probe(row)
    workers.stopping.clear()
    yield row
    preview.troubles.clear()
    roster.pool.close()
