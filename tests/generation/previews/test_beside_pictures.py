"""Previews beside the pictures that people ask for: in the queue like these, and nowhere else."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from generation.engines.models import Engine
from generation.gallery import query
from generation.making import runner
from generation.ordering import orders
from generation.ordering.orders import Order
from generation.pictures.models import GeneratedImage
from generation.previews import asking
from styles.models import StyleVersion
from tests.generation.previews.shown import SHEET, made, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("small")]


def test_previews_are_in_the_queue_and_the_gallery_only_when_asked_for_and_not_in_the_live_column(
    engine: Engine, version: StyleVersion, curator: User, bob: User
) -> None:
    [picture] = [cell.picture for cell in made(version, curator).cells][:1]
    assert picture
    filters = query.Filters(style=version.style.slug)
    assert query.page(query.pictures(bob, filters)).empty
    asked = query.Filters(style=version.style.slug, previews=True)
    assert query.pictures(bob, asked).count(10) == 4 and asked.query() == "style=ink-mist&previews=1"
    client = signed_in(bob)
    prompt = "castle by the sea, sunset"
    for name, asked_for in (("studio", {"who": "all"}), ("live", {"who": "all"}), ("gallery", {})):
        assert prompt not in client.get(reverse(f"generation:{name}"), asked_for).content.decode()
    assert prompt in client.get(reverse("generation:gallery"), {"previews": "1"}).content.decode()
    assert client.get(picture.get_absolute_url()).status_code == 200
    assert "0 pictures" in client.get(version.style.get_absolute_url()).content.decode()
    asking.order_previews(version, curator, SHEET)
    assert prompt not in client.get(reverse("queue")).content.decode()
    assert prompt in client.get(reverse("queue"), {"previews": "1"}).content.decode()


def test_arrows_on_a_persons_picture_skip_previews(engine: Engine, version: StyleVersion, curator: User) -> None:
    def shot() -> GeneratedImage:
        task = orders.place(Order(prompt="a fox", width=64, height=64), curator)
        runner.work()
        return task.pictures.get()

    first = shot()
    made(version, curator)
    second = shot()
    assert query.film(second, curator).next == first and query.film(first, curator).previous == second


def test_leaving_previews_out_costs_the_gallery_one_look_at_the_task_of_each_picture(ada: User) -> None:
    plans = [
        query.pictures(ada, query.Filters(previews=previews))._everything(None)[:61].explain()
        for previews in (True, False)
    ]
    every, wanted = (re.sub(r"(?m)^[\d ]+", "", plan).splitlines() for plan in plans)
    assert every[0] == "SEARCH pictures_generatedimage USING INDEX generatedimage_gallery (project_id=?)"
    looks = [step for step in wanted[1:] if step.startswith("SEARCH")]
    assert wanted[0] == every[0] and {step for step in wanted if "SUBQUERY" not in step} == set(every[:1] + looks)
    # Besides the task, what the person marked on the picture.
    keys = "USING INTEGER PRIMARY KEY (rowid=?)", "USING INDEX sqlite_autoindex_keeping_mark_1 (picture_id=?"
    assert all(any(key in step for key in keys) for step in looks)
