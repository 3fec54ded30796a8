"""The strip of strengths, the default strength and the safe range."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from generation.engines.models import Engine
from generation.pictures.models import GenerationTask
from generation.previews import asking, following, panels
from styles.models import StyleVersion
from stylestudio.jobs.kinds import Status
from tests.generation.previews.shown import EFFECT, HTMX, SHEET, STRENGTHS, address, again, made, signed_in
from tests.pages import page

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("small")]


def test_the_strip_has_seven_strengths_and_shares_what_is_there(
    engine: Engine, version: StyleVersion, curator: User
) -> None:
    effect = made(version, curator, EFFECT)
    shown = made(version, curator, STRENGTHS)
    assert [cell.face.strength for cell in shown.cells] == [0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5]
    assert shown.cells[0].face.task == effect.cells[0].face.task, "strength 0 is the picture without"
    assert shown.cells[3].face.task == effect.cells[1].face.task, "so is what was made at the default strength"
    assert GenerationTask.everything.count() == 7
    assert [cell.is_default for cell in shown.cells] == [False, False, False, True, False, False, False]
    assert len({task.seed for task in GenerationTask.everything.all()}) == 1


def test_a_cell_of_the_strip_sets_the_default_strength(engine: Engine, version: StyleVersion, curator: User) -> None:
    made(version, curator)
    made(version, curator, STRENGTHS)
    client = signed_in(curator)
    html = client.get(address("face", version, "strengths")).content.decode()
    assert 'aria-label="Use 0.50 as default strength"' in html and 'aria-label="Use 0.75 as' not in html
    response = client.post(address("strength", version), {"strength": "0.50"}, headers=HTMX)
    assert response.headers["HX-Refresh"] == "true" and again(version).default_strength == 0.5
    html = client.get(address("face", version, "strengths")).content.decode()
    assert 'aria-label="Use 0.75 as default strength"' in html and 'aria-label="Use 0.50 as' not in html
    assert panels.panel(again(version), SHEET).stale and not panels.panel(again(version), STRENGTHS).stale
    page = client.post(address("strength", version), {"strength": "1"}, follow=True).content.decode()
    assert "1.00 is the default strength of Ink &amp; mist v1." in page


@pytest.mark.parametrize("value", ["", "x", "-0.1", "2.1", "NaN", "inf", "9" * 400])
def test_a_strength_that_is_none_is_refused(version: StyleVersion, curator: User, value: str) -> None:
    page = signed_in(curator).post(address("strength", version), {"strength": value}, follow=True).content.decode()
    assert "Strength goes from 0 to 2." in page and again(version).default_strength == 0.75


def test_the_safe_range_is_saved_and_emptied(version: StyleVersion, curator: User) -> None:
    client = signed_in(curator)
    page = client.post(address("safe-range", version), {"safe_from": "0.6", "safe_to": "1"}, follow=True)
    assert "safe from 0.60 to 1.00" in page.content.decode()
    assert (again(version).safe_from, again(version).safe_to) == (0.6, 1.0)
    client.post(address("safe-range", version), {"safe_from": "", "safe_to": ""})
    assert (again(version).safe_from, again(version).safe_to) == (None, None)


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        ("1", "0.5", "ends before it begins"), ("0.5", "", "both ends"), ("", "0.5", "both ends"),
        ("-1", "1", "from 0 to 2"), ("0", "2.5", "from 0 to 2"), ("x", "1", "from 0 to 2"), ("0", "NaN", "from 0 to 2"),
    ],
)  # fmt: skip
def test_a_range_that_is_none_is_refused_and_nothing_is_lost(
    version: StyleVersion, curator: User, low: str, high: str, words: str
) -> None:
    response = signed_in(curator).post(address("safe-range", version), {"safe_from": low, "safe_to": high})
    html = page(response)
    assert response.status_code == 422 and words in html and again(version).safe_from is None
    [field] = re.findall(r'<input[^>]* name="safe_from"[^>]*>', html)
    said = dict(re.findall(r'(\w+)="([^"]*)"', field))
    assert (said["min"], said["max"], said["step"], said.get("value", "")) == ("0", "2", "0.05", low)


def test_every_state_of_a_task_is_told_in_the_strip(version: StyleVersion, curator: User) -> None:
    ordered = asking.order_previews(version, curator, STRENGTHS)
    ordered[1].start("w")
    ordered[2].cancel()
    states = [cell.state for cell in panels.panel(version, STRENGTHS).cells]
    assert states == ["wait", "making", "gone", "wait", "wait", "wait", "wait"]
    html = signed_in(curator).get(address("face", version, "strengths")).content.decode()
    assert "Not made" in html and "The strip is being made" in html
    GenerationTask.everything.update(status=Status.CANCELLED, ended_at=timezone.now())
    following.finish_previews(ordered[1].pk)
    html = signed_in(curator).get(address("face", version, "strengths")).content.decode()
    assert "7 of 7 pictures were not made." in html
