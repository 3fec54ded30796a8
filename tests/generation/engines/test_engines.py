"""The engines: named by the environment, asked how they are, shown without their secrets."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models import ProtectedError
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from generation.engines import devices, roster
from generation.engines.models import Engine
from generation.making import monitor, tasks
from generation.ordering import orders
from generation.ordering.orders import Order
from generation.pictures import engine_cards
from generation.pictures.models import EnginePrompt
from stylestudio.live import publisher
from stylestudio.models import Worker
from stylestudio.preview_engine.options import MODELS, Options
from stylestudio.preview_engine.server import PreviewThread
from stylestudio.preview_engine.troubles import Answer

pytestmark = pytest.mark.django_db

Source, Health = Engine.Source, Engine.Health
SECRET = "ada:s3cret-w0rd"


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What open pages are told: "engines", or the words of a toast."""
    heard: list[str] = []
    monkeypatch.setattr(publisher, "publish_engines", lambda: heard.append("engines"))
    monkeypatch.setattr(publisher, "publish_shell", lambda template, **context: heard.append(str(context["message"])))
    return heard


@pytest.fixture
def calm(preview: PreviewThread) -> Iterator[PreviewThread]:
    """The engine without troubles, and no connection left behind."""
    preview.troubles.clear()
    yield preview
    preview.troubles.clear()
    roster.pool.close()


@pytest.fixture
def named(settings: Settings) -> Callable[..., None]:
    """Start again with COMFYUI_URL naming these addresses: named("http://a:1")."""

    def sync(*urls: str, preview: str = "") -> None:
        settings.COMFYUI_URLS, settings.PREVIEW_URL = list(urls), preview
        roster.sync_engines()

    return sync


def rows() -> dict[str, tuple[str, bool]]:
    """Source and activity of every engine by its address."""
    return {engine.address: (engine.source, engine.active) for engine in Engine.objects.all()}


# Who they are


def test_the_environment_names_engines_and_forgetting_one_keeps_its_row(named: Callable[..., None]) -> None:
    named("http://10.0.0.1:8188/", "http://10.0.0.2:8188", "http://10.0.0.2:8188")
    assert rows() == {"http://10.0.0.1:8188": (Source.ENVIRONMENT, True), "http://10.0.0.2:8188": ("env", True)}
    named("http://10.0.0.2:8188")
    assert rows() == {"http://10.0.0.1:8188": ("env", False), "http://10.0.0.2:8188": ("env", True)}
    named("http://10.0.0.1:8188", "http://10.0.0.2:8188")
    assert all(active for _source, active in rows().values())


def test_without_a_name_the_local_address_is_looked_at_and_the_preview_engine_is_there(
    named: Callable[..., None],
) -> None:
    named(preview="http://127.0.0.1:20001")
    assert rows() == {roster.LOCAL: (Source.FOUND, True), "http://127.0.0.1:20001": (Source.PREVIEW, True)}
    named(preview="http://127.0.0.1:20002")
    assert rows() == {roster.LOCAL: (Source.FOUND, True), "http://127.0.0.1:20002": (Source.PREVIEW, True)}
    named("http://10.0.0.1:8188", preview="http://127.0.0.1:20002")
    assert [address for address, (_source, active) in rows().items() if active] == ["http://10.0.0.1:8188"]


def test_an_engine_that_was_added_by_hand_stays(named: Callable[..., None]) -> None:
    Engine.objects.create(address="http://10.0.0.9:1", source=Source.ADMIN)
    Engine.objects.create(address=roster.LOCAL, source=Source.ADMIN)
    named()
    named("http://10.0.0.1:8188")
    assert rows()["http://10.0.0.9:1"] == (Source.ADMIN, True)
    assert rows()[roster.LOCAL] == (Source.ADMIN, True)


def test_a_pause_survives_a_restart(named: Callable[..., None]) -> None:
    named("http://10.0.0.1:8188")
    Engine.objects.update(paused=True)
    named("http://10.0.0.1:8188")
    assert Engine.objects.get().paused


def test_an_engine_that_made_pictures_cannot_be_deleted(ada: User) -> None:
    engine = Engine.objects.create(address="http://10.0.0.1:8188")
    task = orders.place(Order(prompt="a"), ada)
    EnginePrompt.objects.create(task=task, index=0, engine=engine, worker="w", lease_until=timezone.now())
    with pytest.raises(ProtectedError):
        engine.delete()


# Secrets


def test_credentials_are_called_with_and_never_stored(named: Callable[..., None]) -> None:
    named(f"http://{SECRET}@10.0.0.1:8188/")
    engine = Engine.objects.get()
    assert engine.url == f"http://{SECRET}@10.0.0.1:8188"
    assert "s3cret" not in str(Engine.objects.values().get()) + str(engine)


def test_credentials_added_by_hand_are_called_with() -> None:
    engine = Engine(address="https://gpu.example.org", credentials=SECRET)
    assert engine.url == f"https://{SECRET}@gpu.example.org"
    assert "s3cret" not in str(engine)


@pytest.mark.parametrize("by_hand", [True, False])
def test_nobody_gets_to_see_the_credentials(
    calm: PreviewThread,
    named: Callable[..., None],
    people: Callable[..., User],
    caplog: pytest.LogCaptureFixture,
    by_hand: bool,
) -> None:
    unreachable = "127.0.0.1:9"
    if by_hand:
        named()
        Engine.objects.create(address=f"http://{unreachable}", credentials=SECRET)
    else:
        named(f"http://{SECRET}@{unreachable}")
    engine = Engine.objects.get(address=f"http://{unreachable}")
    with caplog.at_level(logging.DEBUG):
        assert not roster.probe(engine)
        engine.refresh_from_db()
        roster.take_out(engine, "again")
    client = Client()
    client.force_login(people("olga", owner=True))
    pages = [reverse("queue"), reverse("generation:studio"), reverse("admin:engines_engine_changelist")]
    pages.append(reverse("admin:engines_engine_change", args=[engine.pk]))
    shown = "".join(client.get(page).content.decode() for page in pages)
    assert unreachable in shown
    for words in (shown, caplog.text, engine.trouble, str(engine_cards.facts())):
        assert "s3cret" not in words


# How they are


def test_a_probe_says_what_an_engine_is_and_has(calm: PreviewThread, said: list[str]) -> None:
    engine = Engine.objects.create(address=calm.url)
    assert roster.probe(engine)
    engine.refresh_from_db()
    assert (engine.health, engine.trouble) == (Health.OK, "")
    assert engine.engine_version and engine.latency_ms is not None and engine.checked_at
    assert "sd_xl_base_1.0.safetensors" in engine.checkpoints
    there = {folder: getattr(engine, folder) for folder in ("diffusion_models", "text_encoders", "vae")}
    assert there == {folder: list(MODELS[folder]) for folder in there}
    assert "sdxl_lightning_4step_lora.safetensors" in engine.loras
    assert "engines" in said


def test_pages_hear_of_a_change_and_of_nothing_else(calm: PreviewThread, said: list[str]) -> None:
    engine = Engine.objects.create(address=calm.url)
    roster.probe(engine)
    said.clear()
    roster.probe(engine)
    assert said == []
    since = engine.health_since
    calm.troubles.add(Answer("/system_stats", "GET", status=502, body=b"bad gateway", times=2))
    assert not roster.probe(engine)
    assert said == ["engines"]
    engine.refresh_from_db()
    assert engine.health == Health.UNREACHABLE and engine.trouble and engine.health_since > since
    since = engine.health_since
    assert not roster.probe(engine)
    engine.refresh_from_db()
    assert said == ["engines"] and engine.health_since == since
    assert roster.probe(engine)
    assert "engines" in said[1:]


@pytest.mark.parametrize(
    "answer",
    [
        {"body": b"<html>router</html>", "content_type": "text/html"},
        {"body": b"[]", "content_type": "application/json"},
        {"body": b'{"system": 7}', "content_type": "application/json"},
        {"body": b"", "status": 401},
    ],
)
def test_what_is_no_comfyui_is_not_taken_for_one(calm: PreviewThread, said: list[str], answer: dict[str, Any]) -> None:
    engine = Engine.objects.create(address=calm.url)
    calm.troubles.add(Answer("/system_stats", "GET", **answer))
    assert not roster.probe(engine)
    engine.refresh_from_db()
    assert engine.health == Health.UNREACHABLE and engine.trouble


def test_pages_are_told_when_sketches_become_pictures_and_back(calm: PreviewThread, said: list[str]) -> None:
    Engine.objects.create(address="http://127.0.0.1:9", source=Source.PREVIEW, health=Health.OK)
    real = Engine.objects.create(address=calm.url, name="Big box", health=Health.UNREACHABLE)
    assert roster.preview_serves()
    roster.probe(real)
    assert any("Big box answers" in words for words in said)
    said.clear()
    calm.troubles.add(Answer("/system_stats", "GET", status=502, body=b""))
    roster.probe(real)
    assert any("preview engine draws sketches" in words for words in said)


def test_a_job_that_could_not_reach_it_takes_an_engine_out_once(said: list[str]) -> None:
    engine = Engine.objects.create(address="http://127.0.0.1:9", health=Health.OK)
    roster.take_out(engine, "refused")
    roster.take_out(engine, "refused")
    assert said == ["engines"] and roster.serving() == []


def test_the_monitor_asks_when_it_is_due_and_says_that_there_may_be_work(
    calm: PreviewThread, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    woken: list[bool] = []
    probe = roster.probe

    def noted(engine: Engine, said: Any) -> Any:
        asked.append(engine.address)
        return probe(engine, said)

    monkeypatch.setattr(roster, "probe", noted)
    monkeypatch.setattr(tasks, "work", lambda: woken.append(True))
    Engine.objects.create(address=calm.url)
    Engine.objects.create(address="http://127.0.0.1:9", active=False)
    watch = monitor.Monitor()
    watch.look()
    watch.look()
    assert (asked, woken) == ([calm.url], [True])
    monkeypatch.setattr(watch, "_due", {})
    watch.look()
    assert (len(asked), woken) == (2, [True])


def test_one_engine_that_answers_strangely_keeps_no_other_from_being_heard(
    calm: PreviewThread, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "work", lambda: None)
    deep = '{"KSampler": {"input": {"required": {"a": ["X", {"default": ' + "[" * 700 + "]" * 700 + "}]}}}}"
    calm.troubles.add(Answer("/object_info", "GET", status=200, body=deep, content_type="application/json"))
    Engine.objects.create(address=calm.url, name="Odd")
    looks = monitor.Monitor()
    with PreviewThread(Options(painter="flat")) as other:
        looks_fine = Engine.objects.create(address=other.url, name="Well")
        looks.look()
    looks_fine.refresh_from_db()
    assert looks_fine.health == Health.OK


def test_nothing_is_known_after_a_start() -> None:
    Engine.objects.create(address="http://127.0.0.1:9", health=Health.OK)
    roster.forget_health()
    assert Engine.objects.get().health == Health.UNKNOWN and roster.serving() == []


# How they are shown


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("cuda:0 NVIDIA GeForce RTX 4090 : cudaMallocAsync", "RTX 4090"),
        ("cuda:1 NVIDIA A100-SXM4-80GB : native", "A100-SXM4-80GB"),
        ("cuda:0 NVIDIA H200 : cudaMallocAsync", "H200"),
        ("cuda:0 AMD Radeon RX 7900 XTX : native", "AMD Radeon RX 7900 XTX"),
        ("mps", "mps"),
        ("cpu", "CPU"),
        ("", ""),
        ("x" * 500, "x" * 200),
    ],
)
def test_a_device_has_the_name_that_people_know(name: str, short: str) -> None:
    assert devices.short_device(name) == short


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"health": "ok"}, "idle"),
        ({"health": "unknown"}, "unknown"),
        ({"health": "unreachable"}, "bad"),
        ({"health": "ok", "paused": True}, "paused"),
        ({"health": "unreachable", "paused": True}, "paused"),
    ],
)
def test_every_state_has_a_word(fields: dict[str, Any], state: str) -> None:
    Engine.objects.create(address="http://10.0.0.1:1", **fields)
    [fact] = engine_cards.facts()
    assert (fact.state, fact.serves) == (state, state == "idle")
    assert fact.state_text


def test_a_busy_engine_says_what_it_makes(ada: User) -> None:
    engine = Engine.objects.create(address="http://10.0.0.1:1", health=Health.OK)
    for words in ("first", "second"):
        EnginePrompt.objects.create(
            task=orders.place(Order(prompt=words), ada), index=0, engine=engine, worker="w",
            lease_until=timezone.now(),
        )  # fmt: skip
    [fact] = engine_cards.facts()
    assert (fact.state, fact.now) == ("busy", "first")


def test_the_local_address_is_shown_once_something_answered_there() -> None:
    local = Engine.objects.create(address=roster.LOCAL, source=Source.FOUND, health=Health.UNREACHABLE)
    preview = Engine.objects.create(address="http://127.0.0.1:2", source=Source.PREVIEW, health=Health.OK)
    assert roster.known() == [preview]
    Engine.objects.filter(pk=local.pk).update(engine_version="0.3.60", health=Health.OK)
    assert roster.known() == [local]
    Engine.objects.filter(pk=local.pk).update(health=Health.UNREACHABLE)
    assert roster.known() == [local, preview]


def test_a_client_is_kept_until_the_address_or_the_credentials_change(calm: PreviewThread) -> None:
    engine = Engine.objects.create(address=calm.url)
    first = roster.pool.client(engine)
    assert roster.pool.client(Engine.objects.get()) is first
    engine.credentials = SECRET
    second = roster.pool.client(engine)
    assert second is not first
    roster.pool.close()
    roster.pool.close()
    assert roster.pool.client(engine) is not second


# What is known at a start


def worker(name: str, **fields: Any) -> Worker:
    """A worker that beats."""
    now = timezone.now()
    return Worker.objects.create(**{"name": name, "started_at": now, "heartbeat_at": now} | fields)


@pytest.mark.parametrize("others", [0, 1, 2])
def test_a_worker_that_starts_forgets_how_engines_are_only_where_no_other_one_knows(others: int) -> None:
    long_ago = timezone.now() - timedelta(hours=1)
    worker("stopped", ended_at=timezone.now())
    worker("silent", heartbeat_at=long_ago)
    for number in range(others):
        worker(f"alive {number}")
    engine = Engine.objects.create(address="http://10.0.0.1:1", health=Health.OK, health_since=long_ago, warm="ink")
    roster.forget_health()
    engine.refresh_from_db()
    if others:
        assert (engine.health, engine.health_since, engine.warm) == (Health.OK, long_ago, "ink")
    else:
        assert engine.health == Health.UNKNOWN and engine.health_since > long_ago
