"""Presets in the Studio: words around the prompt, filled with one press, saved from the form, taken up again."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from generation.ordering import orders
from generation.ordering.orders import Ingredient, Order
from generation.pictures import graphs
from generation.pictures.models import GenerationTask
from generation.pictures.prompts import Frame, final_parts, final_prompt
from styles.forms import PresetForm
from styles.models import BASE_SLUG, Preset, Style
from tests.pages import page

HTMX = {"HX-Request": "true"}
VALID: dict[str, Any] = {
    "mode": "text", "prompt": "two cottages", "shape": "1216x832", "count": "1", "seed": "", "steps": "6", "cfg": "1",
    "sampler": "euler", "scheduler": "sgm_uniform", "negative": "fog",
}  # fmt: skip
VALLEY = Frame("wide landscape", "soft morning light", "Valley")


@pytest.fixture
def her(client: Client, ada: User) -> Client:
    """Ada's browser."""
    client.force_login(ada)
    return client


@pytest.fixture
def ink(db: None) -> Style:
    """A style with a trigger."""
    style = Style.objects.create(name="Ink & mist")
    style.versions.update(trigger_words="inkmist style", default_strength=0.8)
    return style


@pytest.fixture
def base(db: None) -> Style:
    """What runs when no style is chosen."""
    return Style.objects.create(name="Base", slug=BASE_SLUG, is_base=True)


def preset(style: Style, name: str = "Valley", **fields: Any) -> Preset:
    """A preset with something in every place."""
    values = {
        "prefix": "wide landscape", "suffix": "soft morning light", "negative": "people", "width": 1344, "height": 768,
        "steps": 8,
    }  # fmt: skip
    return Preset.objects.create(style=style, name=name, **values | fields)


def value(html: str, name: str) -> str:
    """The value of an input."""
    found = re.search(rf'<input[^>]*\sname="{name}"[^>]*\svalue="([^"]*)"', html)
    assert found, name
    return found[1]


def used(html: str) -> list[str]:
    """The presets that can be taken off."""
    return re.findall(r'aria-label="Remove preset: ([^"]*)"', html)


# The final prompt


def test_a_preset_stands_around_the_prompt_behind_the_trigger_words() -> None:
    sent = final_prompt("two cottages", ["inkmist style"], VALLEY)
    assert sent == "inkmist style, wide landscape, two cottages, soft morning light"


def test_trigger_words_that_the_preset_says_are_not_repeated() -> None:
    assert final_parts("a", ["ink", "mist"], Frame("ink wash")) == [("mist", True), ("ink wash", False), ("a", False)]


@pytest.mark.parametrize(
    ("frame", "sent"),
    [
        (Frame("wide, ", ", soft"), "wide, a, soft"),
        (Frame(" ", " "), "a"),
        (Frame(",", ""), "a"),
        (Frame(suffix="soft"), "a, soft"),
    ],
)
def test_commas_at_the_seams_are_not_doubled(frame: Frame, sent: str) -> None:
    assert final_prompt("a", [], frame) == sent


def test_a_comma_that_ends_the_prompt_is_not_doubled() -> None:
    assert final_prompt("a fox, ", [], VALLEY) == "wide landscape, a fox, soft morning light"


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_words_are_accepted_and_the_prompt_survives(prompt: str, before: str) -> None:
    assert final_prompt(prompt, [], Frame(before)).endswith(prompt.strip())


# Orders and snapshots


def test_an_order_keeps_its_preset_and_reuse_is_the_same_order(ada: User, ink: Style) -> None:
    assert ink.version is not None
    order = Order(prompt="two cottages", seed=1, mix=(Ingredient(ink.version, 0.8),), frame=VALLEY)
    task = orders.place(order, ada)
    assert task.prompt == "two cottages"
    assert task.snapshot["final_prompt"] == "inkmist style, wide landscape, two cottages, soft morning light"
    assert task.snapshot["frame"] == {
        "prefix": "wide landscape",
        "suffix": "soft morning light",
        "preset": "Valley",
    }
    taken_up = orders.order_of(GenerationTask.objects.get(pk=task.pk))
    assert taken_up.frame == VALLEY
    assert orders.place(taken_up, ada).snapshot_sha256 == task.snapshot_sha256


def test_an_order_without_a_preset_has_the_snapshot_that_it_always_had(ada: User) -> None:
    task = orders.place(Order(prompt="a", seed=1), ada)
    assert "frame" not in task.snapshot and task.frame == Frame()


def test_a_retry_keeps_the_words_of_the_preset(ada: User) -> None:
    task = orders.place(Order(prompt="a", seed=1, frame=VALLEY), ada)
    assert task.cancel()
    again = orders.retry(task, ada)
    assert again.frame == VALLEY and again.snapshot_sha256 == task.snapshot_sha256
    assert again.snapshot["final_prompt"] == "wide landscape, a, soft morning light"
    assert graphs.build(again, 0, again.request_id)  # the graph is made from it


def test_trigger_words_that_are_off_stay_off_beside_a_preset(ada: User, ink: Style) -> None:
    assert ink.version is not None
    mix = (Ingredient(ink.version, 0.8, frozenset({"inkmist style"})),)
    task = orders.place(Order(prompt="a", mix=mix, frame=VALLEY), ada)
    [row] = orders.order_of(task).mix
    assert row.off == {"inkmist style"}


# In the Studio


@pytest.mark.parametrize("headers", [HTMX, {}], ids=["htmx", "plain"])
def test_one_press_fills_shape_steps_negative_and_words(
    her: Client, ink: Style, base: Style, headers: dict[str, str]
) -> None:
    data = VALID | {"style": [ink.pk], "use_preset": preset(ink).pk}
    html = page(her.post(reverse("generation:compose"), data, headers=headers))
    assert re.search(r'id="shape-1344x768"[^>]*\schecked', html)
    assert value(html, "steps") == "8" and ">people</textarea>" in html
    assert (value(html, "before"), value(html, "after")) == ("wide landscape", "soft morning light")
    assert "wide landscape, two cottages, soft morning light" in html and used(html) == ["Valley"]


def test_a_preset_without_a_negative_prompt_leaves_what_is_typed(her: Client, base: Style) -> None:
    data = VALID | {"use_preset": preset(base, negative="").pk}
    assert ">fog</textarea>" in her.post(reverse("generation:compose"), data).content.decode()


def test_a_preset_is_taken_off_with_one_press(her: Client, base: Style) -> None:
    preset(base)
    data = VALID | {"preset": "Valley", "before": "wide landscape", "after": "soft", "drop_preset": "1"}
    html = her.post(reverse("generation:compose"), data).content.decode()
    assert used(html) == [] and value(html, "before") == "" and "Use preset: Valley" in html


def test_presets_of_the_chosen_styles_are_offered_and_those_of_the_base_style_without_any(
    her: Client, ink: Style, base: Style
) -> None:
    other = Style.objects.create(name="Other")
    preset(ink, "Late", position=2), preset(ink, "Early", position=1), preset(base, "Plain"), preset(other, "Not here")

    def offered(**more: Any) -> list[str]:
        html = her.post(reverse("generation:compose"), VALID | more).content.decode()
        return re.findall(r'aria-label="Use preset: ([^"]*)"', html)

    assert offered() == ["Plain"]
    assert offered(style=[ink.pk]) == ["Early", "Late"]
    assert offered(style=[ink.pk, other.pk], order=[other.pk, ink.pk]) == ["Not here", "Early", "Late"]


def test_a_preset_in_use_stays_in_sight_when_its_style_goes_or_it_is_deleted(her: Client, base: Style) -> None:
    data = VALID | {"preset": "Gone", "before": "wide"}
    assert used(her.post(reverse("generation:compose"), data).content.decode()) == ["Gone"]
    data = VALID | {"before": "wide"}
    assert used(her.post(reverse("generation:compose"), data).content.decode()) == ["Own words"]


def test_a_preset_that_is_gone_fills_nothing(her: Client, base: Style) -> None:
    for nonsense in ("999", "x", ""):
        html = her.post(reverse("generation:compose"), VALID | {"use_preset": nonsense}).content.decode()
        assert value(html, "steps") == "6" and used(html) == []


def test_generate_and_reuse_bring_the_words_along(her: Client, ink: Style) -> None:
    her.post(reverse("generation:generate"), VALID | {"before": "wide", "after": "soft", "preset": "Valley"})
    task = GenerationTask.objects.get()
    assert task.final_prompt == "wide, two cottages, soft"
    html = her.get(f"/?task={task.pk}").content.decode()
    assert (value(html, "before"), value(html, "after"), used(html)) == ("wide", "soft", ["Valley"])


def test_words_that_are_too_long_are_refused_at_their_field(her: Client, ink: Style) -> None:
    html = her.post(reverse("generation:generate"), VALID | {"before": "x" * 501}).content.decode()
    assert 'id="before-error"' in html and re.search(r'id="preset-box"[^>]*\sopen', html)
    assert not GenerationTask.objects.exists()


def test_a_link_opens_the_studio_with_a_preset(her: Client, ink: Style) -> None:
    html = her.get(f"/?style={ink.slug}&preset={preset(ink).pk}").content.decode()
    assert used(html) == ["Valley"] and re.search(rf'id="style-{ink.pk}"[^>]*\schecked', html)


# Saving


@pytest.mark.parametrize("headers", [HTMX, {}], ids=["htmx", "plain"])
def test_everybody_saves_the_form_as_a_preset_of_the_first_style(
    her: Client, ada: User, ink: Style, base: Style, headers: dict[str, str]
) -> None:
    other = Style.objects.create(name="Other")
    data = VALID | {
        "style": [ink.pk, other.pk], "order": [other.pk, ink.pk], "before": " wide ", "after": "soft",
        "preset_name": "Mine",
    }  # fmt: skip
    response = her.post(reverse("generation:save-preset"), data, headers=headers)
    assert response.status_code == 200
    saved = Preset.objects.get()
    assert (saved.style, saved.name, saved.owner, saved.prefix, saved.suffix) == (other, "Mine", ada, "wide", "soft")
    assert (saved.negative, saved.width, saved.height, saved.steps) == ("fog", 1216, 832, 6)
    html = response.content.decode()
    assert used(html) == ["Mine"] and "The preset is saved for Other." in html
    assert not GenerationTask.objects.exists()


def test_without_a_style_it_is_saved_for_the_base_style_and_a_prompt_is_not_needed(her: Client, base: Style) -> None:
    her.post(reverse("generation:save-preset"), VALID | {"prompt": "", "preset_name": "Plain"})
    assert Preset.objects.get().style == base


@pytest.mark.parametrize("headers", [HTMX, {}], ids=["htmx", "plain"])
@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"preset_name": " "}, "Give the preset a name."),
        ({"preset_name": "Valley"}, "has a preset of this name"),
        ({"steps": "51"}, "less than or equal to 50"),
        ({"steps": "many"}, "whole number"),
        ({"shape": "9x9"}, "valid choice"),
    ],
)
def test_what_cannot_be_saved_is_said_and_nothing_typed_is_lost(
    her: Client, base: Style, wrong: dict[str, str], words: str, headers: dict[str, str]
) -> None:
    preset(base)
    data = VALID | {"before": "wide", "preset_name": "New"} | wrong
    response = her.post(reverse("generation:save-preset"), data, headers=headers)
    html = response.content.decode()
    assert response.status_code == 422 and words in html and Preset.objects.count() == 1
    assert value(html, "before") == "wide" and value(html, "preset_name") == data["preset_name"]
    assert re.search(r'id="preset-box"[^>]*\sopen', html)


@pytest.mark.parametrize("headers", [HTMX, {}], ids=["htmx", "plain"])
def test_of_two_who_save_a_name_at_one_instant_the_second_gets_the_form_back(
    her: Client, base: Style, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    preset(base)
    monkeypatch.setattr(PresetForm, "clean_name", lambda form: form.cleaned_data["name"])  # both looked before
    response = her.post(reverse("generation:save-preset"), VALID | {"preset_name": "Valley"}, headers=headers)
    assert response.status_code == 422 and "has a preset of this name" in response.content.decode()
    assert Preset.objects.count() == 1


def test_a_later_preset_stands_behind_the_earlier_ones(her: Client, base: Style) -> None:
    for name in ("Zz", "Aa"):
        her.post(reverse("generation:save-preset"), VALID | {"preset_name": name})
    assert [each.name for each in base.presets.all()] == ["Zz", "Aa"]
