"""Engines that answer and do not do what they are asked: nothing is lost, made twice or tried for ever."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from generation.engines import roster
from generation.engines.models import Engine
from generation.making import cancelling, fetching, recovery, runner, storing
from generation.making.claim import claim, look_for_orphans
from generation.pictures.models import EnginePrompt, GenerationTask
from stylestudio.jobs.kinds import Status
from stylestudio.preview_engine.server import PreviewThread
from stylestudio.preview_engine.troubles import (
    FailNode,
    HoldAnswer,
    OutOfMemory,
    Restart,
    Trouble,
)
from stylestudio.processes import workers
from tests.generation.making.troubled import (
    PASSING,
    State,
    light_and_heavy,
    passes,
    place,
    reference,
    states,
    tries_within,
)

pytestmark = [pytest.mark.usefixtures("hasty")]


def test_what_fails_for_five_minutes_is_within_the_bounds() -> None:
    assert tries_within(300) < recovery.MOST_TRIES
    assert timedelta(seconds=300) < recovery.TRIED_FOR
    assert tries_within(2 * recovery.TRIED_FOR.total_seconds()) > recovery.MOST_TRIES, "the count ends it as well"


@pytest.mark.parametrize(
    "kind",
    light_and_heavy(
        ("500", "HTML", "cut off in the middle", "half of it"),
        (*PASSING[1:], "empty", "403", "302"),
    ),
)
def test_a_finished_picture_is_fetched_again(
    engine: Engine, ada: User, trouble: Callable[..., Trouble], ran: Callable[[], int], kind: str
) -> None:
    trouble(kind, "/view")
    task = passes(place(ada))
    assert (task.status, states(task), task.saved, ran()) == (Status.COMPLETED, [State.DONE], 1, 1)


@pytest.mark.parametrize(
    "path", light_and_heavy(("/view", "/prompt"), ("/history", "/object_info", "/queue", "/upload/image", "/ws"))
)
@pytest.mark.parametrize("minutes", [0, 5], ids=["twice", "for five minutes"])
def test_errors_of_an_engine_that_pass_cost_nothing(
    engine: Engine, preview: PreviewThread, ada: User, trouble: Callable[..., Trouble], ran: Callable[[], int],
    path: str, minutes: int,
) -> None:  # fmt: skip
    method = "POST" if path in ("/prompt", "/upload/image") else "GET"
    if path == "/history":  # it is asked when the socket told nothing
        trouble("500", "/ws", times=None)
    trouble("500", path, method, times=tries_within(60 * minutes) if minutes else 2)
    task = passes(place(ada, reference=reference(ada)))
    assert (task.status, task.saved, ran()) == (Status.COMPLETED, 1, 1)
    assert set(states(task)) <= {State.LOST, State.DONE}


@pytest.mark.parametrize("kind", light_and_heavy(("500", "cut off after"), ("cut off before", "502", "too slow")))
def test_a_graph_whose_fate_is_unknown_is_asked_about_and_never_doubled(
    engine: Engine,
    preview: PreviewThread,
    ada: User,
    trouble: Callable[..., Trouble],
    ran: Callable[[], int],
    kind: str,
) -> None:
    trouble(kind, "/prompt", "POST")
    for path in ("/history", "/queue"):
        trouble("500", path, times=3)
    task = passes(place(ada))
    assert (task.status, task.saved, ran()) == (Status.COMPLETED, 1, 1)


def test_what_an_engine_does_not_tell_of_for_long_is_said_and_can_be_asked_for_again(
    few: None,
    engine: Engine,
    preview: PreviewThread,
    ada: User,
    trouble: Callable[..., Trouble],
    ran: Callable[[], int],
) -> None:
    preview.engine.requests.clear()
    trouble("cut off after", "/prompt", "POST")
    told = [trouble("500", path, times=None) for path in ("/history", "/queue", "/ws")]
    task = passes(place(ada))
    assert (task.status, task.error_kind, states(task)) == (Status.FAILED, "untold", [State.UNFETCHED])
    assert list(preview.engine.requests).count("POST /prompt") == 1
    for each in told:
        each.release()
    assert fetching.fetch_again(task)
    task = passes(task)
    assert (task.status, states(task), ran()) == (Status.COMPLETED, [State.DONE], 1)


@pytest.mark.parametrize("kind", light_and_heavy(("500", "401", "half of it"), ("HTML", "cut off before", "403")))
def test_what_cannot_be_fetched_for_long_stays_fetchable(
    few: None, engine: Engine, ada: User, trouble: Callable[..., Trouble], ran: Callable[[], int], kind: str
) -> None:
    broken = trouble(kind, "/view", times=None)
    task = passes(place(ada, count=2))
    expected = "bad_picture" if kind == "half of it" else "unfetched"
    assert (task.status, task.error_kind, task.fetchable) == (Status.FAILED, expected, True)
    look_for_orphans()
    runner.work()
    made = ran()
    broken.release()
    assert fetching.fetch_again(task)
    task = passes(GenerationTask.objects.get(pk=task.pk))
    assert ran() == made, "nothing is drawn anew"
    assert task.saved == made and not task.fetchable
    assert task.status == (Status.COMPLETED if made == 2 else Status.FAILED)


@pytest.mark.parametrize("path", light_and_heavy(("/prompt",), ("/ws", "/object_info")))
def test_a_sign_in_on_one_route_alone_is_not_tried_for_ever(
    few: None,
    engine: Engine,
    ada: User,
    trouble: Callable[..., Trouble],
    ran: Callable[[], int],
    path: str,
) -> None:
    method = "POST" if path == "/prompt" else "GET"
    shut = trouble("403", path, method, times=None)
    task = passes(place(ada))
    assert (task.status, task.error_kind, task.prompts.count()) == (Status.FAILED, "bad_response", recovery.MOST_TRIES)
    shut.release()
    shut = trouble("401", path, method, times=None)
    everywhere = trouble("401", "/system_stats", times=None)
    task = passes(place(ada), most=recovery.MOST_TRIES + 2)
    assert task.status == Status.QUEUED, "an engine that lets nobody in is waited for"
    shut.release()
    everywhere.release()
    assert (passes(task).status, ran()) == (Status.COMPLETED, 1)


@pytest.mark.parametrize("words", ["half a character \ud83d of it", "a zero byte \x00 in it"])
def test_words_of_an_engine_that_no_database_takes_end_the_job_all_the_same(
    engine: Engine, preview: PreviewThread, ada: User, words: str
) -> None:
    preview.troubles.add(FailNode("KSampler", "RuntimeError", words))
    task = passes(place(ada))
    assert (task.status, task.error_kind) == (Status.FAILED, "execution")
    assert "\N{REPLACEMENT CHARACTER}" in task.error and "\N{REPLACEMENT CHARACTER}" in task.error_detail


@pytest.mark.parametrize("path", light_and_heavy(("/view",), ("/prompt",)))
def test_an_attempt_and_its_job_end_together_or_not_at_all(
    few: None, engine: Engine, preview: PreviewThread, ada: User, monkeypatch: pytest.MonkeyPatch,
    trouble: Callable[..., Trouble], path: str,
) -> None:  # fmt: skip
    broken = trouble("500", path, "GET" if path == "/view" else "POST", times=None)
    if path == "/prompt":
        trouble("500", "/queue", times=None)
    task = place(ada)
    preview.engine.requests.clear()

    def fail(*_args: object, **_fields: object) -> bool:
        raise OperationalError("the disk is full, or the worker was killed here")

    with monkeypatch.context() as full, pytest.raises(OperationalError):
        full.setattr(GenerationTask, "fail", fail)
        full.setattr(workers, "keep_working", lambda step, forget: bool(step()))
        passes(task)
    assert states(task) == [State.POSTED], "what was made, or may have been, is not made once more"
    broken.release()
    if path == "/view":
        task.prompts.update(lease_until=timezone.now() - timedelta(seconds=1))
        task = passes(task)
        assert (task.status, states(task)) == (Status.COMPLETED, [State.DONE])
        assert list(preview.engine.requests).count("POST /prompt") == 1


def test_the_file_outlives_the_engines_memory_of_it(
    few: None, engine: Engine, preview: PreviewThread, ada: User, trouble: Callable[..., Trouble]
) -> None:
    broken = trouble("500", "/view", times=None)
    task = passes(place(ada))
    broken.release()
    preview.troubles.add(Restart())
    preview.engine.requests.clear()
    assert fetching.fetch_again(task)
    assert passes(task).status == Status.COMPLETED
    assert "POST /prompt" not in preview.engine.requests


def test_a_picture_that_the_engine_has_no_more_is_said_to_be_gone(
    few: None, engine: Engine, preview: PreviewThread, ada: User, trouble: Callable[..., Trouble]
) -> None:
    trouble("500", "/view", times=recovery.MOST_TRIES + len(runner.FETCH_PAUSES))
    task = passes(place(ada))
    assert task.error_kind == "unfetched"
    preview.engine.requests.clear()
    trouble("404", "/view")
    assert fetching.fetch_again(task)
    task = passes(task)
    assert (task.status, task.error_kind, task.fetchable) == (Status.FAILED, "gone", False)
    assert "Retry" in task.remedy
    assert "POST /prompt" not in preview.engine.requests


def test_an_engine_that_is_away_is_waited_for_also_where_a_picture_is_to_be_fetched(
    engine: Engine, preview: PreviewThread, ada: User, trouble: Callable[..., Trouble], ran: Callable[[], int]
) -> None:
    trouble("502", "/view", times=1)
    task = place(ada)
    away = [trouble("502", path, times=None) for path in ("/view", "/system_stats")]
    task = passes(task, most=6)
    prompt = task.prompts.get()
    assert (task.status, prompt.state, prompt.misses) == (Status.QUEUED, State.POSTED, 0)
    for each in away:
        each.release()
    assert passes(task).status == Status.COMPLETED and ran() == 1


def test_what_waits_to_be_fetched_takes_no_place_on_its_engine(
    engine: Engine, ada: User, trouble: Callable[..., Trouble], client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "BACK_OFF", 1000.0)
    monkeypatch.setattr(recovery, "LONGEST_BACK_OFF", 1000.0)
    broken = trouble("500", "/view", times=None)
    tasks = [place(ada) for _number in range(roster.AT_ONCE + 2)]
    look_for_orphans()
    runner.work()
    waiting = EnginePrompt.objects.filter(state=State.POSTED, worker="", output__isnull=False)
    assert waiting.count() == len(tasks), "each was made, although none could be fetched"
    client.force_login(ada)
    card = client.get(reverse("generation:job-card", args=[tasks[0].pk])).content.decode()
    assert "had an error answering and is asked again" in card
    broken.release()
    waiting.filter(task=tasks[0]).update(lease_until=timezone.now() - timedelta(seconds=1))
    look_for_orphans()
    runner.work()
    assert not GenerationTask.objects.active().exists(), "one that comes shows that the others can be fetched"


def test_a_job_that_is_cancelled_while_its_picture_is_fetched_ends_at_once(
    engine: Engine, preview: PreviewThread, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold = preview.troubles.add(HoldAnswer(path="/view", method="GET"))
    monkeypatch.setattr(runner, "SECONDS_BETWEEN_CANCEL_LOOKS", 0.0)
    task = place(ada)
    wanted = runner._Making._wanted

    def cancel_then_look(making: runner._Making) -> bool:
        if hold._reached.is_set():
            task.cancel()
        return wanted(making)

    monkeypatch.setattr(runner._Making, "_wanted", cancel_then_look)
    runner.work()
    hold.release()
    task.refresh_from_db()
    assert (task.status, states(task), task.saved) == (Status.CANCELLED, [State.CANCELLED], 0)


def test_what_was_made_of_a_job_that_fails_meanwhile_can_be_fetched(
    engine: Engine, preview: PreviewThread, ada: User, trouble: Callable[..., Trouble], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "BACK_OFF", 1000.0)
    monkeypatch.setattr(recovery, "LONGEST_BACK_OFF", 1000.0)
    broken = trouble("500", "/view", times=None)
    task = place(ada, count=2)
    with monkeypatch.context() as once:
        claimed = claim(workers.worker_name())
        assert claimed is not None
        runner.run(claimed)
        once.setattr(recovery, "BACK_OFF", 0.0)
        preview.troubles.add(OutOfMemory())
        runner.work()
    task.refresh_from_db()
    assert (task.status, task.error_kind) == (Status.FAILED, "out_of_memory")
    EnginePrompt.objects.filter(state=State.POSTED).update(lease_until=timezone.now() - timedelta(seconds=1))
    look_for_orphans()
    runner.work()
    assert states(task) == [State.UNFETCHED, State.FAILED]
    broken.release()
    assert fetching.fetch_again(task)
    task = passes(task)
    assert (task.status, task.error_kind, task.saved) == (Status.FAILED, "not_made", 1)


def test_a_picture_that_the_disk_refused_can_be_fetched_when_there_is_room(
    engine: Engine, ada: User, monkeypatch: pytest.MonkeyPatch, trouble: Callable[..., Trouble], ran: Callable[[], int]
) -> None:
    def refuse(prompt: EnginePrompt, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(storing, "store", refuse)
        task = passes(place(ada))
    assert (task.error_kind, states(task), task.fetchable) == ("storage", [State.UNFETCHED], True)
    assert fetching.fetch_again(task)
    assert (passes(task).status, ran()) == (Status.COMPLETED, 1)


@pytest.mark.parametrize("path", light_and_heavy(("/object_info",), ("/models", "/queue")))
def test_an_engine_that_has_errors_with_some_questions_is_there_all_the_same(
    engine: Engine, ada: User, trouble: Callable[..., Trouble], path: str
) -> None:
    checkpoints = engine.checkpoints
    Engine.objects.update(health=Engine.Health.UNKNOWN)
    engine.refresh_from_db()
    trouble("500", path, times=None)
    assert checkpoints and roster.probe(engine)
    assert engine.checkpoints == checkpoints


def test_an_engine_that_refuses_to_drop_a_prompt_is_told_for_a_while_only(
    engine: Engine, ada: User, trouble: Callable[..., Trouble]
) -> None:
    trouble("500", "/jobs/", "POST", times=None)
    trouble("500", "/queue", "POST", times=None)
    prompt = EnginePrompt.objects.create(
        task=place(ada), index=0, engine=engine, worker="w", lease_until=timezone.now(), state=State.CANCELLED,
        ended_at=timezone.now() - cancelling.TOLD_FOR, unclean=True,
    )  # fmt: skip
    cancelling.clean(engine)
    prompt.refresh_from_db()
    assert prompt.unclean, "it has just come back"
    engine.health_since -= cancelling.TOLD_FOR
    cancelling.clean(engine)
    prompt.refresh_from_db()
    assert not prompt.unclean


def test_what_may_still_run_takes_its_place_and_what_is_made_does_not(engine: Engine, ada: User) -> None:
    for made in (None, {"filename": "a.png", "subfolder": "", "type": "output"}):
        prompt = EnginePrompt.objects.create(
            task=place(ada), index=0, engine=engine, worker="w", lease_until=timezone.now(), output=made
        )
        assert prompt.park()
    rows = EnginePrompt.objects.filter(~EnginePrompt.MADE, state__in=EnginePrompt.LIVE)
    assert [row.output for row in rows] == [None]
