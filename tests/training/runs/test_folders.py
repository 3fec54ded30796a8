"""The private folder of a training belongs to that training, whichever database had one of its number."""

from __future__ import annotations

import os
import uuid
from datetime import timedelta
from pathlib import Path

from django.contrib.auth.models import User
from pytest_django import Settings

from generation.engines.models import Engine
from tests.training.conftest import AddPicture
from tests.training.scripted import ask
from training.datasets.models import Dataset
from training.runs.models import TrainingJob


def asked(dataset: Dataset, add: AddPicture, ada: User) -> TrainingJob:
    """A training that waits."""
    add("a fox")
    return ask(dataset, ada)


def test_a_training_of_another_database_with_the_same_number_is_not_taken_for_it(
    dataset: Dataset, add: AddPicture, ada: User, engine: Engine, settings: Settings, tmp_path: Path
) -> None:
    settings.DATA = tmp_path
    job = asked(dataset, add, ada)
    mine = job.folder
    job.request_id = uuid.uuid4()
    assert job.folder != mine
    early = tmp_path / "training" / str(job.pk)
    early.mkdir(parents=True)
    past = (job.queued_at - timedelta(hours=1)).timestamp()
    os.utime(early, (past, past))
    assert job.folder != early


def test_a_training_that_began_before_folders_had_longer_names_keeps_its_own(
    dataset: Dataset, add: AddPicture, ada: User, engine: Engine, settings: Settings, tmp_path: Path
) -> None:
    settings.DATA = tmp_path
    job = asked(dataset, add, ada)
    early = tmp_path / "training" / str(job.pk)
    early.mkdir(parents=True)
    later = (job.queued_at + timedelta(seconds=1)).timestamp()
    os.utime(early, (later, later))
    assert job.folder == early
