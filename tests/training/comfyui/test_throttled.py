"""Trainings on an engine that leaves out steps: what is counted and measured, and that it is not called stalled."""

from __future__ import annotations

import pytest

from generation.engines.models import Engine
from stylestudio.jobs.kinds import Status
from stylestudio.preview_engine.server import PreviewThread
from stylestudio.preview_engine.troubles import Hold, SlowSteps
from stylestudio.processes import workers
from tests.training.comfyui.conftest import Ask
from tests.training.comfyui.heard import Heard
from tests.training.comfyui.test_trainer import at_work, checkpoints, losses, said, segments_run, trained
from tests.training.comfyui.throttled import Throttled
from training.runs.models import TrainingJob
from training.trainers.comfyui import trainer

pytestmark = pytest.mark.django_db


def test_steps_that_an_engine_leaves_out_are_counted_and_timed_all_the_same(
    earlier: Engine, ask: Ask, earlier_engine: PreviewThread
) -> None:
    thin = earlier_engine.troubles.add(Throttled())
    earlier_engine.troubles.add(SlowSteps(seconds=0.02, class_type="TrainLoraNode"))
    job = trained(ask(steps=24, segments=2))
    assert job.status == Status.COMPLETED, said(job)
    assert thin.told[0] == 1 and thin.told.count(12) == 2
    assert len(thin.told) < 24, "most are never told"
    assert (job.step, len(losses(job))) == (24, 24)
    assert [each.step for each in checkpoints(job)] == [12, 24]
    assert job.timed >= 20, "what is done before the first look at a segment is not timed"
    assert 0.02 <= job.seconds / job.timed < 0.2


def test_accumulated_batches_of_which_most_are_left_out_count_as_steps(
    earlier: Engine, ask: Ask, earlier_engine: PreviewThread
) -> None:
    earlier_engine.troubles.add(Throttled())
    job = trained(ask(steps=6, segments=2, accumulation=5))
    assert (job.status, job.step, len(losses(job))) == (Status.COMPLETED, 6, 6), said(job)


@pytest.mark.django_db(transaction=True)
def test_what_a_force_stop_would_lose_is_told_by_the_last_step_that_was_heard_of(
    earlier: Engine, ask: Ask, earlier_engine: PreviewThread, heard: Heard
) -> None:
    earlier_engine.troubles.add(Throttled(interval=0.0, share=0.4))  # of ten steps 1, 5, 9 and 10
    hold = earlier_engine.troubles.add(Hold(times=1, after_step=7))
    job = ask(steps=20, segments=2)

    with at_work(until=lambda: heard.wait(lambda job: job.step == 5)):
        now = TrainingJob.objects.get(pk=job.pk)
        assert (now.step, now.steps_at_risk, now.doing) == (5, 5, None)
        hold.release()
    job.refresh_from_db()
    assert (job.status, job.step) == (Status.COMPLETED, 20)


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_takes_a_segment_over_shows_the_steps_that_are_known_before_the_next_is_told(
    earlier: Engine, ask: Ask, earlier_engine: PreviewThread, heard: Heard
) -> None:
    earlier_engine.troubles.add(Throttled(interval=0.0, share=0.4))
    hold = earlier_engine.troubles.add(Hold(times=1, after_step=7))
    before = segments_run(earlier_engine)
    job = ask(steps=20, segments=2)

    with at_work(until=lambda: heard.wait(lambda job: job.step == 5)):
        workers.stopping.set()
    workers.stopping.clear()

    before_that = heard.forget()
    assert before_that is not None and before_that.step == 5
    with at_work(until=lambda: heard.wait(lambda job: job.doing is None)):
        now = TrainingJob.objects.get(pk=job.pk)
        assert (now.step, now.look) == (5, "running")
        hold.release()
    job.refresh_from_db()
    assert (job.status, job.step) == (Status.COMPLETED, 20), said(job)
    assert segments_run(earlier_engine) - before == 2
    assert job.timed < 20, "what went on while no worker was there is not counted as quick steps"


def test_an_engine_that_is_silent_between_two_steps_that_it_tells_is_not_stalled(
    earlier: Engine, ask: Ask, earlier_engine: PreviewThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer, "SILENT", 0.2)
    monkeypatch.setattr(trainer, "SILENT_PER_PICTURE", 0.0)
    earlier_engine.troubles.add(Throttled(share=1.0))  # nothing between the first and the last
    earlier_engine.troubles.add(SlowSteps(seconds=0.05, class_type="TrainLoraNode"))
    before = segments_run(earlier_engine)
    job = trained(ask(steps=20, segments=1))
    assert job.status == Status.COMPLETED, said(job)
    assert segments_run(earlier_engine) - before == 1


def test_the_longest_silence_grows_with_the_steps_that_are_left_out() -> None:
    short, long = (trainer.longest_silence(steps, 0, None) for steps in (100, 20_000))
    assert (short - trainer.SILENT, long - trainer.SILENT) == (300.0, 30_000.0)
    assert trainer.longest_silence(20_000, 0, 4.0) - trainer.SILENT == 100 * 40.0
    assert trainer.longest_silence(100, 10, 4.0) - trainer.SILENT == 40.0 + 600.0


@pytest.mark.django_db(transaction=True)
def test_an_engine_that_tells_its_steps_has_done_none_before_it_tells_the_first(
    earlier: Engine, ask: Ask, earlier_engine: PreviewThread, heard: Heard
) -> None:
    """However long the node takes to begin, whatever the pace of the segment before was."""
    job = ask(steps=8, segments=2)
    TrainingJob.objects.filter(pk=job.pk).update(state={"pace": 0.001, "engine": earlier.pk})
    hold = earlier_engine.troubles.add(Hold(times=1, before="TrainLoraNode"))

    with at_work(until=lambda: heard.wait(lambda job: job.doing is None)):
        hold.wait_reached()
        assert TrainingJob.objects.get(pk=job.pk).step == 0
        hold.release()
    job.refresh_from_db()
    assert (job.status, job.step) == (Status.COMPLETED, 8)
