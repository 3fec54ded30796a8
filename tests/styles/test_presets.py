"""Presets on the page of their style: seen by all, changed by their maker and by curators."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError
from django.test import Client
from django.urls import reverse

from styles.forms import PresetForm, StyleForm
from styles.models import Preset, Style
from stylestudio.live import page_frame

pytestmark = pytest.mark.django_db

FIELDS = {
    "name": "Valley at dusk", "prefix": "wide", "suffix": "dark", "negative": "", "shape": "832x1216", "steps": "5",
}  # fmt: skip
STYLE = {
    "name": "Ink", "kind": "scene", "description": "", "lora_name": "ink.safetensors", "trigger_words": "ink",
    "default_strength": "0.8",
}  # fmt: skip


@pytest.fixture
def preset(ada: User) -> Preset:
    """One of Ada's."""
    style = Style.objects.create(name="Ink")
    return Preset.objects.create(style=style, name="Valley", prefix="wide landscape", owner=ada, width=1344, height=768)


def places(preset: Preset) -> tuple[str, str]:
    """Where it is edited and deleted."""
    named = [preset.style.slug, preset.pk]
    return reverse("styles:preset", args=named), reverse("styles:preset-delete", args=named)


def test_everybody_sees_presets_and_only_maker_and_curators_the_buttons(
    client: Client, ada: User, bob: User, curator: User, preset: Preset
) -> None:
    for user, may in ((ada, True), (bob, False), (curator, True)):
        client.force_login(user)
        html = client.get(preset.style.get_absolute_url()).content.decode()
        assert f"?style=ink&amp;preset={preset.pk}" in html and "wide landscape" in html
        assert ("Edit Valley" in html, "Delete Valley" in html) == (may, may)


def test_maker_and_curator_change_a_preset_and_nobody_else(
    client: Client, ada: User, bob: User, curator: User, preset: Preset
) -> None:
    edit, _delete = places(preset)
    client.force_login(bob)
    assert client.get(edit).status_code == client.post(edit, FIELDS).status_code == 403
    for user in (ada, curator):
        client.force_login(user)
        assert "1344" in client.get(edit).content.decode()
        name = f"By {user.username}"
        assert client.post(edit, FIELDS | {"name": name}).status_code == 302
        preset.refresh_from_db()
        assert (preset.name, preset.width, preset.height, preset.steps) == (name, 832, 1216, 5)
        assert preset.owner == ada


def test_maker_and_curator_delete_a_preset_and_nobody_else(
    client: Client, ada: User, bob: User, curator: User, preset: Preset
) -> None:
    other = Preset.objects.create(style=preset.style, name="Other")
    client.force_login(bob)
    assert client.post(places(preset)[1]).status_code == 403
    client.force_login(ada)
    assert client.post(places(other)[1]).status_code == 403
    assert client.get(places(preset)[1]).status_code == 405
    assert client.post(places(preset)[1]).status_code == 302
    client.force_login(curator)
    assert client.post(places(other)[1]).status_code == 302
    assert not Preset.objects.exists()


def test_a_name_is_given_once_in_a_style(client: Client, ada: User, preset: Preset) -> None:
    Preset.objects.create(style=preset.style, name="Taken", owner=ada)
    Preset.objects.create(style=Style.objects.create(name="Other"), name="Free")
    client.force_login(ada)
    response = client.post(places(preset)[0], FIELDS | {"name": "Taken"})
    assert response.status_code == 422 and "Ink has a preset of this name." in response.content.decode()
    assert client.post(places(preset)[0], FIELDS | {"name": "Free"}).status_code == 302
    with pytest.raises(IntegrityError):
        Preset.objects.create(style=preset.style, name="Free")


def test_a_size_from_the_admin_survives_an_edit(client: Client, ada: User, preset: Preset) -> None:
    Preset.objects.update(width=640, height=640)
    client.force_login(ada)
    assert client.post(places(preset)[0], FIELDS | {"shape": "640x640"}).status_code == 302
    preset.refresh_from_db()
    assert (preset.width, preset.height) == (640, 640)


def test_a_preset_is_found_under_its_own_style_only(client: Client, curator: User, preset: Preset) -> None:
    other = Style.objects.create(name="Other")
    client.force_login(curator)
    assert client.get(reverse("styles:preset", args=[other.slug, preset.pk])).status_code == 404
    preset.style.delete()
    assert client.get(places(preset)[0]).status_code == 404


def test_the_admin_changes_presets_under_their_style(client: Client, ada: User, preset: Preset) -> None:
    client.force_login(User.objects.create_superuser("owner"))
    address = reverse("admin:styles_style_change", args=[preset.style.pk])
    assert 'value="wide landscape"' in client.get(address).content.decode()
    posted = {
        "name": "Ink", "slug": "ink", "kind": "scene", "versions-TOTAL_FORMS": "0", "versions-INITIAL_FORMS": "0",
        "presets-TOTAL_FORMS": "1", "presets-INITIAL_FORMS": "1", "presets-0-id": preset.pk, "presets-0-position": "3",
        "presets-0-style": preset.style.pk, "presets-0-name": "Renamed", "presets-0-width": "1024",
        "presets-0-height": "1024", "presets-0-steps": "4",
    }  # fmt: skip
    assert client.post(address, posted).status_code == 302
    preset.refresh_from_db()
    assert (preset.name, preset.position, preset.owner) == ("Renamed", 3, ada)


def test_a_preset_that_is_made_in_the_admin_belongs_to_whoever_made_it(
    client: Client, curator: User, ada: User, preset: Preset
) -> None:
    client.force_login(curator)
    posted = {
        "name": "Ink", "slug": "ink", "kind": "scene", "versions-TOTAL_FORMS": "0", "versions-INITIAL_FORMS": "0",
        "presets-TOTAL_FORMS": "2", "presets-INITIAL_FORMS": "1", "presets-0-id": preset.pk, "presets-0-position": "0",
        "presets-0-style": preset.style.pk, "presets-0-name": "Renamed", "presets-0-width": "1024",
        "presets-0-height": "1024", "presets-0-steps": "4", "presets-1-name": "New", "presets-1-position": "1",
        "presets-1-style": preset.style.pk, "presets-1-width": "1024", "presets-1-height": "1024",
        "presets-1-steps": "4",
    }  # fmt: skip
    assert client.post(reverse("admin:styles_style_change", args=[preset.style.pk]), posted).status_code == 302
    assert {each.name: each.owner for each in Preset.objects.all()} == {"Renamed": ada, "New": curator}


# What else a style says under "Advanced"


def test_a_style_names_its_checkpoint_lightning_file_and_safe_range(curator: User) -> None:
    more = {"checkpoint": "pony.safetensors", "lightning": "hyper.safetensors", "safe_from": "0.5", "safe_to": "1.1"}
    form = StyleForm(STYLE | more, instance=Style(owner=curator))
    assert form.is_valid(), form.errors
    version = form.save().version
    assert version is not None
    assert (version.checkpoint, version.lightning) == ("pony.safetensors", "hyper.safetensors")
    assert (version.safe_from, version.safe_to) == (0.5, 1.1)
    assert StyleForm(instance=version.style).advanced_open


@pytest.mark.parametrize(
    ("wrong", "field", "words"),
    [
        ({"checkpoint": "pony"}, "checkpoint", "ends in .safetensors"),
        ({"lightning": "hyper.ckpt"}, "lightning", "ends in .safetensors"),
        ({"safe_from": "0.5"}, "safe_to", "both ends"),
        ({"safe_to": "0.5"}, "safe_from", "both ends"),
        ({"safe_from": "0.9", "safe_to": "0.5"}, "safe_to", "before it begins"),
        ({"safe_from": "0.9", "safe_to": "3"}, "safe_to", "Strength goes from 0 to 2."),
    ],
)
def test_what_makes_no_sense_is_said_at_its_field(wrong: dict[str, str], field: str, words: str) -> None:
    form = StyleForm(STYLE | wrong, instance=Style())
    assert not form.is_valid() and words in str(form.errors[field]) and list(form.errors) == [field]
    assert form.advanced_open


def test_files_are_offered_as_the_engines_list_them(
    client: Client, curator: User, monkeypatch: pytest.MonkeyPatch, preset: Preset
) -> None:
    from generation.engines.models import Engine

    Engine.objects.create(address="http://10.0.0.1:1", health="ok", checkpoints=["pony.safetensors"], loras=["a.sft"])
    client.force_login(curator)
    html = client.get(reverse("styles:edit", args=[preset.style.slug])).content.decode()
    assert '<datalist id="checkpoints"><option value="pony.safetensors">' in html and '<option value="a.sft">' in html
    assert page_frame.engine_facts()


def test_of_two_who_save_a_name_at_once_the_second_is_told(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    style = Style.objects.create(name="Ink")
    Preset.objects.create(style=style, name="Valley")
    fields = {"name": "Valley", "shape": "1024x1024", "steps": "4"}
    form = PresetForm(fields, instance=Preset(style=style, owner=ada))
    monkeypatch.setattr(PresetForm, "clean_name", lambda form: form.cleaned_data["name"])  # both looked before
    assert not form.store()
    assert form.errors["name"] == ["Ink has a preset of this name. Choose another name."]
    assert Preset.objects.count() == 1
