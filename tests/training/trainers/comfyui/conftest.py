"""A training by the runner with the real trainer, on the preview engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from generation.engines import roster
from generation.engines.models import Engine
from generation.pictures.models import GenerationTask
from stylestudio.preview_engine.options import Options
from stylestudio.preview_engine.server import PreviewThread
from stylestudio.processes import workers
from tests.training.conftest import AddPicture
from tests.training.trainers.comfyui.heard import heard  # noqa: F401 - a fixture
from training.datasets.models import Dataset
from training.runs import known_trainers, parameters, signals
from training.runs.models import TrainingJob
from training.runs.placing import place_run
from training.runs.running import holds, live_course, runner
from training.trainers.comfyui import attempt, prompt_watch
from training.trainers.comfyui.trainer import ComfyTrainer

Ask = Callable[..., TrainingJob]


@pytest.fixture(scope="session")
def new_engine() -> Iterator[PreviewThread]:
    """Trains as the ComfyUI of today does."""
    with PreviewThread(Options(painter="flat", scriptable=True)) as engine:
        yield engine


@pytest.fixture(scope="session")
def earlier_engine() -> Iterator[PreviewThread]:
    """Trains as ComfyUI 0.8 does."""
    with PreviewThread(Options(painter="flat", scriptable=True, generation="new")) as engine:
        yield engine


@pytest.fixture(scope="session")
def old_engine() -> Iterator[PreviewThread]:
    """Trains as ComfyUI 0.3.64 does."""
    with PreviewThread(Options(painter="flat", scriptable=True, generation="old")) as engine:
        yield engine


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, settings: Settings, tmp_path: Path) -> Iterator[None]:
    """The real trainer and no other; nothing rests, messages go nowhere, folders are this test's."""
    settings.DATA = tmp_path
    monkeypatch.setattr(TrainingJob, "wake", staticmethod(lambda seconds=0.0: None))
    monkeypatch.setattr(GenerationTask, "wake", staticmethod(lambda seconds=0.0: None))
    trainers = {"comfyui": ComfyTrainer()}
    monkeypatch.setattr(known_trainers, "_trainers", lambda: trainers)
    monkeypatch.setattr(signals.happened, "receivers", [])
    monkeypatch.setattr(runner, "REST", timedelta(0))
    monkeypatch.setattr(live_course, "SECONDS_BETWEEN_STOP_LOOKS", 0.0)
    monkeypatch.setattr(live_course, "SECONDS_BETWEEN_WRITES", 0.0)
    monkeypatch.setattr(prompt_watch, "SECONDS_BETWEEN_WISH_LOOKS", 0.02)
    monkeypatch.setattr(attempt, "SECONDS_WITHOUT_CONNECTION", 2.0)
    workers.stopping.clear()
    yield
    workers.stopping.clear()
    holds.held._held.clear()
    roster.pool.close()


def known(preview: PreviewThread) -> Engine:
    """The row of an engine, probed."""
    preview.troubles.clear()
    preview.engine.requests.clear()
    row = Engine.objects.create(address=preview.url, source=Engine.Source.ADMIN)
    assert roster.probe(row)
    return row


@pytest.fixture
def engine(db: None, new_engine: PreviewThread) -> Iterator[Engine]:
    """One with the new training nodes."""
    yield known(new_engine)
    new_engine.troubles.clear()


@pytest.fixture
def earlier(db: None, earlier_engine: PreviewThread) -> Iterator[Engine]:
    """One with the training nodes of 0.8, which lack some settings."""
    yield known(earlier_engine)
    earlier_engine.troubles.clear()


@pytest.fixture
def old(db: None, old_engine: PreviewThread) -> Iterator[Engine]:
    """One with the old training nodes."""
    yield known(old_engine)
    old_engine.troubles.clear()


@pytest.fixture
def ask(dataset: Dataset, add: AddPicture, ada: User) -> Ask:
    """A training that waits: ask(steps=8, segments=2)."""

    def place(
        *, steps: int = 8, pictures: int = 3, seed: int | None = None, probes: Any = (), **values: Any
    ) -> TrainingJob:
        if not dataset.images.exists():
            for number in range(pictures):
                add(f"hill {number}", width=64, height=64)
        chosen = {**parameters.preset_values("quick", "comfyui"), "steps": steps, "segments": 2, "rank": 4, **values}
        plan = place_run.Plan(
            dataset=dataset, style="Gouache", trainer="comfyui", preset="quick", values=chosen, seed=seed, probes=probes
        )
        return place_run.start(plan, ada)

    return place
