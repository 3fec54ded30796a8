"""Finished pictures: pictures like any other, folded under their source, made once, and taken back as a whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse
from PIL import Image, ImageCms

from generation.derivations import making, presets
from generation.derivations.actions import FINISH
from generation.derivations.models import Derivation
from generation.derivations.steps import digests, files
from generation.gallery import query
from generation.gallery.filters import Filters
from generation.pictures import thumbnails
from generation.pictures.models import GeneratedImage, GenerationTask, PictureCount, SearchEntry
from generation.selecting import bulk_jobs, orders, sidecars
from generation.selecting.models import PictureJob, Slice
from stylestudio.jobs.kinds import Status
from stylestudio.people.visibility import Visibility
from stylestudio.processes import worker_jobs, workers
from tests.generation.browsing import HTMX
from tests.generation.derivations.conftest import Finish, Store, icon, stored
from tests.pages import page

pytestmark = pytest.mark.django_db


def only() -> GeneratedImage:
    """The one finished picture."""
    return Derivation.objects.select_related("picture__task").get().picture


def opened(picture: GeneratedImage) -> Image.Image:
    with picture.file.open("rb") as file, Image.open(BytesIO(file.read())) as image:
        image.load()
        return image


def wall(person: User, **filters: Any) -> list[int]:
    return [each.pk for each in query.pictures(person, Filters(**filters)).newest(50)]


FINISHED: Any = {"more": (("finished", "1"),)}


def test_an_icon_is_trimmed_and_squared_and_knows_what_it_came_from(store: Store, finish: Finish, ada: User) -> None:
    source = store(icon(), prompt="a red disc")
    job = finish(source)
    assert (job.status, job.report) == (Status.COMPLETED, {"changed": 1, "left": {}})
    made = only()
    assert (made.width, made.height, made.has_alpha) == (63, 63, True) and made.task.owner == ada
    assert opened(made).convert("RGBA").getbbox() == (16, 16, 47, 47)
    known = made.derivation
    with source.file.open("rb") as file:
        data = file.read()
    assert (known.source, known.source_sha256) == (source, digests.of_file(data))
    assert known.source_pixels == digests.of_pixels(icon())
    assert known.pixels == digests.of_pixels(opened(made).convert("RGBA"))
    with made.file.open("rb") as file:
        result = file.read()
    assert made.sha256 == digests.of_file(result) and made.size == len(result)
    told = json.loads(files.read_facts(result))
    assert told["source_sha256"] == known.source_sha256 and told["settings"] == known.settings
    assert told["libraries"] == known.libraries == digests.libraries()
    assert data == source.file.open("rb").read(), "the original stays as it is"
    assert sidecars.settings(made, [])["made_of"]["source"] == source.pk


def test_it_is_folded_until_finished_ones_are_asked_for(store: Store, finish: Finish, ada: User) -> None:
    source, other = store(prompt="a red disc"), store(prompt="a house")
    finish(source)
    made = only()
    assert wall(ada) == wall(ada, words="disc OR house") == [other.pk, source.pk]
    assert wall(ada, previews=True) == [other.pk, source.pk], "it shows no style"
    assert wall(ada, **FINISHED) == wall(ada, words="disc", **FINISHED) == wall(ada, words="finished:1") == [made.pk]
    assert wall(ada, words="house", **FINISHED) == []
    assert wall(ada, words="-finished:1") == [other.pk, source.pk]
    assert not PictureCount.objects.filter(pictures__gt=0).exists(), "nor counted"
    assert set(GeneratedImage.objects.all()) == {source, other}


def test_the_wall_and_the_bar_have_it(store: Store, finish: Finish, her: Client) -> None:
    source = store()
    finish(source)
    made = only()
    assert f'href="/gallery/{made.pk}/?finished=1&amp;wall=1"' in page(her.get("/gallery/?finished=1"))
    assert f"/gallery/{made.pk}/" not in page(her.get("/gallery/"))
    for address in (
        "/gallery/page/?finished=1",
        "/gallery/counts/?finished=1",
        f"/gallery/{made.pk}/?finished=1&wall=1",
    ):
        assert her.get(address).status_code == 200


def test_the_page_of_the_source_lists_it_and_its_own_page_shows_the_chain(
    store: Store, finish: Finish, ada: User, her: Client
) -> None:
    source = store()
    finish(source)
    first = only()
    finish(first, steps=[{"step": "palette", "colours": 8}, {"step": "offset"}])
    last = Derivation.objects.get(source=first).picture
    assert f'hx-get="/gallery/{source.pk}/finished/part/"' in page(her.get(source.get_absolute_url()))
    shown = page(her.get(f"/gallery/{source.pk}/finished/"))
    assert shown.count("<html") == 1 and "<html" not in page(her.get(f"/gallery/{source.pk}/finished/part/"))
    assert f'href="/gallery/{first.pk}/"' in shown and f'href="/gallery/{last.pk}/"' not in shown
    chain = page(her.get(last.get_absolute_url()))
    assert chain.index(f'href="/gallery/{first.pk}/"') < chain.index(f'href="/gallery/{source.pk}/"')
    assert f'href="/jobs/{source.task_id}/"' in chain and f'href="/jobs/{last.task_id}/"' not in chain
    assert "Trim (16), Pad (Square)" in chain and "Fewer colours (8), Offset by half" in chain
    assert last.derivation.measures["colours"] == 1 and "seam" in last.derivation.measures
    first.delete()
    assert "in the trash" in page(her.get(last.get_absolute_url()))
    GeneratedImage.everything.filter(pk=first.pk).update(emptied_at=first.created_at, file="", thumbnail="")
    chain = page(her.get(last.get_absolute_url()))
    assert "deleted for good" in chain and f'href="/gallery/{source.pk}/"' in chain


def test_nobody_has_two_of_the_same_and_what_was_deleted_comes_back(
    store: Store, finish: Finish, ada: User, people: Callable[..., User]
) -> None:
    source = store()
    finish(source)
    made = only()
    again = finish(source)
    assert again.said == "0 pictures are finished. 1 was there already." and Derivation.objects.count() == 1
    made.delete()
    back = finish(source)
    assert back.changed == 1 and only().deleted_at is None
    orders.undo(ada, back)
    bulk_jobs.life.work()
    assert GeneratedImage.everything.get(pk=made.pk).deleted_at
    GeneratedImage.everything.filter(pk=made.pk).update(emptied_at=made.created_at, file="")
    assert finish(source).changed == 1 and Derivation.objects.count() == 2, "its file was gone for good"
    finish(source, user=people("bob"))
    assert Derivation.objects.count() == 3, "somebody else has one of their own"


def test_undo_moves_all_that_a_job_made_to_the_trash(store: Store, finish: Finish, ada: User) -> None:
    job = finish(*(store(icon(61 + number)) for number in range(3)))
    made = list(Derivation.objects.values_list("picture", flat=True))
    assert job.changed == 3 and job.result_url == "/gallery/?finished=1"
    back = orders.undo(ada, job)
    bulk_jobs.life.work()
    back.refresh_from_db()
    assert back.said == "3 finished pictures are in the trash."
    assert GeneratedImage.everything.filter(pk__in=made, deleted_at=None).count() == 0
    assert GeneratedImage.objects.count() == 3, "the sources stay"


def test_it_is_as_private_as_its_source_and_nobody_finishes_what_they_cannot_see(
    store: Store, finish: Finish, people: Callable[..., User]
) -> None:
    secret = store(visibility=Visibility.PRIVATE)
    finish(secret)
    made, bob = only(), people("bob")
    assert made.task.visibility == Visibility.PRIVATE
    assert not GeneratedImage.with_previews.visible_to(bob).exists() and wall(bob, **FINISHED) == []
    assert finish(secret, user=bob).changed == 0 and Derivation.objects.count() == 1


def test_the_same_source_gives_the_same_bytes(store: Store, finish: Finish) -> None:
    finish(store(icon()), store(icon()), steps=[{"step": "shadow"}, {"step": "palette"}])
    hashes = Derivation.objects.values_list("picture__sha256", flat=True)
    assert len(hashes) == 2 and len(set(hashes)) == 1


def test_it_gets_a_thumbnail_is_found_by_style_and_its_settings_are_reused(
    store: Store, finish: Finish, her: Client
) -> None:
    from styles.models import Style

    style = Style.objects.create(name="Ink")
    source = store(prompt="a red disc")
    source.task.mix.create(version=style.versions.get(), position=0, weight=0.8)
    finish(source)
    made = only()
    thumbnails.finish(made.pk)
    made.refresh_from_db()
    assert made.thumbnail and SearchEntry.objects.filter(picture=made, is_face=True).exists()
    assert [row.version.style for row in made.task.mix.all()] == [style]
    assert "a red disc" in page(her.get(f"/?picture={made.pk}"))
    assert GenerationTask.everything.get(pk=made.task_id).derived["source"] == source.pk
    assert page(her.get(f"/jobs/{made.task_id}/"))


# --- Bad input


def grey_of_16_bits() -> bytes:
    return stored(Image.fromarray((np.arange(64 * 64).reshape(64, 64) * 15).astype(np.uint16)))


def with_palette() -> bytes:
    return stored(icon().quantize(8, Image.Quantize.FASTOCTREE))


SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.mark.parametrize(
    ("data", "remarks"),
    [
        (with_palette(), []),
        (grey_of_16_bits(), ["deep"]),
        (stored(Image.new("CMYK", (8, 8), (0, 200, 200, 0)), "JPEG"), ["cmyk"]),
        (stored(Image.new("L", (8, 8), 77)), []),
        (stored(Image.new("LA", (8, 8), (77, 9))), []),
        (stored(Image.new("1", (8, 8), 1)), []),
        (stored(Image.new("RGB", (8, 8), "teal"), "WEBP"), []),
        (stored(Image.new("RGB", (1, 1), "teal")), []),
    ],
)
def test_pictures_of_every_kind_are_finished_and_what_could_not_be_kept_is_said(
    store: Store, finish: Finish, her: Client, data: bytes, remarks: list[str]
) -> None:
    job = finish(store(data=data))
    assert job.changed == 1 and only().derivation.remarks == remarks
    assert her.get(only().get_absolute_url()).status_code == 200


def test_grey_of_16_bits_keeps_its_upper_eight_and_a_profile_stays(store: Store, finish: Finish) -> None:
    finish(store(data=grey_of_16_bits()), steps=[])
    assert opened(only()).convert("L").getpixel((63, 63)) == (4095 * 15) >> 8
    Derivation.objects.all().delete()
    finish(store(data=stored(icon(), icc_profile=SRGB)), steps=[], format="webp")
    made = opened(only())
    assert made.format == "WEBP" and made.info["icc_profile"] == SRGB


def test_what_cannot_be_finished_is_left_with_the_reason_and_nothing_half_is_there(
    store: Store, finish: Finish, settings: Any
) -> None:
    lost = store()
    default_storage.discard(str(lost.file.name))  # type: ignore[attr-defined]
    broken, whole = stored(icon()), store()
    pictures = [
        lost, store(data=broken[:-40]), store(data=b"<html>"), store(Image.new("RGBA", (9, 9))), whole,
    ]  # fmt: skip
    job = finish(*pictures)
    assert (
        job.said == ("1 picture is finished. The file of 1 is missing. 2 cannot be read. Of 1 nothing shows.")
        and job.status == Status.COMPLETED
    )
    assert only().derivation.source == whole
    large = finish(store(Image.new("RGBA", (3000, 3000), "red")), steps=[{"step": "resize", "factor": "4"}])
    assert "1 would be larger than 40 megapixels" in large.said
    assert Derivation.objects.count() == 1


def test_a_disk_without_room_ends_the_job_in_words_before_anything_is_made(
    store: Store, finish: Finish, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = store()
    monkeypatch.setattr(worker_jobs, "RESERVE", 2**60)
    job = finish(source)
    assert job.status == Status.FAILED and "not enough room" in job.explanation and not Derivation.objects.exists()
    assert job.can_go_on


# --- A job


def test_a_job_that_is_stopped_between_two_slices_goes_on_and_doubles_nothing(
    store: Store, finish: Finish, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = [store(icon(61 + number)) for number in range(5)]
    made: list[int] = []
    real = making.prepare

    def prepare(*given: Any) -> Any:
        made.append(1)
        if len(made) == 2:
            workers.stopping.set()
        return real(*given)

    monkeypatch.setattr(making, "prepare", prepare)
    monkeypatch.setattr("generation.derivations.actions.FINISH", replace(FINISH, size=2))
    job = finish(*sources)
    assert (job.slices.count(), job.changed, job.status) == (3, 2, Status.QUEUED)
    workers.stopping.clear()
    bulk_jobs.life.work()
    job.refresh_from_db()
    assert job.status == Status.COMPLETED and job.changed == 5
    assert sorted(Derivation.objects.values_list("source", flat=True)) == [each.pk for each in sources]


def test_what_a_cancelled_job_left_is_ordered_once_more_and_only_that(
    store: Store, finish: Finish, ada: User, her: Client
) -> None:
    sources = [store(icon(61 + number)) for number in range(3)]
    plan = presets.SHIPPED[0].plan
    job = PictureJob.objects.create(owner=ada, work="finish", parameters={"name": "Icon", "plan": plan}, total=3)
    for number, each in enumerate(sources):
        Slice.objects.create(job=job, number=number, pictures=[each.pk])
    job.start("w")
    bulk_jobs.apply(job, FINISH, job.slices.get(number=0), making.prepare(ada, [sources[0].pk], job.parameters))
    job.refresh_from_db()
    job.cancel()
    assert job.can_go_on
    her.post(reverse("generation:bulk-on", args=[job.pk]), headers=HTMX)
    answer = her.post(reverse("generation:bulk-on", args=[job.pk]), headers=HTMX)
    assert "The rest of this was ordered already." in page(answer)
    bulk_jobs.life.work()
    again = PictureJob.objects.get(retry_of=job)
    assert (again.total, again.changed, again.status) == (2, 2, Status.COMPLETED)
    assert Derivation.objects.count() == 3


def test_the_form_tells_how_much_disk_it_takes_and_too_many_are_refused(
    store: Store, her: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = store()
    asked = page(her.post("/gallery/selection/", {"work": "finish", "pictures": str(source.pk)}, headers=HTMX))
    assert "1 picture. Disk needed, about:" in asked and "Icon:" in asked and "Pixel art ×4" in asked
    many = ",".join(str(number) for number in range(1, 2002))
    sent = {"work": "finish", "pictures": many, "asked": "1", "preset": "icon"}
    assert "at most 2,000 pictures" in page(her.post("/gallery/selection/", sent, headers=HTMX))
    assert not PictureJob.objects.exists()
    wrong = her.post("/gallery/selection/", {**sent, "pictures": "1", "preset": "own-7"}, headers=HTMX)
    assert wrong.status_code == 422 and not PictureJob.objects.exists()


def test_from_the_page_of_a_picture_it_is_ordered_without_javascript(store: Store, her: Client) -> None:
    source = store()
    sent = {
        "work": "finish",
        "pictures": str(source.pk),
        "asked": "1",
        "preset": "icon",
        "back": source.get_absolute_url(),
    }
    answer = her.post("/gallery/selection/", sent)
    job = PictureJob.objects.get()
    assert answer.status_code == 302 and answer.headers["Location"] == job.get_absolute_url()
    bulk_jobs.life.work()
    shown = page(her.get(job.get_absolute_url()))
    assert "1 picture is finished." in shown and 'href="/gallery/?finished=1"' in shown
