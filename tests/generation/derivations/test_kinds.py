"""Kinds of styles carry a preset, and come in the order that the studio wants."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from generation.derivations import kinds
from generation.derivations.forms import FinishForm
from generation.pictures.models import GenerationTask
from styles.models import Style
from styles.queries import kinds_in_order
from stylestudio.people.visibility import Visibility
from tests.generation.derivations.conftest import Store
from tests.generation.selecting.conftest import Shoot

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("kind", "preset"), [("ui", "icon"), ("vfx", "effect"), ("character", "")])
def test_the_page_of_a_picture_proposes_the_preset_of_its_first_style(
    store: Store, ada: User, ink: Style, kind: str, preset: str
) -> None:
    Style.everything.filter(pk=ink.pk).update(kind=kind)
    task = store(style=ink).task
    assert (kinds.kind_of(task), kinds.preset_of(task)) == (kind, preset)
    assert FinishForm(user=ada, usual=preset)["preset"].value() == preset


def proposed(her: Client, *pictures: int) -> str:
    """The preset that the form for selected pictures begins with."""
    sent = {"work": "finish", "pictures": ",".join(map(str, pictures))}
    return str(her.post("/gallery/selection/", sent).context["form"]["preset"].value() or "")


def test_the_form_for_many_pictures_proposes_the_preset_of_their_kind_if_it_is_that_of_all(
    shoot: Shoot, ada: User, her: Client, ink: Style
) -> None:
    mist = Style.objects.create(name="Mist", kind="ui")
    Style.everything.filter(pk=ink.pk).update(kind="ui")
    icons, misty, plain = shoot(ada, 20, style=ink), shoot(ada, 2, style=mist), shoot(ada, 2)
    second: Any = ink.version
    GenerationTask.objects.get(pictures=misty[0]).mix.create(version=second, position=1, weight=0.5)
    assert proposed(her, *icons, *misty) == "icon"
    assert proposed(her, *icons, *plain) == proposed(her, *plain) == ""
    Style.everything.filter(pk=ink.pk).update(kind="vfx")
    assert proposed(her, *icons) == "effect"
    assert proposed(her, *misty) == "icon"  # of several styles the first one says it
    assert proposed(her, *icons, *misty) == ""


def test_pictures_that_somebody_may_not_see_propose_nothing(shoot: Shoot, ada: User, bob: User, her: Client) -> None:
    hidden = Style.objects.create(name="Mist", kind="ui")
    [secret] = shoot(bob, 1, style=hidden, visibility=Visibility.PRIVATE)
    assert proposed(her, secret) == ""


def test_a_picture_without_styles_has_no_kind_and_no_preset(store: Store) -> None:
    assert (kinds.kind_of(store().task), kinds.preset_of(store().task)) == ("", "")


def test_the_kinds_that_come_first_are_a_setting(settings: Settings) -> None:
    assert [name for name, _label in kinds_in_order()][:3] == ["ui", "vfx", "illustration"]
    settings.KINDS = ["scene", "nonsense"]
    assert [name for name, _label in kinds_in_order()][:2] == ["scene", "illustration"]
