"""The health check in the worker: what it measures, when it is ordered, and that it can be killed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.test import Client
from PIL import Image
from pytest_django import DjangoAssertNumQueries

from stylestudio.processes import worker_jobs, workers
from tests.training.conftest import AddPicture
from tests.training.datasets.health import made
from training.datasets import dataset_jobs
from training.datasets.health import check_work, report, similar, stored
from training.datasets.health.dataset_facts import gather
from training.datasets.models import Dataset, DatasetImage, DatasetJob

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check ends as soon as nothing is left."""
    monkeypatch.setattr(check_work, "QUIET", 0.0)
    monkeypatch.setattr(DatasetJob, "wake", staticmethod(lambda seconds=0.0: None))
    monkeypatch.setattr(check_work, "THREADS", 1)


def put(add: AddPicture, picture: Image.Image, caption: str = "hills") -> DatasetImage:
    """A real picture in the dataset."""
    image = add(caption, width=picture.width, height=picture.height)
    file = BytesIO()
    picture.save(file, "PNG")
    image.file.save("real.png", ContentFile(file.getvalue()))
    return image


def ran(dataset: Dataset) -> DatasetJob:
    """A check from order to end."""
    job = DatasetJob.objects.create(dataset=dataset, owner=dataset.owner, work=DatasetJob.Work.CHECK)
    assert job.start("test")
    check_work.run_check(dataset_jobs.Run(job))
    job.complete()
    return job


def test_a_check_measures_every_picture_and_finds_copies(dataset: Dataset, add: AddPicture) -> None:
    first = put(add, made.shapes(3))
    other = put(add, made.shapes(2))
    copy = put(add, made.shapes(3).resize((160, 160)))
    job = ran(dataset)
    assert (job.done, job.total) == (3, 3)
    facts = gather(dataset)
    assert facts.unmeasured == 0 and len(facts.measured) == 3
    assert [{twin.first, twin.second} for twin in facts.twins] == [{first.pk, copy.pk}]
    assert other.pk in facts.by_pk


def test_only_what_is_new_is_measured_and_compared_with_all(
    dataset: Dataset, add: AddPicture, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = put(add, made.shapes(3))
    ran(dataset)
    seen: list[int] = []
    real = check_work._measured

    def measured(image: DatasetImage) -> Any:
        seen.append(image.pk)
        return real(image)

    monkeypatch.setattr(check_work, "_measured", measured)
    copy = put(add, made.shapes(3).transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    ran(dataset)
    assert seen == [copy.pk]
    (twin,) = gather(dataset).twins
    assert (twin.first, twin.second, twin.mirrored) == (copy.pk, first.pk, True)


def test_pictures_of_older_code_are_measured_anew(
    dataset: Dataset, add: AddPicture, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(add, made.shapes(3))
    ran(dataset)
    monkeypatch.setattr(stored, "VERSION", stored.VERSION + 1)
    assert gather(dataset).unmeasured == 1
    ran(dataset)
    assert gather(dataset).unmeasured == 0


def test_a_broken_and_a_missing_file_are_reported_and_the_rest_goes_on(dataset: Dataset, add: AddPicture) -> None:
    broken, missing, good = add("a"), add("b"), put(add, made.shapes(3))
    broken.file.save("broken.png", ContentFile(b"not a picture"))
    missing.file.storage.delete(str(missing.file.name))
    ran(dataset)
    findings = {finding.check: finding for finding in report.report(dataset).findings}
    assert set(findings["files"].pictures) == {broken.pk, missing.pk}
    assert [picture.pk for picture in gather(dataset).measured] == [good.pk]


def test_a_check_that_is_killed_between_measuring_and_comparing_goes_on_there(
    dataset: Dataset, add: AddPicture, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(add, made.shapes(3))
    put(add, made.shapes(3).resize((200, 200)))

    def killed(_dataset: Dataset) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(check_work, "_compare", killed)
        with pytest.raises(KeyboardInterrupt):
            ran(dataset)
    assert gather(dataset).unmeasured == 2
    monkeypatch.setattr(check_work, "_measured", lambda image: pytest.fail("measured again"))
    ran(dataset)
    assert len(gather(dataset).twins) == 1


def test_a_check_stops_when_it_is_cancelled(dataset: Dataset, add: AddPicture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_work, "BATCH", 1)
    for seed in range(3):
        put(add, made.shapes(seed))
    job = DatasetJob.objects.create(dataset=dataset, owner=dataset.owner, work=DatasetJob.Work.CHECK)
    job.start("test")
    DatasetJob.objects.get(pk=job.pk).cancel()
    with pytest.raises(worker_jobs.Stopped):
        check_work.run_check(dataset_jobs.Run(job))
    assert gather(dataset).unmeasured == 3
    assert DatasetImage.objects.exclude(measures=None).count() == 1


def test_many_drops_order_one_check(dataset: Dataset, add: AddPicture, ada: User) -> None:
    assert check_work.order_check(dataset, ada) is None  # nothing to measure
    add("one")
    assert check_work.order_check(dataset, ada) is not None
    for _drop in range(5):
        add("more")
        assert check_work.order_check(dataset, ada) is None
    DatasetJob.objects.get().start("test")
    assert check_work.order_check(dataset, ada) is not None  # the running one may have looked already
    assert check_work.order_check(dataset, ada) is None
    assert DatasetJob.objects.count() == 2


def test_a_check_that_failed_is_not_ordered_again_at_once(dataset: Dataset, add: AddPicture, ada: User) -> None:
    add("one")
    job = check_work.order_check(dataset, ada)
    assert job is not None and job.start("test") and job.fail("internal")
    assert check_work.order_check(dataset, ada) is None
    assert check_work.order_check_if_idle(dataset) is None


def test_a_check_that_was_cancelled_is_not_ordered_again_by_a_look(
    client: Client, dataset: Dataset, add: AddPicture, ada: User
) -> None:
    add("one")
    job = check_work.order_check(dataset, ada)
    assert job is not None and job.cancel()
    client.force_login(ada)
    assert client.get(f"/datasets/{dataset.slug}/health/").status_code == 200
    assert check_work.order_check_if_idle(dataset) is None
    assert not DatasetJob.objects.active().exists()
    assert check_work.order_check(dataset, ada) is not None  # what is dropped is looked into


def test_a_background_that_is_chosen_while_copies_are_looked_for_is_measured(
    dataset: Dataset, add: AddPicture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clear, other = put(add, made.shapes(3)), put(add, made.shapes(2))
    real = similar.find_copies

    def meanwhile(*found: Any) -> Any:
        monkeypatch.setattr(similar, "find_copies", real)
        chosen = DatasetImage.objects.filter(pk=clear.pk, background="")
        assert chosen.update(background="#000000", measures=None) == 1
        return real(*found)

    monkeypatch.setattr(similar, "find_copies", meanwhile)
    check_work._measure([clear.pk, other.pk], ThreadPoolExecutor(1))
    check_work._compare(dataset)
    assert check_work._open(dataset) == [clear.pk]
    ran(dataset)
    assert gather(dataset).unmeasured == 0


def test_a_removed_picture_that_comes_back_is_compared_with_what_came_meanwhile(
    dataset: Dataset, add: AddPicture
) -> None:
    first = put(add, made.shapes(3))
    ran(dataset)
    DatasetImage.objects.filter(pk=first.pk).delete()
    put(add, made.shapes(3).resize((200, 200)))
    ran(dataset)
    assert gather(dataset).twins == []
    DatasetImage.everything.filter(pk=first.pk).update(deleted_at=None)
    assert len(gather(dataset).twins) == 1


def test_two_thousand_pictures_are_reported_on_fast(
    dataset: Dataset, add: AddPicture, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """Two queries for the check, one for the pictures. The time is measured in tests/benchmarks."""
    put(add, made.shapes(3))
    ran(dataset)
    with django_assert_num_queries(3):
        report.report(dataset)


def test_the_worker_s_stop_ends_a_check(dataset: Dataset, add: AddPicture) -> None:
    put(add, made.shapes(3))
    workers.stopping.set()
    try:
        with pytest.raises(worker_jobs.Stopped):
            ran(dataset)
    finally:
        workers.stopping.clear()
