"""Choosing a recipe in the form: its settings take the place of those before, and what was changed stays if it fits."""

from __future__ import annotations

import re
from typing import Any, cast

import pytest
from django.contrib.auth.models import User
from django.http import QueryDict
from django.test import Client
from django.urls import reverse

from generation.engines.models import Engine
from generation.ordering import recipe_fields
from generation.ordering.english_form.unread import unread
from generation.ordering.forms import OrderForm
from generation.pictures.models import GenerationTask
from generation.recipes import registry
from styles.models import Preset, Style
from tests.generation.browsing import HTMX, VALID, as_posted, place
from tests.pages import page, tight

pytestmark = pytest.mark.django_db

COMPOSE, GENERATE = reverse("generation:compose"), reverse("generation:generate")
BEGUN = {**VALID, "cfg": "1.0", "recipe": "sdxl", "fields_of": "sdxl-lightning"}


def data(**values: str) -> QueryDict:
    """A posted form."""
    found = QueryDict(mutable=True)
    found.update({**BEGUN, **values})
    return found


def test_the_new_recipe_brings_its_settings_with_it() -> None:
    posted = data()
    assert recipe_fields.swap(posted)
    usual = registry.named("sdxl").defaults
    assert {name: posted[name] for name in usual} == {name: str(value) for name, value in usual.items()}
    assert not recipe_fields.swap(posted), "once"


@pytest.mark.parametrize(
    ("typed", "stays"),
    [
        ({"steps": "20"}, True), ({"steps": "6"}, False), ({"cfg": "7.5"}, True), ({"cfg": "19"}, False),
        ({"sampler": "ddim"}, True), ({"sampler": "lcm"}, False), ({"negative": "fog"}, True), ({"steps": "x"}, False),
    ],
)  # fmt: skip
def test_what_was_changed_stays_if_the_new_recipe_can_do_it(typed: dict[str, str], stays: bool) -> None:
    posted = data(**typed)
    recipe_fields.swap(posted)
    [(name, value)] = typed.items()
    assert (posted[name] == value) is stays
    assert stays or posted[name] == str(registry.named("sdxl").defaults[name])


def test_the_page_swaps_the_settings_and_the_draft_remembers_the_recipe(her: Client, engine: Engine) -> None:
    html = page(her.post(COMPOSE, BEGUN, headers=HTMX))
    assert 'id="advanced" hx-swap-oob="true"' in tight(html) and 'value="28" min="10"' in html
    assert 'name="clip_skip"' in html and 'class="muted"' not in html
    left = as_posted(page(her.get("/")))
    assert (left["recipe"], left["steps"], left["fields_of"]) == (["sdxl"], ["28"], ["sdxl"])
    html = page(her.post(COMPOSE, {**BEGUN, "recipe": "sdxl-dmd2", "fields_of": "sdxl"}, headers=HTMX))
    assert 'name="clip_skip"' not in html and 'class="muted"' in html
    quiet = page(her.post(COMPOSE, {**VALID, "cfg": "3"}, headers=HTMX))
    assert 'id="advanced"' not in quiet and 'id="negative-state"' in quiet and 'class="muted"' not in quiet


def test_without_a_script_a_button_shows_the_settings_and_generate_takes_them_too(her: Client, engine: Engine) -> None:
    html = page(her.post(COMPOSE, BEGUN))
    assert as_posted(html)["steps"] == ["28"] and re.search(r"no-js[^>]*formaction=\"/compose/\"[^>]*>\s*Change", html)
    her.post(GENERATE, BEGUN)
    task = GenerationTask.objects.get()
    assert (task.recipe, task.steps, task.sampler, task.snapshot["fields"]) == (
        "sdxl",
        28,
        "dpmpp_2m",
        {"clip_skip": 2},
    )


def test_a_form_that_names_no_recipe_means_the_usual_one_and_a_strange_one_is_refused(
    her: Client, engine: Engine
) -> None:
    assert her.post(GENERATE, VALID, headers=HTMX).status_code == 200
    assert GenerationTask.objects.get().recipe == registry.DEFAULT
    assert her.post(GENERATE, {**VALID, "recipe": "../etc"}, headers=HTMX).status_code == 422
    assert GenerationTask.objects.count() == 1


def test_what_engines_lack_for_a_recipe_greys_it_with_the_reason(her: Client, engine: Engine) -> None:
    fine = tight(page(her.get("/")))
    assert "disabled>Hyper-SD" not in fine and "Hyper-SD – eight steps" in fine
    Engine.objects.update(loras=[name for name in engine.loras if "Hyper" not in name])
    html = tight(page(her.get("/")))
    assert re.search(
        r'<option value="sdxl-hyper" disabled>Hyper-SD – [^<]*Hyper-SDXL-8steps-lora[^<]*models/loras', html
    )
    her.post(COMPOSE, {**BEGUN, "recipe": "sdxl-hyper"}, headers=HTMX)
    assert '<option value="sdxl-hyper" selected>' in tight(page(her.get("/"))), "what is chosen can be left"


def test_the_form_speaks_the_language_of_its_reader(her: Client, engine: Engine) -> None:
    html = page(her.get("/", headers={"Accept-Language": "zh-hans"}))
    assert "完整步数" in html and "采样器" in html


def test_settings_used_again_come_with_their_recipe(her: Client, ada: User, engine: Engine) -> None:
    task = place(ada, recipe=registry.named("sdxl"), steps=33, cfg=6.5, fields={"clip_skip": 1})
    left = as_posted(page(her.get(f"/?task={task.pk}")))
    assert (left["recipe"], left["steps"], left["clip_skip"]) == (["sdxl"], ["33"], ["1"])


def test_the_steps_of_a_preset_are_those_of_the_usual_recipe(her: Client, engine: Engine) -> None:
    ink = Style.objects.create(name="Ink")
    preset = Preset.objects.create(style=ink, name="Valley", steps=5, width=1024, height=1024)
    usual = as_posted(page(her.post(COMPOSE, {**VALID, "use_preset": str(preset.pk)})))
    assert usual["steps"] == ["5"]
    slow = as_posted(page(her.post(COMPOSE, {**BEGUN, "use_preset": str(preset.pk)})))
    assert slow["steps"] == ["28"]


SDXL_AND_CHINESE = {**BEGUN, "fields_of": "sdxl", "prompt": "水墨山水, a temple"}


def test_chinese_words_for_a_model_that_reads_english_are_told_with_a_recipe_that_reads_them(
    her: Client, engine: Engine
) -> None:
    html = page(her.post(COMPOSE, SDXL_AND_CHINESE, headers=HTMX))
    assert "SDXL was taught English: “水墨山水” hardly counts for it." in tight(html)
    assert 'value="z-image-turbo"' in html and 'value="qwen-image"' in html
    chosen = page(her.post(COMPOSE, {**SDXL_AND_CHINESE, "use_recipe": "z-image-turbo"}, headers=HTMX))
    assert '<option value="z-image-turbo" selected' in tight(chosen) and "was taught English" not in chosen
    assert "水墨山水" in page(her.get(reverse("generation:studio"))), "and the draft remembers it"


def test_without_the_files_on_any_engine_the_recipes_are_only_named(her: Client, engine: Engine) -> None:
    Engine.objects.update(text_encoders=[])
    html = tight(page(her.post(COMPOSE, SDXL_AND_CHINESE, headers=HTMX)))
    assert "Z-Image Turbo and Qwen-Image read Chinese, once an engine has their files." in html
    assert "use_recipe" not in html


@pytest.mark.parametrize(
    ("prompt", "recipe", "example"),
    [
        ("a red fox, café, naïve", "sdxl", ""), ("α and Ω", "sdxl", ""), ("1girl, 8k, (x:1.2)", "sdxl", ""),
        ("a red 狐狸", "sdxl", "狐狸"), ("лиса в снегу", "sdxl-lightning", "лиса"), ("여우", "chroma", "여우"),
        ("狐狸", "z-image-turbo", ""), ("狐狸", "qwen-image", ""), ("狐狸", "flux2-klein", ""),
        ("一只在雪地里奔跑的红色狐狸", "sd35", "一只在雪地里奔跑"),
    ],
)  # fmt: skip
def test_only_scripts_that_the_model_was_not_taught_are_told(prompt: str, recipe: str, example: str) -> None:
    found = unread(prompt, registry.named(recipe))
    assert (found.example if found else "") == example


def test_a_recipe_brings_its_own_sizes_and_a_chosen_shape_becomes_its_nearest(her: Client) -> None:
    form = {**VALID, "recipe": "qwen-image", "fields_of": "sdxl-lightning", "shape": "1216x832"}
    html = page(her.post(reverse("generation:compose"), form))
    assert as_posted(html)["shape"] == ["1584x1056"] and "1328 × 1328" in html and 'value="1024x1024"' not in html
    form = {**form, "recipe": "sdxl", "fields_of": "qwen-image", "shape": "1472x1104"}
    assert as_posted(page(her.post(reverse("generation:compose"), form)))["shape"] == ["1152x896"]
    own = {**form, "shape": "custom", "width": "640", "height": "832"}
    told = as_posted(page(her.post(reverse("generation:compose"), own)))
    assert (told["shape"], told["width"], told["height"]) == (["custom"], ["640"], ["832"])


def test_an_earlier_draft_keeps_a_size_that_its_recipe_does_not_recommend(ada: User) -> None:
    posted = data(recipe="qwen-image", fields_of="qwen-image", shape="1024x1024")
    form = OrderForm(posted, user=ada)
    assert "shape" not in form.errors and form.sides == (1024, 1024)


def facts(sampler: list[str], most: int) -> dict[str, Any]:
    """What an engine tells of its sampler."""
    steps = ["INT", {"min": 12, "max": most}]
    return {"KSampler": {"input": {"required": {"sampler_name": [sampler], "steps": steps, "cfg": "?"}}}}


def test_settings_are_narrowed_to_what_at_least_one_engine_takes() -> None:
    recipe = registry.named("sdxl")
    sampler, steps, cfg, skip = (recipe.fields[name] for name in ("sampler", "steps", "cfg", "clip_skip"))
    engines = [facts(["euler", "lms"], 30), facts(["dpmpp_sde", "odd"], 20)]
    found = recipe_fields.narrowed(recipe, sampler, engines)
    assert set(found.choices) == {"euler", "dpmpp_sde"} and found.default in found.choices
    found = recipe_fields.narrowed(recipe, steps, engines)
    assert (found.least, found.most, found.default) == (12, 30, 28)
    assert recipe_fields.narrowed(recipe, steps, engines[1:]).default == 20
    assert recipe_fields.narrowed(recipe, cfg, engines) == cfg, "of which nothing is told"
    assert recipe_fields.narrowed(recipe, skip, engines) == skip, "which is counted otherwise in graphs"
    assert recipe_fields.narrowed(recipe, sampler, []) == sampler
    assert recipe_fields.narrowed(recipe, sampler, [facts(["odd"], 9)]) == sampler, "engines say what is wrong with it"


def test_the_form_offers_only_samplers_that_the_engine_has(ada: User, engine: Engine) -> None:
    infos = engine.node_infos
    infos["KSampler"]["input"]["required"]["sampler_name"][0] = ["euler", "heun"]
    Engine.objects.update(node_infos=infos)
    form = OrderForm(data(fields_of="sdxl"), user=ada)
    offered = dict(cast(Any, form.fields["sampler"]).choices)
    assert "euler" in offered and "dpmpp_sde" not in offered
    assert form.fields["sampler"].initial in offered
    chosen = OrderForm(data(fields_of="sdxl", sampler="dpmpp_sde"), user=ada)
    assert "dpmpp_sde" in dict(cast(Any, chosen.fields["sampler"]).choices), "what is chosen stays"


@pytest.mark.parametrize(
    ("typed", "is_open"), [({}, False), ({"steps": "12"}, True), ({"negative": "fog"}, True), ({"steps": "x"}, True)]
)
def test_advanced_is_open_if_something_in_it_is_not_as_usual(
    her: Client, engine: Engine, typed: dict[str, str], is_open: bool
) -> None:
    usual = {name: str(value) for name, value in registry.named("sdxl").defaults.items()}
    html = page(her.post(COMPOSE, {**VALID, **usual, "recipe": "sdxl", "fields_of": "sdxl", **typed}))
    assert bool(re.search(r'<details id="advanced"[^>]* open', tight(html))) is is_open
