"""Versions of styles in the admin."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from generation.engines.models import Engine
from generation.pictures.models import GenerationTask
from generation.previews.models import Face, Probe
from styles.kinds.of_kind import Kind
from styles.models import Style, StyleVersion

pytestmark = pytest.mark.django_db

LIST = "admin:styles_styleversion_changelist"


@pytest.fixture
def desk(client: Client, curator: User) -> Client:
    """A curator's browser."""
    client.force_login(curator)
    return client


@pytest.fixture
def ink() -> Style:
    """A style with a published version and two drafts."""
    style = Style.objects.create(name="Ink", kind=Kind.SCENE)
    style.versions.update(lora_name="ink1.st")
    style.new_version(lora_name="ink2.st", family="sdxl", effect="none", source="imported")
    style.new_version(lora_name="ink3.st", trigger_words="blot")
    return style


def listed(desk: Client, **query: Any) -> list[int]:
    """The numbers of the versions that the list shows."""
    page = desk.get(reverse(LIST), query)
    assert page.status_code == 200
    return sorted(version.number for version in page.context["cl"].result_list)


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ({}, [1, 2, 3]),
        ({"q": "blot"}, [3]),
        ({"q": "ink"}, [1, 2, 3]),
        ({"state__exact": "draft"}, [2, 3]),
        ({"effect__exact": "none"}, [2]),
        ({"family": "sdxl"}, [2]),
        ({"source__exact": "imported"}, [2]),
        ({"style__kind__exact": "scene"}, [1, 2, 3]),
        ({"style__kind__exact": "ui"}, []),
        ({"engines": "missing"}, [2, 3]),
        ({"engines": "all"}, [1]),
    ],
)
def test_versions_are_searched_and_filtered(
    desk: Client, ink: Style, query: dict[str, str], numbers: list[int]
) -> None:
    Engine.objects.create(address="http://10.0.0.1:1", health="ok", loras=["ink1.st", "ink2.st"])
    Engine.objects.create(address="http://10.0.0.2:1", health="ok", loras=["ink1.st"])
    Engine.objects.create(address="http://10.0.0.3:1", health="unreachable")
    assert listed(desk, **query) == numbers


def press(desk: Client, action: str, *versions: StyleVersion) -> str:
    """Choose versions and press a button."""
    choice = {"action": action, "_selected_action": [version.pk for version in versions]}
    return desk.post(reverse(LIST), choice, follow=True).content.decode()


def test_several_are_published_and_archived_and_it_is_noted(desk: Client, ink: Style) -> None:
    other = Style.objects.create(name="Spark")
    versions = list(ink.versions.order_by("number"))
    assert "2 versions are published." in press(desk, "publish", *versions, other.versions.get())
    assert [version.state for version in ink.versions.order_by("number")] == ["archived", "draft", "published"]
    assert "1 version is archived." in press(desk, "archive", versions[2])
    said = LogEntry.objects.filter(object_id=str(versions[2].pk)).values_list("change_message", flat=True)
    assert sorted(said) == ["Archived.", "Published."]
    assert (
        "Published." in desk.get(reverse("admin:styles_styleversion_history", args=[versions[2].pk])).content.decode()
    )


def test_previews_of_several_are_asked_for_at_once(desk: Client, curator: User, ink: Style) -> None:
    first, second = ink.versions.order_by("number")[:2]
    assert "There are no probe prompts in use." in press(desk, "make_previews", first)
    Probe.objects.create(prompt="a path", seed=5)
    assert "Previews of 2 versions are made." in press(desk, "make_previews", first, second)
    assert {face.version for face in Face.objects.all()} == {first, second}
    assert {task.owner for task in GenerationTask.everything.filter(is_face=True)} == {curator}


def test_the_base_style_keeps_its_version(desk: Client) -> None:
    base = Style.objects.create(slug="base", name="Base style", is_base=True, kind=Kind.OTHER)
    assert "The base style is protected." in press(desk, "archive", base.versions.get())
    assert base.versions.get().state == "published"


def test_a_version_is_corrected_but_not_what_it_is(desk: Client, ink: Style) -> None:
    version = ink.versions.get(number=2)
    address = reverse("admin:styles_styleversion_change", args=[version.pk])
    desk.post(
        address, {"lora_name": "ink2.st", "default_strength": "0.5", "licence": "CC0", "number": "9", "rank": "7"}
    )
    version.refresh_from_db()
    assert (version.default_strength, version.licence, version.number, version.rank) == (0.5, "CC0", 2, None)


def test_none_is_added_or_deleted_here(desk: Client, ink: Style) -> None:
    assert desk.get(reverse("admin:styles_styleversion_add")).status_code == 403
    pk = ink.versions.get(number=2).pk
    assert desk.post(reverse("admin:styles_styleversion_delete", args=[pk]), {"post": "yes"}).status_code == 403


def test_what_is_done_on_the_page_is_noted_too(desk: Client, ink: Style) -> None:
    desk.post(reverse("styles:publish", args=[ink.slug, 2]))
    desk.post(reverse("styles:archive", args=[ink.slug, 2]))
    pk = ink.versions.get(number=2).pk
    assert LogEntry.objects.filter(object_id=str(pk), content_type__model="styleversion").count() == 2
