"""Pictures on engines that leave out steps, or tell one twice: what is shown, and what is written of it."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from generation.engines.models import Engine
from generation.making import runner
from generation.pictures.models import GenerationTask
from stylestudio.jobs.kinds import Status
from stylestudio.preview_engine.frames import Frame
from stylestudio.preview_engine.server import PreviewThread
from stylestudio.preview_engine.troubles import DuplicateFrames, FrameTrouble, SlowSteps
from tests.generation.test_runner import place

pytestmark = pytest.mark.django_db


class WithoutTheSecondStep(FrameTrouble):
    """Of four steps ComfyUI 0.9.2 and newer may tell 1, 3 and 4, and never tells the other one later."""

    def frame(self, frame: Frame) -> list[Frame]:
        is_left_out = self.active and frame.event == "progress" and frame.data["value"] == 2
        return [] if is_left_out else [frame]


def shown(task: GenerationTask, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The steps that were written while a worker made the picture."""
    steps: list[int] = []
    write = runner._Making._write_progress

    def note(making: runner._Making, step: int, most: int) -> None:
        steps.append(step)
        write(making, step, most)

    monkeypatch.setattr(runner._Making, "_write_progress", note)
    monkeypatch.setattr(runner, "SOON", 0.0)
    monkeypatch.setattr(runner, "PROGRESS_EVERY", 0.0)
    runner.work()
    task.refresh_from_db()
    return steps


def test_a_picture_of_four_steps_of_which_one_is_never_told_is_made_and_shows_the_others(
    engine: Engine, preview: PreviewThread, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    preview.troubles.add(WithoutTheSecondStep())
    preview.troubles.add(SlowSteps(seconds=0.15, class_type="KSampler"))
    task = place(ada, steps=4)
    assert set(shown(task, monkeypatch)) <= {1, 3, 4}
    assert (task.status, task.progress, task.pictures.count()) == (Status.COMPLETED, 100, 1)


def test_a_step_that_is_told_twice_is_written_once(
    engine: Engine, preview: PreviewThread, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    preview.troubles.add(DuplicateFrames(event="progress"))
    preview.troubles.add(SlowSteps(seconds=0.15, class_type="KSampler"))
    task = place(ada, steps=4)
    with CaptureQueriesContext(connection) as queries:
        steps = shown(task, monkeypatch)
    assert steps and len(steps) == len(set(steps))
    written = [each["sql"] for each in queries if each["sql"].startswith("UPDATE") and '"making"' in each["sql"]]
    assert len(written) <= len(steps) + 1
    assert task.status == Status.COMPLETED
