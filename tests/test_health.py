"""What monitoring gets to know without signing in."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError
from django.test import Client
from django.utils import timezone

from generation.models import Engine
from stylestudio import __version__
from stylestudio.models import Worker

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
