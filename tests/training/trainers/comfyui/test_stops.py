"""Trainings on an engine that are stopped: at once, with a checkpoint, with their worker, or on the engine itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from generation.engines import roster
from generation.engines.models import Engine
from stylestudio.jobs.kinds import Status
from stylestudio.preview_engine.server import PreviewThread
from stylestudio.preview_engine.troubles import Answer, Hold
from stylestudio.processes import workers
from tests.training.trainers.comfyui.conftest import Ask
from tests.training.trainers.comfyui.test_trainer import at_work, checkpoints, losses, said, segments_run, trained
from training.runs import signals
from training.runs.models import TrainingJob
from training.runs.running import runner
from training.trainers.comfyui import leftovers, tasks
from training.trainers.comfyui.attempt import PROMPT
from training.trainers.comfyui.trainer import ComfyTrainer

pytestmark = pytest.mark.django_db


def test_stopping_ends_with_the_checkpoint_of_the_segment(engine: Engine, ask: Ask, new_engine: PreviewThread) -> None:
    job = ask(steps=12, segments=3)
    original = ComfyTrainer.run

    def run(self: ComfyTrainer, course: Any) -> None:
        store = course.checkpoint

        def checkpoint(*args: Any, **more: Any) -> None:
            store(*args, **more)
            runner.stop(job, TrainingJob.Stop.KEEP)

        course.checkpoint = checkpoint
        original(self, course)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ComfyTrainer, "run", run)
        runner.work()
    job.refresh_from_db()
    assert (job.status, [each.step for each in checkpoints(job)]) == (Status.CANCELLED, [4])


@pytest.mark.django_db(transaction=True)
def test_force_stop_interrupts_the_engine(engine: Engine, ask: Ask, new_engine: PreviewThread) -> None:
    hold = new_engine.troubles.add(Hold(times=1, after_step=2))
    job = ask(steps=20, segments=2)
    with at_work(until=hold.wait_reached):
        runner.stop(job, TrainingJob.Stop.FORCE)
    job.refresh_from_db()
    assert (job.status, checkpoints(job)) == (Status.CANCELLED, [])
    assert not job.state.get("prompt")
    queue = roster.pool.loop.call(roster.pool.client(engine).queue())
    assert queue.running == queue.pending == ()


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_ends_leaves_the_prompt_and_the_next_one_follows_it(
    engine: Engine, ask: Ask, new_engine: PreviewThread
) -> None:
    hold = new_engine.troubles.add(Hold(times=1, after_step=2))
    before = segments_run(new_engine)
    job = ask(steps=8, segments=2)
    with at_work(until=hold.wait_reached):
        workers.stopping.set()
    workers.stopping.clear()
    job.refresh_from_db()
    assert (job.status, job.state["first"], job.state["last"]) == (Status.QUEUED, 0, 4)
    roster.pool.close()
    with at_work(until=lambda: _wait_for(lambda: TrainingJob.objects.get(pk=job.pk).status == Status.RUNNING)):
        hold.release()
    job.refresh_from_db()
    assert job.status == Status.COMPLETED, said(job)
    assert segments_run(new_engine) - before == 2, "none was trained twice"
    assert len(losses(job)) == 8


def on_engine(engine: Engine) -> list[str]:
    """The prompts that the engine runs or that wait there."""
    queue = roster.pool.loop.call(roster.pool.client(engine).queue())
    return [*queue.running, *queue.pending]


@pytest.mark.django_db(transaction=True)
def test_a_training_that_is_stopped_between_two_workers_ends_on_the_engine_too(
    engine: Engine, ask: Ask, new_engine: PreviewThread
) -> None:
    hold = new_engine.troubles.add(Hold(times=1, after_step=2))
    job = ask(steps=8, segments=2)
    with at_work(until=hold.wait_reached):
        workers.stopping.set()
    workers.stopping.clear()
    leftovers.cancel_leftovers()
    job.refresh_from_db()
    assert on_engine(engine) == [job.state["prompt"]], "whoever goes on follows it"
    assert runner.stop(job, TrainingJob.Stop.FORCE)
    Engine.objects.update(health=Engine.Health.UNREACHABLE)
    leftovers.cancel_leftovers()
    assert on_engine(engine) == [job.state["prompt"]]
    Engine.objects.update(health=Engine.Health.OK)
    leftovers.cancel_leftovers()
    assert on_engine(engine) == []
    job.refresh_from_db()
    assert (job.status, set(job.state) & set(PROMPT)) == (Status.CANCELLED, set())


@pytest.mark.django_db(transaction=True)
def test_an_engine_that_could_not_be_told_to_stop_is_told_later(
    engine: Engine, ask: Ask, new_engine: PreviewThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[None] = []
    monkeypatch.setattr(tasks, "cancel_leftovers_soon", lambda: told.append(None))
    signals.happened.connect(leftovers.hear_of_training)
    hold = new_engine.troubles.add(Hold(times=1, after_step=2))
    new_engine.troubles.add(Answer(times=1, path="/jobs/", method="POST", status=502, body="Bad gateway"))
    new_engine.troubles.add(Answer(times=1, path="/queue", method="POST", status=502, body="Bad gateway"))
    job = ask(steps=8, segments=2)
    with at_work(until=hold.wait_reached):
        runner.stop(job, TrainingJob.Stop.FORCE)
    job.refresh_from_db()
    assert (job.status, on_engine(engine), told) == (Status.CANCELLED, [job.state["prompt"]], [None])
    leftovers.cancel_leftovers()
    assert on_engine(engine) == []


def _wait_for(come: Callable[[], bool], seconds: float = 10.0) -> None:
    until = time.monotonic() + seconds
    while not come():
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.django_db(transaction=True)
def test_somebody_who_stops_it_on_the_engine_ends_it(engine: Engine, ask: Ask, new_engine: PreviewThread) -> None:
    hold = new_engine.troubles.add(Hold(times=1, after_step=2))
    job = ask()
    with at_work(until=hold.wait_reached):
        client = roster.pool.client(engine)
        prompt = TrainingJob.objects.get(pk=job.pk).state["prompt"]
        roster.pool.loop.call(client.interrupt(prompt))
    job.refresh_from_db()
    assert (job.status, job.error_kind) == (Status.FAILED, "interrupted")


def test_a_studio_that_stops_past_a_checkpoint_leaves_the_training_to_the_next_start(
    engine: Engine, ask: Ask, new_engine: PreviewThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop_after(sender: object, what: str, **_facts: Any) -> None:
        if what == "checkpoint":
            workers.stopping.set()

    signals.happened.connect(stop_after)
    job = trained(ask(steps=6, segments=3))
    assert (job.status, job.worker, job.attempts) == (Status.QUEUED, "", 0), said(job)
    assert [each.step for each in checkpoints(job)] == [2]
    signals.happened.disconnect(stop_after)
    workers.stopping.clear()
    runner.work()
    job.refresh_from_db()
    assert job.status == Status.COMPLETED, said(job)
    assert [each.step for each in checkpoints(job)] == [2, 4, 6]
