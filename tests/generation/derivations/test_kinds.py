"""Kinds of styles carry a preset, and come in the order that the studio wants."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from generation.derivations import kinds
from generation.derivations.forms import FinishForm
from styles.models import Style
from styles.queries import kinds_in_order
from tests.generation.derivations.conftest import Store

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("kind", "preset"), [("ui", "icon"), ("vfx", "effect"), ("character", "")])
def test_the_page_of_a_picture_proposes_the_preset_of_its_first_style(
    store: Store, ada: User, ink: Style, kind: str, preset: str
) -> None:
    Style.everything.filter(pk=ink.pk).update(kind=kind)
    task = store(style=ink).task
    assert (kinds.kind_of(task), kinds.preset_of(task)) == (kind, preset)
    assert FinishForm(user=ada, usual=preset)["preset"].value() == preset


def test_a_picture_without_styles_has_no_kind_and_no_preset(store: Store) -> None:
    assert (kinds.kind_of(store().task), kinds.preset_of(store().task)) == ("", "")


def test_the_kinds_that_come_first_are_a_setting(settings: Settings) -> None:
    assert [name for name, _label in kinds_in_order()][:3] == ["ui", "vfx", "illustration"]
    settings.KINDS = ["scene", "nonsense"]
    assert [name for name, _label in kinds_in_order()][:2] == ["scene", "illustration"]
