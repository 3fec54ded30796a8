"""Variations: four more pictures with the settings of one and new seeds, with one press wherever it is shown."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from generation.ordering.orders import Ingredient
from generation.pictures.models import GenerationTask
from styles.models import Style
from stylestudio.people.visibility import Visibility
from tests.generation.browsing import HTMX, address, picture_of, place

pytestmark = pytest.mark.django_db
PRESS = {"request_id": "11111111-1111-4111-a111-111111111111"}


def newest() -> GenerationTask:
    return GenerationTask.objects.latest("pk")


def seed_in(html: str) -> str:
    field = re.search(r'<input[^>]*name="seed"[^>]*>', html)
    assert field
    value = re.search(r'\svalue="(\d*)"', field[0])
    return value[1] if value else ""


def test_variations_differ_from_the_picture_in_nothing_but_seeds_and_number(her: Client, bob: User, ink: Style) -> None:
    version = ink.version
    assert version is not None
    mix = (Ingredient(version, 0.35, frozenset({"mist"})),)
    task = place(bob, count=2, seed=7, width=832, height=1216, negative="no fog", steps=9, cfg=2.5, mix=mix)
    answer = her.post(address("variations", picture_of(task, 1).pk), PRESS, headers=HTMX)
    again = newest()
    assert again.pk != task.pk and again.count == 4 and again.owner.username == "ada"
    changed = {name for name in task.snapshot if task.snapshot[name] != again.snapshot[name]}
    assert changed == {"seeds"} and not set(task.seeds) & set(again.seeds)
    html = answer.content.decode()
    assert "4 variations are on their way." in html and address("job", again.pk) in html


def test_the_same_press_twice_makes_one_job(her: Client, ada: User) -> None:
    picture = picture_of(place(ada, count=1), 0)
    before = GenerationTask.objects.count()
    for _press in range(2):
        her.post(address("variations", picture.pk), PRESS, headers=HTMX)
    assert GenerationTask.objects.count() == before + 1


def test_on_the_studio_page_the_job_comes_on_top_and_elsewhere_a_sentence_leads_to_it(her: Client, ada: User) -> None:
    task = place(ada, count=2)
    on_studio = HTMX | {"HX-Current-URL": "http://testserver/?who=all"}
    answer = her.post(address("job-variations", task.pk), headers=on_studio)
    assert (answer.headers["HX-Retarget"], answer.headers["HX-Reswap"]) == ("#jobs", "afterbegin")
    assert newest().root_id in answer.content.decode()
    plain = her.post(address("job-variations", task.pk))
    assert plain.headers["Location"] == address("job", newest().pk)


def test_a_style_that_was_deleted_is_left_out_and_named(her: Client, ada: User, ink: Style) -> None:
    version = ink.version
    assert version is not None
    task = place(ada, count=1, mix=(Ingredient(version, 0.5),))
    Style.objects.filter(pk=ink.pk).update(deleted_at=timezone.now())
    answer = her.post(address("job-variations", task.pk), headers=HTMX)
    assert f"Without deleted styles: {ink.title}." in answer.content.decode()
    assert newest().snapshot["styles"] == []


def test_who_has_too_many_jobs_waiting_is_told_and_nothing_is_made(her: Client, ada: User, settings: Settings) -> None:
    task = place(ada, count=1)
    settings.MAX_WAITING = 1
    answer = her.post(address("job-variations", task.pk), headers=HTMX)
    assert "is waiting" in answer.content.decode() and newest().pk == task.pk


def test_a_private_picture_of_somebody_else_has_no_variations(her: Client, bob: User) -> None:
    task = place(bob, count=1)
    picture = picture_of(task, 0)
    GenerationTask.objects.filter(pk=task.pk).update(visibility=Visibility.PRIVATE)
    assert her.post(address("variations", picture.pk), headers=HTMX).status_code == 404
    assert her.post(address("job-variations", task.pk), headers=HTMX).status_code == 404


def test_variations_of_a_private_picture_are_private(her: Client, ada: User) -> None:
    task = place(ada, count=1)
    GenerationTask.objects.filter(pk=task.pk).update(visibility=Visibility.PRIVATE)
    her.post(address("job-variations", task.pk), headers=HTMX)
    assert newest().pk != task.pk and newest().visibility == Visibility.PRIVATE


def test_reuse_says_that_the_same_picture_comes_again_and_lets_the_seed_go(her: Client, ada: User) -> None:
    picture = picture_of(place(ada, count=2, seed=7), 1)
    kept = her.get("/", {"picture": picture.pk}).content.decode()
    assert "Seed kept: the same picture comes again." in kept and seed_in(kept) == "8"
    let_go = her.get("/", {"picture": str(picture.pk), "seed": "new"}).content.decode()
    assert "Seed kept" not in let_go and seed_in(let_go) == ""
    assert "Seed kept" not in her.get("/").content.decode()
