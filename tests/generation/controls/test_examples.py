"""Recipes that take a picture as an example of content and style: what the form says, and what comes of it."""

from __future__ import annotations

import io
import json

import pytest
from django.contrib.auth.models import User
from django.core.management.base import CommandError
from django.test import Client
from PIL import Image, ImageStat

from generation.controls.facts import PAD, Fit
from generation.engines.models import Engine
from generation.making import runner
from generation.ordering import references
from generation.ordering.control_form import command
from generation.pictures.models import GenerationTask
from generation.recipes import reading, registry
from generation.recipes.reading import BadRecipe
from stylestudio.jobs.kinds import Status
from tests.generation.browsing import HTMX, VALID, address
from tests.generation.controls.test_holding import SIZE
from tests.generation.editing.conftest import opened, stored

pytestmark = pytest.mark.django_db
TAKERS = [recipe.name for recipe in registry.shipped().values() if recipe.takes_example]


def started(user: User, recipe: str, colour: str = "red", **more: str) -> dict[str, str]:
    """A form that starts from a plain picture, twice as wide as high."""
    image = io.BytesIO(stored(Image.new("RGB", (96, 48), colour)))
    ticket = references.ticket(references.add_reference(image, user).pk, user)
    return {**VALID, **SIZE, "mode": "image", "recipe": recipe, "fields_of": "sdxl", "reference_id": ticket, **more}


def test_there_are_two_and_each_starts_from_a_picture() -> None:
    assert TAKERS == ["flux2-klein-reference", "qwen-image-edit"]
    for name in TAKERS:
        recipe = registry.named(name)
        assert {*recipe.graphs} == {"image"} and "denoise" not in recipe.fields


@pytest.mark.parametrize("name", TAKERS)
def test_the_result_resembles_the_example_and_the_engine_gets_all_of_it(
    engine: Engine, her: Client, ada: User, name: str
) -> None:
    means = []
    for colour in ("red", "blue"):
        assert her.post(address("generate"), started(ada, name, colour, fit="stretch"), headers=HTMX).status_code == 200
        runner.work()
        done = GenerationTask.objects.latest("pk")
        assert done.status == Status.COMPLETED, done.error
        assert "fit" not in done.snapshot, "nothing is cut, padded or stretched"
        picture = opened(done.pictures.get()).convert("RGB")
        assert picture.size == (128, 64), "the size is that of the order"
        means.append(ImageStat.Stat(picture).mean)
    red, blue = means
    assert red[0] > blue[0] + 40 and blue[2] > red[2] + 40


def test_the_form_says_what_the_picture_is_used_for(her: Client, ada: User) -> None:
    for name in TAKERS:
        html = her.post(address("compose"), started(ada, name), headers=HTMX).content.decode()
        assert "The content and look of the picture are kept, and the prompt says what changes" in html
        assert "Strength of change" not in html and 'name="fit"' not in html and "painted over" not in html


@pytest.mark.parametrize(("recipe", "lacking"), [("sdxl", "SDXL has nothing in ComfyUI itself"), ("flux2-klein", "")])
def test_others_say_that_they_paint_over_it_and_offer_those(
    engine: Engine, her: Client, ada: User, recipe: str, lacking: str
) -> None:
    html = her.post(address("compose"), started(ada, recipe, fields_of="z-image-turbo"), headers=HTMX).content.decode()
    words = " ".join(html.split())
    assert "The picture is painted over." in words and lacking in words
    assert ("has nothing in ComfyUI itself" in words) is bool(lacking)
    for name in TAKERS:
        assert f'name="use_recipe" value="{name}"' in words
    Engine.objects.update(diffusion_models=[])
    html = her.post(address("compose"), started(ada, recipe, fields_of="z-image-turbo"), headers=HTMX).content.decode()
    assert "First an engine needs their files." in html and 'name="use_recipe"' not in html


def test_without_a_picture_such_a_recipe_asks_for_one_and_the_command_refuses_to_fit_it(her: Client, ada: User) -> None:
    response = her.post(address("generate"), {**VALID, "recipe": TAKERS[0]}, headers=HTMX)
    assert response.status_code == 422 and "starts from a picture. Choose one." in response.content.decode()
    with pytest.raises(CommandError, match="looks at the whole reference"):
        command.given({"control": None, "fit": Fit(PAD)}, None, registry.named(TAKERS[0]), (64, 64), ada)


def test_a_recipe_cannot_both_keep_a_picture_and_say_how_much_of_it_changes() -> None:
    document = json.loads(json.dumps(registry.named("sdxl").document))
    document["recipe"]["keeps"] = {"en": "All of it.", "zh-hans": "全部。"}
    with pytest.raises(BadRecipe, match="keeps is for the graph image of a recipe without the field denoise"):
        reading.read(document)
