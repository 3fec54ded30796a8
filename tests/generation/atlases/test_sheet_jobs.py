"""Sheets of selected pictures: asked for, made by a worker, downloaded; and everything that can be wrong with them."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.utils import timezone, translation
from PIL import Image

from generation.atlases import atlas_jobs, words
from generation.atlases import making as sheet_making
from generation.atlases.models import AtlasJob
from generation.derivations.sheets import making
from generation.derivations.sheets.pieces import NoSheet
from generation.pictures.models import GeneratedImage
from stylestudio.jobs.kinds import Status
from stylestudio.people.visibility import Visibility
from stylestudio.processes import worker_jobs
from tests.generation.browsing import HTMX, signed_in
from tests.generation.derivations.conftest import Store, icon, stored
from tests.generation.derivations.sheets import reading
from tests.pages import Answer, downloaded

pytestmark = pytest.mark.django_db
ASKED = {
    "name": "icons", "engine": "hash", "most_side": "512", "template": "icon-{index}", "padding": "2", "border": "1",
    "milliseconds": "100", "trim": "on",
}  # fmt: skip


def ask(person: User, *pictures: GeneratedImage, htmx: bool = False, **changes: Any) -> Answer:
    """Fill in the form and send it; None leaves a field out."""
    keys = ",".join(str(each.pk) for each in pictures)
    sent = {"work": "sheet", "asked": "1", "pictures": keys, **ASKED, **changes}
    data = {name: value for name, value in sent.items() if value is not None}
    return signed_in(person).post("/gallery/selection/", data, headers=HTMX if htmx else {})


def made(person: User, *pictures: GeneratedImage, **changes: Any) -> AtlasJob:
    """The job after a worker had it."""
    answer = ask(person, *pictures, **changes)
    assert answer.status_code == 302, answer.content.decode()
    atlas_jobs.life.work()
    return AtlasJob.objects.latest("pk")


def files_of(person: User, job: AtlasJob) -> dict[str, bytes]:
    """The files of the zip, as a browser gets it."""
    answer: Any = signed_in(person).get(f"/sheets/{job.pk}/zip/")
    assert answer.status_code == 200
    with zipfile.ZipFile(io.BytesIO(asyncio.run(downloaded(answer)))) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_form_says_number_and_disk_before_anything_is_made(store: Store, ada: User) -> None:
    pictures = [store(icon()), store(icon(40))]
    sent = {"work": "sheet", "pictures": ",".join(str(each.pk) for each in pictures)}
    for headers in ({}, HTMX):
        page = signed_in(ada).post("/gallery/selection/", sent, headers=headers)
        assert page.status_code == 200
        assert "2 pictures, together 0.0 megapixels. Disk needed, about:" in page.content.decode()
    assert not AtlasJob.objects.exists()


def test_selected_pictures_become_a_zip_whose_frames_are_they(store: Store, ada: User) -> None:
    images = [icon(), icon(90), Image.new("RGBA", (20, 20)), Image.new("L", (12, 9), 77)]
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([0, 0, 0, 200, 100, 50])
    pictures = [store(each) for each in (*images, palette)]
    job = made(ada, *pictures)
    assert (job.status, job.done, job.total) == (Status.COMPLETED, 5, 5), job.error_detail
    assert job.report["frames"] == 5 and job.report["sheets"] == 1 and 0 <= job.report["empty"] < 1
    files = files_of(ada, job)
    assert sorted(files) == ["icons-1.json", "icons-1.png"]
    found = reading.of_hash(files)
    assert sorted(found) == [f"icon-{number}" for number in range(1, 6)]
    for number, image in enumerate((*images, palette), 1):
        expected, frame = image.convert("RGBA"), found[f"icon-{number}"]
        assert frame.size == expected.size
        clear = Image.new("RGBA", expected.size)
        shown = Image.composite(expected, clear, expected.getchannel("A").point(lambda alpha: 255 * (alpha > 0)))
        assert frame.tobytes() == shown.tobytes(), number
    assert len(json.loads(files["icons-1.json"])["animations"]["icon"]) == 5
    page = signed_in(ada).get(job.get_absolute_url()).content.decode()
    assert "5 frames · 1 sheet" in page and job.picture.url in page and "Download zip" in page
    assert default_storage.size(str(job.file.name)) + default_storage.size(str(job.picture.name)) == job.size


@pytest.mark.parametrize(
    ("engine", "ending"), [("phaser", ".json"), ("babylon", ".json"), ("godot", ".tres"), ("unity", ".meta")]
)
def test_the_zip_has_the_files_of_the_engine(store: Store, ada: User, engine: str, ending: str) -> None:
    files = files_of(ada, made(ada, store(icon()), store(icon(30)), engine=engine))
    assert "icons-1.png" in files and any(name.endswith(ending) for name in files)


def test_the_same_pictures_make_the_same_zip(store: Store, ada: User) -> None:
    pictures = [store(icon()), store(icon(30))]
    first, second = (made(ada, *pictures) for _time in range(2))
    assert first.pk != second.pk
    read = [default_storage.open(str(each.file.name)).read() for each in (first, second)]
    assert read[0] == read[1]


def test_frames_that_would_be_called_alike_are_numbered(store: Store, ada: User) -> None:
    job = made(ada, store(icon()), store(icon(30)), template="{subject}")
    assert [name for _key, name in job.frames] == ["a-fox", "a-fox-2"]
    assert job.status == Status.COMPLETED


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"template": "{index}"}, "Add a word to the names, such as icon-{index}. 1"),
        ({"template": "icon"}, "Put at least one field"),
        ({"template": "{colour}"}, "There is no field {colour}"),
        ({"trim": None, "border": "64", "side": "500"}, "larger than a sheet may be"),
        ({"padding": "65"}, "less than or equal to 64"),
        ({"most_side": "100"}, "valid choice"),
        ({"milliseconds": "0"}, "greater than or equal to 1"),
        ({"name": ""}, "required"),
    ],
)
def test_what_cannot_be_is_said_beside_the_form_which_keeps_all(
    store: Store, ada: User, changes: dict[str, str | None], said: str
) -> None:
    side = int({**changes}.pop("side", None) or 60)
    picture = store(icon(side))
    GeneratedImage.objects.filter(pk=picture.pk).update(width=side, height=side)
    for htmx in (False, True):
        answer = ask(ada, picture, htmx=htmx, **{name: value for name, value in changes.items() if name != "side"})
        assert answer.status_code == 422
        page = answer.content.decode()
        assert said in page
        assert "milliseconds" in changes or 'value="100"' in page
    assert not AtlasJob.objects.exists()


def test_more_pictures_than_a_sheet_takes_are_refused_with_the_number(
    store: Store, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("generation.atlases.ordering.MOST", 1)
    answer = ask(ada, store(icon()), store(icon(30)))
    assert answer.status_code == 422 and "at most 1 pictures" in answer.content.decode()
    assert not AtlasJob.objects.exists()


def test_private_pictures_of_others_are_left_out_and_ones_own_make_a_private_sheet(
    store: Store, ada: User, bob: User
) -> None:
    hers, his = store(icon()), store(icon(30), owner=bob, visibility=Visibility.PRIVATE)
    job = made(ada, hers, his)
    assert [key for key, _name in job.frames] == [hers.pk] and job.report["left"] == 1
    assert job.visibility == Visibility.TEAM
    assert "1 selected picture was not there any more" in signed_in(bob).get(job.get_absolute_url()).content.decode()
    assert ask(ada, his).status_code == 422
    own = made(bob, his)
    assert own.visibility == Visibility.PRIVATE
    for address in (f"/sheets/{own.pk}/", f"/sheets/{own.pk}/zip/"):
        assert signed_in(ada).get(address).status_code == 404


def test_a_picture_that_is_gone_missing_or_broken_is_named_and_nothing_is_half_made(store: Store, ada: User) -> None:
    pictures = [store(icon()), store(icon(30)), store(data=b"\x89PNG nothing")]
    ask(ada, *pictures)
    atlas_jobs.life.work()
    job = AtlasJob.objects.get()
    assert (job.status, job.error_kind, job.error_detail) == (Status.FAILED, "broken", "icon-3")
    default_storage.delete(str(pictures[1].file.name))
    job = made(ada, *pictures[:2])
    assert (job.error_kind, job.error_detail) == ("missing", "icon-2")
    ask(ada, *pictures[:2])
    GeneratedImage.everything.discard([pictures[0].pk])
    atlas_jobs.life.work()
    job = AtlasJob.objects.latest("pk")
    assert (job.error_kind, job.error_detail) == ("gone", "icon-1")
    page = signed_in(ada).get(job.get_absolute_url()).content.decode()
    assert str(words.FAULTS["gone"]) in page and "icon-1" in page
    assert not AtlasJob.objects.exclude(file="").exists()


def test_too_many_pixels_together_are_said_before_the_memory_is_full(
    store: Store, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "MOST_PIXELS", 100)
    job = made(ada, store(icon()))
    assert job.error_kind == "many_pixels" and "80 megapixels" in job.explanation
    monkeypatch.setattr(making, "MOST_PIXELS", 80_000_000)
    monkeypatch.setattr(making, "MOST_ON_A_SHEET", 100)
    assert made(ada, store(icon())).error_kind == "large_sheet"


def test_what_is_too_large_after_trimming_is_named(store: Store, ada: User) -> None:
    job = made(ada, store(Image.new("RGBA", (520, 10), "red")))
    assert (job.error_kind, job.error_detail) == ("too_large", "icon-1")


def test_a_sheet_that_failed_or_was_cancelled_is_made_once_more(store: Store, ada: User, bob: User) -> None:
    ask(ada, picture := store(icon()))
    job = AtlasJob.objects.get()
    assert signed_in(bob).post(job.cancel_url).status_code == 403
    signed_in(ada).post(job.cancel_url)
    atlas_jobs.life.work()
    job.refresh_from_db()
    assert job.status == Status.CANCELLED and not job.file
    assert signed_in(ada).get(f"/sheets/{job.pk}/zip/").status_code == 404
    answer = signed_in(ada).post(f"/sheets/{job.pk}/retry/")
    atlas_jobs.life.work()
    again = AtlasJob.objects.get(retry_of=job)
    assert answer.headers["Location"] == again.get_absolute_url()
    assert again.status == Status.COMPLETED and again.frames == [[picture.pk, "icon-1"]]
    signed_in(ada).post(f"/sheets/{again.pk}/retry/")
    assert AtlasJob.objects.count() == 2


def test_a_cancelled_worker_leaves_no_file(store: Store, ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(ada, store(icon()))
    real = sheet_making._zipped

    def cancelled(sheet: making.Sheet) -> bytes:
        AtlasJob.objects.get().cancel()
        return real(sheet)

    monkeypatch.setattr(sheet_making, "_zipped", cancelled)
    atlas_jobs.life.work()
    job = AtlasJob.objects.get()
    assert job.status == Status.CANCELLED and not job.file
    month = f"outputs/atlases/{timezone.now():%Y/%m}"
    assert not default_storage.exists(month) or default_storage.listdir(month)[1] == []


def test_a_worker_that_dies_after_storing_makes_no_second_zip(store: Store, ada: User) -> None:
    job = made(ada, store(icon()))
    before = job.file.name
    AtlasJob.objects.filter(pk=job.pk).update(status=Status.QUEUED, ended_at=None, worker="")
    atlas_jobs.life.work()
    job.refresh_from_db()
    assert job.status == Status.COMPLETED and job.file.name == before


def test_old_sheets_are_deleted_with_their_files(store: Store, ada: User) -> None:
    old, new = made(ada, store(icon())), made(ada, store(icon()))
    AtlasJob.objects.filter(pk=old.pk).update(ended_at=timezone.now() - worker_jobs.KEPT - timedelta(days=1))
    atlas_jobs.sweep()
    assert list(AtlasJob.objects.all()) == [new]
    assert not default_storage.exists(str(old.file.name)) and not default_storage.exists(str(old.picture.name))
    assert default_storage.exists(str(new.file.name))


def test_a_zip_whose_file_is_missing_says_so(store: Store, ada: User) -> None:
    job = made(ada, store(icon()))
    default_storage.delete(str(job.file.name))
    answer = signed_in(ada).get(f"/sheets/{job.pk}/zip/")
    assert answer.status_code == 409 and "icons.zip" in answer.content.decode()


@pytest.mark.parametrize("reason", ["none", "double", "number", "taken", "too_large", "many_pixels", "large_sheet"])
def test_every_reason_against_a_sheet_is_a_sentence_in_both_languages(reason: str) -> None:
    error = NoSheet(reason, [f"n{number}" for number in range(12)])
    said = []
    for language in ("en", "zh-hans"):
        with translation.override(language):
            said.append(words.said(error.reason, error.names))
    assert said[0] != said[1] and all(each.endswith("n9, …") for each in said)


def test_a_jpeg_of_another_mode_is_read_as_finishing_reads_it(store: Store, ada: User) -> None:
    job = made(ada, store(data=stored(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG")))
    red, green, blue, alpha = reading.of_hash(files_of(ada, job))["icon-1"].getpixel((8, 8))  # type: ignore[misc]  # RGBA
    assert job.status == Status.COMPLETED and alpha == 255 and red > 180 > green and blue < 90
