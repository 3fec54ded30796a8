"""The style pages: who sees what, who may do what, and what the base style refuses."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from PIL import Image

from styles.forms import StyleForm
from styles.kinds.of_kind import Kind
from styles.models import Style

pytestmark = pytest.mark.django_db

PROTECTED = "The base style is protected."


@pytest.fixture
def ink() -> Style:
    style = Style.objects.create(name="Ink & mist", description="Washes on paper")
    style.versions.update(lora_name="ink.safetensors", trigger_words="inkmist style", default_strength=0.8)
    return style


def fields(**changed: object) -> dict[str, object]:
    return {
        "name": "Gouache fields",
        "kind": "scene",
        "description": "Flat brush fields",
        "lora_name": "gouache_v1.safetensors",
        "trigger_words": "gouache painting, flat",
        "default_strength": "0.75",
        **changed,
    }


def png() -> bytes:
    stored = io.BytesIO()
    Image.new("RGB", (1600, 1200), "teal").save(stored, "PNG")
    return stored.getvalue()


def test_everybody_sees_the_styles_and_only_curators_the_buttons(
    client: Client, ada: User, curator: User, base: Style, ink: Style
) -> None:
    client.force_login(ada)
    page = client.get(reverse("styles:styles")).content.decode()
    assert "Ink &amp; mist" in page
    assert "strength 0.80" in page
    assert page.index("Base style") < page.index("Ink &amp; mist")
    assert "New style" not in page
    one = client.get(ink.get_absolute_url()).content.decode()
    assert "inkmist style" in one
    assert "/?style=ink-mist" in one
    assert "Edit" not in one
    assert "Delete" not in one
    assert "Train a style" in page
    client.force_login(curator)
    assert "New style" in client.get(reverse("styles:styles")).content.decode()
    assert "Delete" in client.get(ink.get_absolute_url()).content.decode()
    assert "Delete" not in client.get(base.get_absolute_url()).content.decode()


def test_a_style_with_archived_versions_alone_is_shown_on_demand(client: Client, ada: User, ink: Style) -> None:
    for version in ink.versions.all():
        version.archive()
    client.force_login(ada)
    page = client.get(reverse("styles:styles")).content.decode()
    assert "Ink &amp; mist" not in page and "Show 1 archived" in page
    shown = client.get(reverse("styles:styles"), {"archived": "1"}).content.decode()
    assert "Ink &amp; mist" in shown and "Hide archived" in shown


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {"Ink &amp; mist", "Spark"}),
        ("?kind=vfx", {"Spark"}),
        ("?q=mist+washes", {"Ink &amp; mist"}),
        ("?q=inkmist", {"Ink &amp; mist"}),
        ("?q=nothing", set()),
        ("?kind=nonsense", {"Ink &amp; mist", "Spark"}),
    ],
)
def test_styles_are_filtered_by_type_and_words(
    client: Client, ada: User, ink: Style, query: str, found: set[str]
) -> None:
    Style.objects.create(name="Spark", kind=Kind.VFX)
    client.force_login(ada)
    page = client.get(reverse("styles:styles") + query).content.decode()
    assert {name for name in ("Ink &amp; mist", "Spark") if f'<b class="cut">{name}</b>' in page} == found
    assert ("No style matches" in page) == (not found)


def test_a_curator_creates_a_style_with_a_published_first_version(client: Client, curator: User) -> None:
    client.force_login(curator)
    response = client.post(reverse("styles:new"), fields(), follow=True)
    assert response.status_code == 200
    assert "Gouache fields is saved." in response.content.decode()
    style = Style.objects.get(slug="gouache-fields")
    assert style.owner == curator
    assert style.version is not None
    assert (style.version.number, style.version.lora_name, style.version.default_strength) == (
        1,
        "gouache_v1.safetensors",
        0.75,
    )
    assert style.version.triggers == ["gouache painting", "flat"]


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"name": " "}, "Give the style a name."),
        ({"default_strength": "2.05"}, "Strength goes from 0 to 2."),
        ({"default_strength": "-0.1"}, "Strength goes from 0 to 2."),
        ({"default_strength": "nan"}, "Strength goes from 0 to 2."),
        ({"lora_name": "ink.pt"}, "The file&#x27;s name ends in .safetensors."),
    ],
)
def test_a_wrong_form_is_shown_again_and_stores_nothing(
    client: Client, curator: User, changed: dict[str, object], sentence: str
) -> None:
    client.force_login(curator)
    response = client.post(reverse("styles:new"), fields(**changed))
    assert response.status_code == 422
    assert sentence in response.content.decode()
    assert not Style.objects.filter(is_base=False).exists()


def test_a_style_typed_by_hand_asks_whether_it_is_another_of_that_name(
    client: Client, curator: User, ink: Style
) -> None:
    client.force_login(curator)
    asked = client.post(reverse("styles:new"), fields(name="INK & mist"))
    assert asked.status_code == 422
    page = asked.content.decode()
    assert f'href="{reverse("styles:edit", args=[ink.slug])}"' in page
    assert "Say that this is another style, or change that one." in page
    assert list(Style.objects.filter(is_base=False)) == [ink]
    made = client.post(reverse("styles:new"), fields(name="INK & mist", is_another="on"))
    assert made.status_code == 302
    assert Style.objects.filter(name__iexact="ink & mist").count() == 2


def test_a_style_that_keeps_its_name_is_not_asked_and_one_that_takes_anothers_is(
    client: Client, curator: User, ink: Style
) -> None:
    other = Style.objects.create(name="Spark")
    twin = Style.objects.create(name="Spark")
    client.force_login(curator)
    assert client.post(reverse("styles:edit", args=[twin.slug]), fields(name="Spark")).status_code == 302
    assert client.post(reverse("styles:edit", args=[other.slug]), fields(name="Ink & mist")).status_code == 422


def test_editing_changes_the_published_version_and_keeps_the_address(client: Client, curator: User, ink: Style) -> None:
    client.force_login(curator)
    assert 'value="0.8"' in client.get(reverse("styles:edit", args=[ink.slug])).content.decode()
    response = client.post(reverse("styles:edit", args=[ink.slug]), fields(name="Ink", default_strength="1.2"))
    assert response.status_code == 302
    again = Style.objects.get(pk=ink.pk)
    assert (again.name, again.slug) == ("Ink", "ink-mist")
    assert again.versions.get().default_strength == 1.2


def test_a_cover_is_written_anew_small_and_under_a_name_of_our_own(
    client: Client, curator: User, ink: Style, media: Path
) -> None:
    client.force_login(curator)
    upload = SimpleUploadedFile("../../holiday.png", png(), "image/png")
    client.post(reverse("styles:edit", args=[ink.slug]), fields(cover=upload))
    ink.refresh_from_db()
    assert ink.cover.name and "holiday" not in ink.cover.name
    with Image.open(media / ink.cover.name) as cover:
        assert cover.format == "WEBP"
        assert max(cover.size) == 1024
    client.post(reverse("styles:edit", args=[ink.slug]), fields(**{"cover-clear": "on"}))
    ink.refresh_from_db()
    assert not ink.cover


@pytest.mark.parametrize("data", [b"no picture at all", png()[:2000]], ids=["nonsense", "cut off"])
def test_a_broken_cover_is_refused_and_leaves_nothing_behind(
    client: Client, curator: User, ink: Style, media: Path, data: bytes
) -> None:
    client.force_login(curator)
    response = client.post(
        reverse("styles:edit", args=[ink.slug]),
        fields(name="Renamed", cover=SimpleUploadedFile("a.png", data, "image/png")),
    )
    assert response.status_code == 422
    assert not list(media.rglob("*.*"))
    assert Style.objects.get(pk=ink.pk).name == "Ink & mist"


@pytest.mark.parametrize("name", ["new", "edit", "delete", "restore"])
def test_members_may_not_change_styles(client: Client, ada: User, ink: Style, name: str) -> None:
    client.force_login(ada)
    address = reverse(f"styles:{name}", args=[] if name == "new" else [ink.slug])
    assert client.post(address, fields()).status_code == 403
    assert Style.objects.filter(is_base=False).count() == 1
    assert Style.objects.get(pk=ink.pk).name == "Ink & mist"


def test_a_deleted_style_comes_back_with_undo(client: Client, curator: User, ink: Style) -> None:
    client.force_login(curator)
    page = client.post(reverse("styles:delete", args=[ink.slug]), follow=True).content.decode()
    undo = reverse("styles:restore", args=[ink.slug])
    assert "Ink &amp; mist is deleted." in page
    assert f'action="{undo}"' in page
    assert client.get(ink.get_absolute_url()).status_code == 410
    assert client.post(undo, follow=True).status_code == 200
    assert client.get(ink.get_absolute_url()).status_code == 200


def test_deleting_needs_a_post(client: Client, curator: User, ink: Style) -> None:
    client.force_login(curator)
    assert client.get(reverse("styles:delete", args=[ink.slug])).status_code == 405
    assert Style.objects.filter(pk=ink.pk).exists()


def test_every_way_of_deleting_or_unmarking_the_base_style_refuses(base: Style, ink: Style) -> None:
    with pytest.raises(ValidationError, match=PROTECTED):
        base.delete()
    with pytest.raises(ValidationError, match=PROTECTED):
        Style.objects.all().delete()
    with pytest.raises(ValidationError, match=PROTECTED):
        Style.objects.update(is_base=False)
    base.is_base = False
    with pytest.raises(ValidationError, match=PROTECTED):
        base.save()
    with pytest.raises(IntegrityError), transaction.atomic():
        Style(name="Second", slug="second", is_base=True).save()
    assert Style.objects.get(slug="base").is_base
    assert Style.objects.filter(pk=ink.pk).exists()


def test_the_base_styles_page_refuses_to_delete_it_with_a_plain_sentence(
    client: Client, curator: User, base: Style
) -> None:
    client.force_login(curator)
    page = client.post(reverse("styles:delete", args=["base"]), follow=True).content.decode()
    assert PROTECTED in page
    assert Style.objects.filter(slug="base").exists()


def test_the_form_of_the_base_style_leaves_its_name_and_version_alone(
    client: Client, curator: User, base: Style
) -> None:
    client.force_login(curator)
    before = base.versions.get().default_strength
    response = client.post(reverse("styles:edit", args=["base"]), fields(description="Plain"))
    assert response.status_code == 302
    again = Style.objects.get(slug="base")
    assert (again.name, again.kind, again.description) == (base.name, base.kind, "Plain")
    assert again.versions.get().default_strength == before
    assert set(StyleForm(instance=again).fields) == {"description", "cover"}


def test_the_word_new_stays_the_page_for_new_styles(client: Client, curator: User) -> None:
    style = Style.objects.create(name="New")
    client.force_login(curator)
    assert "Create style" in client.get(reverse("styles:new")).content.decode()
    assert client.get(style.get_absolute_url()).context["style"] == style
