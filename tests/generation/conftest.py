"""A preview engine that paints plain colours, known to the database and well; a browser, and a style."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.test import Client

from generation.engines import roster
from generation.engines.models import Engine
from styles.models import Style
from stylestudio.preview_engine.options import Options
from stylestudio.preview_engine.server import PreviewThread
from stylestudio.processes import workers
from tests.generation.browsing import signed_in


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
    roster.pool.memory.forget_inputs()
    workers.stopping.clear()
    yield row
    preview.troubles.clear()
    roster.pool.close()


@pytest.fixture
def her(ada: User) -> Client:
    """Ada's browser."""
    return signed_in(ada)


@pytest.fixture
def ink() -> Style:
    """A style with two trigger phrases."""
    style = Style.objects.create(name="Ink")
    style.versions.update(lora_name="ink.safetensors", trigger_words="ink wash, mist", default_strength=0.8)
    return style
