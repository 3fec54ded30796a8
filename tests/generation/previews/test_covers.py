"""A picture becomes the cover of its style."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.urls import reverse
from django.utils import timezone

from generation.engines.models import Engine
from generation.making import runner
from generation.ordering import orders
from generation.ordering.orders import Ingredient, Order
from generation.pictures.models import GeneratedImage
from styles.models import Style, StyleVersion
from tests.generation.previews.shown import HTMX, make_version, opened, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("small")]


def test_a_picture_becomes_the_cover_of_its_style(
    engine: Engine, version: StyleVersion, curator: User, ada: User, media: Path
) -> None:
    other = make_version("Other").style
    order = Order(prompt="a fox", width=2048, height=1024, seed=4, mix=(Ingredient(version, 0.75),))
    task = orders.place(order, ada)
    runner.work()
    picture = task.pictures.get()
    client = signed_in(curator)
    place = reverse("generation:picture-cover", args=[picture.pk])
    assert "Use as cover" in client.get(picture.get_absolute_url()).content.decode()
    assert "Use as cover" not in signed_in(ada).get(picture.get_absolute_url()).content.decode()
    page = client.post(place, {"style": version.style_id}, follow=True).content.decode()
    assert "The picture is the cover of Ink &amp; mist." in page
    cover = Style.objects.get(pk=version.style_id).cover
    assert opened(cover).size == (1024, 512) and str(cover.name).endswith(".webp")
    assert client.post(place, {"style": version.style_id}, headers=HTMX).headers["HX-Refresh"] == "true"
    assert not Path(cover.path).exists() and len(list(media.rglob("covers/**/*.webp"))) == 1
    for wrong in (other.pk, Style.objects.create(slug="base", name="Base", is_base=True).pk):
        assert "was not made with this style" in client.post(place, {"style": wrong}, follow=True).content.decode()
    for nonsense in ("", "x", "999"):
        assert client.post(place, {"style": nonsense}).status_code == 404
    picture.file.storage.delete(str(picture.file.name))
    assert "missing" in client.post(place, {"style": version.style_id}, follow=True).content.decode()
    assert Style.objects.get(pk=version.style_id).cover, "the old cover stays"


def test_pictures_on_the_style_page_can_be_its_cover(version: StyleVersion, curator: User) -> None:
    query = {"strip": "1", "style": version.style.slug}
    task = orders.place(Order(prompt="a fox", mix=(Ingredient(version, 0.75),)), curator)
    engine = Engine.objects.create(address="http://127.0.0.1:1")
    prompt = task.prompts.create(index=0, engine=engine, worker="w", lease_until=timezone.now(), state="done")
    picture = GeneratedImage(
        task=task, index=0, prompt=prompt, seed=1, width=4, height=4, size=1, sha256="0" * 64, engine=engine
    )
    picture.file.save("x.png", ContentFile(b"x"))
    html = signed_in(curator).get(reverse("generation:gallery-page"), query).content.decode()
    assert f'data-cover-of="{version.style_id}"' in html
    wall = signed_in(curator).get(reverse("generation:gallery-page")).content.decode()
    assert "Use as cover" not in wall and "data-cover-of" not in wall
