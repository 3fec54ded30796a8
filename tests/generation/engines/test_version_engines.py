"""The page that says which engines have the file of a version, get it, or cannot."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from generation.engines import installs
from generation.engines.models import Engine
from styles.models import Style
from tests.generation.engines.installed import engine_at, styled
from tests.pages import tight

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("nothing_on_its_way")]


def test_the_style_page_lists_who_has_it_gets_it_and_cannot(client: Client, ada: User) -> None:
    version = styled(size=3 * 2**20)
    engine_at(1, loras=[version.lora_name])
    engine_at(2)
    engine_at(3, max_upload=2**20)
    engine_at(4, engine_version="", health=Engine.Health.UNKNOWN)
    assert [place.state for place in installs.places(version)] == ["here", "later", "never", "unknown"]
    client.force_login(ada)
    page = client.get(version.style.get_absolute_url()).content.decode()
    address = reverse("generation:version-engines", args=[version.style.slug, 1])
    assert f'hx-get="{address}"' in page and f'href="{address}"' in page
    part = client.get(address, headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part and "gets it when it is first needed" in part
    assert ">installed<" in tight(part)
    assert "Box 3 takes uploads up to 1.0 MB" in part
    assert "<html" in client.get(address).content.decode()


def test_a_style_that_was_found_on_an_engine_is_not_promised_to_others(client: Client, ada: User) -> None:
    version = Style.objects.create(name="Found").versions.get()
    version.lora_name = "found.safetensors"
    version.save()
    engine_at(1)
    [place] = installs.places(version)
    assert (place.state, place.why) == ("never", "Put found.safetensors into models/loras there.")


def test_a_version_without_a_file_has_no_such_page(client: Client, ada: User) -> None:
    style = Style.objects.create(name="Words")
    client.force_login(ada)
    assert client.get(reverse("generation:version-engines", args=[style.slug, 1])).status_code == 404
    assert "On the engines" not in client.get(style.get_absolute_url()).content.decode()
