"""The form is filled from a picture, a job, a style or an address."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from generation.ordering.orders import Ingredient
from generation.pictures.models import GeneratedImage, GenerationTask, Reference
from styles.models import Style
from stylestudio.people.visibility import Visibility
from tests.generation.browsing import HTMX, adas_ticket, address, as_posted, picture_of, place, signed_in, upload

pytestmark = pytest.mark.django_db


def test_the_form_is_filled_from_a_picture_with_its_own_seed(her: Client, ada: User, ink: Style) -> None:
    version = ink.version
    assert version is not None
    mix = (Ingredient(version, 0.35, frozenset({"mist"})),)
    task = place(ada, count=2, seed=7, negative="no fog", steps=9, cfg=2.5, sampler="lcm", mix=mix)
    html = her.get("/", {"picture": picture_of(task, 1).pk}).content.decode()
    assert ">a fox</textarea>" in html and ">no fog</textarea>" in html
    assert re.search(r'name="seed"[^>]*\svalue="8"', html)
    assert re.search(r'id="count-1"[^>]*\schecked', html)
    assert re.search(r'name="steps"[^>]*\svalue="9"', html)
    assert re.search(rf'name="weight-{ink.pk}"[^>]*\svalue="0.35"', html)
    assert f'name="off" value="{ink.pk}:mist"' in html
    assert "<option selected>lcm</option>" in html


def test_a_form_that_nothing_fills_asks_for_four_pictures(her: Client) -> None:
    assert re.search(r'id="count-4"[^>]*\schecked', her.get("/").content.decode())


def test_the_form_is_filled_from_a_job_and_gives_the_same_snapshot(her: Client, ada: User, ink: Style) -> None:
    version = ink.version
    assert version is not None
    mix = (Ingredient(version, 0.35, frozenset({"mist"})),)
    task = place(ada, count=4, seed=0, width=832, height=1216, mix=mix)
    html = her.get("/", {"task": task.pk}).content.decode()
    again = her.post(address("generate"), as_posted(html), headers=HTMX)
    assert again.status_code == 200
    newest = GenerationTask.objects.latest("pk")
    assert newest.pk != task.pk
    assert newest.snapshot == task.snapshot
    assert newest.snapshot_sha256 == task.snapshot_sha256


def test_an_image_job_is_taken_up_with_its_reference(her: Client, ada: User) -> None:
    her.post(address("reference"), {"reference": upload()}, headers=HTMX)
    task = place(ada, count=1, width=1024, height=1024, reference=Reference.objects.get(), denoise=0.35)
    html = her.get("/", {"task": task.pk}).content.decode()
    her.post(address("generate"), as_posted(html), headers=HTMX)
    newest = GenerationTask.objects.latest("pk")
    assert newest.pk != task.pk and newest.snapshot_sha256 == task.snapshot_sha256


def test_a_picture_becomes_the_reference(her: Client, ada: User) -> None:
    html = her.get("/", {"reference": picture_of(place(ada)).pk}).content.decode()
    assert f'name="reference_id" value="{adas_ticket()}"' in html
    assert re.search(r'id="mode-image"[^>]*\schecked', html)


def test_a_picture_whose_file_is_gone_is_said(her: Client, ada: User) -> None:
    picture = picture_of(place(ada))
    picture.file.delete(save=False)
    GeneratedImage.objects.update(file="outputs/gone.png")
    response = her.get("/", {"reference": picture.pk})
    assert response.status_code == 200 and "file of this picture is missing" in response.content.decode()


def test_a_style_and_a_prompt_from_the_address(her: Client, ink: Style) -> None:
    html = her.get("/", {"style": ink.slug, "prompt": "from a link <b>"}).content.decode()
    assert re.search(rf'id="style-{ink.pk}"[^>]*\schecked', html)
    assert re.search(rf'name="weight-{ink.pk}"[^>]*\svalue="0.80"', html)
    assert ">from a link &lt;b&gt;</textarea>" in html
    ink.delete()
    assert her.get("/", {"style": ink.slug}).status_code == 200
    assert "no style of this name" in her.get("/", {"style": "nowhere"}).content.decode()


@pytest.mark.parametrize("key", ["picture", "task", "reference"])
@pytest.mark.parametrize("value", ["abc", "0", "-1", "²", "9" * 30, "1\0", "1e3", "999"])
def test_a_link_to_nothing_is_not_found(her: Client, key: str, value: str) -> None:
    assert her.get("/", {key: value}).status_code == 404


@pytest.mark.parametrize("key", ["picture", "task", "reference"])
def test_a_link_to_what_is_private_is_not_found(ada: User, bob: User, key: str) -> None:
    task = place(ada)
    number = task.pk if key == "task" else picture_of(task).pk
    GenerationTask.objects.update(visibility=Visibility.PRIVATE)
    assert signed_in(bob).get("/", {key: number}).status_code == 404


@pytest.mark.parametrize(
    "query", [{"style": "\0"}, {"prompt": "x" * 6000}, {"prompt": "\0"}, {"who": ["a", "b"]}, {"picture": ""}]
)
def test_other_nonsense_in_the_address_is_ignored(her: Client, query: dict[str, Any]) -> None:
    assert her.get("/", query).status_code == 200
