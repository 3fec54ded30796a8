"""A version that only previews used is removed with them."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.urls import reverse

from generation.engines.models import Engine
from generation.ordering import orders
from generation.ordering.orders import Ingredient, Order
from generation.pictures.models import GeneratedImage, GenerationTask
from generation.previews import asking, panels
from styles.models import StyleVersion
from styles.refusals import VersionInUse
from tests.generation.previews.shown import EFFECT, SHEET, again, made, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("small")]


def stored_files(media: Path) -> set[Path]:
    """All files of pictures, thumbnails and sheets."""
    return {path for path in (media / "outputs").rglob("*") if path.is_file()}


@pytest.mark.django_db(transaction=True)
def test_a_version_that_only_previews_used_is_removed_with_them(
    engine: Engine, version: StyleVersion, curator: User, media: Path
) -> None:
    for purpose in (SHEET, EFFECT):
        made(version, curator, purpose)
    mine = GenerationTask.everything.filter(mix__version=version)
    shown = {Path(picture.file.path) for picture in GeneratedImage.with_previews.filter(task__in=mine)}
    shown.add(Path(again(version).sheet.path))
    before = stored_files(media)
    assert len(shown) == 5 and shown <= before
    GeneratedImage.with_previews.filter(task__in=mine)[0].delete()  # in the trash
    version.style.new_version().publish()
    page = signed_in(curator)
    purge = reverse("styles:purge", args=[version.style.slug, 1])
    assert purge in page.get(version.style.get_absolute_url()).content.decode()
    assert "Version 1 is removed." in page.post(purge, follow=True).content.decode()
    assert not StyleVersion.objects.filter(pk=version.pk).exists() and not mine.exists()
    assert before - stored_files(media) >= shown
    [without] = GenerationTask.everything.filter(is_face=True)
    left = without.pictures(manager="with_previews").get().file
    assert left.storage.exists(str(left.name)), "others may share it"


def test_a_version_is_not_removed_while_its_previews_are_made(
    engine: Engine, version: StyleVersion, curator: User
) -> None:
    ordered = asking.order_sheet(version, curator)
    version.style.new_version().publish()
    with pytest.raises(ValidationError, match="still being made"):
        again(version).purge()
    for task in ordered:
        task.cancel()
    again(version).purge()
    assert not GenerationTask.everything.filter(is_face=True).exists()


def test_a_picture_keeps_the_version_and_then_its_previews_stay_too(
    engine: Engine, version: StyleVersion, curator: User, ada: User
) -> None:
    made(version, curator)
    version.style.new_version().publish()
    orders.place(Order(prompt="a fox", mix=[Ingredient(version, 1.0)]), ada).cancel()
    with pytest.raises(VersionInUse):
        again(version).purge()
    assert (
        reverse("styles:purge", args=[version.style.slug, 1])
        not in signed_in(curator).get(version.style.get_absolute_url()).content.decode()
    )
    assert panels.panel(again(version), SHEET).whole


def test_who_uses_a_version_while_it_is_removed_keeps_it(
    engine: Engine, version: StyleVersion, curator: User, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(version, curator)
    version.style.new_version().publish()
    orders.place(Order(prompt="a fox", mix=[Ingredient(version, 1.0)]), ada).cancel()
    monkeypatch.setattr(StyleVersion, "is_kept", False)  # both looked before
    with pytest.raises(VersionInUse):
        again(version).purge()
    assert panels.panel(again(version), SHEET).whole
