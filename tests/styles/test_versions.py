"""Versions: published, archived, brought back, removed; pictures keep theirs."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from generation.ordering import orders
from generation.ordering.orders import Ingredient, Order
from styles.forms import StyleForm
from styles.models import State, Style, StyleVersion
from styles.refusals import BaseStyleIsProtected, VersionInUse
from tests.pages import page

pytestmark = pytest.mark.django_db


@pytest.fixture
def ink() -> Style:
    """A style with its first version published."""
    style = Style.objects.create(name="Ink & mist")
    style.versions.update(lora_name="ink.safetensors", trigger_words="inkmist style", default_strength=0.8)
    return style


def states(style: Style) -> dict[int, str]:
    """Where each version stands."""
    return dict(style.versions.order_by("number").values_list("number", "state"))


def use(version: StyleVersion, user: User) -> None:
    """Somebody asks for a picture with it."""
    orders.place(Order(prompt="a fox", mix=[Ingredient(version, 1.0)]), user)


def test_a_new_version_is_a_draft_with_the_next_number(ink: Style) -> None:
    second = ink.new_version(lora_name="ink2.safetensors")
    assert (second.number, second.state) == (2, State.DRAFT)
    assert ink.new_version().number == 3
    assert Style.objects.get(pk=ink.pk).version == ink.versions.get(number=1), "a draft is offered to nobody"


def test_publishing_archives_the_one_before_and_going_back_is_publishing_it_again(ink: Style) -> None:
    first, second = ink.versions.get(number=1), ink.new_version()
    second.publish()
    assert states(ink) == {1: "archived", 2: "published"}
    first.publish()
    assert states(ink) == {1: "published", 2: "archived"}


def test_a_style_without_a_published_version_is_not_offered(ink: Style, ada: User, client: Client) -> None:
    ink.versions.get(number=1).archive()
    client.force_login(ada)
    assert "Ink &amp; mist v1" not in client.get("/").content.decode()
    shelf = reverse("styles:styles")
    assert "Ink &amp; mist" not in client.get(shelf).content.decode()
    assert "Ink &amp; mist" in client.get(shelf, {"archived": "1"}).content.decode()


def test_the_base_style_keeps_its_version(base: Style) -> None:
    version = base.versions.get()
    with pytest.raises(BaseStyleIsProtected):
        version.archive()
    assert states(base) == {1: "published"}


def test_only_what_nobody_used_is_removed_and_its_file_with_it(ink: Style, ada: User, media: Path) -> None:
    draft, used = ink.new_version(), ink.new_version()
    draft.file.save("x.safetensors", ContentFile(b"weights"))
    use(used, ada)
    with pytest.raises(VersionInUse):
        used.purge()
    with pytest.raises(VersionInUse):
        ink.versions.get(number=1).purge()
    path = Path(draft.file.path)
    assert path.exists()
    draft.purge()
    assert states(ink) == {1: "published", 3: "draft"} and not path.exists()


def test_the_last_version_stays(ink: Style) -> None:
    only = ink.versions.get()
    only.archive()
    with pytest.raises(VersionInUse):
        only.purge()


def test_pictures_keep_the_version_they_were_made_with(ink: Style, ada: User) -> None:
    first = ink.versions.get()
    use(first, ada)
    values = {"name": "Ink", "kind": "scene", "lora_name": "new.safetensors", "default_strength": "0.5"}
    form = StyleForm(values, instance=Style.objects.get(pk=ink.pk))
    assert form.is_valid(), form.errors
    form.save()
    first.refresh_from_db()
    assert (first.lora_name, first.state) == ("ink.safetensors", State.ARCHIVED)
    assert ink.versions.get(number=2).lora_name == "new.safetensors"
    assert states(ink) == {1: "archived", 2: "published"}


def test_other_changes_make_no_version(ink: Style, ada: User) -> None:
    use(ink.versions.get(), ada)
    values = {"name": "Ink", "kind": "scene", "lora_name": "ink.safetensors", "default_strength": "0.5"}
    StyleForm(values, instance=Style.objects.get(pk=ink.pk)).save()
    assert states(ink) == {1: "published"} and ink.versions.get().default_strength == 0.5


@pytest.mark.parametrize(("low", "high"), [(0.5, None), (None, 0.5), (1.0, 0.5), (-0.1, 1.0), (0.5, 2.1)])
def test_a_safe_range_that_is_none_is_refused(ink: Style, low: float | None, high: float | None) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        ink.versions.update(safe_from=low, safe_to=high)


def test_where_no_safe_range_is_known_every_weight_is_safe(ink: Style) -> None:
    version = ink.versions.get()
    assert version.side(2.0) == ""
    version.safe_from, version.safe_to = 0.6, 1.0
    assert [version.side(weight) for weight in (0.55, 0.6, 1.0, 1.05)] == ["below", "", "", "above"]


def test_curators_publish_archive_and_remove_on_the_page(ink: Style, curator: User, client: Client) -> None:
    ink.new_version()
    ink.new_version()
    client.force_login(curator)
    html = page(client.get(ink.get_absolute_url()))
    assert html.count(">Publish<") == 2 and ">Publish again<" not in html and html.count(">Remove<") == 2
    for name, number, words in (
        ("publish", 2, "Ink &amp; mist v2 is published."),
        ("archive", 3, "Ink &amp; mist v3 is archived."),
        ("purge", 3, "Version 3 is removed."),
        ("purge", 2, "This version cannot be removed"),
    ):
        answer = client.post(reverse(f"styles:{name}", args=[ink.slug, number]), follow=True)
        assert words in page(answer), name
    assert states(ink) == {1: "archived", 2: "published"}
    assert ">Publish again<" in page(client.get(ink.get_absolute_url()))


@pytest.mark.parametrize("name", ["publish", "archive", "purge"])
def test_others_may_not(ink: Style, ada: User, client: Client, name: str) -> None:
    ink.new_version()
    client.force_login(ada)
    assert client.post(reverse(f"styles:{name}", args=[ink.slug, 2])).status_code == 403
    assert ">Publish<" not in page(client.get(ink.get_absolute_url()))
    assert states(ink) == {1: "published", 2: "draft"}


def test_each_version_has_its_facts_on_the_page(ink: Style, ada: User, client: Client) -> None:
    ink.new_version(rank=32, alpha=16.0, size=5_000_000, licence="CC-BY <4>", safe_from=0.6, safe_to=1.0)
    client.force_login(ada)
    html = page(client.get(ink.get_absolute_url(), {"version": 2}))
    for words in ("Version 2", "32, alpha 16", "CC-BY &lt;4&gt;", "safe from 0.60 to 1.00"):
        assert words in html, words
    assert "Version 1" in client.get(ink.get_absolute_url()).content.decode()
    for nonsense in ("9", "x"):
        assert client.get(ink.get_absolute_url(), {"version": nonsense}).status_code == 404
