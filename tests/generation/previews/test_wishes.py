"""Probe prompts: what versions are shown with."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.urls import reverse

from generation.previews import wishes
from generation.previews.models import Probe
from styles.kinds.of_kind import Kind
from styles.models import Style
from tests.generation.previews.shown import signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("small")]


def test_four_probes_are_there_from_the_first_start_and_deleted_ones_stay_away(probes: list[Probe]) -> None:
    assert [probe.position for probe in probes] == [1, 2, 3, 4] and all(not probe.kind for probe in probes)
    probes[0].delete()
    wishes.create_probes_once()
    assert Probe.objects.count() == 3
    Probe.objects.all().delete()
    wishes.create_probes_once()
    assert Probe.objects.count() == 0


def test_probes_of_the_styles_type_come_first_and_few_are_asked_again(probes: list[Probe]) -> None:
    style = Style(kind=Kind.UI)
    Probe.objects.create(prompt="a blue gem", seed=5, kind=Kind.UI, position=9)
    Probe.objects.create(prompt="a portal", seed=6, kind=Kind.VFX)
    assert [prompt for prompt, _seed in wishes.scenes(style)] == ["a blue gem", *(probe.prompt for probe in probes[:3])]
    Probe.objects.filter(kind="").update(active=False)
    assert wishes.scenes(style) == [("a blue gem", 5), ("a blue gem", 6), ("a blue gem", 7), ("a blue gem", 8)]
    Probe.objects.all().delete()
    with pytest.raises(ValidationError):
        wishes.scenes(style)


def test_curators_edit_probes_in_the_admin(curator: User, ada: User, probes: list[Probe]) -> None:
    place = reverse("admin:previews_probe_changelist")
    assert signed_in(ada).get(place).status_code == 302
    client = signed_in(curator)
    assert "Select probe prompt" in client.get(place).content.decode()
    fields = {"prompt": "a fox", "seed": "3", "position": "5", "kind": "", "active": "on"}
    assert client.post(reverse("admin:previews_probe_add"), fields).status_code == 302
    assert Probe.objects.filter(prompt="a fox", seed=3).exists()
    delete = {"action": "delete_selected", "_selected_action": [probes[0].pk], "post": "yes"}
    assert client.post(place, delete).status_code == 302
    assert not Probe.objects.filter(pk=probes[0].pk).exists()
