"""A dataset and pictures in it, without going through an import."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from PIL import Image
from pytest_django import Settings

from generation.engines.models import Engine
from generation.pictures.models import GenerationTask
from stylestudio.processes import workers
from training.datasets.models import Dataset, DatasetImage
from training.runs import known_trainers
from training.runs.models import TrainingJob
from training.runs.running import holds, live_course, runner
from training.trainers.comfyui import graph

AddPicture = Callable[..., DatasetImage]


@pytest.fixture
def dataset(ada: User) -> Dataset:
    """Ada's, empty."""
    return Dataset.objects.create(name="Gouache studies", owner=ada, trigger_words="gouachefield painting")


@pytest.fixture
def add(dataset: Dataset) -> AddPicture:
    """Put a small picture of its own colour into the dataset: add("red hills", width=64)."""

    def picture(caption: str = "", *, width: int = 64, height: int = 64, **fields: object) -> DatasetImage:
        number = DatasetImage.everything.filter(dataset=dataset).count()
        file = BytesIO()
        Image.new("RGB", (width, height), (number * 37 % 256, number * 91 % 256, 90)).save(file, "PNG")
        facts = {
            "source_name": f"picture {number + 1}.png",
            "sha256": hashlib.sha256(f"{number}".encode()).hexdigest(),
            "perceptual_hash": f"{number:016x}",
            "position": number,
            **fields,
        }
        image = DatasetImage(
            dataset=dataset,
            width=width,
            height=height,
            byte_size=len(file.getvalue()),
            format="PNG",
            caption=caption,
            added_by=dataset.owner,
            **facts,
        )
        image.file.save(f"{number}.png", ContentFile(file.getvalue()), save=False)
        image.thumbnail.save(f"{number}.png", ContentFile(file.getvalue()), save=False)
        image.save()
        return image

    return picture


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch, settings: Settings, tmp_path: Path) -> Iterator[None]:
    """Messages go nowhere, nothing rests, folders are this test's."""
    settings.DATA = tmp_path
    monkeypatch.setattr(TrainingJob, "wake", staticmethod(lambda seconds=0.0: None))
    monkeypatch.setattr(GenerationTask, "wake", staticmethod(lambda seconds=0.0: None))
    trainers = dict(known_trainers._trainers())
    monkeypatch.setattr(known_trainers, "_trainers", lambda: trainers)
    monkeypatch.setattr(runner, "REST", timedelta(0))
    monkeypatch.setattr(live_course, "SECONDS_BETWEEN_STOP_LOOKS", 0.0)
    monkeypatch.setattr(live_course, "SECONDS_BETWEEN_WRITES", 0.0)
    yield
    workers.stopping.clear()
    for training in holds.held.places:
        holds.held.drop(training)


@pytest.fixture
def engine(db: None, settings: Settings) -> Engine:
    """An engine that trains."""
    return Engine.objects.create(
        address="http://127.0.0.1:9",
        source=Engine.Source.ADMIN,
        health=Engine.Health.OK,
        checkpoints=[settings.CHECKPOINT],
        node_classes=sorted(graph.workflow(graph.NEW).classes),
    )
