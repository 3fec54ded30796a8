"""Presets: those that came with the studio, and its own, made on a page without JavaScript."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from generation.derivations import presets, words
from generation.derivations.models import Derivation, ExportPreset
from generation.derivations.steps.catalogue import MOST_STEPS, STEPS
from stylestudio.jobs.kinds import Status
from tests.generation.browsing import as_posted, signed_in
from tests.generation.derivations.conftest import Finish, Store
from tests.pages import page

pytestmark = pytest.mark.django_db
FORM = '<form class="stack" method="post"'


@pytest.fixture
def hers(ada: User) -> Client:
    User.objects.filter(pk=ada.pk).update(is_staff=True)
    return signed_in(User.objects.get(pk=ada.pk))


def press(browser: Client, preset: ExportPreset, act: str, **changes: str) -> Any:
    """A button of the form, with all that stands in it."""
    sent = as_posted(page(browser.get(preset.get_absolute_url())), FORM)
    sent.pop("act", None)
    return browser.post(preset.get_absolute_url(), {**sent, "add": "", **changes, "act": act})


def test_a_preset_is_copied_and_its_steps_are_added_moved_filled_in_and_removed(hers: Client) -> None:
    hers.post("/export-presets/new/", {"like": "icon"})
    preset = ExportPreset.objects.get()
    assert (preset.name, [each["step"] for each in preset.steps]) == ("Copy of Icon", ["trim", "pad"])
    press(hers, preset, "add", add="outline")
    press(hers, preset, "add", add="palette", **{"3-width": "7", "3-colour": "#aa0011"})
    press(hers, preset, "up-4", **{"4-given": "#000000 #ffffff"})
    press(hers, preset, "remove-1", name="Badges", format="webp", keep_hidden="on")
    preset.refresh_from_db()
    assert [each["step"] for each in preset.steps] == ["pad", "palette", "outline"]
    assert preset.steps[1]["given"] == "#000000 #ffffff"
    assert (preset.steps[2]["width"], preset.steps[2]["colour"]) == (7, "#aa0011")
    assert (preset.name, preset.format, preset.keep_hidden) == ("Badges", "webp", True)
    press(hers, preset, "down-3")  # it is the last one
    preset.refresh_from_db()
    assert [each["step"] for each in preset.steps] == ["pad", "palette", "outline"]
    assert press(hers, preset, "save").headers["Location"] == "/export-presets/"
    assert "Pad (Square), Fewer colours (#000000 #ffffff), Outline (7, #aa0011) · WebP" in page(
        hers.get("/export-presets/")
    )


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": ""}, "This field is required."),
        ({"1-margin": "9999"}, "less than or equal to 512"),
        ({"1-margin": "many"}, "Enter a whole number."),
        ({"2-to": "triangle"}, "Select a valid choice."),
        ({"format": "tiff"}, "Select a valid choice."),
        ({"add": "sharpen"}, "Select a valid choice."),
        ({"name": "Taken"}, "Another preset has this name already."),
    ],
)
def test_what_cannot_be_saved_is_said_and_all_that_was_filled_in_stays(
    hers: Client, wrong: dict[str, str], said: str
) -> None:
    ExportPreset.objects.create(name="Taken")
    preset = ExportPreset.objects.create(name="Mine", steps=presets.SHIPPED[0].plan["steps"])
    answer = press(hers, preset, "save", **{"1-threshold": "33", **wrong})
    assert answer.status_code == 422 and said in page(answer) and 'value="33"' in page(answer)
    preset.refresh_from_db()
    assert preset.name == "Mine" and preset.steps[0]["threshold"] == 0


def test_there_are_at_most_twelve_steps_and_a_hundred_presets(hers: Client) -> None:
    preset = ExportPreset.objects.create(name="Long", steps=[{"step": "offset"}] * MOST_STEPS)
    press(hers, preset, "add", add="trim")
    preset.refresh_from_db()
    assert len(preset.steps) == MOST_STEPS
    ExportPreset.objects.bulk_create(ExportPreset(name=f"{number}") for number in range(99))
    assert "There are 100 presets" in page(hers.post("/export-presets/new/", {"like": "icon"}, follow=True))
    assert ExportPreset.objects.count() == 100


def test_members_see_presets_and_use_them_and_only_curators_change_them(her: Client, store: Store, ada: User) -> None:
    preset = ExportPreset.objects.create(name="Mine", steps=[{"step": "trim"}])
    assert "Mine" in page(her.get("/export-presets/"))
    for address in (preset.get_absolute_url(), f"{preset.get_absolute_url()}delete/", "/export-presets/new/"):
        assert her.post(address).status_code == 403
    assert f'value="own-{preset.pk}"' in page(her.get(f"/gallery/{store().pk}/finished/"))


def test_what_was_made_keeps_the_steps_of_its_time(store: Store, finish: Finish, hers: Client) -> None:
    preset = ExportPreset.objects.create(name="Mine", steps=[{"step": "trim", "margin": 3}], format="webp")
    assert finish(store(), preset=f"own-{preset.pk}").status == Status.COMPLETED
    hers.post(f"{preset.get_absolute_url()}delete/")
    made = Derivation.objects.get()
    assert made.preset == "Mine" and made.settings["steps"] == [{"step": "trim", "threshold": 0, "margin": 3}]
    assert str(made.picture.file.name).endswith(".webp")
    assert "Trim (3)" in page(hers.get(made.picture.get_absolute_url()))


def test_every_step_and_all_that_it_asks_for_has_words() -> None:
    assert words.STEPS.keys() == STEPS.keys()
    for step in STEPS.values():
        assert {ask.name for ask in step.asks} <= words.ASKS.keys()
        choices = {value for ask in step.asks for value in ask.choices if not value[0].isdigit()}
        assert choices <= words.CHOICES.keys()
