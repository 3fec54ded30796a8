"""What a training says is left, beside what was left in truth: encoding, samples and waiting pictures are in it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import pytest

from generation.engines.models import Engine
from stylestudio.jobs.kinds import Status
from stylestudio.live import publisher
from stylestudio.preview_engine.server import PreviewThread
from stylestudio.preview_engine.troubles import Halted, SlowSteps, Trouble
from tests.training.trainers.comfyui.conftest import Ask
from tests.training.trainers.comfyui.test_trainer import said, trained
from training.runs import signals
from training.runs.models import TrainingJob

pytestmark = pytest.mark.django_db


@dataclass
class SlowNode(Trouble):
    """A node of this class takes so many seconds more, as encoding many pictures does."""

    times: int | None = field(default=None, kw_only=True)
    class_type: str = ""
    seconds: float = 1.0

    def node(self, class_type: str, halted: Halted) -> None:
        until = time.monotonic() + self.seconds
        while class_type == self.class_type and time.monotonic() < until and not halted():
            time.sleep(0.01)


@dataclass(frozen=True)
class Told:
    """What was told at one moment."""

    at: float
    left: float | None
    step: int


def close(told: Told, end: float) -> bool:
    """Whether what was told is within 30 % of the truth, or within a second and a half."""
    truth = end - told.at
    return told.left is not None and abs(told.left - truth) <= max(1.5, 0.3 * truth)


def test_encoding_at_the_start_of_each_segment_is_in_the_estimate(
    engine: Engine, ask: Ask, new_engine: PreviewThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_engine.troubles.add(SlowNode(class_type="CheckpointLoaderSimple", seconds=0.8))
    new_engine.troubles.add(SlowSteps(seconds=0.03, class_type="TrainLoraNode"))
    new_engine.engine._worker.cache.clear()  # of tests before this one
    told: list[Told] = []

    def progressed(job: TrainingJob, template: str) -> None:
        told.append(Told(time.monotonic(), job.left_seconds, job.step))

    def forget(sender: object, **_facts: Any) -> None:
        new_engine.engine._worker.cache.clear()  # as pictures in between make an engine forget what it encoded

    monkeypatch.setattr(publisher, "progressed", progressed)
    signals.happened.connect(forget)
    job = trained(ask(steps=40, segments=4))
    end = time.monotonic()
    assert job.status == Status.COMPLETED, said(job)
    assert job.paces["setup"] >= 0.8
    known = [each for each in told if each.step >= 3]
    assert len(known) > 20
    off = [(each.step, each.left, end - each.at) for each in known if not close(each, end)]
    assert not off
