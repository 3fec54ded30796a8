"""What monitoring gets to know without signing in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from generation.engines.models import Engine
from generation.making import stalls
from generation.making.claim import claim
from generation.ordering import orders
from generation.ordering.orders import Order
from generation.pictures.models import GenerationTask
from stylestudio import __version__
from stylestudio.models import Worker
from stylestudio.processes import workers

pytestmark = pytest.mark.django_db


def beat(age: timedelta = timedelta(), **given: Any) -> Worker:
    moment = timezone.now() - age
    return Worker.objects.create(name="w", started_at=moment, heartbeat_at=moment, **given)


def test_all_is_well_with_a_worker_and_an_engine(client: Client) -> None:
    beat()
    Engine.objects.create(address="http://10.0.0.8:8188", health=Engine.Health.OK)
    response = client.get("/health")
    assert response.status_code == 200
    assert response.json() == {
        "status": "ok", "database": True, "worker": True, "comfyui": "connected", "version": __version__,
    }  # fmt: skip
    assert "no-store" in response["Cache-Control"]


@pytest.mark.parametrize(
    ("engines", "state"),
    [
        ([], "unreachable"),
        ([("preview", "ok")], "preview"),
        ([("env", "unreachable")], "unreachable"),
        ([("found", "unreachable"), ("preview", "ok")], "preview"),
        ([("env", "ok"), ("preview", "ok")], "connected"),
    ],
)
def test_it_says_who_makes_the_pictures(client: Client, engines: list[tuple[str, str]], state: str) -> None:
    beat()
    for number, (source, health) in enumerate(engines):
        Engine.objects.create(address=f"http://10.0.0.{number}:8188", source=source, health=health)
    response = client.get("/health")
    assert response.json()["comfyui"] == state
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("age", "given"),
    [(timedelta(seconds=40), {}), (timedelta(), {"ended_at": timezone.now()})],
    ids=["silent", "stopped"],
)
def test_without_a_living_worker_it_is_a_503_that_fills_no_log(
    client: Client, age: timedelta, given: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    beat(age, **given)
    response = client.get("/health")
    assert response.status_code == 503
    assert (response.json()["status"], response.json()["worker"]) == ("error", False)
    assert caplog.text == ""
    client.get("/no-such-page")
    assert "/no-such-page" in caplog.text


def test_without_a_database_it_is_a_503_and_not_a_traceback(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**given: Any) -> None:
        raise DatabaseError("disk I/O error")

    monkeypatch.setattr(Worker.objects, "alive", broken)
    response = client.get("/health")
    assert response.status_code == 503
    assert response.json()["database"] is False
    assert "disk" not in response.content.decode()


def test_it_is_open_to_everybody_also_once_there_are_accounts(client: Client, ada: object) -> None:
    assert client.get("/health").status_code in (200, 503)
    assert client.post("/health").status_code == 405


FILES = {"checkpoints": ["sd_xl_base_1.0.safetensors"], "loras": ["sdxl_lightning_4step_lora.safetensors"]}
LONG = stalls.SILENCE + timedelta(seconds=1)


@pytest.fixture
def stalled(ada: User) -> GenerationTask:
    """A picture waits, an engine is free, a worker with four threads beats, and none of them has looked for long."""
    Engine.objects.create(address="http://10.0.0.8:8188", health=Engine.Health.OK, **FILES)
    worker = beat(threads=4)
    Worker.objects.filter(pk=worker.pk).update(started_at=timezone.now() - LONG, looked_at=timezone.now() - LONG)
    return orders.place(Order(prompt="a fox", count=2), ada)


def told(client: Client) -> object:
    """What is said of the queue."""
    response = client.get("/health")
    said = response.json()
    assert (response.status_code, said["status"]) == ((503, "error") if "queue" in said else (200, "ok"))
    return said.get("queue")


@pytest.mark.usefixtures("stalled")
def test_work_that_stands_still_while_an_engine_is_free_is_told(client: Client) -> None:
    assert told(client) == "stalled"
    found = {finding.name: finding for finding in stalls.look_at_queue()}
    assert found["Queue"].state.startswith("1 job waits and an engine is free") and not found["Queue"].well
    Worker.objects.update(looked_at=timezone.now())
    assert told(client) is None
    assert [finding.well for finding in stalls.look_at_queue()] == [True]


def changes(**fields: Any) -> Callable[[GenerationTask], object]:
    """A step that changes the engine."""
    return lambda task: Engine.objects.update(**fields)


def full(task: GenerationTask) -> None:
    """The engine has as much as it takes."""
    worker = Worker.objects.get()
    Worker.objects.update(looked_at=timezone.now())
    other = orders.place(Order(prompt="a hare", count=2), task.owner)
    while claimed := claim("w"):
        assert claimed.prompt.task_id in (task.pk, other.pk)
    Worker.objects.update(looked_at=worker.looked_at)


def busy(task: GenerationTask) -> None:
    """The worker's one thread makes a picture."""
    Worker.objects.update(threads=1)
    claim("w")


@pytest.mark.parametrize(
    "step",
    [
        lambda task: task.cancel(),
        lambda task: GenerationTask.objects.update(not_before=timezone.now() + timedelta(seconds=20)),
        lambda task: Engine.objects.all().delete(),
        changes(health=Engine.Health.UNREACHABLE),
        changes(health=Engine.Health.UNKNOWN),
        changes(paused=True),
        changes(active=False),
        changes(held_by="training-1", held_until=timezone.now() + timedelta(hours=1)),
        lambda task: Worker.objects.update(looked_at=None, started_at=timezone.now()),
        full,
        busy,
    ],
    ids=["cancelled", "rests", "no engine", "away", "unknown", "paused", "gone", "trains", "starts", "full", "busy"],
)
def test_what_waits_with_good_reason_is_no_stall(
    client: Client, stalled: GenerationTask, step: Callable[[GenerationTask], object]
) -> None:
    step(stalled)
    assert told(client) is None


def test_a_file_that_only_an_engine_has_that_is_away_is_no_stall(client: Client, stalled: GenerationTask) -> None:
    Engine.objects.create(address="http://10.0.0.9:8188", health=Engine.Health.UNREACHABLE, **FILES)
    Engine.objects.filter(health=Engine.Health.OK).update(loras=[])
    assert told(client) is None


def test_the_limit_of_a_person_is_no_stall(client: Client, stalled: GenerationTask, settings: Settings) -> None:
    settings.MAX_RUNNING = 1
    assert claim("w")
    assert claim("w")
    orders.place(Order(prompt="a hare"), stalled.owner)
    Engine.objects.create(address="http://10.0.0.9:8188", health=Engine.Health.OK, **FILES)
    assert told(client) is None
    settings.MAX_RUNNING = 2
    assert told(client) == "stalled"


def test_while_workers_look_health_asks_one_small_question_more(
    client: Client, stalled: GenerationTask, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    Worker.objects.update(looked_at=timezone.now())
    with django_assert_num_queries(1):
        assert not stalls.is_stalled()


@pytest.mark.usefixtures("stalled")
def test_a_look_of_a_thread_is_written_down_by_the_pulse() -> None:
    workers.looked.clear()
    pulse = workers.Pulse("w")
    pulse._beat()
    before = Worker.objects.get().looked_at
    assert before and before < timezone.now() - stalls.SILENCE
    assert claim("w")
    pulse._beat()
    after = Worker.objects.get().looked_at
    assert after and after > timezone.now() - timedelta(seconds=20)
