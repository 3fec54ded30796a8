"""Engines that answer and do not do what they are asked: nothing is lost, made twice or tried for ever."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from PIL import Image

from generation.engines import roster
from generation.engines.models import Engine
from generation.making import recovery, runner
from generation.making.claim import claim, look_for_orphans
from generation.ordering import orders
from generation.ordering.orders import Order
from generation.ordering.references import add_reference
from generation.pictures import estimates, faults, graphs
from generation.pictures.models import EnginePrompt, GenerationTask
from stylestudio.comfy import errors, run
from stylestudio.comfy.connection import transport
from stylestudio.comfy.errors import ComfyError
from stylestudio.jobs.kinds import Status
from stylestudio.preview_engine.options import Options
from stylestudio.preview_engine.server import PreviewThread
from stylestudio.preview_engine.troubles import (
    Answer,
    CutAnswer,
    DropSockets,
    FailNode,
    HoldAnswer,
    LoseAnswer,
    OutOfMemory,
    Restart,
    Trouble,
)
from stylestudio.processes import workers

seeds = itertools.count(900_000, 20)
State = EnginePrompt.State
HTML = {"status": 200, "body": "<html>Sign in", "content_type": "text/html"}
# More passes of a worker than any way of trying again may take.
MOST_PASSES = recovery.MOST_TRIES + 10


def light_and_heavy(light: Iterable[Any], heavy: Iterable[Any]) -> list[Any]:
    """Parameters of which only the first ones are tried in every run."""
    return [*light, *(pytest.param(each, marks=pytest.mark.heavy) for each in heavy)]


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """All pauses are over at once; tries are counted as ever."""
    monkeypatch.setattr(runner, "PATIENCE", 0.05)
    monkeypatch.setattr(runner, "FETCH_PAUSES", (0.0,) * len(runner.FETCH_PAUSES))
    monkeypatch.setattr(recovery, "BACK_OFF", 0.0)
    monkeypatch.setattr(run, "_SEARCH_PAUSES", (0.0,))
    monkeypatch.setattr(run, "_RETRY_PAUSE", 0.02)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tried often is given up sooner."""
    monkeypatch.setattr(recovery, "MOST_TRIES", 4)
    monkeypatch.setattr(recovery, "MOST_DAMAGED", 3)


def reference(user: User) -> Any:
    """A picture to start from."""
    stored = io.BytesIO()
    Image.new("RGB", (64, 64), (next(seeds) % 256, 90, 90)).save(stored, "PNG")
    stored.seek(0)
    return add_reference(stored, user)


def place(user: User, **changes: Any) -> GenerationTask:
    """A small order with a seed of its own."""
    return orders.place(
        Order(**{"prompt": "a red house", "width": 64, "height": 64, "seed": next(seeds)} | changes), user
    )


def passes(task: GenerationTask, most: int = MOST_PASSES, until: Callable[[], bool] = lambda: False) -> GenerationTask:
    """The task after a worker has passed by as often as it takes to end it, at most so often."""
    for _pass in range(most):
        Engine.objects.update(health=Engine.Health.OK)  # probes find it well
        look_for_orphans()
        runner.work()
        task = GenerationTask.objects.get(pk=task.pk)
        if not task.is_active or until():
            break
    return task


def states(task: GenerationTask) -> list[str]:
    """What became of each attempt."""
    return list(task.prompts.order_by("pk").values_list("state", flat=True))


@pytest.fixture
def ran(preview: PreviewThread) -> Callable[[], int]:
    """How many prompts the engine has run to their end since the test began."""
    known = set(preview.engine._queue.history(None, -1))
    return lambda: len(set(preview.engine._queue.history(None, -1)) - known)


def tries_within(seconds: float) -> int:
    """How often something is tried that fails for so many seconds."""
    pauses = (min(2.0 * 2**number, recovery.LONGEST_BACK_OFF) for number in itertools.count())
    return next(number for number, total in enumerate(itertools.accumulate(pauses), 2) if total >= seconds)


def test_what_fails_for_five_minutes_is_within_the_bounds() -> None:
    assert tries_within(300) < recovery.MOST_TRIES
    assert timedelta(seconds=300) < recovery.TRIED_FOR
    assert tries_within(2 * recovery.TRIED_FOR.total_seconds()) > recovery.MOST_TRIES, "the count ends it as well"


# What an engine can say in place of an answer, by name: `times` None is for long.
TROUBLES: dict[str, Callable[[str, str, int | None], Trouble]] = {
    "500": lambda path, method, times: Answer(path, method, times=times),
    "500 in HTML": lambda path, method, times: Answer(
        path, method, body="<html>", content_type="text/html", times=times
    ),
    "429": lambda path, method, times: Answer(path, method, status=429, body="Too many", times=times),
    "502": lambda path, method, times: Answer(path, method, status=502, body="<h1>Bad gateway", times=times),
    "503 in JSON": lambda path, method, times: Answer(path, method, status=503, body='{"error": "busy"}', times=times),
    "504": lambda path, method, times: Answer(path, method, status=504, body="<h1>Timeout", times=times),
    "404": lambda path, method, times: Answer(path, method, status=404, body="", times=times),
    "401": lambda path, method, times: Answer(path, method, status=401, body="<html>Sign in", times=times),
    "403": lambda path, method, times: Answer(path, method, status=403, body="<html>No", times=times),
    "302": lambda path, method, times: Answer(path, method, status=302, body="", times=times),
    "HTML": lambda path, method, times: Answer(path, method, **HTML, times=times),
    "empty": lambda path, method, times: Answer(path, method, status=200, body="", times=times),
    "null": lambda path, method, times: Answer(path, method, status=200, body="null", times=times),
    "cut off before": lambda path, method, times: LoseAnswer(path=path, method=method, handled=False, times=times),
    "cut off after": lambda path, method, times: LoseAnswer(path=path, method=method, times=times),
    "cut off in the middle": lambda path, method, times: CutAnswer(path, method, times=times),
    "half of it": lambda path, method, times: CutAnswer(path, method, told=True, times=times),
    "too slow": lambda path, method, times: HoldAnswer(path=path, method=method, times=times),
}
PASSING = ["500", "429", "502", "503 in JSON", "504", "500 in HTML", "cut off before", "cut off after", "too slow"]


@pytest.fixture
def trouble(preview: PreviewThread, engine: Engine) -> Callable[..., Trouble]:
    """Make the engine answer like that: trouble("500", "/view", "GET", times=2)."""

    def add(kind: str, path: str, method: str = "GET", times: int | None = 1) -> Trouble:
        if kind == "too slow":
            roster.pool.client(engine).transport.timeout = 0.4
        return preview.troubles.add(TROUBLES[kind](path, method, times))

    return add


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
    assert recovery.fetch_again(task)
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
    assert recovery.fetch_again(task)
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
    assert recovery.fetch_again(task)
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
    assert recovery.fetch_again(task)
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
    monkeypatch.setattr(runner, "LOOK", 0.0)
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
    assert recovery.fetch_again(task)
    task = passes(task)
    assert (task.status, task.error_kind, task.saved) == (Status.FAILED, "not_made", 1)


def test_a_picture_that_the_disk_refused_can_be_fetched_when_there_is_room(
    engine: Engine, ada: User, monkeypatch: pytest.MonkeyPatch, trouble: Callable[..., Trouble], ran: Callable[[], int]
) -> None:
    def refuse(prompt: EnginePrompt, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(runner, "store", refuse)
        task = passes(place(ada))
    assert (task.error_kind, states(task), task.fetchable) == ("storage", [State.UNFETCHED], True)
    assert recovery.fetch_again(task)
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
        ended_at=timezone.now() - recovery.TRIED_FOR, unclean=True,
    )  # fmt: skip
    recovery.clean(engine)
    prompt.refresh_from_db()
    assert prompt.unclean, "it has just come back"
    engine.health_since -= recovery.TRIED_FOR
    recovery.clean(engine)
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


# The button


@pytest.fixture
def unfetched(few: None, engine: Engine, ada: User, trouble: Callable[..., Trouble]) -> GenerationTask:
    """A job of Ada whose picture the engine did not hand over, and would by now."""
    broken = trouble("500", "/view", times=None)
    task = passes(place(ada))
    broken.release()
    return task


@pytest.mark.parametrize("htmx", [True, False], ids=["htmx", "plain"])
def test_fetch_again_is_a_button_on_card_row_and_page(
    unfetched: GenerationTask, ada: User, client: Client, htmx: bool, ran: Callable[[], int]
) -> None:
    client.force_login(ada)
    address = reverse("generation:fetch-again", args=[unfetched.pk])
    for page in (unfetched.get_absolute_url(), reverse("queue"), reverse("generation:studio")):
        assert address in client.get(page).content.decode(), page
    assert (
        f'<form class="no-js" method="post" action="{address}">'
        in client.get(unfetched.get_absolute_url()).content.decode()
    )
    answer = client.post(address, headers={"HX-Request": "true"} if htmx else {})
    assert answer.status_code == (200 if htmx else 302)
    if htmx:
        assert "Fetching from the engine" in answer.content.decode()
    assert passes(unfetched).status == Status.COMPLETED
    assert address not in client.get(unfetched.get_absolute_url()).content.decode()


def test_what_is_only_fetched_takes_no_turn_and_no_place_among_the_waiting(
    unfetched: GenerationTask, ada: User, bob: User, settings: Any
) -> None:
    settings.MAX_WAITING = settings.MAX_RUNNING = 1
    assert recovery.fetch_again(unfetched)
    Engine.objects.update(health=Engine.Health.UNREACHABLE)
    own, other = place(ada), place(bob)
    assert [GenerationTask.objects.get(pk=task.pk).ahead for task in (own, other)] == [1, 1]
    assert estimates.Forecast().ahead_of_new(ada.pk) == 2
    Engine.objects.update(health=Engine.Health.OK)
    look_for_orphans()
    claimed = claim("another")
    assert claimed is not None and claimed.prompt.task_id == unfetched.pk
    claimed = claim("another")
    assert claimed is not None and claimed.prompt.task_id in (own.pk, other.pk)


def test_fetch_again_is_for_whom_the_job_belongs_to_and_for_curators(
    unfetched: GenerationTask, ada: User, bob: User, curator: User, client: Client
) -> None:
    address = reverse("generation:fetch-again", args=[unfetched.pk])
    client.force_login(bob)
    assert client.post(address).status_code == 403
    client.force_login(curator)
    assert client.post(address).status_code == 302
    unfetched.refresh_from_db()
    assert (unfetched.status, unfetched.fetching) == (Status.QUEUED, True)


def test_fetch_again_twice_is_once_and_without_anything_to_fetch_it_is_said(
    unfetched: GenerationTask, ada: User, client: Client
) -> None:
    client.force_login(ada)
    address = reverse("generation:fetch-again", args=[unfetched.pk])
    for _press in range(2):
        client.post(address)
    task = passes(unfetched)
    assert (task.status, task.prompts.count()) == (Status.COMPLETED, 1)
    said = "No engine has a picture of this job"
    assert said in client.post(address, follow=True).content.decode()
    assert said in client.post(address, headers={"HX-Request": "true"}).content.decode(), "at once, in the corner"
    assert said not in client.get(reverse("queue")).content.decode()
    task.refresh_from_db()
    assert task.status == Status.COMPLETED


def test_a_fetch_that_is_cancelled_can_be_asked_for_again(unfetched: GenerationTask, ada: User) -> None:
    assert recovery.fetch_again(unfetched) and unfetched.cancel()
    task = passes(unfetched)
    look_for_orphans()
    runner.work()
    assert (task.status, states(task)) == (Status.CANCELLED, [State.UNFETCHED])
    task = GenerationTask.objects.get(pk=task.pk)
    assert task.fetchable and recovery.fetch_again(task)
    assert passes(task).status == Status.COMPLETED


def test_an_engine_that_is_used_no_more_has_nothing_to_fetch(unfetched: GenerationTask, engine: Engine) -> None:
    assert recovery.fetch_again(unfetched)
    Engine.objects.update(active=False, health=Engine.Health.UNREACHABLE)
    look_for_orphans()
    runner.work()
    unfetched.refresh_from_db()
    assert (unfetched.status, unfetched.error_kind) == (Status.FAILED, "gone")


# Every error and every answer ends


def complaint(folder_input: str, name: object, class_type: str = "LoraLoader") -> str:
    """How an engine refuses a graph over a file."""
    error = {"type": "value_not_in_list", "message": "Value not in list", "details": "",
             "extra_info": {"input_name": folder_input, "received_value": name}}  # fmt: skip
    node = {"class_type": class_type, "errors": [error], "dependent_outputs": []}
    return json.dumps({"error": {"type": "prompt_outputs_failed_validation"}, "node_errors": {"4": node}})


def load_image(kind: str = "custom_validation_failed") -> str:
    """How an engine refuses a picture to start from."""
    error = {"type": kind, "message": "Custom validation failed for node", "details": "image",
             "extra_info": {"input_name": "image", "received_value": "x.png"}}  # fmt: skip
    node = {"class_type": "LoadImage", "errors": [error], "dependent_outputs": []}
    return json.dumps({"error": {"type": "prompt_outputs_failed_validation"}, "node_errors": {"11": node}})


REFUSALS: dict[str, tuple[str, str]] = {  # by name: what the engine says, and the fault that it becomes
    "a file nobody needs": (complaint("lora_name", "nobody.safetensors"), "strange"),
    "a VAE nobody needs": (complaint("vae_name", "nobody.pt"), "strange"),
    "a file without a name": (complaint("ckpt_name", None), "invalid"),
    "a checkpoint that it lists": (complaint("ckpt_name", "sd_xl_base_1.0.safetensors"), "missing_file"),
    "a LoRA that it lists": (complaint("lora_name", "sdxl_lightning_4step_lora.safetensors"), "missing_file"),
    "an input picture": (load_image(), "invalid"),
    "an input picture of a list": (load_image("value_not_in_list"), "invalid"),
    "a class": ('{"error": {"type": "missing_node_type", "message": "Node not found.", "extra_info": {"class_type": '
                '"KSampler"}}, "node_errors": {}}', "invalid"),
    "the id": ('{"error": {"type": "invalid_prompt_id", "message": "no UUID"}, "node_errors": {}}', "invalid"),
    "a ring": ('{"error": {"type": "dependency_cycle", "message": "ring"}, "node_errors": []}', "invalid"),
    "no words": ("{}", "invalid"),
}  # fmt: skip


LIGHT = ("a file nobody needs", "a checkpoint that it lists", "an input picture", "a class")


@pytest.mark.parametrize("name", light_and_heavy(LIGHT, [name for name in REFUSALS if name not in LIGHT]))
def test_every_refusal_ends_with_a_reason_that_is_true(
    engine: Engine, preview: PreviewThread, ada: User, name: str
) -> None:
    body, kind = REFUSALS[name]
    preview.troubles.add(Answer("/prompt", "POST", 400, body, "application/json", times=None))
    preview.engine.requests.clear()
    task = passes(place(ada))
    assert (task.status, task.error_kind) == (Status.FAILED, kind)
    assert list(preview.engine.requests).count("POST /prompt") <= recovery.ATTEMPTS
    assert "None" not in task.error
    assert ("It lists the file all the same" in task.error) == ("that it lists" in name)


def test_a_reference_that_the_engine_does_not_find_is_sent_again_once(
    engine: Engine, preview: PreviewThread, ada: User
) -> None:
    task = place(ada, reference=reference(ada))
    loader = next(
        key for key, node in graphs.build(task, 0, task.request_id).items() if node["class_type"] == "LoadImage"
    )
    body = load_image().replace('"11"', f'"{loader}"')
    preview.troubles.add(Answer("/prompt", "POST", 400, body, "application/json", times=None))
    preview.engine.requests.clear()
    task = passes(task)
    assert (task.status, task.error_kind) == (Status.FAILED, "missing_file")
    assert list(preview.engine.requests).count("POST /upload/image") == 2


def test_a_picture_refused_by_every_engine_ends_and_one_that_takes_it_makes_it(
    engine: Engine, preview: PreviewThread, ada: User
) -> None:
    body = complaint("ckpt_name", "sd_xl_base_1.0.safetensors")
    with PreviewThread(Options(painter="flat")) as other:
        row = Engine.objects.create(address=other.url)
        assert roster.probe(row)
        refusal = Answer("/prompt", "POST", 400, body, "application/json", times=None)
        preview.troubles.add(refusal)
        assert passes(place(ada)).status == Status.COMPLETED
        assert roster.probe(engine), "it lists the file again"
        other.troubles.add(replace(refusal))
        task = passes(place(ada))
        assert (task.status, task.error_kind) == (Status.FAILED, "missing_file")
        assert task.prompts.count() <= 2 * recovery.ATTEMPTS
        roster.pool.close()


def test_of_two_engines_the_one_that_does_not_fail_it_gets_a_picture_that_was_tried(
    engine: Engine, preview: PreviewThread, ada: User, trouble: Callable[..., Trouble]
) -> None:
    trouble("500", "/prompt", "POST", times=None)
    with PreviewThread(Options(painter="flat")) as other:
        row = Engine.objects.create(address=other.url)
        assert roster.probe(row)
        tasks = [passes(place(ada)) for _number in range(3)]
        assert [task.status for task in tasks] == [Status.COMPLETED] * 3
        assert max(task.prompts.count() for task in tasks) <= 3
        roster.pool.close()


def test_tries_end_by_time_too_and_the_time_without_an_engine_does_not_count(
    engine: Engine, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = place(ada)
    old = timezone.now() - recovery.TRIED_FOR
    for attempt in range(1, recovery.FEW_TRIES):
        EnginePrompt.objects.create(
            task=task, index=0, attempt=attempt, engine=engine, worker="w", lease_until=old, claimed_at=old,
            state=State.LOST, misses=1,
        )  # fmt: skip

    def fail(attempt: int) -> str:
        prompt = EnginePrompt.objects.create(
            task=task, index=0, attempt=attempt, engine=engine, worker="w", lease_until=timezone.now()
        )
        recovery.failed(prompt, task, errors.EngineErred("An error (500).", "", 500, None), sent=True)
        task.refresh_from_db()
        return task.status

    EnginePrompt.objects.filter(attempt=recovery.FEW_TRIES - 1).update(misses=0)  # it was away then
    assert fail(recovery.FEW_TRIES) == Status.QUEUED
    EnginePrompt.objects.update(misses=1)
    assert fail(recovery.FEW_TRIES + 1) == Status.FAILED
    assert task.error_kind == "engine_error"


def error_classes(root: type[ComfyError] = ComfyError) -> list[type[ComfyError]]:
    """Every class of the tree, once."""
    every = [each for child in root.__subclasses__() for each in (child, *error_classes(child))]
    return list(dict.fromkeys(every))


# How one of each class is made: a new class fails here until somebody says how it ends.
MADE: dict[type[ComfyError], Callable[[], ComfyError]] = {
    errors.EngineUnreachable: lambda: errors.EngineUnreachable("closed"),
    transport.NotConnected: lambda: transport.NotConnected("nothing answers"),
    transport.NotTrusted: lambda: transport.NotTrusted("its certificate has expired"),
    transport.SignInNeeded: lambda: transport.SignInNeeded("it asks for a sign-in"),
    errors.UploadBroken: lambda: errors.UploadBroken("ink.safetensors", "broke off"),
    errors.EngineTimeout: lambda: errors.EngineTimeout("too slow"),
    errors.BadResponse: lambda: errors.BadResponse("no ComfyUI"),
    errors.Refused: lambda: errors.Refused("refused", "", 403, None),
    errors.EngineErred: lambda: errors.EngineErred("an error (500)", "", 500, None),
    errors.EmptyFile: lambda: errors.EmptyFile("empty"),
    errors.NotFound: lambda: errors.NotFound("no such file"),
    errors.NotInstalled: lambda: errors.NotInstalled("ink.safetensors", "too large"),
    errors.GraphInvalid: lambda: errors.GraphInvalid("no"),
    errors.MissingFile: lambda: errors.MissingFile("checkpoints", "sd_xl_base_1.0.safetensors"),
    errors.ExecutionFailed: lambda: errors.execution_error("3", "KSampler", "RuntimeError", "boom"),
    errors.OutOfMemory: lambda: errors.execution_error("3", "KSampler", "MemoryError", ""),
    errors.PromptInterrupted: lambda: errors.PromptInterrupted("stopped"),
    errors.PromptLost: lambda: errors.PromptLost("lost"),
    errors.NotTaken: lambda: errors.NotTaken("not taken"),
    errors.FateUnknown: lambda: errors.FateUnknown("does not say"),
    errors.NotFetched: lambda: errors.NotFetched("not fetched", damaged=False),
    errors.PromptStalled: lambda: errors.PromptStalled("stalled"),
    errors.QueueStuck: lambda: errors.QueueStuck("stuck"),
}
# Nothing answers at all: that is waited for, for days if need be, and costs no attempt.
WAITED_FOR = {transport.NotConnected, transport.NotTrusted}


@pytest.mark.parametrize("sent", light_and_heavy((True,), (False,)))
@pytest.mark.parametrize("cls", error_classes(), ids=lambda cls: cls.__name__)
def test_every_error_ends_within_its_bounds_with_a_reason(
    few: None, engine: Engine, ada: User, monkeypatch: pytest.MonkeyPatch, cls: type[ComfyError], sent: bool
) -> None:
    def fail(making: runner._Making, *, attach: bool) -> EnginePrompt.State:
        making.sent = sent
        raise MADE[cls]()  # noqa: RSE102 - some are functions that make one

    monkeypatch.setattr(runner._Making, "run", fail)
    task = passes(place(ada), most=12)
    tries = task.prompts.count() + sum(task.prompts.values_list("misses", flat=True))
    if cls in WAITED_FOR:
        assert task.status == Status.QUEUED and not task.prompts.filter(misses__gt=0).exists()
        return
    assert task.status == Status.FAILED, f"{cls.__name__} is tried for ever"
    assert tries <= 2 * recovery.MOST_TRIES + recovery.ATTEMPTS
    assert task.error_kind in faults.FAULTS and task.error_kind != "internal"
    assert not task.prompts.filter(state__in=EnginePrompt.LIVE).exists()


ROUTES = [
    ("/object_info", "GET"), ("/upload/image", "POST"), ("/ws", "GET"), ("/prompt", "POST"), ("/history", "GET"),
    ("/queue", "GET"), ("/view", "GET"), ("/system_stats", "GET"), ("/models", "GET"),
]  # fmt: skip


@pytest.mark.heavy
@pytest.mark.parametrize("times", [1, 2, None], ids=["once", "twice", "for long"])
@pytest.mark.parametrize("kind", TROUBLES)
@pytest.mark.parametrize(("path", "method"), ROUTES, ids=[path for path, _method in ROUTES])
def test_every_answer_on_every_route_comes_to_an_end(
    engine: Engine, preview: PreviewThread, ada: User, trouble: Callable[..., Trouble], ran: Callable[[], int],
    path: str, method: str, kind: str, times: int | None,
) -> None:  # fmt: skip
    if path == "/history":
        preview.troubles.add(DropSockets(after="execution_start"))
    trouble(kind, path, method, times)
    task = passes(place(ada, reference=reference(ada)))
    assert not task.is_active, "tried for ever"
    assert task.saved == (task.status == Status.COMPLETED)
    if task.status == Status.FAILED:
        assert task.error_kind in faults.FAULTS and task.error_kind != "internal"
        assert times is None or kind not in PASSING, "what passes costs nothing"
    if path == "/view" and kind != "404":
        assert ran() == 1, "a finished picture is made once"
        assert task.saved or task.fetchable
