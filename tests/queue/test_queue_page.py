"""The queue page: all kinds of jobs, one's own first, and the engines."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from generation.engines.models import Engine
from generation.pictures import engine_cards
from generation.pictures.models import EnginePrompt, GenerationTask
from stylestudio.jobs.kinds import Status
from stylestudio.live.publisher import fragments
from stylestudio.people.visibility import Visibility
from stylestudio.queue import rows as queue_rows
from tests.pages import page, tight

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
            checkpoint="base.safetensors", lightning="l.safetensors", own_values={"styles": []}, **given,
        )  # fmt: skip

    return make


def groups(html: str) -> dict[str, list[str]]:
    """Titles of the rows by the id of their group."""
    found = {}
    for name, body in re.findall(r'<tbody[^>]*\sid="(queue-\w+)".*?>(.*?)</tbody>', tight(html)):
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


def test_mine_shows_mine_alone_and_its_socket_watches_the_same(
    client: Client, ada: User, bob: User, order: Order
) -> None:
    for owner in (ada, bob):
        order(owner, f"{owner.username} waits")
        order(owner, f"{owner.username} ended", status=Status.COMPLETED)
    client.force_login(ada)
    mine = page(client.get(reverse("queue"), {"who": "mine"}))
    assert groups(mine) == {"queue-own": ["ada waits"], "queue-ended": ["ada ended"]}
    assert "watch=mine" in mine and "Your jobs</caption>" in mine
    assert re.search(r'\?who=mine" aria-current="true">', mine) and 'who=all" aria' not in mine
    for query in ({}, {"who": "all"}, {"who": "x"}):
        everyone = page(client.get(reverse("queue"), query))
        assert groups(everyone)["queue-others"] == ["bob waits"] and "bob ended" in everyone
        assert "watch=all" in everyone and re.search(r'\?who=all" aria-current="true">', everyone)


def test_a_long_queue_is_cut_and_says_so(
    client: Client, ada: User, bob: User, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_rows, "MOST_ACTIVE", 2)
    for owner, number in ((ada, 2), (bob, 5)):
        for _time in range(number):
            order(owner, "a fox")
    client.force_login(ada)
    html = client.get(reverse("queue")).content.decode()
    assert {name: len(rows) for name, rows in groups(html).items()} == {"queue-own": 2, "queue-others": 2}
    assert "and 3 more" in html and html.count('class="more"') == 1


def test_what_was_moved_to_the_front_comes_first_of_what_waits(client: Client, ada: User, order: Order) -> None:
    now = timezone.now()
    order(ada, "running", status=Status.RUNNING, queued_at=now)
    order(ada, "first", queued_at=now - timedelta(seconds=9))
    moved = order(ada, "moved", queued_at=now - timedelta(seconds=1))
    assert moved.move_to_front()
    client.force_login(ada)
    html = client.get(reverse("queue")).content.decode()
    assert groups(html)["queue-own"] == ["running", "moved", "first"]


def test_previews_and_samples_are_counted_and_shown_on_demand(
    client: Client, ada: User, bob: User, order: Order
) -> None:
    order(ada, "wanted")
    order(ada, "sample", is_face=True)
    order(bob, "their sample", is_face=True)
    order(ada, "ended sample", is_face=True, status=Status.COMPLETED)
    order(ada, "ended", status=Status.COMPLETED)
    client.force_login(ada)
    html = page(client.get(reverse("queue")))
    assert groups(html) == {"queue-own": ["wanted"], "queue-others": [], "queue-ended": ["ended"]}
    assert ">Show 3 previews and samples<" in html
    assert ">Show 2 previews and samples<" in page(client.get(reverse("queue"), {"who": "mine"}))
    shown = page(client.get(reverse("queue"), {"previews": "1"}))
    assert groups(shown)["queue-own"] == ["wanted", "sample"] and groups(shown)["queue-others"] == ["their sample"]
    assert set(groups(shown)["queue-ended"]) == {"ended", "ended sample"}
    assert ">Hide previews and samples<" in shown and "?who=mine&amp;previews=1" in shown


def test_five_thousand_waiting_jobs_cost_no_more_questions(
    client: Client, ada: User, order: Order, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    first = order(ada, "a fox")
    values = {field.attname: getattr(first, field.attname) for field in GenerationTask._meta.concrete_fields}
    GenerationTask.everything.bulk_create(
        GenerationTask(**values | {"id": None, "request_id": uuid.uuid4(), "is_face": bool(number % 2)})
        for number in range(5000)
    )
    client.force_login(ada)
    client.get(reverse("queue"))
    with django_assert_max_num_queries(15):
        html = page(client.get(reverse("queue")))
    assert len(groups(html)["queue-own"]) == queue_rows.MOST_ACTIVE
    assert "and 2401 more" in html and "Show 2,500 previews and samples" in html


def test_a_row_says_when_it_is_ready_and_what_is_over_when_it_ended(client: Client, ada: User, order: Order) -> None:
    order(ada, "ended", status=Status.COMPLETED, ended_at=timezone.now() - timedelta(minutes=3))
    client.force_login(ada)
    html = page(client.get(reverse("queue")))
    [ready] = re.findall(r'<td class="eta dim">(.*?)</td>', html)
    assert "-ready" in ready and ">3 min ago<" in ready


def test_an_empty_queue_says_so_and_leads_to_the_studio(client: Client, ada: User) -> None:
    client.force_login(ada)
    html = client.get(reverse("queue")).content.decode()
    assert "You have nothing waiting or running." in html
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
    for words in ("RTX 4090", "12 ms", "9.0 GB of 24 GB", "Not reachable", "about 6 min", "Connection refused"):
        assert words in html
    assert "secret-word" not in html


def test_the_preview_engine_explains_itself_and_how_to_connect_a_real_one(client: Client, ada: User) -> None:
    Engine.objects.create(address="http://127.0.0.1:5", source=Engine.Source.PREVIEW, health=Engine.Health.OK)
    client.force_login(ada)
    html = client.get(reverse("queue")).content.decode()
    assert "Preview engine: no GPU, pictures are sketches" in html
    assert "COMFYUI_URL=" in html


def test_the_pushed_engine_card_is_the_card_on_the_page(client: Client, ada: User) -> None:
    Engine.objects.create(address="http://10.0.0.8:8188", device="RTX 4090", health=Engine.Health.OK)
    client.force_login(ada)
    page = client.get(reverse("queue")).content.decode()
    [fact] = engine_cards.facts()
    card = render_to_string("generation/engines/_engine_card.html", {"engine": fact}).strip()
    assert f'id="engine-{fact.id}"' in card
    assert card in page


# Engines


@pytest.fixture
def engine(db: None) -> Engine:
    """One that is well and has files."""
    return Engine.objects.create(
        address="http://10.0.0.8:8188", name="Big <box>", health=Engine.Health.OK, engine_version="0.3.60",
        checkpoints=["a.safetensors"], loras=["<b>.safetensors", "c.safetensors"], node_classes=["N"] * 812,
        health_since=timezone.now() - timedelta(minutes=6),
    )  # fmt: skip


def works_on(engine: Engine, task: GenerationTask, **fields: Any) -> None:
    """The engine has a picture of the task."""
    EnginePrompt.objects.create(
        task=task, index=task.prompts.count(), engine=engine, worker="w", lease_until=timezone.now(), **fields
    )


def panel(user: User) -> str:
    """The engines, as somebody sees them on the queue page."""
    client = Client()
    client.force_login(user)
    html = page(client.get(reverse("queue")))
    return html[html.index('id="engines"') :]


@pytest.mark.parametrize(
    ("fields", "label", "words"),
    [
        ({}, "Ready", ""),
        ({"paused": True}, "Paused", "Gets nothing until a curator uses it again."),
        ({"health": "unknown"}, "Connecting", ""),
        ({"health": "unreachable"}, "Not reachable", "No answer for about 6 min."),
        ({"health": "stuck"}, "Stuck", "The queue of this engine does not move. Restart ComfyUI there."),
        ({"health": "exhausted"}, "Out of memory", "Ran out of memory three times in a row, so it gets no work."),
    ],
)
def test_a_card_says_how_its_engine_is(
    engine: Engine, ada: User, fields: dict[str, Any], label: str, words: str
) -> None:
    Engine.objects.update(**fields)
    html = panel(ada)
    assert f">{label}</span>" in html and words in html


@pytest.mark.parametrize(("paused", "label"), [(False, "Working"), (True, "Finishing")])
def test_a_busy_engine_says_what_it_makes_for_whom_and_what_waits_there(
    engine: Engine, ada: User, bob: User, order: Order, paused: bool, label: str
) -> None:
    first, current = order(bob, "asked first"), order(ada, "made now")
    works_on(engine, first)
    works_on(engine, first)
    works_on(engine, current, started_at=timezone.now())
    Engine.objects.update(paused=paused)
    html = panel(bob)
    assert f">{label}</span>" in html
    assert f'<a href="{current.get_absolute_url()}">made now</a>' in html and "by ada" in html
    assert "2 pictures wait there" in html and "asked first" not in html


def test_an_engine_that_is_away_says_how_many_pictures_it_holds(engine: Engine, ada: User, order: Order) -> None:
    works_on(engine, order(ada, "a fox"))
    Engine.objects.update(health="unreachable")
    html = panel(ada)
    assert "1 picture of ours" in html and "a fox" not in html


def test_a_card_tells_nobody_of_a_private_job(engine: Engine, ada: User, bob: User, order: Order) -> None:
    works_on(engine, order(ada, "my secret", visibility=Visibility.PRIVATE))
    for user in (ada, bob):  # the card is the same for everybody
        html = panel(user)
        assert "A private job" in html and "my secret" not in html and "by ada" not in html


def test_an_engine_lists_what_it_has(engine: Engine, ada: User) -> None:
    html = panel(ada)
    for words in ("1 checkpoint ·", "2 LoRAs ·", "812 nodes", ">a.safetensors<", "&lt;b&gt;.safetensors"):
        assert words in html
    Engine.objects.update(loras=[f"{number}.safetensors" for number in range(205)])
    html = panel(ada)
    assert "199.safetensors" in html and "200.safetensors" not in html and "and 5 more" in html


def test_what_only_curators_do_is_hidden_from_others_by_its_class(engine: Engine, ada: User, curator: User) -> None:
    """The card is the same for everybody; only the page around it differs."""
    for user, admin in ((ada, False), (curator, True)):
        html = panel(user)
        [row] = re.findall(r'<div class="row wrap only-curator js-only">.*?</div>', html, re.DOTALL)
        assert reverse("generation:engine-pause", args=[engine.pk]) in row
        assert (reverse("admin:engines_engine_add") in html) == admin
        assert ('<form class="no-js"' in html) == admin


@pytest.mark.parametrize("health", ["unreachable", "stuck", "exhausted"])
def test_the_pill_names_an_engine_that_failed_wherever_it_stands(
    engine: Engine, client: Client, ada: User, health: str
) -> None:
    for number in range(3):
        Engine.objects.create(address=f"http://10.0.1.{number}:1", name=f"Box {number}", health="ok")
    failed = Engine.objects.create(address="http://10.0.2.1:1", name="Last one", health=health)
    client.force_login(ada)
    html = page(client.get(reverse("generation:gallery")))
    [pill] = re.findall(r'<a class="pill".*?</a>', html, re.DOTALL)
    [words] = re.findall(r'<span class="eng failed">.*?</span></span>', pill, re.DOTALL)
    assert "Last one" in words and "#i-warn" in words
    assert next(fact.id for fact in engine_cards.facts()) == failed.pk
    assert pill.count('class="eng') == 3 and "+2" in pill
    Engine.objects.update(health="ok")
    assert 'class="eng failed"' not in client.get(reverse("generation:gallery")).content.decode()


def test_a_pill_with_sketches_beside_a_lost_engine_says_both(engine: Engine, client: Client, ada: User) -> None:
    Engine.objects.update(health="unreachable")
    Engine.objects.create(address="http://127.0.0.1:5", source=Engine.Source.PREVIEW, health="ok")
    client.force_login(ada)
    [pill] = re.findall(r'<a class="pill".*?</a>', client.get("/").content.decode(), re.DOTALL)
    assert "Big &lt;box&gt;" in pill and "not reachable" in pill and "Preview engine - no GPU" in pill


def test_a_page_asks_for_the_engines_once(
    engine: Engine, client: Client, ada: User, order: Order, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    works_on(engine, order(ada, "a fox"))
    client.force_login(ada)
    client.get(reverse("queue"))
    with django_assert_max_num_queries(15) as queries:
        client.get(reverse("queue"))
    asked = [query["sql"] for query in queries if 'WHERE "engines_engine"."active"' in query["sql"]]
    assert len(asked) == 1
