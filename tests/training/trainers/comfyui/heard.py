"""Hears what a course is told, without asking the database, which test threads share."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from training.runs.models import TrainingJob
from training.runs.running import live_course


class Heard:
    """Every move of a training, as it is written."""

    def __init__(self) -> None:
        self._moved = threading.Condition()
        self._job: TrainingJob | None = None

    def note(self, job: TrainingJob) -> None:
        """Told by the thread that trains, after each move."""
        with self._moved:
            self._job = job
            self._moved.notify_all()

    def forget(self) -> TrainingJob | None:
        """Begin anew; what was told last."""
        with self._moved:
            last, self._job = self._job, None
            return last

    def wait(self, come: Callable[[TrainingJob], bool], seconds: float = 10.0) -> None:
        """Until a training of this kind was told of."""
        with self._moved:
            assert self._moved.wait_for(lambda: self._job is not None and come(self._job), seconds)


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Heard:
    """What is told while the test runs."""
    ears, progress = Heard(), live_course.LiveCourse.progress

    def told(course: live_course.LiveCourse, *args: Any, **more: Any) -> None:
        try:
            progress(course, *args, **more)
        finally:
            ears.note(course.job)

    monkeypatch.setattr(live_course.LiveCourse, "progress", told)
    return ears
