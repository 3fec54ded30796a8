"""A training and its dataset, as the pages of trainings show them."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.auth.models import User

from generation.engines.models import Engine
from stylestudio.jobs.kinds import Status
from tests.training.conftest import AddPicture
from tests.training.scripted import Scripted, ask, lora_file, train
from training.datasets.models import Dataset
from training.runs import known_trainers
from training.runs.models import TrainingJob
from training.runs.trainer import Course


@pytest.fixture
def filled(dataset: Dataset, add: AddPicture, engine: Engine) -> Dataset:
    """The dataset with three pictures, and an engine that could train."""
    for caption in ("red hills", "blue hills", ""):
        add(caption)
    known_trainers.register(Scripted(lambda course: None))
    return dataset


@pytest.fixture
def job(filled: Dataset, ada: User) -> TrainingJob:
    """Ada's training; it waits."""
    return ask(filled, ada)


@pytest.fixture
def done(job: TrainingJob, tmp_path: Path) -> TrainingJob:
    """The training after its last step, with checkpoints at 4 and 8."""

    def act(course: Course) -> None:
        for step in (4, 8):
            course.losses(step - 3, [0.5 / step] * 4)
            course.log(f"said at {step}")
            course.checkpoint(step, lora_file(tmp_path, step), loss=0.5 / step)

    train(act)
    job.refresh_from_db()
    assert job.status == Status.COMPLETED
    return job
