"""Captioners that are recipes: what is asked, what is proposed, what they lack, and engines that go away meanwhile."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO
from typing import Any
from urllib.request import urlopen

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.test import Client
from django.urls import reverse
from PIL import Image

from generation.engines.models import Engine
from generation.recipes import registry
from stylestudio.jobs.kinds import Status
from stylestudio.preview_engine.server import PreviewThread
from tests.training.conftest import AddPicture
from training.datasets import dataset_jobs
from training.datasets.captions import captioners
from training.datasets.captions.captioners.answers import without_trigger
from training.datasets.captions.captioners.recipes import FromRecipe
from training.datasets.models import Dataset, DatasetImage, DatasetJob

pytestmark = pytest.mark.django_db
SENTENCES, TAGS = "recipe:captions", "recipe:tags"
USUAL = FromRecipe(registry.captioners()["captions"]).question

AddColour = Callable[[tuple[int, int, int]], DatasetImage]


@pytest.fixture
def as_ada(client: Client, ada: User) -> Client:
    """Signed in as who made the dataset."""
    client.force_login(ada)
    return client


@pytest.fixture
def add_colour(add: AddPicture) -> AddColour:
    """Add a picture of one colour, 96 by 64 pixels."""

    def make(colour: tuple[int, int, int]) -> DatasetImage:
        image, out = add(), BytesIO()
        Image.new("RGB", (96, 64), colour).save(out, "PNG")
        image.file.save("of-one-colour", ContentFile(out.getvalue()))
        return image

    return make


def ordered(dataset: Dataset, user: User, name: str, images: list[DatasetImage], question: str = "") -> DatasetJob:
    known = captioners.known()[name]
    job = captioners.order_proposals(dataset, user, known, [image.pk for image in images], question)
    dataset_jobs.life.work()
    job.refresh_from_db()
    return job


def asked(preview: PreviewThread) -> dict[str, Any]:
    """The inputs of the node that the engine was asked by last, and all that it was sent."""
    with urlopen(f"{preview.url}/history") as answer:
        last = list(json.load(answer).values())[-1]["prompt"][2]
    return {node["class_type"]: node["inputs"] for node in last.values()}


@pytest.mark.parametrize(
    ("name", "caption"), [(SENTENCES, "A wide picture in blue."), (TAGS, "blue, wide")], ids=["sentences", "tags"]
)
def test_the_preview_engine_captions_by_both_recipes(
    dataset: Dataset, add_colour: AddColour, ada: User, engine: Engine, name: str, caption: str
) -> None:
    job = ordered(dataset, ada, name, [add_colour((20, 40, 200))])
    assert (job.status, job.error_detail, job.report["proposed"]) == (Status.COMPLETED, "", 1)
    assert dataset.images.values_list("caption", "proposal", "proposed_by").get() == ("", caption, name)


def test_a_model_is_asked_what_people_ask_without_the_trigger_words(
    dataset: Dataset, add_colour: AddColour, ada: User, engine: Engine, preview: PreviewThread
) -> None:
    Dataset.objects.update(trigger_words="gouachefield painting, blue")
    dataset.refresh_from_db()
    image = add_colour((20, 40, 200))
    ordered(dataset, ada, SENTENCES, [image], "What is in this Gouachefield_painting? Say {{seed}}.")
    assert asked(preview)["TextGenerate"]["prompt"] == "What is in this ? Say {{seed}}."
    assert dataset.images.get().proposal == "A wide picture in ."
    ordered(dataset, ada, SENTENCES, [image], "gouachefield painting")
    assert asked(preview)["TextGenerate"]["prompt"] == USUAL, "nothing is left to ask"


@pytest.mark.parametrize(
    ("text", "trigger", "left"),
    [
        ("a fox, inkwash, snow", "inkwash", "a fox, snow"),
        ("Ink wash, a fox", "ink_wash", "a fox"),
        ("a fox, (inkwash:1.2)", "inkwash", "a fox"),
        ("An inkwash of a fox.", "inkwash", "An of a fox."),
        ("inkwashed  paper", "inkwash", "inkwashed  paper"),
        ("猫，水墨，雪", "水墨", "猫，雪"),
        ("a fox", "", "a fox"),
        ("inkwash", "inkwash", ""),
    ],
)
def test_trigger_words_are_left_out(text: str, trigger: str, left: str) -> None:
    assert without_trigger(text, trigger) == left


def test_without_its_file_or_its_node_a_recipe_says_what_goes_where(engine: Engine) -> None:
    sentences, tags = captioners.known()[SENTENCES], captioners.known()[TAGS]
    assert (sentences.trouble(), tags.trouble()) == ("", "")
    Engine.objects.update(text_encoders=[], node_classes=[n for n in engine.node_classes if "WD14" not in n])
    assert "qwen3vl_4b_fp8_scaled.safetensors" in (said := sentences.trouble())
    assert "models/text_encoders" in said and "huggingface.co/Comfy-Org/Qwen3-VL" in said
    assert str(engine) in (said := tags.trouble()) and "WD14Tagger|pysssss" in said
    assert "Install https://github.com/pythongosssss/ComfyUI-WD14-Tagger there" in said
    Engine.objects.update(node_classes=[name for name in engine.node_classes if name != "TextGenerate"])
    assert "TextGenerate" in (said := sentences.trouble()) and "Update its ComfyUI" in said


def test_work_waits_for_an_engine_that_went_away_and_goes_on_where_it_was(
    dataset: Dataset, add_colour: AddColour, ada: User, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = [add_colour((20, 40, 200)), add_colour((20, 200, 40))]
    keep = captioners.propose._keep

    def then_dies(*given: Any) -> None:
        keep(*given)
        Engine.objects.update(health=Engine.Health.UNREACHABLE)

    monkeypatch.setattr("training.datasets.captions.captioners.propose._keep", then_dies)
    job = ordered(dataset, ada, TAGS, images)
    assert (job.status, job.done, job.attempts, job.report["waits"]) == (Status.QUEUED, 1, 0, True)
    dataset_jobs.life.work()
    assert DatasetJob.objects.get().status == Status.QUEUED, "as long as the engine is away"
    monkeypatch.setattr("training.datasets.captions.captioners.propose._keep", keep)
    Engine.objects.update(health=Engine.Health.OK)
    dataset_jobs.life.work()
    assert DatasetJob.objects.get().status == Status.COMPLETED
    assert list(dataset.images.values_list("proposal", flat=True)) == ["blue, wide", "green, wide"]


def test_work_that_waits_can_be_cancelled_and_one_that_no_engine_can_do_fails(
    dataset: Dataset, add_colour: AddColour, ada: User, engine: Engine
) -> None:
    known, image = captioners.known()[SENTENCES], add_colour((20, 40, 200))
    Engine.objects.update(health=Engine.Health.UNREACHABLE)
    job = captioners.order_proposals(dataset, ada, known, [image.pk])
    dataset_jobs.life.work()
    assert dataset_jobs.life.cancel(DatasetJob.objects.get(pk=job.pk))
    Engine.objects.update(health=Engine.Health.OK, text_encoders=[])
    job = ordered(dataset, ada, SENTENCES, [image])
    assert (job.status, job.error_kind) == (Status.FAILED, "engine") and "models/text_encoders" in job.error_detail


def test_the_question_stays_with_the_dataset(
    dataset: Dataset, add_colour: AddColour, as_ada: Client, engine: Engine
) -> None:
    add_colour((20, 40, 200))
    address = reverse("training:propose", args=[dataset.slug])
    assert USUAL in as_ada.get(address).content.decode()
    form = {"who": SENTENCES, "scope": "shown", "question": "What does the fox do?"}
    assert as_ada.post(address, form).status_code == 302
    assert DatasetJob.objects.get().parameters["question"] == "What does the fox do?"
    assert "What does the fox do?" in as_ada.get(address).content.decode()
    as_ada.post(address, {**form, "question": " "})
    dataset.refresh_from_db()
    assert dataset.caption_question == "" and USUAL in as_ada.get(address).content.decode()
    answer = as_ada.post(address, {**form, "question": "x" * 2001})
    assert answer.status_code == 422 and "x" * 2001 in answer.content.decode()


def test_how_long_it_takes_is_said_before_from_the_third_picture_on(
    dataset: Dataset, add_colour: AddColour, ada: User, engine: Engine, as_ada: Client
) -> None:
    address = reverse("training:propose", args=[dataset.slug])
    images = [add_colour((20, 40, shade)) for shade in (180, 200, 220)]
    ordered(dataset, ada, SENTENCES, images[:2])
    assert SENTENCES not in captioners.seconds_a_picture()
    assert as_ada.get(address).content.decode().count("How long that takes is not known yet.") >= 2
    job = ordered(dataset, ada, SENTENCES, images)
    [(asked_engine, (number, seconds))] = job.report["took"].items()
    assert (asked_engine, number) == (str(engine.pk), 3) and seconds > 0
    assert "3 pictures take" in as_ada.get(address).content.decode()
    Engine.objects.update(active=False)
    assert SENTENCES not in captioners.seconds_a_picture(), "another engine may take longer"
