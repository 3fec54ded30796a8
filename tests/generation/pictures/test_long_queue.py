"""What a queue of thousands costs: as many questions to the database as a queue of a few, and about as much time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from generation.engines.models import Engine
from generation.making import runner
from generation.pictures.estimates import Forecast
from generation.pictures.models import GenerationTask
from stylestudio.jobs import kinds
from stylestudio.jobs.kinds import Status

pytestmark = pytest.mark.django_db


def fill(people: list[User], number: int, after: int = 0) -> None:
    """So many waiting tasks, of these people in turn."""
    now = timezone.now()
    GenerationTask.objects.bulk_create(
        GenerationTask(
            owner=people[place % len(people)], prompt=f"job {place}", final_prompt="x", width=1024, height=1024,
            count=2, seeds=[1, 2], checkpoint="b", lightning="l", own_values={"styles": [], "width": 1024},
            queued_at=now + timedelta(seconds=place),
        )
        for place in range(after, number)
    )  # fmt: skip


def test_pages_and_sweep_ask_as_often_for_many_as_for_few(client: Client, ada: User, bob: User) -> None:
    Engine.objects.create(address="http://127.0.0.1:9", health="ok")
    client.force_login(ada)
    asked: dict[str, list[int]] = {}
    for before, number in ((0, 4), (4, 400)):
        fill([ada, bob], number, before)
        for name in ("/queue/", "/queue/?who=mine", "/", "sweep"):
            with CaptureQueriesContext(connection) as queries:
                runner.sweep() if name == "sweep" else client.get(name)
            rows = [query["sql"] for query in queries if 'FROM "pictures_generationtask"' in query["sql"]]
            asked.setdefault(name, []).append(len(queries))
            whole = [sql for sql in rows if '"snapshot"' in sql]  # of these few, and of no more
            assert name == "sweep" or all("LIMIT" in sql or '"id" IN (' in sql for sql in whole), whole
    assert all(few >= many - 2 for few, many in asked.values()), asked


def test_the_page_names_the_first_hundred_and_counts_the_rest(client: Client, ada: User, bob: User) -> None:
    fill([ada, bob], 240)
    front = GenerationTask.objects.filter(owner=ada).latest("queued_at")
    front.move_to_front()
    last = GenerationTask.objects.filter(owner=bob).latest("queued_at")
    last.start("w")
    client.force_login(ada)
    html = client.get("/queue/").content.decode()
    assert html.count('id="row-generation-') >= 200 and html.count("and 20 more") == 2
    assert f'id="row-generation-{front.pk}"' in html and f'id="row-generation-{last.pk}"' in html
    assert kinds.counts(ada) == (120, 240)


def test_the_forecast_of_the_last_of_many_counts_everybody_once(ada: User, bob: User) -> None:
    fill([ada, bob], 40)
    tasks = list(GenerationTask.objects.order_by("queued_at"))
    forecast = Forecast()
    assert [forecast.ahead(task) for task in tasks[:4]] == [1, 1, 5, 5]  # two pictures each, in turn
    assert forecast.ahead(tasks[-1]) == 38 + 39
    assert forecast.ahead_of_new(ada.pk) == 40 + 40


def test_the_sweep_completes_what_a_crash_left_whole_and_touches_nothing_else(
    ada: User, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill([ada], 3)
    looked = []
    monkeypatch.setattr(GenerationTask, "complete_if_whole", lambda task: looked.append(task.pk))
    runner.sweep()
    assert looked == []
    assert set(GenerationTask.objects.values_list("status", flat=True)) == {Status.QUEUED}
