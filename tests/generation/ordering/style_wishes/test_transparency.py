"""A style asks for a transparent ground, as its kind does or on its own, until the person at the form chooses."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.http import QueryDict
from django.test import Client
from django.test.utils import CaptureQueriesContext

from generation.engines.models import Engine
from generation.making import recipe_lacks
from generation.ordering import forms, orders
from generation.ordering.orders import Order
from generation.ordering.style_wishes import transparency
from generation.pictures import shapes
from generation.recipes import registry
from generation.recipes.recipe import Recipe
from styles.forms import StyleForm
from styles.models import Style
from tests.generation.browsing import HTMX, VALID, address, as_posted
from tests.pages import page

pytestmark = pytest.mark.django_db


@pytest.fixture
def icons() -> Style:
    return Style.objects.create(name="Icons", kind="ui")


def form(client: Client, **query: Any) -> tuple[bool, str]:
    """The switch on a page that is loaded now, and who set it."""
    found = as_posted(client.get("/", query).content.decode())
    return "cut_out" in found, found["cut_out_by"][0]


def change(client: Client, *mix: Style, switch: bool, by: str) -> tuple[bool, str]:
    """Change the form on the page, and load it again."""
    sent = {**VALID, "style": [each.pk for each in mix], "order": [each.pk for each in mix], "cut_out_by": by}
    answer = client.post(address("compose"), sent | ({"cut_out": "on"} if switch else {}), headers=HTMX)
    assert answer.status_code == 200
    return form(client)


@pytest.mark.parametrize(
    ("kind", "own", "is_cut_out"),
    [
        ("ui", None, True),
        ("ui", False, False),
        ("vfx", None, False),
        ("vfx", True, True),
        ("character", None, False),
        ("scene", True, True),
    ],
)
def test_a_style_is_as_its_kind_unless_it_says_otherwise(kind: str, own: bool | None, is_cut_out: bool) -> None:
    assert Style(kind=kind, cut_out=own).is_cut_out is is_cut_out


def test_the_form_of_a_style_says_it_and_one_without_the_question_leaves_it(icons: Style) -> None:
    sent = {"name": "Icons", "kind": "ui", "default_strength": "1"}
    for text, kept in (("False", False), (None, False), ("True", True), ("", None)):
        said = StyleForm(sent if text is None else sent | {"cut_out": text}, instance=icons)
        assert said.is_valid(), said.errors
        said.save()
        icons.refresh_from_db()
        assert icons.cut_out is kept
    assert "cut_out" not in StyleForm(instance=Style(is_base=True, slug="base")).fields


def test_the_switch_follows_the_first_style_and_goes_back_with_it(her: Client, icons: Style, ink: Style) -> None:
    assert form(her) == (False, "off")
    assert change(her, icons, switch=False, by="off") == (True, "on")
    assert change(her, ink, icons, switch=True, by="on") == (False, "off"), "the first of the mix decides"
    assert change(her, icons, ink, switch=False, by="off") == (True, "on")
    assert change(her, switch=True, by="on") == (False, "off")


@pytest.mark.parametrize("chosen", [True, False])
def test_what_a_person_chose_stays_whatever_styles_come_and_go(
    her: Client, icons: Style, ink: Style, chosen: bool
) -> None:
    first = [] if chosen else [icons]
    before = not chosen
    assert change(her, *first, switch=chosen, by="on" if before else "off") == (chosen, "own")
    for mix in ([icons], [ink], [], [icons, ink]):
        assert change(her, *mix, switch=chosen, by="own") == (chosen, "own")


def test_the_answer_to_a_chosen_style_brings_the_switch_and_says_why(her: Client, icons: Style) -> None:
    said = page(her.post(address("compose"), {**VALID, "style": [icons.pk], "cut_out_by": "off"}, headers=HTMX))
    assert 'id="cut-out" hx-swap-oob' in said and "On, because Icons asks for it." in said
    again = {**VALID, "style": [icons.pk], "cut_out": "on", "cut_out_by": "on"}
    said = page(her.post(address("compose"), again, headers=HTMX))
    assert 'id="cut-out" hx-swap-oob' not in said, "somebody may be changing it"
    assert "On, because Icons asks for it." in said


def test_a_style_in_the_address_brings_its_ground(her: Client, icons: Style, ink: Style) -> None:
    assert form(her, style=icons.slug) == (True, "on")
    assert form(her, style=ink.slug) == (False, "off")


@pytest.mark.parametrize("asked", [True, False])
def test_settings_that_are_used_again_stay_as_they_were_asked(
    her: Client, ada: User, icons: Style, asked: bool
) -> None:
    [mix] = [forms.picked(form_data(icons), ada)]
    task = orders.place(Order(prompt="a key", mix=mix, cut_out=asked), ada)
    assert form(her, task=task.pk) == (asked, "own")
    assert change(her, icons, switch=asked, by="own") == (asked, "own")
    assert orders.order_of(orders.vary(task, ada, None)).cut_out is asked


def form_data(*mix: Style) -> Any:

    return QueryDict("&".join(f"style={each.pk}" for each in mix))


def test_where_no_engine_can_cut_out_a_style_switches_nothing_on_and_the_form_says_so(
    engine: Engine, her: Client, icons: Style
) -> None:
    Engine.objects.update(background_removal=[])
    assert change(her, icons, switch=False, by="off") == (False, "off")
    said = page(her.get("/"))
    assert "Icons asks for it, but nothing can cut pictures out now." in said and "models/background_removal" in said
    assert change(her, icons, switch=True, by="off") == (True, "own"), "a person may all the same"
    assert "nothing can cut them out now" in page(her.get("/"))
    Engine.objects.update(background_removal=["birefnet.safetensors"])
    assert transparency.lack() == ""


def test_a_change_of_the_form_reads_the_lists_of_the_engines_once(
    engine: Engine, her: Client, icons: Style, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    trouble = recipe_lacks.trouble

    def counted(recipe: Recipe) -> str:
        asked.append(recipe.name)
        return trouble(recipe)

    monkeypatch.setattr(recipe_lacks, "trouble", counted)
    sent = {**VALID, "style": icons.pk, "order": icons.pk, "cut_out_by": "off"}
    with CaptureQueriesContext(connection) as captured:
        assert her.post(address("compose"), sent, headers=HTMX).status_code == 200
    read = [each for each in captured if "loras" in each["sql"] and f'FROM "{Engine._meta.db_table}"' in each["sql"]]
    assert len(read) == 1 and asked.count("cut-out") == 1


def test_without_any_engine_all_waits_and_the_style_is_followed(her: Client, icons: Style) -> None:
    Engine.objects.all().delete()
    assert change(her, icons, switch=False, by="off") == (True, "on")


@pytest.mark.parametrize("by", ["", "nonsense", "on\0", "ON", "x" * 9000])
def test_nonsense_about_who_chose_harms_nothing(her: Client, icons: Style, by: str) -> None:
    assert change(her, icons, switch=True, by=by) in {(True, "own"), (True, "on")}
    answer = her.post(address("generate"), VALID | {"cut_out_by": by}, headers=HTMX)
    assert answer.status_code == (422 if "\0" in by else 200)


def test_a_shape_that_nobody_touched_is_square_as_icons_are() -> None:
    for recipe in registry.current().values():
        first = shapes.of(recipe.shapes)[0]
        assert first.width == first.height, recipe.name
