"""Mixing styles: safe ranges, the order, what was used last, and checkpoints that do not go together."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from generation.engines.models import Engine
from generation.ordering import order_page, orders
from generation.ordering.forms import OrderForm
from generation.ordering.orders import Ingredient, Order
from generation.ordering.style_wishes import base_checkpoints
from generation.ordering.style_wishes.base_checkpoints import base_name, differ
from generation.pictures.models import GenerationTask
from styles.models import BASE_SLUG, Style
from tests.pages import page

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}
VALID = {
    "mode": "text", "prompt": "a red house", "shape": "1024x1024", "count": "1", "seed": "", "steps": "4", "cfg": "1",
    "sampler": "euler", "scheduler": "sgm_uniform",
}  # fmt: skip
OWN = "sd_xl_base_1.0.safetensors"


@pytest.fixture
def her(client: Client, ada: User) -> Client:
    """Ada's browser."""
    client.force_login(ada)
    return client


def style(name: str, **version: Any) -> Style:
    """A style with version 1 published."""
    made = Style.objects.create(name=name)
    made.versions.update(**{"default_strength": 0.8} | version)
    return Style.objects.get(pk=made.pk)


def ingredient(of: Style, weight: float = 0.8) -> Ingredient:
    """A style in a mix."""
    assert of.version is not None
    return Ingredient(of.version, weight)


def around(user: User, *mix: Ingredient) -> dict[str, Any]:
    """What stands around a form with this mix."""
    return order_page.around(OrderForm(user=user, initial={"prompt": "a", "mix": mix}))


def ordered(html: str) -> list[int]:
    """The numbers of the styles in the mix, in the order in which they are sent."""
    return [int(pk) for pk in re.findall(r'name="order" value="(\d+)"', html)]


# Safe ranges


@pytest.mark.parametrize(
    ("weight", "where"), [(0.55, "below"), (0.6, ""), (0.8, ""), (1.0, ""), (1.05, "above"), (2.0, "above")]
)
def test_a_row_says_on_which_side_of_the_safe_range_its_weight_is(ada: User, weight: float, where: str) -> None:
    [row] = around(ada, ingredient(style("Ink", safe_from=0.6, safe_to=1.0), weight))["mix"]
    assert row.where == where


def test_where_no_safe_range_is_known_every_weight_is_fine(ada: User) -> None:
    [row] = around(ada, ingredient(style("Ink"), 2.0))["mix"]
    assert row.where == ""


def test_the_server_marks_a_weight_outside_the_safe_range(her: Client) -> None:
    ink = style("Ink", safe_from=0.6, safe_to=1.0)
    for weight, mark in (("1.4", "above"), ("0.2", "below"), ("0.8", "")):
        html = page(her.post(reverse("generation:compose"), VALID | {"style": [ink.pk], f"weight-{ink.pk}": weight}))
        assert (f'<li class="{mark}">' in html) == bool(mark)
        assert 'data-safe-from="0.6" data-safe-to="1.0"' in html and "safe from 0.60 to 1.00" in html


# Order


@pytest.mark.parametrize("headers", [HTMX, {}], ids=["htmx", "plain"])
def test_a_button_moves_a_style_up_or_down_and_no_further_than_the_end(her: Client, headers: dict[str, str]) -> None:
    one, two, three = (style(name).pk for name in ("Aa", "Bb", "Cc"))
    data = VALID | {"style": [one, two, three], "order": [three, one, two]}

    def press(**button: int) -> list[int]:
        return ordered(her.post(reverse("generation:compose"), data | button, headers=headers).content.decode())

    assert press(up=two) == [three, two, one]
    assert press(down=three) == [one, three, two]
    assert press(up=three) == [three, one, two]
    assert press(down=two) == [three, one, two]
    assert press(up=999) == [three, one, two]


def test_a_style_that_left_the_mix_does_not_stand_in_the_way(her: Client) -> None:
    one, two, three, four = (style(name).pk for name in ("Aa", "Bb", "Cc", "Dd"))
    data = VALID | {"style": [one, three, four], "order": [one, two, three], "up": three}
    assert ordered(her.post(reverse("generation:compose"), data).content.decode()) == [three, one, four]


def test_the_order_survives_an_order_that_is_refused(her: Client) -> None:
    one, two = style("Aa").pk, style("Bb").pk
    data = VALID | {"style": [one, two], "order": [two, one], "prompt": " "}
    for headers in (HTMX, {}):
        response = her.post(reverse("generation:generate"), data, headers=headers)
        assert response.status_code == 422 and ordered(response.content.decode()) == [two, one]


def test_the_order_is_what_is_stored_what_the_engine_gets_and_what_reuse_brings_back(her: Client) -> None:
    one, two = style("Aa", lora_name="a.safetensors"), style("Bb", lora_name="b.safetensors")
    her.post(reverse("generation:generate"), VALID | {"style": [one.pk, two.pk], "order": [two.pk, one.pk]})
    task = GenerationTask.objects.get()
    assert [row.version.style for row in task.mix.order_by("position")] == [two, one]
    assert [each["lora"] for each in task.snapshot["styles"]] == ["b.safetensors", "a.safetensors"]
    assert ordered(her.get(f"/?task={task.pk}").content.decode()) == [two.pk, one.pk]


# The picker


def test_what_i_used_last_comes_right_after_the_base_style(ada: User, bob: User) -> None:
    Style.objects.create(name="Base", slug=BASE_SLUG, is_base=True)
    made = {name: style(name) for name in ("Aa", "Bb", "Cc", "Dd")}

    def picker(user: User) -> list[tuple[str, str]]:
        return [(choice.title, choice.shelf) for choice in around(user)["styles"]]

    assert picker(ada) == [("Base style", ""), ("Aa", ""), ("Bb", ""), ("Cc", ""), ("Dd", "")]
    orders.place(Order(prompt="a", mix=(ingredient(made["Dd"]),)), ada)
    orders.place(Order(prompt="a", mix=(ingredient(made["Cc"]), ingredient(made["Aa"]))), ada)
    orders.place(Order(prompt="a", mix=(ingredient(made["Bb"]),)), bob)
    titles = [("Base style", ""), ("Cc", "Recent"), ("Aa", ""), ("Dd", ""), ("Bb", "Other styles")]
    assert picker(ada) == titles
    made["Cc"].delete()
    assert picker(ada) == [("Base style", ""), ("Aa", "Recent"), ("Dd", ""), ("Bb", "Other styles")]


def test_only_the_last_few_styles_are_recent(ada: User) -> None:
    made = [style(f"Style {number}") for number in range(order_page.RECENT + 2)]
    for each in made:
        orders.place(Order(prompt="a", mix=(ingredient(each),)), ada)
    titles = [choice.title for choice in around(ada)["styles"]]
    assert titles == ["Style 5", "Style 4", "Style 3", "Style 2", "Style 0", "Style 1"]


def test_what_i_used_last_is_one_question_to_the_database(
    ada: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    ink = style("Ink")
    for _time in range(3):
        orders.place(Order(prompt="a", mix=(ingredient(ink),)), ada)
    with django_assert_num_queries(1):
        assert order_page._recent(ada, [ink]) == [ink.pk]


def test_the_picker_is_searched_by_name_kind_and_trigger_words(her: Client) -> None:
    style("Ink & mist", trigger_words="inkmist style")
    assert 'data-words="Ink &amp; mist Illustration inkmist style"' in her.get("/").content.decode()


# Checkpoints


@pytest.mark.parametrize(
    "text",
    [
        "sd_xl_base_1.0.safetensors",
        "sd_xl_base_1.0",
        "sdxl_base_v1-0",
        "sdXL base 1.0",
        "SDXL_base_1.0_0.9vae.safetensors",
        "/models/checkpoints/sd_xl_base_1.0.ckpt",
        "C:\\models\\sd_xl_base_1.0_fp16.safetensors",
        "stabilityai/stable-diffusion-xl-base-1.0",
    ],
)
def test_one_base_has_many_spellings(text: str) -> None:
    assert base_name(text) == "sdxlbase10" and not differ(text, OWN)


@pytest.mark.parametrize("text", ["", "  ", "SDXL", "SDXL 1.0", "31e35c80fc", "sha256:" + "ab" * 32, "?"])
def test_what_names_no_checkpoint_differs_from_none(text: str) -> None:
    assert base_name(text) == "" and not differ(text, OWN)


def test_a_shorter_spelling_of_the_same_name_is_the_same() -> None:
    assert not differ("ponyDiffusionV6XL", "ponyDiffusionV6XL_v6StartWithThisOne.safetensors")
    assert differ("ponyDiffusionV6XL", OWN) and differ("juggernautXL_v9", "dreamshaperXL")


def test_a_style_of_another_base_is_warned_of_and_blocks_nothing(ada: User) -> None:
    Engine.objects.create(
        address="http://10.0.0.1:1", health="ok", checkpoints=[OWN], loras=["sdxl_lightning_4step_lora.safetensors"]
    )
    ink, pony = style("Ink", trained_on="sdxl_base_v1-0"), style("Pony", trained_on="/x/ponyDiffusionV6XL.safetensors")
    found = around(ada, ingredient(ink), ingredient(pony))["readiness"]
    assert found.warnings == ["Pony was trained on ponyDiffusionV6XL, not on sd_xl_base_1.0."]
    assert found.problems == []


def test_a_style_that_brings_its_checkpoint_along_is_at_home_there(ada: User) -> None:
    pony = ingredient(style("Pony", trained_on="ponyDiffusionV6XL", checkpoint="ponyDiffusionV6XL.safetensors"))
    assert base_checkpoints.warnings(Order(prompt="a", mix=[pony])) == []
    assert "with ponyDiffusionV6XL.safetensors, as Pony asks for" in around(ada, pony)["readiness"].lines
    ink = ingredient(style("Ink", trained_on="sdXL base 1.0"))
    assert base_checkpoints.warnings(Order(prompt="a", mix=[ink, pony])) == [
        "Ink was trained on sdXL base 1.0, not on ponyDiffusionV6XL."
    ]


def test_two_styles_that_ask_for_different_checkpoints_are_named(ada: User) -> None:
    pony = ingredient(style("Pony", checkpoint="pony.safetensors"))
    dream = ingredient(style("Dream", checkpoint="dreamshaperXL.safetensors"))
    said = "Pony asks for pony and Dream for dreamshaperXL. The first in the list decides."
    assert base_checkpoints.warnings(Order(prompt="a", mix=[pony, dream])) == [said]
    assert "with pony.safetensors, as Pony asks for" in around(ada, pony, dream)["readiness"].lines


def test_the_studios_own_checkpoint_is_not_worth_a_word(ada: User) -> None:
    own = ingredient(style("Ink", checkpoint=OWN, trained_on=OWN))
    assert base_checkpoints.chosen([own]) == "" and base_checkpoints.warnings(Order(prompt="a", mix=[own])) == []


def test_the_page_shows_the_warning_beside_the_button(her: Client) -> None:
    pony = style("Pony", trained_on="ponyDiffusionV6XL")
    html = her.post(reverse("generation:compose"), VALID | {"style": [pony.pk]}, headers=HTMX).content.decode()
    assert "Pony was trained on ponyDiffusionV6XL, not on sd_xl_base_1.0." in html
