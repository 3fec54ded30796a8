"""A picture file from anywhere fills the form with its settings, and what cannot be done here is said."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from generation.ordering import forms
from generation.ordering.honouring import honour
from generation.pictures.models import Reference
from styles.models import Style
from stylestudio.picture_settings import reading
from stylestudio.picture_settings.settings import PictureSettings, UsedLora
from tests.picture_settings import files

pytestmark = pytest.mark.django_db


@pytest.fixture
def haze() -> Style:
    style = Style.objects.create(name="Haze")
    style.versions.update(
        lora_name="styles/haze_v2.safetensors", sha256="fedcba987654" + "0" * 52, default_strength=0.7
    )
    return style


def sent(data: bytes, name: str = "fox.png") -> dict[str, SimpleUploadedFile]:
    return {"picture": SimpleUploadedFile(name, data, "image/png")}


def test_the_form_is_filled_with_what_a_file_says(her: Client, ada: User, ink: Style, haze: Style) -> None:
    answer = her.post("/read/", sent(files.png(parameters=files.FORGE)), headers={"HX-Request": "true"}).text
    key = answer.partition("?settings=")[2].partition('"')[0]
    page = her.get("/", {"settings": key}).text
    assert "a fox in the snow, (soft light:1.2)" in page and 'value="4294967296"' in page
    assert 'value="832x1216" id="shape_6" checked' in page or "832x1216" in page
    assert '<option value="sdxl" selected>' in page and 'name="clip_skip" value="2"' in page, "28 steps are full steps"
    for words in ("Not used here: Variation seed", "ponyDiffusionV6XL"):
        assert words in answer and words in page


def test_settings_become_values_of_the_form(ada: User, ink: Style, haze: Style) -> None:
    made = honour(reading.read(files.png(parameters=files.FORGE)), ada)
    values = made.values
    assert (values["recipe"], values["clip_skip"]) == ("sdxl", 2)
    assert (values["seed"], values["steps"], values["cfg"]) == (4294967296, 28, 6.5)
    assert (values["sampler"], values["scheduler"], values["shape"]) == ("dpmpp_2m_sde", "karras", "832x1216")
    assert [(one.version.style.name, one.weight) for one in values["mix"]] == [("Ink", 0.8), ("Haze", 0.35)]
    assert forms.OrderForm(user=ada, initial=values).mix == values["mix"]


@pytest.mark.parametrize(
    ("found", "recipe"),
    [
        (PictureSettings(steps=4), "sdxl-lightning"),
        (PictureSettings(steps=6, loras=(UsedLora("dmd2_sdxl_4step_lora_fp16", 1.0),)), "sdxl-dmd2"),
        (PictureSettings(steps=30), "sdxl"),
        (PictureSettings(), "sdxl-lightning"),
    ],
)
def test_settings_come_with_the_recipe_that_is_nearest(ada: User, found: PictureSettings, recipe: str) -> None:
    made = honour(found, ada)
    assert made.values["recipe"] == recipe and made.said == []


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (PictureSettings(sampler="restart"), "Its sampler restart is not offered here; this one takes euler."),
        (PictureSettings(sampler="dpmpp_sde_gpu"), "this one takes dpmpp_sde"),
        (PictureSettings(sampler="euler", scheduler="ays"), "Its scheduler ays is not offered here"),
        (PictureSettings(loras=(UsedLora("gone", 0.5),)), "The LoRA gone is not a style of this studio"),
        (PictureSettings(loras=(UsedLora("INK.safetensors", 9),)), "Ink had the weight 9"),
        (PictureSettings(width=2000, height=2100), "It was made at 2000 × 2100. The nearest shape here is 1:1"),
        (PictureSettings(seed=2**64 - 1), "The seed 18446744073709551615 is larger than seeds are here"),
        (PictureSettings(steps=150), "It was made with 150 steps. The most here is 50."),
        (PictureSettings(cfg=30.0), "It was made with cfg 30. The most here is 20."),
        (PictureSettings(prompt="a" * 5000), "longer than 4000 characters"),
        (PictureSettings(checkpoint="dreamshaperXL.safetensors"), "It was made with dreamshaperXL.safetensors."),
        (PictureSettings(denoise=0.5), "with a strength of change of 0.5"),
    ],
)
def test_what_cannot_be_honoured_is_said(ada: User, ink: Style, found: PictureSettings, words: str) -> None:
    assert words in " ".join(honour(found, ada).said)


def test_a_picture_of_this_studio_is_honoured_without_a_remark(ada: User, ink: Style, settings: object) -> None:
    graph = json.loads(json.dumps(files.OURS).replace("lightning.safetensors", settings.LIGHTNING_LORA))  # type: ignore[attr-defined]
    graph["1"]["inputs"]["ckpt_name"] = settings.CHECKPOINT  # type: ignore[attr-defined]
    made = honour(reading.read(files.png(prompt=json.dumps(graph))), ada)
    assert made.said == [] and [one.version.style.name for one in made.values["mix"]] == ["Ink"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (files.png(), "No settings are inside this file."),
        (b"no picture", "No settings are inside this file."),
        (files.png(prompt='{"1": {}}'), "no settings that are understood here"),
        (b"", "Choose a picture file."),
    ],
)
def test_a_file_without_settings_says_why(her: Client, data: bytes, words: str) -> None:
    for headers in ({"HX-Request": "true"}, {}):
        answer = her.post("/read/", sent(data) if data else {}, headers=headers).text
        assert words in answer and "?settings=" not in answer


def test_words_from_a_file_never_become_markup(her: Client) -> None:
    hostile = "<script>alert(1)</script>\nSteps: 4, Seed: 1, Sampler: <b>x</b>, Model: <img src=x>"
    answer = her.post("/read/", sent(files.png(parameters=hostile), "<i>.png")).text
    assert "<script>alert" not in answer and "<img src=x>" not in answer and "<b>x" not in answer
    key = answer.partition("?settings=")[2].partition('"')[0]
    assert "<script>alert" not in her.get("/", {"settings": key}).text


def test_settings_are_only_there_for_who_read_them(her: Client, client: Client) -> None:
    answer = her.post("/read/", sent(files.png(parameters=files.FORGE))).text
    key = answer.partition("?settings=")[2].partition('"')[0]
    other = Client()
    other.force_login(User.objects.create_user("grace"))
    page = other.get("/", {"settings": key}).text
    assert "soft light" not in page and "not here any more" in page


def test_a_dropped_file_becomes_the_reference(her: Client) -> None:
    answer = her.post("/read/start/", sent(files.png((40, 24))))
    assert answer.status_code == 302
    page = her.get(answer["Location"]).text
    assert Reference.objects.get().file.url in page
    assert Reference.objects.get().file.url not in her.get("/", {"start": Reference.objects.get().pk}).text
    assert her.post("/read/start/", sent(b"nothing")).status_code == 422
