"""A preview engine that paints plain colours, known to the database and well."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from generation.engines import roster
from generation.engines.models import Engine
from generation.making import runner
from stylestudio.preview_engine.options import Options
from stylestudio.preview_engine.server import PreviewThread
from stylestudio.processes import workers


@pytest.fixture(scope="session")
def preview() -> Iterator[PreviewThread]:
    """One engine process for all tests; its troubles are cleared between them."""
    with PreviewThread(Options(painter="flat", scriptable=True)) as engine:
        yield engine


@pytest.fixture
def engine(db: None, preview: PreviewThread, settings: object) -> Iterator[Engine]:
    """The row of the preview engine, probed."""
    preview.troubles.clear()
    row = Engine.objects.create(address=preview.url, source=Engine.Source.ADMIN)
    assert roster.probe(row)
    runner._sent.clear()
    workers.stopping.clear()
    yield row
    preview.troubles.clear()
    roster.pool.close()
