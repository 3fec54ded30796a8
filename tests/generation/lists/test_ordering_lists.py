"""A list from a pasted table to pictures: what it says before, how it is ordered, mended, made again."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest
from django.test import Client

from generation.engines.models import Engine
from generation.lists import feeding
from generation.lists.models import ListRun, OrderList
from generation.making import runner
from generation.pictures.models import GenerationTask
from styles.models import Style
from stylestudio.jobs.kinds import Status

pytestmark = pytest.mark.django_db

TABLE = "name\tprompt\tseed\tstyle\tcount\nsword\tan iron sword\t7\tInk\t1\nshield\ta round shield\t8\t\t2\n"


def new(browser: Client, table: str = TABLE, **fields: Any) -> OrderList:
    """A draft as the form makes it."""
    sent = {"name": "Icons", "table": table, "recipe": "sdxl-lightning", "shape": "1:1", "visibility": "team"}
    answer = browser.post("/lists/new/", sent | fields)
    assert answer.status_code == 302, answer.content.decode()
    return OrderList.objects.get()


def make(until: int = 60) -> None:
    """What workers do."""
    for _turn in range(until):
        feeding.life.work()
        runner.work()
        if not ListRun.objects.active().exists():
            return
    raise AssertionError("The list does not end.")


def test_a_pasted_table_becomes_named_pictures(her: Client, engine: Engine, ink: Style) -> None:
    found = new(her)
    page = her.get(f"/lists/{found.pk}/").content.decode()
    assert "2 jobs" in page and "3 pictures" in page and not GenerationTask.objects.exists()
    her.post(f"/lists/{found.pk}/order/")
    make()
    assert {(task.prompt, task.seed, task.count) for task in GenerationTask.objects.all()} == {
        ("an iron sword", 7, 1),
        ("a round shield", 8, 2),
    }
    assert [row.version.style for row in GenerationTask.objects.get(prompt="an iron sword").mix.all()] == [ink]
    page = her.get(f"/lists/{found.pk}/").content.decode()
    assert all(name in page for name in ("sword", "shield-1", "shield-2"))
    answer = her.post(f"/lists/{found.pk}/zip/", {"template": "{name}"})
    stored = zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content)))  # type: ignore[attr-defined]
    assert sorted(stored.namelist()) == ["shield-1.png", "shield-2.png", "sword.png"]
    run = ListRun.objects.get()
    assert (run.status, run.done, run.total, run.report["made"]) == (Status.COMPLETED, 3, 3, 3)
