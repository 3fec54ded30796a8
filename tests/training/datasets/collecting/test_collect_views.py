"""Pictures come in over the web: together, in parts; and leave as a zip."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from PIL import Image
from pytest_django import Settings

from tests.pages import Answer, downloaded
from tests.training.datasets.collecting.conftest import Files, content, packed, picture
from training.datasets import picture_files
from training.datasets.collecting import intake
from training.datasets.models import Dataset, DatasetJob

pytestmark = pytest.mark.django_db


def client(user: User) -> Client:
    browser = Client()
    browser.force_login(user)
    return browser


def send(user: User, dataset: Dataset, files: Files, *, paths: bool = True, htmx: bool = True) -> Answer:
    form: dict[str, list[Any]] = {
        "file": [SimpleUploadedFile(name.split("/")[-1], data) for name, data in files.items()]
    }
    if paths:
        form["path"] = list(files)
    headers = {"HX-Request": "true"} if htmx else {}
    return client(user).post(reverse("training:add", args=[dataset.slug]), form, headers=headers)


def upload(user: User, dataset: Dataset, name: str, data: bytes, **fields: str) -> Answer:
    """In parts, as the page sends large files: the answer to the last step that was taken."""
    browser = client(user)
    form = {"purpose": "dataset", "name": name, "size": len(data), "fingerprint": "1", "into": dataset.slug, **fields}
    started = browser.post("/uploads/start", form)
    if started.status_code != 200:
        return started
    facts = started.json()
    browser.put(f"{facts['parts']}?offset=0", data, content_type="application/octet-stream")
    return browser.post(facts["finish"], {"into": dataset.slug, **fields})


def names(dataset: Dataset) -> list[str]:
    return list(dataset.images.values_list("source_name", flat=True))


def test_small_files_come_together_and_what_is_refused_is_named(dataset: Dataset, ada: User) -> None:
    files = {"set/1.png": picture(1), "set/1.txt": b"hills", "set/2.png": b"no", "../3.png": picture(3), "a.zip": b"PK"}
    answer = send(ada, dataset, files)
    assert answer.status_code == 200
    told = answer.json()
    assert (told["added"], told["captions"], told["refused_count"]) == (1, 1, 3)
    assert {name for name, _reason in told["refused"]} == {"set/2.png", "../3.png", "a.zip"}
    assert list(dataset.images.values_list("source_name", "caption")) == [("set/1.png", "hills")]
    assert send(ada, dataset, {"other.png": picture(1)}).json()["known"] == 1


def test_an_empty_file_is_refused_and_does_not_keep_out_a_picture_of_its_name(dataset: Dataset, ada: User) -> None:
    told = send(ada, dataset, {"empty/1.png": b"", "whole/1.png": picture(1)}, paths=False).json()
    assert (told["added"], told["refused"]) == (1, [["1.png", "This file is empty."]])


def test_reasons_are_in_the_language_of_the_reader(dataset: Dataset, ada: User, settings: Settings) -> None:
    browser = client(ada)
    form = {"file": SimpleUploadedFile("1.png", b"")}
    headers = {"HX-Request": "true", "Accept-Language": "zh-hans"}
    answer = browser.post(reverse("training:add", args=[dataset.slug]), form, headers=headers)
    assert not answer.json()["refused"][0][1].isascii()


def test_a_plain_form_brings_several_files_or_a_zip(
    dataset: Dataset, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = send(ada, dataset, {"1.png": picture(1), "2.png": picture(2)}, paths=False, htmx=False)
    assert answer.status_code == 302
    assert names(dataset) == ["1.png", "2.png"]
    answer = send(ada, dataset, {"set.zip": packed({"3.png": picture(3)})}, paths=False, htmx=False)
    assert answer.headers["Location"] == dataset.get_absolute_url()
    job = DatasetJob.objects.get(work=DatasetJob.Work.IMPORT)
    assert (job.source_name, job.owner) == ("set.zip", ada)
    assert content(job.file)[:2] == b"PK"
    page = send(ada, dataset, {"bad.zip": b"PK", "4.png": b"x", "5.png": picture(5)}, paths=False, htmx=False)
    assert page.status_code == 422
    for words in ("bad.zip", "no zip file", "4.png", "This file is not a PNG", "1 picture added"):
        assert words in page.content.decode()


def test_only_the_maker_and_curators_add(dataset: Dataset, bob: User, curator: User) -> None:
    files = {"1.png": picture(1)}
    assert send(bob, dataset, files).status_code == 403
    assert upload(bob, dataset, "1.png", files["1.png"]).status_code == 403
    assert send(curator, dataset, files).json()["added"] == 1
    dataset.delete()
    assert send(curator, dataset, files).status_code == 404
    assert upload(curator, dataset, "1.png", files["1.png"]).status_code == 404
    assert client(curator).get(reverse("training:add", args=[dataset.slug])).status_code == 405


def test_a_picture_in_parts_is_added_once(dataset: Dataset, ada: User) -> None:
    data = picture(1)
    assert upload(ada, dataset, "1.png", data, path="deep/1.png").json()["added"] == 1
    assert upload(ada, dataset, "1.png", data).json()["known"] == 1
    assert names(dataset) == ["deep/1.png"]


def test_a_zip_in_parts_becomes_a_job_whose_card_is_the_answer(dataset: Dataset, ada: User) -> None:
    answer = upload(ada, dataset, "set.zip", packed({"1.png": picture(1)}))
    job = DatasetJob.objects.get()
    assert f'id="{job.root_id}"' in answer.content.decode()
    assert (job.work, job.source_name) == (DatasetJob.Work.IMPORT, "set.zip")
    assert content(job.file)[:2] == b"PK"


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("1.png", b"nothing", "This file is not a PNG"),
        ("1.png", picture(1)[:-30], "broken or not complete"),
        ("set.zip", b"nothing", "no zip file"),
        ("set.zip", packed({}), "no picture in this archive"),
        ("set.zip", packed({"a.exe": b"MZ"}), "no picture in this archive"),
        ("set.rar", b"Rar!", "Only files that end in .zip"),
        ("1.png", b"", "This file is empty"),
    ],
)
def test_a_file_in_parts_that_is_refused_says_why(
    dataset: Dataset, ada: User, name: str, data: bytes, words: str
) -> None:
    answer = upload(ada, dataset, name, data)
    assert answer.status_code == 422
    assert words in answer.json()["error"]
    assert not DatasetJob.objects.exists()
    assert names(dataset) == []


def test_a_picture_that_is_too_large_is_refused_before_it_is_sent(dataset: Dataset, ada: User) -> None:
    form = {"purpose": "dataset", "name": "1.tif", "size": picture_files.MOST_BYTES + 1, "into": dataset.slug}
    answer = client(ada).post("/uploads/start", form)
    assert (answer.status_code, answer.json()["error"]) == (422, "This picture is larger than 100 MB.")
    assert client(ada).post("/uploads/start", {**form, "name": "1.zip"}).status_code == 200


def test_a_full_dataset_says_so(dataset: Dataset, ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "MOST_PICTURES", 0)
    assert "takes no more" in upload(ada, dataset, "1.png", picture(1)).json()["error"]
    assert "takes no more" in send(ada, dataset, {"2.png": picture(2)}).json()["refused"][0][1]


def test_the_page_of_a_dataset_has_the_form_for_who_may_add(dataset: Dataset, ada: User, bob: User) -> None:
    form = 'data-upload="dataset"'
    assert form in client(ada).get(dataset.get_absolute_url()).content.decode()
    assert form not in client(bob).get(dataset.get_absolute_url()).content.decode()


def test_reasons_of_a_report_are_shown_in_the_readers_language(dataset: Dataset, ada: User) -> None:
    refused = [["1.png", "This picture is broken or not complete. Save it again and send the new file."]]
    DatasetJob.objects.create(dataset=dataset, owner=ada, work=DatasetJob.Work.IMPORT, report={"refused": refused})
    page = client(ada).get(dataset.get_absolute_url(), headers={"Accept-Language": "zh-hans"}).content.decode()
    assert "1.png" in page
    assert refused[0][1] not in page


def test_a_picture_that_browsers_do_not_show_is_shown_as_one_that_they_do(dataset: Dataset, ada: User) -> None:
    send(ada, dataset, {"1.tif": picture(1, kind="TIFF"), "2.png": picture(2)})
    tiff, png = dataset.images.all()
    assert png.shown_url == png.url
    assert tiff.shown_url in client(ada).get(tiff.get_absolute_url()).content.decode()
    answer = client(ada).get(tiff.shown_url)
    assert answer["Content-Type"] == "image/webp"
    assert Image.open(io.BytesIO(answer.content)).size == (48, 32)
    Dataset.objects.update(visibility="private")
    assert client(ada).get(tiff.shown_url).status_code == 200
    assert client(User.objects.create_user("eve")).get(tiff.shown_url).status_code == 404


# --- Out


@pytest.mark.parametrize("layout", ["kohya", "jsonl"])
def test_the_zip_of_a_dataset_holds_what_the_command_writes(dataset: Dataset, bob: User, layout: str) -> None:
    send(dataset.owner, dataset, {"1.png": picture(1), "1.txt": b"hills"})
    answer = client(bob).get(reverse("training:export", args=[dataset.slug]), {"layout": layout})
    assert answer["Content-Disposition"] == 'attachment; filename="gouache-studies.zip"'
    data = async_to_sync(downloaded)(answer)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        if layout == "kohya":
            assert archive.read("10_gouachefield painting/0001-1.txt") == b"gouachefield painting, hills"
        else:
            assert json.loads(archive.read("metadata.jsonl"))["caption"] == "hills"
    assert client(bob).get(reverse("training:export", args=[dataset.slug]), {"layout": "x"}).status_code == 404
