"""What engines say of the node classes of a workflow, also if one of them hangs: somebody waits for the page."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from generation.engines import roster
from generation.engines.models import Engine
from generation.workflows import engine_facts
from stylestudio.preview_engine.options import Options
from stylestudio.preview_engine.server import PreviewThread
from stylestudio.preview_engine.troubles import HoldAnswer

pytestmark = pytest.mark.django_db
KINDS = {"KSampler", "LoadImage"}


@pytest.fixture
def other(db: None) -> Iterator[Engine]:
    """A second engine, which knows as much as the first."""
    with PreviewThread(Options(painter="flat")) as preview:
        row = Engine.objects.create(address=preview.url, source=Engine.Source.ADMIN)
        assert roster.probe(row)
        yield row


@pytest.fixture
def hung(engine: Engine, preview: PreviewThread, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """An engine that takes questions and does not answer; nobody is to wait long for it."""
    monkeypatch.setattr(engine_facts, "FOR_ONE", 0.5)
    hold = preview.troubles.add(HoldAnswer("/object_info", "GET", times=None))
    yield engine
    hold.release()


def test_an_engine_that_hangs_is_given_up_and_the_next_one_asked(hung: Engine, other: Engine) -> None:
    begun = time.monotonic()
    assert engine_facts.ask(KINDS).keys() >= KINDS
    assert time.monotonic() - begun < 5


def test_if_all_hang_nothing_is_known_and_the_page_is_there(hung: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert engine_facts.ask(KINDS) == {}
    monkeypatch.setattr(engine_facts, "PATIENCE", 0.0)
    assert engine_facts.ask(KINDS) == {}, "the patience for all of them is at its end"


def test_what_an_engine_lacks_is_told_unless_another_has_all(engine: Engine) -> None:
    assert engine_facts.lacking(KINDS) == []
    assert engine_facts.lacking({*KINDS, "Sharpen"}) == [(roster.title(engine), ["Sharpen"])]
