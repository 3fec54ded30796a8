"""A training with sd-scripts from the order to its end, through the runner and the database."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from pytest_django import Settings

from stylestudio.jobs.kinds import Status
from stylestudio.processes import workers
from tests.training.conftest import AddPicture
from tests.training.scripted import resize
from tests.training.trainers.kohya.conftest import SdScripts, group
from training.datasets.models import Dataset, DatasetImage
from training.runs import parameters
from training.runs.models import LossBlock, TrainingJob
from training.runs.placing import place_run
from training.runs.running import holds, live_course, runner
from training.trainers.kohya import trainer

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, settings: Settings, tmp_path: Path) -> Iterator[None]:
    """Messages go nowhere, and folders are this test's."""
    settings.DATA = tmp_path
    monkeypatch.setattr(TrainingJob, "wake", staticmethod(lambda seconds=0.0: None))
    monkeypatch.setattr(live_course, "SECONDS_BETWEEN_STOP_LOOKS", 0.0)
    monkeypatch.setattr(live_course, "SECONDS_BETWEEN_WRITES", 0.0)
    yield
    workers.stopping.clear()
    for training in holds.held.places:
        holds.held.drop(training)


@pytest.fixture
def job(dataset: Dataset, add: AddPicture, ada: User, settings: Settings, scripts: SdScripts) -> TrainingJob:
    """A training of 8 steps that waits."""
    (scripts.folder / "models" / settings.CHECKPOINT).touch()
    add("red hills", width=128, height=64)
    add("blue hills", width=128, height=64)
    return ask(dataset, ada)


def test_a_picture_that_is_too_small_is_named(job: TrainingJob, dataset: Dataset, add: AddPicture, ada: User) -> None:
    add("tiny", width=128, height=64, source_name="tiny.png")
    small = ask(dataset, ada)
    resize(small, 3, 60, 200)
    job.cancel()
    runner.work()
    small.refresh_from_db()
    assert (small.status, small.error_kind) == (Status.FAILED, "bad_pictures")
    assert "Picture 0003 is 60x200 pixels" in small.error_detail
    assert small.explanation.startswith("The trainer could not use the picture tiny.png.")


def test_a_picture_that_cannot_be_read_is_named(job: TrainingJob, dataset: Dataset) -> None:
    broken = dataset.images.get(caption="blue hills")
    DatasetImage.objects.filter(pk=broken.pk).update(source_name="blue.png")
    with default_storage.open(str(broken.file.name), "wb") as file:
        file.write(b"no picture")
    runner.work()
    job.refresh_from_db()
    assert (job.status, job.error_kind) == (Status.FAILED, "bad_pictures")
    assert "blue.png" in job.explanation


def test_a_picture_at_which_sd_scripts_stops_is_named(job: TrainingJob, dataset: Dataset, scripts: SdScripts) -> None:
    DatasetImage.objects.filter(caption="blue hills").update(source_name="blue.png")
    scripts.plays(at=2, trouble="bad_picture")
    runner.work()
    job.refresh_from_db()
    assert (job.status, job.error_kind) == (Status.FAILED, "bad_pictures"), job.error_detail
    assert "blue.png" in job.explanation


def ask(dataset: Dataset, user: User) -> TrainingJob:
    values = {**parameters.preset_values("quick", "kohya"), "steps": 8, "save_count": 2}
    plan = place_run.Plan(dataset=dataset, style="Gouache", trainer="kohya", preset="quick", values=values)
    return place_run.start(plan, user)


def losses(job: TrainingJob) -> dict[int, float]:
    found: dict[int, float] = {}
    for block in LossBlock.objects.filter(job=job):
        values = array("f", bytes(block.values))
        found |= dict(enumerate(values, block.first_step))
    return found


def test_it_completes_with_checkpoints_losses_and_its_command_in_the_log(job: TrainingJob, scripts: SdScripts) -> None:
    runner.work()
    job.refresh_from_db()
    assert (job.status, job.step) == (Status.COMPLETED, 8), job.error_detail
    assert [one.step for one in job.checkpoints.all()] == [4, 8]
    assert all(one.version.rank == 4 and one.state for one in job.checkpoints.all())
    assert losses(job) == pytest.approx({step: 1 / step for step in range(1, 9)}, rel=1e-6)
    text = "\n".join(block.text for block in job.log.all())
    assert "sdxl_train_network.py' --config_file starts/0001/config.toml" in text
    assert "gouachefield painting, red hills" not in text


def test_a_failure_keeps_what_was_saved_and_says_what_to_do(job: TrainingJob, scripts: SdScripts) -> None:
    scripts.plays(at=6, trouble="out_of_memory")
    runner.work()
    job.refresh_from_db()
    assert (job.status, job.error_kind) == (Status.FAILED, "out_of_memory")
    assert "CUDA out of memory" in job.error_detail
    assert job.explanation.startswith("The graphics memory was not enough.")
    assert [one.step for one in job.checkpoints.all()] == [4]


def test_a_resumed_training_goes_on_from_the_state_of_the_other(
    job: TrainingJob, scripts: SdScripts, ada: User
) -> None:
    scripts.plays(at=6, trouble="crash")
    runner.work()
    job.refresh_from_db()
    again = place_run.resume(job, ada)
    scripts.plays()
    runner.work()
    again.refresh_from_db()
    assert (again.status, again.step) == (Status.COMPLETED, 8), again.error_detail
    assert [one.step for one in again.checkpoints.all()] == [8]
    assert sorted(losses(again)) == [5, 6, 7, 8]
    assert any("with the saved state" in block.text for block in again.log.all())


def test_a_withdrawn_training_leaves_no_process(job: TrainingJob, scripts: SdScripts, settings: Settings) -> None:
    scripts.plays(hold=2)
    folder = job.folder
    job.start("a worker that died")
    course = live_course.LiveCourse(job)
    trainer._begin(course)
    assert group(folder)
    TrainingJob.objects.filter(pk=job.pk).update(status="queued")
    job.refresh_from_db()
    assert runner.stop(job, TrainingJob.Stop.FORCE)
    assert group(folder) == []
