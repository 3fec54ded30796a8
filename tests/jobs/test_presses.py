"""A form that is sent twice, one after the other or at the same moment, makes one thing."""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.utils import timezone
from PIL import Image

from generation.engines.models import Engine
from generation.pictures.models import GenerationTask
from styles.import_models import LoraImport
from styles.models import Preset, Style
from stylestudio.jobs import presses
from stylestudio.models import Press
from tests.pages import Answer
from tests.styles.bringing import weights
from training.datasets.models import CaptionOperation, Dataset, DatasetImage, DatasetJob, DatasetSnapshot

ORDER = {
    "mode": "text", "prompt": "a red house", "shape": "1024x1024", "count": "1", "steps": "4", "cfg": "1",
    "sampler": "euler", "scheduler": "sgm_uniform",
}  # fmt: skip


@pytest.fixture
def browser(curator: User) -> Client:
    """A curator's browser."""
    client = Client()
    client.force_login(curator)
    return client


@pytest.fixture
def dataset(curator: User) -> Dataset:
    """One with a picture, whose caption is a hill; and the base style, which a test that flushes takes away."""
    Style.objects.get_or_create(is_base=True, defaults={"name": "Base", "slug": "base"})
    made = Dataset.objects.create(name="Hills", owner=curator)
    file = BytesIO()
    Image.new("RGB", (64, 64), "teal").save(file, "PNG")
    image = DatasetImage(
        dataset=made, width=64, height=64, byte_size=1, format="PNG", sha256="0" * 64, perceptual_hash="0" * 16,
        position=0, source_name="hill.png", added_by=curator, caption="a hill",
    )  # fmt: skip
    image.file.save("hill.png", ContentFile(file.getvalue()), save=False)
    image.thumbnail.save("hill.png", ContentFile(file.getvalue()), save=False)
    image.save()
    return made


def lora() -> SimpleUploadedFile:
    """A small LoRA file to upload."""
    return SimpleUploadedFile("water.safetensors", weights())


# What is sent, and what there may be one of.
FORMS: dict[str, tuple[str, Callable[[], dict[str, Any]], Callable[[], int]]] = {
    "generate": ("/generate", lambda: ORDER, GenerationTask.objects.count),
    "preset": ("/presets/", lambda: ORDER | {"preset_name": "Mine"}, Preset.objects.count),
    "new style": (
        "/styles/new/",
        lambda: {"name": "Ink", "kind": "illustration", "default_strength": "1"},
        Style.objects.filter(is_base=False).count,
    ),
    "import": ("/styles/import/", lambda: {"file": lora()}, LoraImport.objects.count),
    "new dataset": (
        "/datasets/new/",
        lambda: {"name": "New", "template": "{caption}", "resolution": "512", "repeats": "1"},
        Dataset.objects.count,
    ),
    "freeze": ("/datasets/hills/versions/freeze/", lambda: {"note": "first"}, DatasetSnapshot.objects.count),
    "captions": (
        "/datasets/hills/captions/edit/",
        lambda: {"group": "add", "how_add": "suffix", "text": "in fog"},
        CaptionOperation.objects.count,
    ),
    "propose": ("/datasets/hills/propose/", lambda: {"who": "notes", "scope": "shown"}, DatasetJob.objects.count),
    "found LoRAs": ("/engines/loras/", lambda: {"name": "fog.safetensors"}, Style.objects.filter(name="fog").count),
}


@pytest.mark.usefixtures("dataset")
@pytest.mark.parametrize("name", FORMS)
@pytest.mark.django_db
def test_sent_again_it_is_answered_as_before_and_makes_nothing(browser: Client, name: str) -> None:
    address, fields, count = FORMS[name]
    Engine.objects.create(address="http://127.0.0.1:9", loras=["fog.safetensors"])
    before, press = count(), str(uuid.uuid4())
    first, again = (browser.post(address, fields() | {"request_id": press}) for _time in range(2))
    assert first.status_code == again.status_code
    if name != "preset":
        assert (first.status_code, first.headers["Location"]) == (302, again.headers["Location"])
    assert count() == before + 1


@pytest.mark.heavy
@pytest.mark.usefixtures("dataset")
@pytest.mark.parametrize("name", FORMS)
@pytest.mark.django_db(transaction=True)
def test_sent_twice_at_the_same_moment_it_makes_one(curator: User, name: str) -> None:
    both_send_at_once(curator, name)


@pytest.mark.usefixtures("dataset")
@pytest.mark.django_db(transaction=True)
def test_two_people_clicks_at_the_same_moment_make_one_dataset(curator: User) -> None:
    both_send_at_once(curator, "new dataset")


def both_send_at_once(curator: User, name: str) -> None:
    """Two requests of one press, each in a thread of its own."""
    address, fields, count = FORMS[name]
    Engine.objects.create(address="http://127.0.0.1:9", loras=["fog.safetensors"])
    before, press, ready = count(), str(uuid.uuid4()), threading.Barrier(2)
    answers: list[Answer] = []

    def send() -> None:
        client = Client()
        client.force_login(curator)
        ready.wait()
        try:
            answers.append(client.post(address, fields() | {"request_id": press}))
        finally:
            connection.close()

    threads = [threading.Thread(target=send) for _one in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count() == before + 1
    assert {answer.status_code for answer in answers} <= {200, 302} and len(answers) == 2
    assert len({answer.headers.get("Location") for answer in answers}) == 1


@pytest.mark.django_db
def test_a_field_that_differs_is_another_press(browser: Client) -> None:
    press = str(uuid.uuid4())
    for name in ("One", "Two"):
        fields = {"name": name, "template": "{caption}", "resolution": "512", "repeats": "1", "request_id": press}
        assert browser.post("/datasets/new/", fields).status_code == 302
    assert set(Dataset.objects.values_list("name", flat=True)) == {"One", "Two"}
    for prompt in ("before Back", "after Back", "after Back"):
        browser.post("/generate", ORDER | {"prompt": prompt, "request_id": press})
    assert sorted(GenerationTask.objects.values_list("prompt", flat=True)) == ["after Back", "before Back"]


@pytest.mark.django_db
def test_what_was_refused_may_be_sent_again_as_it_is(browser: Client) -> None:
    press = {"request_id": str(uuid.uuid4())}
    refused = browser.post("/datasets/new/", press | {"name": ""})
    assert refused.status_code == 422 and not Press.objects.exists()
    assert browser.post("/datasets/new/", press | {"name": ""}).status_code == 422


@pytest.mark.django_db
def test_one_persons_press_is_nobody_elses(browser: Client, ada: User) -> None:
    fields = {
        "name": "Same", "template": "{caption}", "resolution": "512", "repeats": "1", "request_id": str(uuid.uuid4())
    }  # fmt: skip
    other = Client()
    other.force_login(ada)
    places = {client.post("/datasets/new/", fields).headers["Location"] for client in (browser, other)}
    assert len(places) == 2


@pytest.mark.django_db
def test_a_press_whose_process_died_is_done_by_the_next(browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {"name": "Late", "template": "{caption}", "resolution": "512", "repeats": "1"}
    monkeypatch.setattr(presses, "KEPT", timedelta(0))
    fields["request_id"] = str(uuid.uuid4())
    assert browser.post("/datasets/new/", fields).status_code == 302
    Press.objects.update(answer={}, at=timezone.now() - presses.LONGEST_REQUEST * 2)  # as if it had been cut off
    assert browser.post("/datasets/new/", fields).status_code == 302
    assert Dataset.objects.count() == 2
    presses.delete_old_presses()
    assert not Press.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("press", ["", "nonsense", "9" * 5000])
def test_without_a_request_id_a_form_still_works(browser: Client, press: str) -> None:
    fields = {"name": "Plain", "template": "{caption}", "resolution": "512", "repeats": "1", "request_id": press}
    assert browser.post("/datasets/new/", fields).status_code == 302


@pytest.mark.django_db
def test_every_page_load_is_a_press_of_its_own(browser: Client) -> None:
    found = [re.findall(r'name="request_id" value="([^"]+)"', browser.get("/datasets/new/").content.decode())[0]
             for _time in range(2)]  # fmt: skip
    assert len(set(found)) == 2
