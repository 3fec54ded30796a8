"""Whether a version does anything: a picture with it beside one without, and the likely cause if they are alike."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from PIL import Image

from generation.engines.models import Engine
from generation.pictures import snapshots
from generation.pictures.models import GeneratedImage, GenerationTask
from generation.previews import asking, contact_sheets, following, panels
from generation.previews.models import Face, Probe
from styles.models import Effect, StyleVersion
from tests.generation.previews.shown import EFFECT, address, again, made, make_version, signed_in, work
from tests.pages import page

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("small")]


def test_a_style_that_changes_the_picture_has_a_visible_effect(
    engine: Engine, version: StyleVersion, curator: User
) -> None:
    shown = made(version, curator, EFFECT)
    version = again(version)
    assert (version.effect, [cell.face.strength for cell in shown.cells]) == (Effect.VISIBLE, [0.0, 0.75])
    assert version.difference and version.difference > following.NOTHING
    without, styled = (cell.face.task.snapshot for cell in shown.cells)
    assert (without["styles"], without["seeds"]) == ([], styled["seeds"])
    assert without["final_prompt"] == styled["final_prompt"] == "inkmist style, meadow path with two cottages, morning"
    html = page(signed_in(curator).get(address("face", version, "effect")))
    assert 'aria-label="Show more of the picture without the style"' in html and ">Visible<" in html
    assert all(str(cell.picture.file.url) in html for cell in shown.cells if cell.picture)


def test_a_style_that_changes_nothing_is_marked_with_the_likely_cause(
    engine: Engine, probes: list[Probe], curator: User
) -> None:
    nothing = make_version("Nothing", lora_name="", trigger_words="")
    made(nothing, curator, EFFECT)
    nothing = again(nothing)
    assert (nothing.effect, nothing.difference) == (Effect.NONE, 0.0)
    html = signed_in(curator).get(address("face", nothing, "effect")).content.decode()
    assert "It has no file, and no trigger words of its own were put into the prompt." in html
    page = signed_in(curator).get(nothing.style.get_absolute_url()).content.decode()
    assert "No visible effect" in page


def test_a_file_that_is_not_applied_is_found_out_whatever_its_trigger_words_do(
    engine: Engine, probes: list[Probe], curator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        snapshots, "loras_in", lambda snapshot: []
    )  # the engine takes the file, and none of its layers fit
    version = make_version("For another model", family="sd1")
    made(version, curator, EFFECT)
    assert again(version).effect == Effect.NONE
    html = signed_in(curator).get(address("face", version, "effect")).content.decode()
    assert "Its file was made for another family of models (Stable Diffusion 1.x)." in html


def test_a_style_without_a_file_is_compared_by_its_trigger_words(
    engine: Engine, probes: list[Probe], curator: User
) -> None:
    words = make_version("Words", lora_name="")
    made(words, curator, EFFECT)
    assert again(words).effect == Effect.VISIBLE


@pytest.mark.parametrize(
    ("fields", "style", "words"),
    [
        ({}, {"lora": "", "triggers": ["ink"]}, "only trigger words"),
        ({}, {"lora": "", "triggers": []}, "no trigger words of its own were put into the prompt"),
        ({}, {"weight": 0.0}, "strength is 0"),
        ({"family": "sd1"}, {}, "another family of models (Stable Diffusion 1.x)"),
        ({"family": "sdxl", "trained_on": "ponyDiffusionV6XL.safetensors"}, {}, "trained on ponyDiffusionV6XL"),
        ({"family": "sdxl", "trained_on": "models/sd_xl_base_1.0.safetensors"}, {}, "may not have applied"),
        ({"trained_on": "stabilityai/stable-diffusion-xl-base-1.0"}, {}, "may not have applied"),
        ({}, {}, "may not have applied"),
    ],
)
def test_each_likely_cause_has_its_words(fields: dict[str, str], style: dict[str, Any], words: str) -> None:
    used = {"lora": "ink.safetensors", "triggers": [], "weight": 0.8} | style
    snapshot = {"styles": [used], "checkpoint": "sd_xl_base_1.0.safetensors"}
    assert words in panels.cause(StyleVersion(**fields), snapshot)


def test_the_picture_without_is_made_once_for_all_versions(
    engine: Engine, version: StyleVersion, curator: User, ada: User
) -> None:
    other = make_version("Gouache", lora_name="sketch_gouache.safetensors")
    base = made(version, curator, EFFECT).cells[0].face.task
    shown = made(other, ada, EFFECT)
    assert shown.cells[0].face.task == base and GenerationTask.everything.count() == 3
    assert again(other).effect == Effect.VISIBLE
    made(version, curator, EFFECT)
    assert GenerationTask.everything.filter(is_face=True).exclude(mix__isnull=False).get() == base


def test_it_is_made_again_where_its_inputs_differ_or_it_is_gone(
    engine: Engine, version: StyleVersion, curator: User
) -> None:
    base = made(version, curator, EFFECT).cells[0].face.task
    other = make_version("Other model", checkpoint="another.safetensors")
    assert asking.order_previews(other, curator, EFFECT)[0].checkpoint == "another.safetensors"
    picture = base.pictures(manager="with_previews").get()
    picture.file.storage.delete(str(picture.file.name))
    third = make_version("Third")
    assert asking.order_previews(third, curator, EFFECT)[0] != base


def test_a_sketch_is_not_compared_with_a_picture(engine: Engine, version: StyleVersion, curator: User) -> None:
    made(version, curator, EFFECT)
    StyleVersion.objects.update(effect="", difference=None)
    sketches = Engine.objects.create(address="http://127.0.0.1:1", source=Engine.Source.PREVIEW)
    Face.objects.update(settled=False)
    GeneratedImage.with_previews.filter(task__mix=None).update(engine=sketches)
    work()
    assert again(version).effect == ""
    assert "different kinds of engines" in signed_in(curator).get(address("face", version, "effect")).content.decode()
    other = make_version("Other")
    assert asking.order_previews(other, curator, EFFECT)[0].is_active, (
        "a sketch is not shared while a real engine serves"
    )


def test_the_difference_is_a_mean_over_all_pixels() -> None:
    black, white = Image.new("RGB", (40, 20)), Image.new("RGB", (40, 20), "white")
    half = black.copy()
    half.paste((255, 255, 255), (0, 0, 20, 20))
    assert contact_sheets.difference(black, black.copy()) == 0.0 and contact_sheets.difference(black, white) == 1.0
    assert abs(contact_sheets.difference(black, half) - 0.5) < 0.01
    clear = Image.new("RGBA", (40, 20), (0, 0, 0, 0))
    assert abs(contact_sheets.difference(black, clear) - 0.5) < 0.01, "what is transparent is not black"
