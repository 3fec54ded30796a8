"""A training writes what changed, and nothing else: counted in statements that reach the database."""

from __future__ import annotations

import pytest

from generation.engines.models import Engine
from stylestudio.jobs.kinds import Status
from stylestudio.preview_engine.server import PreviewThread
from stylestudio.preview_engine.troubles import Hold, SlowSteps
from tests.conftest import Noted
from tests.training.trainers.comfyui.conftest import Ask
from tests.training.trainers.comfyui.heard import Heard
from tests.training.trainers.comfyui.test_trainer import at_work, losses, said, trained
from tests.training.trainers.comfyui.written import Written, written
from training.runs.models import TrainingJob
from training.runs.running import live_course

pytestmark = pytest.mark.django_db


@pytest.fixture
def at_its_own_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a studio, where other tests write as often as they can."""
    monkeypatch.setattr(live_course, "SECONDS_BETWEEN_WRITES", 1.0)
    monkeypatch.setattr(live_course, "SECONDS_BETWEEN_STOP_LOOKS", 1.0)


def is_sparing(count: Written, segments: int) -> None:
    """At most one write in a second, and one for each change of state; its losses come with the end of a segment."""
    print(f"{count.seconds:.1f} s, {count.changes} changes of state, {dict(count.tables)}")
    assert count.own <= count.seconds + count.changes + segments + 1, dict(count.tables)
    assert count.same == 0, "a row was written that nothing had changed in"


def test_a_training_writes_once_a_second_at_most_and_once_for_each_change_of_state(
    earlier: Engine, ask: Ask, earlier_engine: PreviewThread, at_its_own_pace: None
) -> None:
    earlier_engine.troubles.add(SlowSteps(seconds=0.03, class_type="TrainLoraNode"))
    job = ask(steps=80, segments=2)
    with written() as count:
        job = trained(job)
    assert (job.status, len(losses(job))) == (Status.COMPLETED, 80), said(job)
    is_sparing(count, segments=2)


@pytest.mark.django_db(transaction=True)
def test_while_nothing_moves_nothing_is_written(
    earlier: Engine, ask: Ask, earlier_engine: PreviewThread, noted: Noted, heard: Heard
) -> None:
    """Not even with a worker that may write as often as it likes."""
    hold = earlier_engine.troubles.add(Hold(times=1, after_step=3))
    job = ask(steps=16, segments=2)

    with at_work(until=lambda: heard.wait(lambda job: job.step == 3)):
        before, pushes = TrainingJob.objects.get(pk=job.pk).version, len(noted.jobs)
        for _look in range(20):
            heard.forget()
            heard.wait(lambda job: True)
        assert TrainingJob.objects.get(pk=job.pk).version == before
        assert len(noted.jobs) <= pushes + 1, "what is left may read otherwise once"
        hold.release()
