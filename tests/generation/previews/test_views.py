"""The pages of previews: who looks, who asks, and what is no version."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from generation.engines.models import Engine
from generation.pictures.models import GenerationTask
from generation.previews import panels, wishes
from generation.previews.models import Probe
from styles.models import Style, StyleVersion
from tests.generation.previews.shown import HTMX, STRENGTHS, address, again, made, signed_in, work

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("small")]


def test_everybody_looks_and_only_curators_ask(version: StyleVersion, ada: User, curator: User) -> None:
    hers, client = signed_in(ada), signed_in(curator)
    for purpose in wishes.Purpose.values:
        assert hers.get(address("face", version, purpose)).status_code == 200
        assert hers.post(address("face-ask", version, purpose)).status_code == 403
    for name in ("strength", "safe-range"):
        assert hers.post(address(name, version), {"strength": "1"}).status_code == 403
    assert hers.get(address("version-faces", version)).status_code == 200
    assert not GenerationTask.everything.exists() and again(version).default_strength == 0.75
    assert (
        "Previews are being made" in client.post(address("face-ask", version, "sheet"), headers=HTMX).content.decode()
    )
    assert client.post(address("face-ask", version, "effect")).headers["Location"] == address("version-faces", version)
    assert GenerationTask.everything.count() == 5, "the first probe's picture with the style is shared"


def test_what_is_no_version_or_no_part_is_not_found(version: StyleVersion, curator: User) -> None:
    client = signed_in(curator)
    base = Style.objects.create(slug="base", name="Base style", is_base=True).versions.get()
    assert client.get(address("version-faces", base)).status_code == 200
    for pk, purpose in ((version.pk, "nose"), (10**15, "sheet"), (base.pk, "effect"), (base.pk, "strengths")):
        assert client.get(reverse("generation:face", args=[pk, purpose])).status_code == 404
        assert client.post(reverse("generation:face-ask", args=[pk, purpose])).status_code == 404
    version.style.delete()
    assert client.get(address("face", version, "sheet")).status_code == 404


def test_without_probes_the_button_says_what_to_do(version: StyleVersion, curator: User) -> None:
    Probe.objects.all().delete()
    client = signed_in(curator)
    page = client.post(address("face-ask", version, "sheet"), follow=True).content.decode()
    assert "There are no probe prompts in use." in page and not GenerationTask.everything.exists()


def test_without_script_everything_is_on_a_page_of_its_own(
    engine: Engine, version: StyleVersion, curator: User, ada: User
) -> None:
    client = signed_in(curator)
    assert address("version-faces", version) in client.get(version.style.get_absolute_url()).content.decode()
    for purpose in wishes.Purpose.values:
        client.post(address("face-ask", version, purpose))
    assert 'http-equiv="refresh"' in client.get(address("version-faces", version)).content.decode()
    work()
    html = client.get(address("version-faces", version)).content.decode()
    assert 'http-equiv="refresh"' not in html and 'name="strength" value="1.25"' in html
    hers = signed_in(ada).get(address("version-faces", version)).content.decode()
    assert "<form" not in hers.partition("<main")[2].partition("</main>")[0]


def test_a_part_is_shown_with_few_questions(
    engine: Engine, version: StyleVersion, curator: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    made(version, curator, STRENGTHS)
    with django_assert_max_num_queries(8):
        assert panels.panel(again(version), STRENGTHS).whole
