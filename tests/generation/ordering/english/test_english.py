"""The English of a prompt: where it stands, whose it is, what the model gets, and what stays with the picture."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from generation.engines.models import Engine
from generation.gallery import query
from generation.gallery.filters import Filters
from generation.making import runner
from generation.ordering import orders
from generation.pictures.models import GeneratedImage, GenerationTask
from generation.selecting import sidecars
from generation.texts import translating
from generation.texts.models import Translation
from tests.generation.browsing import HTMX, VALID, as_posted
from tests.pages import page

pytestmark = pytest.mark.django_db

COMPOSE, GENERATE = reverse("generation:compose"), reverse("generation:generate")
FOX, ENGLISH = "红狐狸，雪", "red fox, snow"
WRITTEN = {**VALID, "prompt": FOX, "recipe": "sdxl-lightning"}
KEPT = {**WRITTEN, "english": ENGLISH, "english_of": FOX, "english_shown": "1"}


def made(her: Client, **values: str) -> GenerationTask:
    """The job of a form, and its pictures."""
    answer = her.post(GENERATE, {**KEPT, **values})
    assert answer.status_code == 302, page(answer)
    task: GenerationTask = GenerationTask.objects.get()
    return task


def test_a_translation_comes_into_a_field_beside_the_prompt(her: Client, engine: Engine) -> None:
    html = page(her.post(COMPOSE, WRITTEN, headers=HTMX))
    assert 'name="translate"' in html and "<textarea" in html
    html = page(her.post(COMPOSE, {**WRITTEN, "english_shown": "1", "translate": "1"}, headers=HTMX))
    job = Translation.objects.get()
    waits = {**WRITTEN, "english_shown": "1", "english_waits": str(job.pk)}
    assert 'id="english-comes"' in html and 'name="translate"' not in html and 'id="english-field"' not in html
    translating.life.work()
    html = page(her.post(COMPOSE, waits, headers=HTMX))
    assert f">{ENGLISH}</textarea>" in html and 'id="english-comes"' not in html
    assert "Translate again" in html and f'class="final">{ENGLISH}</p>' in html
    # The draft waits too, so that the page may have been left meanwhile.
    assert as_posted(page(her.get("/")))["english"] == [ENGLISH]


def test_without_a_script_the_page_comes_back_and_says_where_to_look(her: Client, engine: Engine) -> None:
    html = page(her.post(COMPOSE, {**WRITTEN, "translate": "1"}))
    assert "Look whether it is there" in html and as_posted(html)["prompt"] == [FOX]
    translating.life.work()
    shown = as_posted(page(her.get("/")))
    assert (shown["english"], shown["english_of"], shown["english_waits"]) == ([ENGLISH], [FOX], [""])


def test_both_stay_with_the_picture_and_are_found_reused_varied_and_retried(
    her: Client, engine: Engine, ada: User
) -> None:
    task = made(her, before="icon")
    assert (task.prompt, task.snapshot["english"], task.final_prompt) == (FOX, ENGLISH, f"icon, {ENGLISH}")
    runner.work()
    picture = GeneratedImage.objects.order_by("pk").first()
    assert picture is not None
    html = page(her.get(picture.get_absolute_url()))
    assert "Written" in html and "In English" in html and FOX in html and ENGLISH in html
    for words in ("狐狸", "fox"):
        assert query.page(query.pictures(ada, Filters(words=words))).pictures, words
    assert sidecars.settings(picture, [])["english"] == ENGLISH
    again = as_posted(page(her.get(f"/?picture={picture.pk}")))
    assert (again["prompt"], again["english"], again["english_of"]) == ([FOX], [ENGLISH], [FOX])
    assert orders.vary(task, ada, None).snapshot["english"] == ENGLISH
    lost = orders.place(orders.with_seed(orders.order_of(task), 9), ada)
    assert lost.cancel() and orders.retry(lost, ada).snapshot["english"] == ENGLISH


def test_it_is_never_used_for_other_words(her: Client, engine: Engine) -> None:
    other = {**KEPT, "prompt": "蓝猫"}
    html = page(her.post(COMPOSE, other, headers=HTMX))
    assert "English of another prompt" in html and 'class="final">蓝猫</p>' in html
    refused = her.post(GENERATE, other)
    assert refused.status_code == 422 and as_posted(page(refused))["english"] == [ENGLISH]
    assert not GenerationTask.objects.exists()
    html = page(her.post(COMPOSE, {**other, "english_fits": "1"}, headers=HTMX))
    assert "English of another prompt" not in html and 'value="蓝猫"' in html
    her.post(GENERATE, {**other, "english_of": "蓝猫"})
    assert GenerationTask.objects.get().final_prompt == ENGLISH


@pytest.mark.parametrize(
    ("values", "final"),
    [
        ({"english": " "}, FOX),
        ({"english_of": ""}, ENGLISH),  # written by hand, without a script
        ({"english_of": "红狐狸，雪\r\n"}, ENGLISH),
        ({"prompt": "a blue cat"}, "a blue cat"),
        ({"recipe": "z-image-turbo", "fields_of": "sdxl-lightning"}, FOX),
    ],
    ids=["emptied", "by hand", "spaces", "english prompt", "a model that reads Chinese"],
)
def test_what_the_model_gets(her: Client, engine: Engine, values: dict[str, str], final: str) -> None:
    task = made(her, **values)
    assert task.final_prompt == final and ("english" in task.snapshot) is (final == ENGLISH)


def test_a_recipe_that_reads_chinese_shows_no_field_and_loses_nothing(her: Client, engine: Engine) -> None:
    form = {**KEPT, "recipe": "z-image-turbo", "fields_of": "sdxl-lightning"}
    html = page(her.post(COMPOSE, form, headers=HTMX))
    assert "<textarea" not in html and 'type="hidden" name="english"' in html and ENGLISH in html
    assert 'name="translate"' not in html


def test_hostile_values_do_no_harm(her: Client, engine: Engine, bob: User) -> None:
    theirs = translating.order(bob, ["他的狗"])
    translating.life.work()
    for waits in (str(theirs.pk), "x", "9" * 30, "-1", "٣"):
        html = page(her.post(COMPOSE, {**WRITTEN, "english_waits": waits}, headers=HTMX))
        assert "dog" not in html and 'id="english-comes"' not in html
    assert her.post(GENERATE, {**KEPT, "english": "x" * 4001}).status_code == 422
    her.post(COMPOSE, {**WRITTEN, "prompt": "猫" * 1501, "translate": "1"}, headers=HTMX)
    assert Translation.objects.count() == 1


def test_where_no_engine_can_it_is_folded_what_is_missing(her: Client, engine: Engine) -> None:
    Engine.objects.update(text_encoders=[])
    html = page(her.post(COMPOSE, WRITTEN, headers=HTMX))
    assert "No engine can translate now" in html and "qwen_3_4b.safetensors" in html and 'name="translate"' not in html
