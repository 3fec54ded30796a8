"""Sample pictures of checkpoints."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.auth.models import User

from generation.engines.models import Engine
from generation.pictures.models import GenerationTask
from generation.previews import following
from generation.previews.models import Probe
from tests.training.conftest import AddPicture
from tests.training.scripted import ask, lora_file, train
from training.datasets.models import Dataset
from training.runs.models import Sample, TrainingJob
from training.runs.running import checkpoints, samples
from training.runs.trainer import Course

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("quiet")]


@pytest.fixture
def trained(dataset: Dataset, add: AddPicture, ada: User, engine: Engine, tmp_path: Path) -> TrainingJob:
    """A training with two checkpoints, whose samples are asked for."""
    add("red hills")
    Probe.objects.create(prompt="a castle", seed=11, position=1)
    Probe.objects.create(prompt="a meadow", seed=12, position=2)
    job = ask(dataset, ada)

    def act(course: Course) -> None:
        for step in (4, 8):
            course.checkpoint(step, lora_file(tmp_path, step))

    train(act)
    job.refresh_from_db()
    return job


@pytest.fixture(autouse=True)
def no_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures are asked for, never made."""
    monkeypatch.setattr(GenerationTask, "wake", staticmethod(lambda seconds=0.0: None))


def test_every_checkpoint_shows_every_probe_beside_the_base_model(trained: TrainingJob) -> None:
    rows = samples.table(trained)
    assert [(row.checkpoint.step if row.checkpoint else 0, [cell.state for cell in row.cells]) for row in rows] == [
        (0, ["wait", "wait"]),
        (4, ["wait", "wait"]),
        (8, ["wait", "wait"]),
    ]
    assert Sample.objects.count() == 6


def test_samples_are_made_with_the_checkpoints_file_and_the_same_words_and_seeds(trained: TrainingJob) -> None:
    base, with_it = (
        Sample.objects.get(job=trained, checkpoint=checkpoint, probe=0).task
        for checkpoint in (None, trained.checkpoints.get(step=4))
    )
    assert base.final_prompt == with_it.final_prompt == "gouachefield painting, a castle"
    assert base.seeds == with_it.seeds == [11]
    assert base.snapshot["styles"] == []
    assert [style["lora"] for style in with_it.snapshot["styles"]] == [
        trained.checkpoints.get(step=4).version.lora_name
    ]
    assert with_it.is_face, "the gallery leaves it out"


def test_asking_again_asks_only_for_what_was_not_made(trained: TrainingJob, ada: User) -> None:
    checkpoint = trained.checkpoints.get(step=4)
    first = samples.ask(trained, checkpoint, 1.0, ada)
    before = GenerationTask.everything.count()
    first[0].task.fail("engine")
    second = samples.ask(trained, checkpoint, 1.0, ada)
    assert GenerationTask.everything.count() == before + 1
    assert second[0].task != first[0].task
    assert second[1].task == first[1].task


def test_pictures_of_two_trainings_without_their_styles_are_shared(
    trained: TrainingJob, dataset: Dataset, ada: User
) -> None:
    again = ask(dataset, ada, style="Other")
    samples.ask(again, None, 0.0, ada)
    assert Sample.objects.get(job=again, probe=0).task == Sample.objects.get(job=trained, checkpoint=None, probe=0).task


def test_a_picture_that_ended_is_shown_on_the_pages_of_its_training(
    trained: TrainingJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    published: list[int] = []
    monkeypatch.setattr(samples, "publish", lambda job: published.append(job.pk))
    following.finish_previews(Sample.objects.filter(job=trained).first().task_id)  # type: ignore[union-attr]
    assert published == [trained.pk]


def test_a_checkpoint_that_is_used_keeps_its_samples(trained: TrainingJob, ada: User) -> None:
    checkpoint = trained.checkpoints.get(step=4)
    name = checkpoint.version.lora_name
    version = checkpoints.use(checkpoint, ada, publish=True)
    assert version.lora_name == name
    assert samples.table(trained)[1].cells[0].sample is not None
