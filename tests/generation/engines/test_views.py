"""Curators pause engines and use them again."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from generation.engines.models import Engine
from tests.generation.browsing import HTMX, WITH_ENGINE, address, signed_in

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("name", sorted(WITH_ENGINE))
def test_engines_are_the_curators(her: Client, curator: User, name: str) -> None:
    engine = Engine.objects.create(address="http://10.0.0.1:1", health="stuck", checked_at=timezone.now())
    before = Engine.objects.values().get()
    for headers in ({}, HTMX):
        assert her.post(address(name, engine.pk), headers=headers).status_code == 403
    assert Engine.objects.values().get() == before
    hers = signed_in(curator)
    assert hers.post(address(name, engine.pk), headers=HTMX).status_code == 200
    assert Engine.objects.values().get() != before
    assert hers.post(address(name, engine.pk)).headers["Location"].startswith(reverse("queue"))
    for pk in (engine.pk + 1000, 10**15, 10**30):
        assert hers.post(address(name, pk), headers=HTMX).status_code == 404


def test_an_engine_is_paused_and_used_again(curator: User) -> None:
    engine = Engine.objects.create(address="http://10.0.0.1:1", health="ok")
    client = signed_in(curator)
    paused = client.post(address("engine-pause", engine.pk), headers=HTMX).content.decode()
    assert f'id="engine-{engine.pk}"' in paused and "Paused" in paused and "Use again" in paused
    assert Engine.objects.get().paused
    resumed = client.post(address("engine-resume", engine.pk), headers=HTMX).content.decode()
    assert "Ready" in resumed and ">" in resumed and not Engine.objects.get().paused
    assert re.search(r"Pause\s*</button>", resumed) and "Use again" not in resumed
