"""The queue page: all kinds of jobs, one's own first, and the engines."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from generation.models import Engine, GenerationTask
from stylestudio.jobs import Status, Visibility
from stylestudio.live import fragments

pytestmark = pytest.mark.django_db

Order = Callable[..., GenerationTask]


@pytest.fixture
def order() -> Order:
    """A task as asked for: order(ada, "fox", status=Status.RUNNING)."""

    def make(owner: User, prompt: str, **given: Any) -> GenerationTask:
        if given.get("status") in (Status.COMPLETED, Status.FAILED, Status.CANCELLED):
            given.setdefault("ended_at", timezone.now())
        return GenerationTask.objects.create(
            owner=owner, prompt=prompt, final_prompt=prompt, width=1024, height=1024, count=4, seeds=[1, 2, 3, 4],
            checkpoint="base.safetensors", lightning="l.safetensors", snapshot={"styles": []}, **given,
        )  # fmt: skip

    return make


def groups(html: str) -> dict[str, list[str]]:
    """Titles of the rows by the id of their group."""
    found = {}
    for name, body in re.findall(r'<tbody[^>]* id="(queue-\w+)".*?>(.*?)</tbody>', html, re.DOTALL):
        found[name] = re.findall(r'<a class="name cut"[^>]*>(.*?)</a>', body)
    return found


def test_yours_come_first_running_before_waiting_and_the_ended_last(
    client: Client, ada: User, bob: User, order: Order
) -> None:
    now = timezone.now()
    order(bob, "bob waits", queued_at=now - timedelta(seconds=9))
    order(ada, "second", queued_at=now - timedelta(seconds=5))
    order(ada, "third", queued_at=now - timedelta(seconds=4))
    order(ada, "running", status=Status.RUNNING, queued_at=now)
    order(ada, "older", status=Status.COMPLETED, ended_at=now - timedelta(seconds=2))
    order(bob, "newer", status=Status.FAILED, error_kind="timeout")
    order(bob, "long ago", status=Status.CANCELLED, ended_at=now - timedelta(days=2))
    client.force_login(ada)
    html = client.get(reverse("queue")).content.decode()
    found = groups(html)
    assert found["queue-own"] == ["running", "second", "third"]
    assert found["queue-others"] == ["bob waits"]
    assert found["queue-ended"][:1] == ["newer"]
    assert "long ago" not in html
    assert "All jobs, yours first" in html
    assert "watch=all" in html


def test_a_private_job_is_on_its_owners_page_only(client: Client, ada: User, bob: User, order: Order) -> None:
    order(ada, "my secret", visibility=Visibility.PRIVATE)
    client.force_login(bob)
    assert "my secret" not in client.get(reverse("queue")).content.decode()
    client.force_login(ada)
    assert "my secret" in client.get(reverse("queue")).content.decode()


@pytest.mark.parametrize("status", list(Status))
def test_the_pushed_row_is_the_row_on_the_page(client: Client, ada: User, order: Order, status: Status) -> None:
    job = order(ada, "a fox", status=status)
    client.force_login(ada)
    page = client.get(reverse("queue")).content.decode()
    pushed = fragments(GenerationTask.objects.get(pk=job.pk))["en"]
    [row] = re.findall(r"<tr .*</tr>", pushed, re.DOTALL)
    assert f'id="row-generation-{job.pk}"' in row
    assert f'data-version="{job.version}"' in row
    assert row in page


def test_an_empty_queue_says_so_and_leads_to_the_studio(client: Client, ada: User) -> None:
    client.force_login(ada)
    html = client.get(reverse("queue")).content.decode()
    assert "Nothing of yours is waiting or running." in html
    assert groups(html) == {"queue-own": [], "queue-others": []}


def test_engines_say_how_they_are_and_never_their_password(client: Client, ada: User) -> None:
    Engine.objects.create(
        address="http://10.0.0.8:8188", credentials="ada:secret-word", device="RTX 4090", health=Engine.Health.OK,
        engine_version="0.3.60", latency_ms=12.2, vram_total=24 * 2**30, vram_free=15 * 2**30,
    )  # fmt: skip
    Engine.objects.create(
        address="http://10.0.0.9:8188", name="Spare", health=Engine.Health.UNREACHABLE, trouble="Connection refused",
        health_since=timezone.now() - timedelta(minutes=6), engine_version="0.3.60",
    )  # fmt: skip
    client.force_login(ada)
    html = client.get(reverse("queue")).content.decode()
    for words in ("RTX 4090", "12 ms", "9.0 GB of 24 GB", "Not reachable", "6 min ago", "Connection refused"):
        assert words in html
    assert "secret-word" not in html


def test_the_preview_engine_explains_itself_and_how_to_connect_a_real_one(client: Client, ada: User) -> None:
    Engine.objects.create(address="http://127.0.0.1:5", source=Engine.Source.PREVIEW, health=Engine.Health.OK)
    client.force_login(ada)
    html = client.get(reverse("queue")).content.decode()
    assert "Preview engine: no GPU, pictures are sketches" in html
    assert "COMFYUI_URL=" in html


def test_the_pushed_engine_card_is_the_card_on_the_page(client: Client, ada: User) -> None:
    from generation import engines

    Engine.objects.create(address="http://10.0.0.8:8188", device="RTX 4090", health=Engine.Health.OK)
    client.force_login(ada)
    page = client.get(reverse("queue")).content.decode()
    [fact] = engines.facts()
    card = render_to_string("queue/_engine_card.html", {"engine": fact}).strip()
    assert f'id="engine-{fact.id}"' in card
    assert card in page
