"""The life of work on a dataset."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import DatabaseError
from django.test import Client
from django.utils import timezone

from stylestudio.jobs.kinds import Status
from stylestudio.processes import worker_jobs, workers
from training.datasets import dataset_jobs
from training.datasets.models import Dataset, DatasetJob

pytestmark = pytest.mark.django_db
IMPORT, CHECK = DatasetJob.Work.IMPORT, DatasetJob.Work.CHECK


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Messages go nowhere; handlers are this test's own."""
    monkeypatch.setattr(DatasetJob, "wake", staticmethod(lambda seconds=0.0: None))
    monkeypatch.setattr(dataset_jobs, "handlers", {})
    yield
    workers.stopping.clear()
    for pk in dataset_jobs.life.held.places:
        dataset_jobs.life.held.drop(pk)


def handle(handler: dataset_jobs.Handler, kind: DatasetJob.Work = IMPORT) -> None:
    dataset_jobs.handlers[kind] = handler


def test_what_was_ordered_is_done_and_says_how_far_it_is(dataset: Dataset, ada: User) -> None:
    seen: list[tuple[int, int]] = []

    def count(run: dataset_jobs.Run) -> None:
        for done in (1, 2, 3):
            run.step(done, 3, now=True, added=done)
            job = DatasetJob.objects.get(pk=run.job.pk)
            seen.append((job.done, job.progress))

    handle(count)
    job = dataset_jobs.order(dataset, ada, IMPORT, source_name="set.zip")
    dataset_jobs.life.work()
    job.refresh_from_db()
    assert seen == [(1, 33), (2, 66), (3, 99)]
    assert (job.status, job.progress, job.report) == (Status.COMPLETED, 100, {"added": 3})


def test_an_archive_is_deleted_when_the_work_has_ended(dataset: Dataset, ada: User) -> None:
    handle(lambda run: None)
    job = dataset_jobs.order(dataset, ada, IMPORT)
    job.file.save("set.zip", ContentFile(b"zip"))
    name = job.file.name or ""
    dataset_jobs.life.work()
    job.refresh_from_db()
    assert not default_storage.exists(name)
    assert not job.file.name


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (
            worker_jobs.Failed("bad_archive", "no end of central directory"),
            "bad_archive",
            "This archive cannot be read",
        ),
        (OSError(28, "No space left on device"), "storage", "whether the disk is full"),
        (RuntimeError("our bug"), "internal", "The log says more"),
    ],
)
def test_what_fails_says_why(dataset: Dataset, ada: User, error: Exception, kind: str, words: str) -> None:
    def fail(run: dataset_jobs.Run) -> None:
        raise error

    handle(fail)
    job = dataset_jobs.order(dataset, ada, IMPORT)
    dataset_jobs.life.work()
    job.refresh_from_db()
    assert (job.status, job.error_kind) == (Status.FAILED, kind)
    assert words in job.explanation


def test_cancelling_stops_it_at_its_next_step_and_keeps_what_it_did(dataset: Dataset, ada: User) -> None:
    went_on = []

    def cancelled(run: dataset_jobs.Run) -> None:
        run.step(1, 5, now=True, added=1)
        dataset_jobs.life.cancel(DatasetJob.objects.get(pk=run.job.pk))
        run.step(2, 5, now=True)
        went_on.append(True)

    handle(cancelled)
    job = dataset_jobs.order(dataset, ada, IMPORT)
    dataset_jobs.life.work()
    job.refresh_from_db()
    assert (job.status, job.report["added"]) == (Status.CANCELLED, 1)
    assert not went_on


def test_a_worker_that_stops_leaves_it_to_the_next_one_where_it_was(dataset: Dataset, ada: User) -> None:
    def stops(run: dataset_jobs.Run) -> None:
        run.step(2, 5, now=True, added=2)
        workers.stopping.set()
        run.step(3, 5, now=True)

    handle(stops)
    job = dataset_jobs.order(dataset, ada, IMPORT)
    dataset_jobs.life.work()
    job.refresh_from_db()
    assert (job.status, job.done, job.attempts) == (Status.QUEUED, 2, 0)
    workers.stopping.clear()
    went_on_at = []
    handle(lambda run: went_on_at.append(run.job.done))
    dataset_jobs.life.work()
    job.refresh_from_db()
    assert (job.status, went_on_at) == (Status.COMPLETED, [2])


def test_the_work_of_a_dead_worker_is_taken_up_when_its_lease_is_over(dataset: Dataset, ada: User) -> None:
    job = dataset_jobs.order(dataset, ada, IMPORT)
    job.start("dead")
    handle(lambda run: None)
    dataset_jobs.sweep()
    dataset_jobs.life.work()
    job.refresh_from_db()
    assert job.status == Status.RUNNING, "its lease is good still"
    DatasetJob.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    dataset_jobs.sweep()
    dataset_jobs.life.work()
    job.refresh_from_db()
    assert job.status == Status.COMPLETED


def test_a_restarted_worker_takes_its_work_up_at_once(dataset: Dataset, ada: User) -> None:
    job = dataset_jobs.order(dataset, ada, IMPORT)
    job.start(workers.worker_name())
    dataset_jobs.sweep()
    job.refresh_from_db()
    assert job.status == Status.QUEUED
    job.start(workers.worker_name())
    dataset_jobs.life.held.take(job.pk, None)
    dataset_jobs.sweep()
    job.refresh_from_db()
    assert job.status == Status.RUNNING, "what a thread of this process does is not taken away"


def test_the_archive_of_work_that_ended_in_a_crash_is_swept(dataset: Dataset, ada: User) -> None:
    job = dataset_jobs.order(dataset, ada, IMPORT)
    job.file.save("set.zip", ContentFile(b"zip"))
    name = job.file.name or ""
    job.start("w")
    job.complete()
    dataset_jobs.sweep()
    assert not default_storage.exists(name)


def test_what_kills_three_workers_is_given_up(dataset: Dataset, ada: User) -> None:
    job = dataset_jobs.order(dataset, ada, IMPORT)
    DatasetJob.objects.filter(pk=job.pk).update(attempts=3)
    handle(lambda run: None)
    dataset_jobs.life.work()
    job.refresh_from_db()
    assert (job.status, job.error_kind) == (Status.FAILED, "crashed")


def test_the_archive_of_what_killed_three_workers_is_deleted_at_once(dataset: Dataset, ada: User) -> None:
    job = dataset_jobs.order(dataset, ada, IMPORT)
    job.file.save("set.zip", ContentFile(b"zip"))
    name = job.file.name or ""
    DatasetJob.objects.filter(pk=job.pk).update(attempts=3)
    handle(lambda run: None)
    dataset_jobs.life.work()
    assert not default_storage.exists(name)


def test_what_goes_on_in_each_attempt_is_not_given_up(dataset: Dataset, ada: User) -> None:
    job = dataset_jobs.order(dataset, ada, IMPORT)
    DatasetJob.objects.filter(pk=job.pk).update(attempts=2, done=3)
    seen = []

    def goes_on(run: dataset_jobs.Run) -> None:
        run.step(4, 9, now=True)
        seen.append(DatasetJob.objects.get(pk=job.pk).attempts)

    handle(goes_on)
    dataset_jobs.life.work()
    assert seen == [1]


def test_two_imports_into_one_dataset_run_one_after_the_other(dataset: Dataset, ada: User) -> None:
    running = dataset_jobs.order(dataset, ada, IMPORT)
    running.start("another worker")
    waits, other = dataset_jobs.order(dataset, ada, IMPORT), dataset_jobs.order(dataset, ada, CHECK)
    handle(lambda run: None)
    handle(lambda run: None, CHECK)
    dataset_jobs.life.work()
    waits.refresh_from_db()
    other.refresh_from_db()
    assert (waits.status, other.status) == (Status.QUEUED, Status.COMPLETED)


def test_a_database_that_does_not_answer_decides_nothing(
    dataset: Dataset, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "DATABASE_PAUSE", 0)
    monkeypatch.setattr("stylestudio.processes.workers.connections.close_all", lambda: None)

    def gone(run: dataset_jobs.Run) -> None:
        raise DatabaseError("gone")

    handle(gone)
    job = dataset_jobs.order(dataset, ada, IMPORT)
    dataset_jobs.life.work()
    job.refresh_from_db()
    assert job.status == Status.RUNNING
    assert job.pk not in dataset_jobs.life.held


def test_only_the_maker_or_a_curator_cancels(client: Client, dataset: Dataset, ada: User, bob: User) -> None:
    job = dataset_jobs.order(dataset, ada, IMPORT)
    client.force_login(bob)
    assert client.post(f"/datasets/jobs/{job.pk}/cancel/").status_code == 403
    client.force_login(ada)
    answer = client.post(f"/datasets/jobs/{job.pk}/cancel/", headers={"HX-Request": "true"})
    assert f'id="{job.root_id}"' in answer.content.decode()
    job.refresh_from_db()
    assert job.status == Status.CANCELLED
    assert client.post(f"/datasets/jobs/{job.pk}/clear/", headers={"HX-Request": "true"}).status_code == 200
    assert job.root_id not in client.get(f"/datasets/{dataset.slug}/").content.decode()


def test_the_queue_shows_it_beside_pictures(client: Client, dataset: Dataset, ada: User) -> None:
    job = dataset_jobs.order(dataset, ada, IMPORT, source_name="set.zip")
    client.force_login(ada)
    page = client.get("/queue/").content.decode()
    assert f'id="row-dataset-{job.pk}"' in page
    assert "Import: set.zip" in page


ENDS: dict[str, Exception | None] = {
    "completed": None,
    "failed": worker_jobs.Failed("bad_archive"),
    "stopped": worker_jobs.Stopped(),
    "full disk": OSError("no room"),
    "bug": ZeroDivisionError(),
}


@pytest.mark.parametrize("end", ENDS)
def test_a_worker_whose_lease_ran_out_decides_nothing_however_its_work_ends(
    dataset: Dataset, ada: User, end: str
) -> None:
    def act(run: dataset_jobs.Run) -> None:
        other = DatasetJob.objects.get(pk=run.job.pk)
        other.recover()
        other.start("other")
        if error := ENDS[end]:
            raise error

    handle(act)
    job = dataset_jobs.order(dataset, ada, IMPORT)
    dataset_jobs.life.work()
    job.refresh_from_db()
    assert (job.status, job.worker, job.error_kind) == (Status.RUNNING, "other", "")


@pytest.mark.parametrize("done", [0, 2])
def test_a_stop_never_counts_below_zero(dataset: Dataset, ada: User, done: int) -> None:
    def stops(run: dataset_jobs.Run) -> None:
        DatasetJob.objects.filter(pk=run.job.pk).update(attempts=0)
        raise worker_jobs.Stopped

    handle(stops)
    job = dataset_jobs.order(dataset, ada, IMPORT, done=done)
    workers.stopping.set()
    try:
        dataset_jobs.life.do_one()
    finally:
        workers.stopping.clear()
    job.refresh_from_db()
    assert (job.status, job.attempts) == (Status.QUEUED, 0)
