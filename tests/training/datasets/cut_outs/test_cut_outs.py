"""Pictures of datasets that are cut out: what takes the place of what, what stays, and how it comes back."""

from __future__ import annotations

from datetime import timedelta
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from PIL import Image

from generation.engines import roster
from generation.engines.models import Engine
from stylestudio.jobs.kinds import Status
from stylestudio.preview_engine.server import PreviewThread
from stylestudio.preview_engine.troubles.working import FailNode
from stylestudio.processes import workers
from tests.pages import page
from tests.training.datasets.cut_outs.conftest import AddDisc, CutOut
from training.datasets import dataset_jobs, picture_files
from training.datasets.collecting import intake
from training.datasets.collecting.intake import Arrival
from training.datasets.cut_outs import making, replacing
from training.datasets.models import Dataset, DatasetImage, DatasetJob, DatasetSnapshot
from training.datasets.versions import snapshots

pytestmark = pytest.mark.django_db


@pytest.fixture
def hers(ada: User, client: Client) -> Client:
    client.force_login(ada)
    return client


def pixels(image: DatasetImage) -> Any:
    with image.file.open("rb") as file, Image.open(BytesIO(file.read())) as opened:
        return np.asarray(opened.convert("RGBA"))


def kept(frozen: DatasetSnapshot) -> bytes:
    """The file of the only picture of a frozen version."""
    [row] = snapshots.read(frozen).pictures
    return bytes(DatasetImage.everything.get(pk=row.image).file.open("rb").read())


@pytest.mark.parametrize("format", ["PNG", "JPEG", "BMP"])
def test_a_cut_out_takes_the_place_of_its_original_and_keeps_all_that_was_said_of_it(
    dataset: Dataset, add_disc: AddDisc, cut_out: CutOut, engine: Engine, format: str
) -> None:
    image = add_disc("a disc", format=format)
    DatasetImage.objects.update(rating=4, included=False, crop_x=0.2)
    job = cut_out(image, ground="#808080")
    assert (job.status, job.error_detail, job.report["cut_out"]) == (Status.COMPLETED, "", 1)
    made = dataset.images.get()
    assert (made.original, made.background, made.has_alpha, made.format) == (image, "#808080", True, "PNG")
    assert (made.caption, made.rating, made.included, made.crop_x, made.position) == ("a disc", 4, False, 0.2, 0)
    shown = pixels(made)
    assert shown[48, 48, 3] == 255 and not shown[0, 0].any()
    image.refresh_from_db()
    assert image.deleted_at and default_storage.exists(str(image.file.name))
    trained = Image.open(BytesIO(picture_files.trained(made.file.open("rb").read(), made.background)))
    assert trained.getpixel((0, 0)) == (128, 128, 128), "what a trainer sees"


def test_one_undo_puts_all_originals_back_with_what_was_written_since(
    dataset: Dataset, add_disc: AddDisc, cut_out: CutOut, engine: Engine, hers: Client
) -> None:
    images = [add_disc("one"), add_disc("two")]
    job = cut_out(*images)
    first, second = dataset.images.order_by("position")
    hers.post(reverse("training:caption", args=[images[0].pk]), {"caption": "new words", "version": "1"})
    first.refresh_from_db()
    assert first.caption == "new words", "a page from before knows the original alone"
    assert hers.get(images[1].get_absolute_url()).context["image"] == second
    assert "Undo" in page(hers.get(reverse("training:job", args=[job.pk])))
    for _press in range(2):
        assert hers.post(reverse("training:cut-outs-undo", args=[job.pk])).status_code == 302
        assert list(dataset.images.values_list("pk", "caption")) == [
            (images[0].pk, "new words"), (images[1].pk, "two"),
        ]  # fmt: skip
    assert images[0].changes.get().after == "new words"
    job.refresh_from_db()
    assert not job.can_undo


def test_one_original_is_put_back_from_the_page_of_its_cut_out(
    dataset: Dataset, add_disc: AddDisc, cut_out: CutOut, engine: Engine, hers: Client
) -> None:
    images = [add_disc(), add_disc()]
    cut_out(*images)
    made = images[0].cut_outs.get()
    assert "Put the original back" in page(hers.get(made.get_absolute_url()))
    address = reverse("training:put-original-back", args=[made.pk])
    assert hers.post(address).headers["Location"] == images[0].get_absolute_url()
    assert set(dataset.images.all()) == {images[0], images[1].cut_outs.get()}
    assert hers.post(address).status_code == 404
    assert hers.post(reverse("training:put-original-back", args=[images[0].pk])).status_code == 302
    assert images[0] in dataset.images.all(), "an original has no original"


def test_a_frozen_version_keeps_its_pictures_and_brings_them_back(
    dataset: Dataset, add_disc: AddDisc, cut_out: CutOut, engine: Engine, ada: User
) -> None:
    image = add_disc("a disc")
    frozen, _new = snapshots.freeze(dataset, ada)
    before = (frozen.manifest, frozen.sha256, kept(frozen))
    cut_out(image)
    frozen.refresh_from_db()
    assert (frozen.manifest, frozen.sha256, kept(frozen)) == before
    second, is_new = snapshots.freeze(dataset, ada)
    difference = snapshots.compare(snapshots.read(frozen), snapshots.read(second))
    assert is_new and (len(difference.added), len(difference.removed)) == (1, 1)
    snapshots.restore(frozen, ada)
    assert dataset.images.get() == image
    snapshots.restore(second, ada)
    assert dataset.images.get().original == image


def test_an_original_is_kept_as_long_as_its_cut_out_and_its_file_is_known(
    dataset: Dataset, add_disc: AddDisc, cut_out: CutOut, engine: Engine, ada: User
) -> None:
    image = add_disc()
    data = image.file.open("rb").read()
    DatasetImage.objects.update(sha256=picture_files.digest(data))
    cut_out(image)
    old = timezone.now() - timedelta(days=90)
    DatasetImage.everything.filter(pk=image.pk).update(deleted_at=old)
    intake.discard_old()
    assert DatasetImage.everything.filter(pk=image.pk).exists()
    [entry] = intake.put(dataset, ada, [Arrival("again.png", picture_files.digest(data), None)])
    assert (entry.how, entry.image) == ("known", dataset.images.get())
    DatasetImage.everything.update(deleted_at=old)
    intake.discard_old()
    intake.discard_old()
    assert not DatasetImage.everything.exists()


def test_what_cannot_be_cut_out_is_named_and_stays(
    dataset: Dataset, add_disc: AddDisc, cut_out: CutOut, engine: Engine
) -> None:
    good, plain, gone, clear = add_disc(), add_disc(), add_disc(), add_disc()
    plain.file.storage.delete(str(plain.file.name))
    plain.file.storage.save(str(plain.file.name), BytesIO(b"no picture"))
    gone.delete()
    DatasetImage.objects.filter(pk=clear.pk).update(has_alpha=True)
    job = cut_out(good, plain, gone, clear)
    assert (job.status, job.done, job.report["cut_out"]) == (Status.COMPLETED, 4, 1)
    [[name, reason]] = job.report["refused"]
    assert name == plain.source_name and reason
    assert set(dataset.images.all()) == {good.cut_outs.get(), plain, clear}


def test_a_worker_that_is_stopped_goes_on_where_it_was_and_doubles_nothing(
    dataset: Dataset, add_disc: AddDisc, cut_out: CutOut, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = [add_disc() for _number in range(4)]
    job = cut_out(*images, works=False)
    keep = making._keep

    def then_stops(*given: Any) -> None:
        keep(*given)
        workers.stopping.set()

    monkeypatch.setattr(making, "_keep", then_stops)
    for done in (1, 2):
        dataset_jobs.life.do_one()
        workers.stopping.clear()
        job.refresh_from_db()
        assert (job.status, job.done) == (Status.QUEUED, done)
    monkeypatch.setattr(making, "_keep", keep)
    dataset_jobs.life.work()
    job.refresh_from_db()
    assert (job.status, job.report["cut_out"], dataset.images.count()) == (Status.COMPLETED, 4, 4)
    assert {each.original_id for each in dataset.images.all()} == {each.pk for each in images}


def test_work_waits_for_an_engine_that_went_away_and_a_missing_node_is_named(
    dataset: Dataset, add_disc: AddDisc, cut_out: CutOut, engine: Engine
) -> None:
    Engine.objects.update(health=Engine.Health.UNREACHABLE)
    job = cut_out(add_disc())
    assert (job.status, dataset.images.get().original) == (Status.QUEUED, None)
    Engine.objects.update(health=Engine.Health.OK)
    dataset_jobs.life.work()
    assert dataset.images.get().original
    Engine.objects.update(node_classes=[name for name in engine.node_classes if name != "RemoveBackground"])
    job = cut_out(add_disc())
    assert (job.status, job.error_kind) == (Status.FAILED, "engine") and "RemoveBackground" in job.error_detail


def test_cancelling_leaves_what_is_cut_out_and_can_be_undone(
    dataset: Dataset, add_disc: AddDisc, cut_out: CutOut, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = [add_disc(), add_disc()]
    keep = making._keep

    def then_cancelled(*given: Any) -> None:
        keep(*given)
        DatasetJob.objects.get().cancel()

    monkeypatch.setattr(making, "_keep", then_cancelled)
    job = cut_out(*images)
    assert (job.status, job.can_undo) == (Status.CANCELLED, True)
    assert set(dataset.images.all()) == {images[0].cut_outs.get(), images[1]}
    assert making.undo(job) == [images[0]]


def test_the_page_asks_for_the_ground_of_the_selected_or_of_all_that_are_shown(
    dataset: Dataset, add_disc: AddDisc, engine: Engine, hers: Client
) -> None:
    images = [add_disc("a red disc"), add_disc("another"), add_disc()]
    DatasetImage.objects.filter(pk=images[2].pk).update(has_alpha=True)
    address = reverse("training:cut-out", args=[dataset.slug])
    assert f'formaction="{address}?' in page(hers.get(dataset.get_absolute_url()))
    said = page(hers.get(address))
    assert "all 3 pictures" in said and "1 is transparent already" in said and "Disk needed, about" in said
    said = page(hers.post(address, {"look": "1", "selected": [images[0].pk]}))
    assert "1 selected picture" in said and f'name="selected" value="{images[0].pk}"' in said
    assert DatasetJob.objects.count() == 0
    sent = {"selected": [images[1].pk, "nonsense", "99999999"], "ground": "#000000"}
    assert hers.post(address, sent).status_code == 302
    assert DatasetJob.objects.get().parameters == {"pictures": [images[1].pk], "ground": "#000000"}
    one = f"{address}?pictures={images[0].pk}"
    assert f'href="{one}"' in page(hers.get(images[0].get_absolute_url()))
    assert hers.post(one, {"ground": ""}).status_code == 302
    assert DatasetJob.objects.first().parameters == {"pictures": [images[0].pk], "ground": ""}  # type: ignore[union-attr]


@pytest.mark.parametrize("ground", ["red", "#fff", "#ffffff;", "transparent"])
def test_no_other_ground_is_taken(
    dataset: Dataset, add_disc: AddDisc, engine: Engine, hers: Client, ground: str
) -> None:
    add_disc()
    answer = hers.post(reverse("training:cut-out", args=[dataset.slug]), {"ground": ground})
    assert answer.status_code == 422 and not DatasetJob.objects.exists()


def test_without_an_engine_that_can_the_page_says_what_goes_where(
    dataset: Dataset, add_disc: AddDisc, engine: Engine, hers: Client
) -> None:
    add_disc()
    Engine.objects.update(background_removal=[])
    address = reverse("training:cut-out", args=[dataset.slug])
    assert "models/background_removal" in page(hers.get(address))
    assert hers.post(address, {"ground": "#ffffff"}).status_code == 422
    DatasetImage.objects.update(has_alpha=True)
    assert "None of these pictures can be cut out" in page(hers.post(address, {}))


def test_somebody_else_cuts_nothing_out_and_puts_nothing_back(
    dataset: Dataset, add_disc: AddDisc, cut_out: CutOut, engine: Engine, bob: User, client: Client
) -> None:
    job = cut_out(add_disc())
    client.force_login(bob)
    made = dataset.images.get()
    for address in (
        reverse("training:cut-out", args=[dataset.slug]),
        reverse("training:cut-outs-undo", args=[job.pk]),
        reverse("training:put-original-back", args=[made.pk]),
    ):
        assert client.post(address).status_code == 403
    assert dataset.images.get() == made


def test_a_picture_that_changed_meanwhile_is_left_and_nothing_is_stored_of_it(
    dataset: Dataset, add_disc: AddDisc, engine: Engine, ada: User
) -> None:
    image = add_disc()
    made = making._ask(image, lambda: None)
    assert made.kept
    image.delete()
    assert replacing.replace(image, made.kept, "", ada) is None


def test_an_engine_that_errs_is_asked_again_and_then_named(
    dataset: Dataset, add_disc: AddDisc, cut_out: CutOut, engine: Engine, preview: PreviewThread
) -> None:
    roster.pool.loop.call(roster.pool.client(engine).free())  # what it made of the pictures of another test
    preview.troubles.add(FailNode("RemoveBackground", "RuntimeError", "out of order", times=None))
    job = cut_out(*(add_disc() for _number in range(4)))
    assert (job.status, job.error_kind, job.done) == (Status.FAILED, "engine", 2), "the third in a row"
    assert "out of order" in job.error_detail
    assert not dataset.images.exclude(original=None).exists()
