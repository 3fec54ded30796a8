"""A training whose base checkpoint lies in a folder, on an engine that lists it with backslashes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from generation.engines import roster
from generation.engines.models import Engine
from stylestudio.jobs.kinds import Status
from stylestudio.preview_engine.options import Options
from stylestudio.preview_engine.server import PreviewThread
from tests.training.trainers.comfyui.conftest import Ask
from training.runs.models import TrainingJob
from training.runs.running import runner
from training.trainers.comfyui.obstacles import obstacle
from training.trainers.comfyui.trainer import ComfyTrainer

pytestmark = pytest.mark.django_db(transaction=True)

BASE = "SDXL\\sd_xl_base_1.0.safetensors"


@pytest.fixture(scope="module")
def on_windows() -> Iterator[PreviewThread]:
    """It takes its checkpoint in its own spelling alone."""
    with PreviewThread(Options(painter="flat", checkpoints=(BASE, "b\\x.safetensors", "a\\x.safetensors"))) as engine:
        yield engine


@pytest.fixture
def engine(on_windows: PreviewThread) -> Engine:
    """Its row, probed."""
    row = Engine.objects.create(address=on_windows.url, source=Engine.Source.ADMIN)
    assert roster.probe(row)
    return row


@pytest.mark.parametrize("base", [BASE, BASE.replace("\\", "/")])
def test_the_engine_has_the_base_in_either_spelling_and_trains_with_it(
    engine: Engine, ask: Ask, settings: Settings, base: str
) -> None:
    settings.CHECKPOINT = base
    assert obstacle(engine, base) == "" and ComfyTrainer().able(base) == [engine]
    job = ask(steps=4, segments=2)
    runner.work()
    job = TrainingJob.objects.get(pk=job.pk)
    assert job.status == Status.COMPLETED, job.error_detail
    assert job.base == BASE.replace("\\", "/")
    first = job.checkpoints.first()
    assert first and first.version.checkpoint == "", "the studio's own"


def test_checkpoints_of_one_name_are_told_apart_where_one_is_picked(engine: Engine, client: Client, ada: User) -> None:
    client.force_login(ada)
    page = client.get(reverse("training:new-run")).content.decode()
    assert 'value="a/x.safetensors"' in page and 'value="b/x.safetensors"' in page
