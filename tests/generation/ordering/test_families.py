"""LoRAs are never mixed across families of models: the picker, the form, the command and every order say why."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from generation.engines.models import Engine
from generation.making import runner
from generation.ordering import orders
from generation.ordering.orders import Ingredient, Order
from generation.pictures.models import EnginePrompt, GenerationTask
from generation.previews.asking import order_sheet
from generation.previews.wishes import create_probes_once
from generation.recipes import registry
from styles.models import Style
from stylestudio.jobs.kinds import Status
from stylestudio.models import Worker
from stylestudio.preview_engine.options import default_loras
from tests.generation.browsing import HTMX, VALID, as_posted, reference_of, signed_in
from tests.pages import page, tight

pytestmark = pytest.mark.django_db

COMPOSE, GENERATE = reverse("generation:compose"), reverse("generation:generate")
THERE = default_loras()[-1]  # a LoRA that the engine has


def style(name: str, family: str, lora: str = THERE) -> Style:
    """A style for a family of models."""
    found = Style.objects.create(name=name, family=family)
    found.versions.update(lora_name=lora, trigger_words="ink wash")
    return found


def mixed(*styles: Style) -> tuple[Ingredient, ...]:
    """A mix of these."""
    return tuple(Ingredient(each.versions.get(), 1.0) for each in styles)


def refused(order: Order, user: User) -> dict[str, list[str]]:
    """What is said, by field, of an order that is not placed."""
    with pytest.raises(ValidationError) as error:
        orders.place(order, user)
    assert not GenerationTask.objects.exists()
    return error.value.message_dict


def of(recipe: str, *styles: Style) -> Order:
    """A small order by a recipe."""
    chosen = registry.named(recipe)
    usual = {name: value for name, value in chosen.defaults.items() if name in orders.COLUMNS}
    return Order("a fox", width=64, height=64, seed=3, recipe=chosen, mix=mixed(*styles), **usual)


def test_styles_for_several_models_are_refused_by_their_names(ada: User) -> None:
    told = refused(of("sdxl", style("Ink", "sdxl"), style("Glow", "z-image", "glow.safetensors")), ada)
    assert told == {"style": ["Glow is for Z-Image and Ink for SDXL: they cannot be in one picture."]}


def test_a_recipe_for_another_model_than_the_styles_says_so_and_names_those_for_it(ada: User) -> None:
    told = refused(of("sdxl-lightning", style("Glow", "z-image")), ada)
    assert told == {
        "recipe": [
            "Glow is for Z-Image, but Lightning makes pictures with SDXL. Recipes for it: Z-Image Turbo.",
        ]
    }
    told = refused(of("z-image-turbo", style("Lamp", "flux")), ada)
    assert told == {"recipe": ["Lamp is for Flux.1, and there is no recipe that makes pictures with that model."]}


def test_a_style_of_words_alone_goes_with_every_recipe(ada: User) -> None:
    words = style("Words", "flux", lora="")
    task = orders.place(of("z-image-turbo", words, style("Glow", "z-image")), ada)
    assert "ink wash" in task.final_prompt


def test_a_style_for_an_unknown_model_waits_until_a_curator_chooses_it(
    engine: Engine, ada: User, curator: User, her: Client
) -> None:
    lost = style("Lost", "unknown")
    told = refused(of("z-image-turbo", lost), ada)
    assert told == {
        "style": ["It is not known for which model Lost is. A curator can choose it on the page of the style."]
    }
    assert "It is not known for which model it is" in page(her.get(lost.get_absolute_url()))
    desk = signed_in(curator)
    assert reverse("styles:edit", args=[lost.slug]) in page(desk.get(lost.get_absolute_url()))
    edit = reverse("styles:edit", args=[lost.slug])
    form = {"name": "Lost", "kind": "other", "lora_name": THERE, "default_strength": "1", "family": "z-image"}
    assert desk.post(edit, form).status_code == 302
    lost.refresh_from_db()
    assert lost.family == "z-image" and "Z-Image" in page(her.get(lost.get_absolute_url()))
    assert orders.place(of("z-image-turbo", lost), ada)


def test_the_picker_greys_what_the_recipe_makes_no_pictures_with(her: Client, engine: Engine) -> None:
    ink, glow = style("Ink", "sdxl"), style("Glow", "z-image")
    html = tight(page(her.get("/")))
    assert re.search(rf'id="style-{glow.pk}"[^>]* disabled', html)
    assert not re.search(rf'id="style-{ink.pk}"[^>]* disabled', html)
    assert "for Z-Image" in html and "Recipes for it: Z-Image Turbo." in html
    swapped = {**VALID, "recipe": "z-image-turbo", "fields_of": "sdxl-lightning"}
    html = tight(page(her.post(COMPOSE, swapped, headers=HTMX)))
    assert re.search(r'id="picker" hx-swap-oob="true"', html)
    assert re.search(rf'id="style-{ink.pk}"[^>]* disabled', html)
    assert not re.search(rf'id="style-{glow.pk}"[^>]* disabled', html)
    same = {**VALID, "recipe": "sdxl", "fields_of": "sdxl-lightning"}
    assert 'id="picker"' not in page(her.post(COMPOSE, same, headers=HTMX)), "what was searched for stays"


def test_a_chosen_style_can_be_taken_out_again_after_the_recipe_was_changed(her: Client, engine: Engine) -> None:
    ink = style("Ink", "sdxl")
    form = {
        **VALID,
        "recipe": "z-image-turbo",
        "fields_of": "sdxl-lightning",
        "style": str(ink.pk),
        "order": str(ink.pk),
    }
    html = tight(page(her.post(COMPOSE, form, headers=HTMX)))
    assert re.search(rf'id="style-{ink.pk}"[^>]* checked', html)
    assert not re.search(rf'id="style-{ink.pk}"[^>]* disabled', html)
    assert "Ink is for SDXL, but Z-Image Turbo makes pictures with Z-Image." in html
    form["fields_of"] = "z-image-turbo"
    answer = her.post(GENERATE, form | {"steps": "8", "sampler": "euler", "scheduler": "simple"}, headers=HTMX)
    assert answer.status_code == 422 and not GenerationTask.objects.exists()
    left = as_posted(page(her.get("/")))
    assert (left["recipe"], left["style"]) == (["z-image-turbo"], [str(ink.pk)]), "nothing is lost"


def test_cards_that_come_later_are_for_the_recipe_of_the_page(her: Client, engine: Engine) -> None:
    for number in range(8):
        style(f"Glow {number}", "z-image")
    her.post(COMPOSE, {**VALID, "recipe": "z-image-turbo", "fields_of": "sdxl-lightning"}, headers=HTMX)
    html = page(her.get("/"))
    [address] = re.findall(r'hx-get="(/compose/styles/[^"]+)"', html)
    assert "recipe=z-image-turbo" in address
    answer = her.get(address.replace("&amp;", "&"))
    assert "disabled" not in page(answer) and "max-age=86400" in answer.headers["Cache-Control"]
    assert page(her.get(re.sub("recipe=[a-z-]+", "recipe=sdxl", address.replace("&amp;", "&")))).count("disabled") >= 4


def test_the_command_says_it_too(engine: Engine, olga: User, alive: Worker) -> None:
    glow, ink = style("Glow", "z-image"), style("Ink", "sdxl")
    said = "Glow is for Z-Image, but Lightning makes pictures with SDXL"
    for more in ([], ["--json"]):
        with pytest.raises(CommandError, match=said):
            call_command("generate", "--prompt", "a fox", "--style", glow.slug, *more)
    with pytest.raises(CommandError, match="they cannot be in one picture"):
        call_command("generate", "--prompt", "a fox", "--style", glow.slug, "--style", ink.slug)
    assert not GenerationTask.objects.exists()


@pytest.mark.parametrize("name", list(registry.shipped()))
def test_a_style_of_its_family_is_in_the_picture_of_every_recipe(engine: Engine, ada: User, name: str) -> None:
    recipe = registry.named(name)
    start = None if "text" in recipe.graphs else reference_of(ada)
    task = orders.place(replace(of(name, style("Own", recipe.family)), reference=start), ada)
    runner.work()
    task.refresh_from_db()
    assert task.status == Status.COMPLETED, task.error
    nodes = EnginePrompt.objects.get(task=task).graph.values()
    [loaded] = [node for node in nodes if node["inputs"].get("lora_name") == THERE]
    assert loaded["class_type"] == ("LoraLoader" if recipe.slots.clip else "LoraLoaderModelOnly")


def test_previews_of_a_style_are_made_by_a_recipe_for_its_model(engine: Engine, ada: User) -> None:
    create_probes_once()
    glow, lamp = style("Glow", "z-image"), style("Lamp", "flux")
    assert {task.recipe for task in order_sheet(glow.versions.get(), ada)} == {"z-image-turbo"}
    assert GenerationTask.everything.first().steps == 8  # type: ignore[union-attr]
    with pytest.raises(ValidationError, match="there is no recipe that makes pictures with that model"):
        order_sheet(lamp.versions.get(), ada)


def test_families_cost_an_order_no_question(
    engine: Engine, ada: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    fits = of("sdxl-lightning", *(style(name, "sdxl") for name in ("Ink", "Wash")))
    assert all(one.version.style for one in fits.mix)
    with django_assert_num_queries(0):
        fits.check()
