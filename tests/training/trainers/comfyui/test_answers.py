"""Engines that answer with errors while they train: no segment is lost, trained twice or tried for ever."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from generation.engines.models import Engine
from stylestudio.comfy import run
from stylestudio.jobs.kinds import Status
from stylestudio.preview_engine.server import PreviewThread
from stylestudio.preview_engine.troubles import Answer, CutAnswer, LoseAnswer
from tests.training.trainers.comfyui.conftest import Ask
from training.runs import known_trainers
from training.runs.models import TrainingJob
from training.runs.placing import place_run
from training.runs.running import runner
from training.runs.trainer import TrainerLost
from training.trainers.comfyui import attempt, leftovers

pytestmark = pytest.mark.django_db
# A training is tried so often within five minutes, with the rests between attempts.
FIVE_MINUTES = 12


@pytest.fixture(autouse=True)
def hasty(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for an answer that does not come."""
    monkeypatch.setattr(attempt, "SECONDS_WITHOUT_CONNECTION", 0.05)
    monkeypatch.setattr(run, "_SEARCH_PAUSES", (0.0,))
    monkeypatch.setattr(run, "_RETRY_PAUSE", 0.02)


@pytest.fixture
def ran(new_engine: PreviewThread) -> Callable[[], int]:
    """How many prompts the engine has run to their end since the test began."""
    known = set(new_engine.engine._queue.history(None, -1))
    return lambda: len(set(new_engine.engine._queue.history(None, -1)) - known)


def trained(job: TrainingJob) -> TrainingJob:
    """The job after a worker did what it could; probes find the engine well."""
    Engine.objects.update(health=Engine.Health.OK)
    runner.work()
    return TrainingJob.objects.get(pk=job.pk)


def test_what_fails_for_five_minutes_is_within_the_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    rests = [min(runner.REST * number, runner.LONGEST_REST) for number in range(1, runner.MOST_ERRORS)]
    assert sum(rests[: FIVE_MINUTES - 1], timedelta()) >= timedelta(minutes=5)
    assert timedelta(minutes=9) < sum(rests, timedelta()) < timedelta(minutes=12)


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/view", "GET"),
        *(
            pytest.param(path, method, marks=pytest.mark.heavy)
            for path, method in (
                ("/prompt", "POST"),
                ("/upload/image", "POST"),
                ("/object_info", "GET"),
                ("/models", "GET"),
            )
        ),
    ],
)
def test_errors_for_five_minutes_cost_a_training_nothing(
    engine: Engine, ask: Ask, new_engine: PreviewThread, ran: Callable[[], int], path: str, method: str
) -> None:
    new_engine.troubles.add(Answer(path, method, times=FIVE_MINUTES))
    job = trained(ask(steps=4, segments=2))
    assert (job.status, ran()) == (Status.COMPLETED, 2)
    assert [checkpoint.step for checkpoint in job.checkpoints.all()] == [2, 4]
    assert "errors" not in job.state


@pytest.mark.parametrize("handled", [True, False], ids=["taken", "not taken"])
def test_a_segment_whose_fate_is_unknown_is_asked_about_and_trained_once(
    engine: Engine, ask: Ask, new_engine: PreviewThread, ran: Callable[[], int], handled: bool
) -> None:
    new_engine.troubles.add(LoseAnswer(handled=handled))
    new_engine.troubles.add(Answer("/history", times=4))
    job = trained(ask(steps=4, segments=2))
    assert (job.status, ran()) == (Status.COMPLETED, 2)


def test_what_an_engine_does_not_hand_over_for_long_ends_and_is_fetched_by_whoever_resumes(
    engine: Engine, ask: Ask, new_engine: PreviewThread, ran: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "MOST_ERRORS", 4)
    new_engine.engine.requests.clear()
    broken = new_engine.troubles.add(Answer("/view", "GET", times=None))
    job = trained(ask(steps=4, segments=2))
    assert (job.status, job.error_kind, ran()) == (Status.FAILED, "engine_errors", 1)
    asked = list(new_engine.engine.requests).count("GET /view")
    assert asked == runner.MOST_ERRORS
    leftovers.cancel_leftovers()
    broken.release()
    again = trained(place_run.resume(TrainingJob.objects.get(pk=job.pk), job.owner))
    assert (again.status, ran()) == (Status.COMPLETED, 2)
    assert [checkpoint.step for checkpoint in again.checkpoints.all()] == [2, 4]


@pytest.mark.parametrize("told", [True, False], ids=["damaged", "broken off"])
def test_a_file_that_comes_damaged_is_fetched_again_and_not_trained_again(
    engine: Engine, ask: Ask, new_engine: PreviewThread, ran: Callable[[], int], told: bool
) -> None:
    new_engine.troubles.add(CutAnswer("/view", "GET", told=told))
    job = trained(ask(steps=4, segments=2))
    assert (job.status, ran()) == (Status.COMPLETED, 2)


def test_a_segment_whose_file_stays_damaged_is_trained_again_by_whoever_resumes(
    engine: Engine, ask: Ask, new_engine: PreviewThread, ran: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "MOST_ERRORS", 1)
    broken = new_engine.troubles.add(Answer("/view", "GET", times=None))
    job = trained(ask(steps=4, segments=1))
    assert (job.status, ran()) == (Status.FAILED, 1)
    broken.release()
    new_engine.troubles.add(CutAnswer("/view", "GET", told=True, times=attempt.FETCHES))
    again = trained(place_run.resume(job, job.owner))
    assert (again.status, ran()) == (Status.COMPLETED, 2)
    assert [checkpoint.step for checkpoint in again.checkpoints.all()] == [4]


@pytest.mark.parametrize("kind", ["errors", "away"])
def test_every_way_to_lose_an_engine_ends(engine: Engine, ask: Ask, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    tries: list[int] = []

    def lose(course: Any) -> None:
        tries.append(1)
        answered = kind == "errors" or len(tries) % 2 == 0
        raise TrainerLost("gone", answered=answered)

    monkeypatch.setattr(known_trainers.named("comfyui"), "run", lose, raising=False)
    job = trained(ask())
    assert job.status == Status.FAILED
    assert len(tries) <= runner.MOST_ERRORS + runner.MOST_ATTEMPTS
