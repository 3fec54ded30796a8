"""Styles in the admin."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from styles.models import Style

pytestmark = pytest.mark.django_db

NO_PRESETS = {"presets-TOTAL_FORMS": "0", "presets-INITIAL_FORMS": "0"}


@pytest.fixture
def ink() -> Style:
    return Style.objects.create(name="Ink & mist")


def test_the_list_is_searched_and_filtered(desk: Client, base: Style, ink: Style) -> None:
    page = desk.get(reverse("admin:styles_style_changelist"), {"q": "mist", "kind__exact": "illustration"})
    assert page.status_code == 200
    assert [style.pk for style in page.context["cl"].result_list] == [ink.pk]


def test_the_base_style_cannot_be_deleted(desk: Client, base: Style) -> None:
    assert desk.post(reverse("admin:styles_style_delete", args=[base.pk]), {"post": "yes"}).status_code == 403
    assert Style.objects.filter(pk=base.pk).exists()


def test_deleting_several_refuses_as_a_whole_with_the_base_style_among_them(
    desk: Client, base: Style, ink: Style
) -> None:
    choice = {"action": "delete_selected", "_selected_action": [base.pk, ink.pk]}
    page = desk.post(reverse("admin:styles_style_changelist"), choice, follow=True).content.decode()
    assert "The base style is protected." in page
    assert Style.objects.count() == 2


def test_several_styles_go_to_the_trash_and_come_back(desk: Client, ink: Style) -> None:
    other = Style.objects.create(name="Spark")
    choice = {"action": "delete_selected", "_selected_action": [ink.pk, other.pk]}
    page = desk.post(reverse("admin:styles_style_changelist"), choice, follow=True).content.decode()
    assert "2 styles are deleted." in page
    assert not Style.objects.filter(is_base=False).exists()
    choice["action"] = "restore_selected"
    desk.post(reverse("admin:styles_style_changelist"), choice)
    assert Style.objects.filter(is_base=False).count() == 2


def test_one_style_is_deleted_softly(desk: Client, ink: Style) -> None:
    assert "Ink &amp; mist" in desk.get(reverse("admin:styles_style_delete", args=[ink.pk])).content.decode()
    assert desk.post(reverse("admin:styles_style_delete", args=[ink.pk]), {"post": "yes"}).status_code == 302
    assert Style.everything.get(pk=ink.pk).deleted_at is not None
    assert ink.versions.count() == 1


def test_the_admin_neither_renames_nor_unmarks_the_base_style(desk: Client, base: Style) -> None:
    version = base.versions.get()
    posted = {
        "name": "Mine", "slug": "mine", "kind": "vfx", "is_base": "", "description": "Plain",
        "versions-TOTAL_FORMS": "1", "versions-INITIAL_FORMS": "1", "versions-0-id": version.pk,
        "versions-0-style": base.pk, "versions-0-default_strength": "1.0", "versions-0-lora_name": "", **NO_PRESETS,
    }  # fmt: skip
    assert desk.post(reverse("admin:styles_style_change", args=[base.pk]), posted).status_code == 302
    again = Style.objects.get(pk=base.pk)
    assert (again.name, again.slug, again.is_base, again.description) == (base.name, "base", True, "Plain")


@pytest.mark.parametrize("letters", [500, 501])
def test_the_admin_takes_trigger_words_as_long_as_the_forms_of_the_site_do(
    desk: Client, ink: Style, letters: int
) -> None:
    version = ink.versions.get()
    posted = {
        "name": ink.name, "kind": ink.kind, "versions-TOTAL_FORMS": "1", "versions-INITIAL_FORMS": "1",
        "versions-0-id": version.pk, "versions-0-style": ink.pk, "versions-0-default_strength": "1.0",
        "versions-0-trigger_words": "x" * letters, **NO_PRESETS,
    }  # fmt: skip
    page = desk.post(reverse("admin:styles_style_change", args=[ink.pk]), posted, follow=True).content.decode()
    version.refresh_from_db()
    assert (len(version.trigger_words), "at most 500 characters" in page) == (
        (500, False) if letters == 500 else (0, True)
    )


def test_a_style_added_in_the_admin_belongs_to_its_maker_and_has_version_1(desk: Client, curator: User) -> None:
    posted = {"name": "Spark", "kind": "vfx", "versions-TOTAL_FORMS": "0", "versions-INITIAL_FORMS": "0", **NO_PRESETS}
    assert desk.post(reverse("admin:styles_style_add"), posted).status_code == 302
    style = Style.objects.get(name="Spark")
    assert style.owner == curator
    assert style.versions.get().state == "published"
