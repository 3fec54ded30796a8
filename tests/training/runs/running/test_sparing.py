"""A trainer may tell its course as much as it likes; what reaches the database is little."""

from __future__ import annotations

import time

import pytest
from django.contrib.auth.models import User

from generation.engines.models import Engine
from tests.conftest import Noted
from tests.training.conftest import AddPicture
from tests.training.scripted import ask, train
from tests.training.trainers.comfyui.written import written
from training.datasets.models import Dataset
from training.runs.models import TrainingJob
from training.runs.phases import Doing, Phase
from training.runs.running import live_course
from training.runs.trainer import Course

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("quiet")]


@pytest.fixture
def job(dataset: Dataset, add: AddPicture, ada: User, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> TrainingJob:
    """A training of 2,000 steps that waits for a worker at its own pace."""
    monkeypatch.setattr(live_course, "SECONDS_BETWEEN_WRITES", 1.0)
    monkeypatch.setattr(live_course, "SECONDS_BETWEEN_STOP_LOOKS", 1.0)
    add("red hills")
    return ask(dataset, ada, steps=2000)


def test_steps_losses_and_lines_together_are_one_write_a_second_at_most(job: TrainingJob) -> None:
    """As sd-scripts tells them, which has a loss for every step and much to say."""

    def act(course: Course) -> None:
        until = time.monotonic() + 2.5
        step = 0
        while time.monotonic() < until:
            step += 1
            course.progress(step)
            course.losses(step, [0.5])
            course.log(f"said at {step}")
            time.sleep(0.005)

    with written() as count:
        train(act)
    assert count.own <= count.seconds + count.changes + 3, "the end writes what is left, in three statements"
    assert count.same == 0
    job.refresh_from_db()
    assert job.step > 100
    lines = "\n".join(block.text for block in job.log.all()).splitlines()
    assert [line for line in lines if line.startswith("said")] == [f"said at {step}" for step in range(1, job.step + 1)]


def test_a_phase_is_shown_at_once_and_how_far_it_is_now_and_then(job: TrainingJob, noted: Noted) -> None:
    seen: list[str] = []

    def act(course: Course) -> None:
        for done in range(50):
            course.progress(0, doing=Doing(Phase.SENDING, done, 50))
        seen.append(str(TrainingJob.objects.get(pk=job.pk).doing))
        course.progress(0, doing=Doing(Phase.LOADING))
        seen.append(str(TrainingJob.objects.get(pk=job.pk).doing))

    with written() as count:
        train(act)
    assert seen == ["Sending pictures to the engine: 0 of 50", "The engine loads the model and encodes the pictures"]
    assert count.own <= count.changes + 2


def test_what_a_course_remembers_twice_is_written_once(job: TrainingJob) -> None:
    def act(course: Course) -> None:
        for _time in range(3):
            course.remember(prompt="abc", made=None)

    with written() as count:
        train(act)
    assert count.own <= count.changes + 1
    job.refresh_from_db()
    assert job.state == {"prompt": "abc"}
