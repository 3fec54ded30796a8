"""The faces of the sketch styles are drawn once, and a worker that stops leaves the rest to the next one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from generation.previews import sketches
from styles.models import Style, StyleVersion
from stylestudio.preview_engine.painter.painter import SketchPainter
from stylestudio.processes import workers

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def styles(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two sketch styles without faces, that are drawn small."""
    monkeypatch.setattr(sketches, "PANEL", (32, 32))
    Style.everything.all().delete()
    for sketch in sketches.SKETCHES[:2]:
        sketches._create(sketch)
    StyleVersion.objects.update(sheet="")
    yield
    workers.stopping.clear()


def test_every_sketch_style_gets_its_face() -> None:
    sketches.draw_sheets()
    assert StyleVersion.objects.exclude(sheet="").count() == 2


def test_a_worker_that_stops_draws_no_further_face() -> None:
    workers.stopping.set()
    sketches.draw_sheets()
    assert not StyleVersion.objects.exclude(sheet="").exists()
    workers.stopping.clear()
    sketches.draw_sheets()
    assert StyleVersion.objects.exclude(sheet="").count() == 2


def test_a_worker_that_stops_in_the_middle_of_a_face_does_not_finish_it(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    finish = SketchPainter.finish

    def told_to_stop(painter: SketchPainter, picture: Any, brief: Any) -> Any:
        drawn.append(brief.prompt)
        workers.stopping.set()
        return finish(painter, picture, brief)

    monkeypatch.setattr(SketchPainter, "finish", told_to_stop)
    sketches.draw_sheets()
    assert len(drawn) == 1
    assert not StyleVersion.objects.exclude(sheet="").exists()
