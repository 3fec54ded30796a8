"""Pictures come into a dataset once, in their order, with their captions, whatever happens meanwhile."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone, translation

from stylestudio.jobs.kinds import Status
from stylestudio.media import identity, orphans
from stylestudio.processes import worker_jobs, workers
from tests.training.datasets.collecting.conftest import Files, content, packed, picture
from training.datasets import dataset_jobs, picture_files
from training.datasets.collecting import archives, intake
from training.datasets.models import CaptionChange, Dataset, DatasetImage, DatasetJob, WaitingCaption
from training.datasets.versions import snapshots

pytestmark = pytest.mark.django_db
IMPORT, CHECK = DatasetJob.Work.IMPORT, DatasetJob.Work.CHECK


@pytest.fixture(autouse=True)
def only_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checks that are ordered wait."""
    monkeypatch.setattr(dataset_jobs, "handlers", {IMPORT: intake.run_import, CHECK: lambda run: None})


def ordered(dataset: Dataset, files: Files | bytes) -> DatasetJob:
    job = dataset_jobs.order(dataset, dataset.owner, IMPORT, source_name="set.zip")
    data = files if isinstance(files, bytes) else packed(files)
    job.file.save(intake.archive_name(), ContentFile(data))
    return job


def imported(dataset: Dataset, files: Files | bytes) -> DatasetJob:
    job = ordered(dataset, files)
    dataset_jobs.life.work()
    job.refresh_from_db()
    return job


def brought(dataset: Dataset, files: Files) -> intake.Tally:
    tally = intake.Tally()
    with archives.opened(io.BytesIO(packed(files))) as contents:
        intake.import_source(contents, dataset, dataset.owner, tally, lambda done: None)
    return tally


def names(dataset: Dataset) -> list[str]:
    return list(dataset.images.values_list("source_name", flat=True))


def captions(dataset: Dataset) -> dict[str, str]:
    return dict(dataset.images.values_list("source_name", "caption"))


def stored(media: Path, folder: str = "uploads/datasets") -> list[Path]:
    return [path for path in (media / folder).rglob("*") if path.is_file()]


def test_an_archive_becomes_pictures_with_captions_in_their_order(dataset: Dataset, media: Path) -> None:
    files = {f"set/{at}.png": picture(at) for at in (10, 9, 1)}
    files |= {"set/9.txt": b"nine hills", "set/metadata.jsonl": b'{"file_name": "10.png", "text": "ten hills"}'}
    job = imported(dataset, files)
    assert job.status == Status.COMPLETED
    assert names(dataset) == ["set/1.png", "set/9.png", "set/10.png"]
    assert list(captions(dataset).values()) == ["", "nine hills", "ten hills"]
    assert [image.position for image in dataset.images.all()] == [0, 1, 2]
    assert job.report["added"] == 3
    assert job.report["captions"] == 2
    assert job.report["refused"] == []
    first = dataset.images.first()
    assert first is not None
    assert content(first.file) == files["set/1.png"]
    assert first.sha256 == hashlib.sha256(files["set/1.png"]).hexdigest()
    assert (first.format, first.width, first.height, first.byte_size) == ("PNG", 48, 32, len(files["set/1.png"]))
    assert content(first.thumbnail)[:4] == b"RIFF"
    assert len(stored(media)) == 6
    assert stored(media, "uploads/archives") == []


def test_what_was_added_is_checked_and_what_was_known_is_not(dataset: Dataset) -> None:
    files = {"1.png": picture(1)}
    imported(dataset, files)
    assert DatasetJob.objects.filter(work=CHECK).count() == 1
    job = imported(dataset, files)
    assert (job.report["added"], job.report["known"]) == (0, 1)
    assert DatasetJob.objects.filter(work=CHECK).count() == 1


def test_bad_files_are_named_with_their_reason_and_the_rest_goes_on(dataset: Dataset) -> None:
    files = {
        "0.png": b"",
        "1.png": picture(1),
        "2.jpg": b"no picture",
        "3.png": picture(3)[:-40],
        "4.jpg": picture(4),
        "5.txt": bytes(range(1, 32)),
        "6.exe": b"MZ",
        "../7.png": picture(7),
    }
    job = imported(dataset, files)
    assert job.status == Status.COMPLETED
    assert names(dataset) == ["1.png", "4.jpg"]
    reasons = dict(job.report["refused"])
    assert set(reasons) == {"0.png", "2.jpg", "3.png", "5.txt", "6.exe", "../7.png"}
    assert reasons["2.jpg"].startswith("This file is not a PNG")
    assert reasons["3.png"].startswith("This picture is broken or not complete")
    assert job.report["refused_count"] == 6
    wrongly_called = dataset.images.get(source_name="4.jpg")
    assert wrongly_called.format == "PNG"
    assert (wrongly_called.file.name or "").endswith(".png")


def test_a_report_names_the_first_hundred_and_counts_all(dataset: Dataset) -> None:
    job = imported(dataset, {f"{at}.exe": b"MZ" for at in range(130)} | {"1.png": picture(1)})
    assert len(job.report["refused"]) == 100
    assert job.report["refused_count"] == job.refused_count == 130


def test_reasons_are_kept_as_they_stand_in_the_source(dataset: Dataset) -> None:
    with translation.override("zh-hans"):
        job = imported(dataset, {"1.png": b"", "2.png": b"x"})
    assert [reason.isascii() for _name, reason in job.report["refused"]] == [True, True]


@pytest.mark.parametrize("data", [b"", b"no zip at all"])
def test_an_archive_that_cannot_be_read_fails_with_words(dataset: Dataset, data: bytes) -> None:
    job = imported(dataset, data)
    assert (job.status, job.error_kind) == (Status.FAILED, "bad_archive")
    assert job.error_detail


def test_an_archive_that_is_gone_fails_with_words(dataset: Dataset) -> None:
    job = ordered(dataset, {"1.png": picture(1)})
    default_storage.delete(job.file.name or "")
    dataset_jobs.life.work()
    job.refresh_from_db()
    assert (job.status, job.error_kind) == (Status.FAILED, "gone")


class Killed(BaseException):
    """As far as the rest can see, the process is gone."""


def test_after_a_crash_finished_pictures_are_not_decoded_again_and_the_counts_are_right(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "BATCH", 4)
    files: Files = {f"10_gouache/{at:02}.png": picture(at) for at in range(20)}
    files |= {"10_gouache/03.txt": b"three", "10_gouache/17.txt": b"seventeen", "10_gouache/99.txt": b"nobody's"}
    files |= {"broken.png": b"x", "also.exe": b"MZ", "10_gouache/twin.png": picture(2)}
    job = ordered(dataset, files)
    decoded: list[str] = []
    look, step = intake._look, worker_jobs.Run.step

    def counted(member: Any, *rest: Any) -> Any:
        decoded.append(member.name)
        return look(member, *rest)

    deaths = iter([3, 1, 2])
    left = [3]

    def mortal(run: dataset_jobs.Run, done: int, total: int, **report: Any) -> None:
        step(run, done, total, **report)
        left[0] -= 1
        if left[0] < 0:
            left[0] = next(deaths, 1000)
            raise Killed

    monkeypatch.setattr(intake, "_look", counted)
    monkeypatch.setattr(worker_jobs.Run, "step", mortal)
    lives = 0
    while DatasetJob.objects.get(pk=job.pk).status != Status.COMPLETED:
        lives += 1
        try:
            dataset_jobs.life.work()
        except Killed:
            DatasetJob.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(hours=1), attempts=0)
            dataset_jobs.sweep()
    job.refresh_from_db()
    assert lives == 4
    assert names(dataset) == [f"10_gouache/{at:02}.png" for at in range(20)]
    assert captions(dataset)["10_gouache/03.png"] == "three"
    assert captions(dataset)["10_gouache/17.png"] == "seventeen"
    report = {name: job.report[name] for name in ("added", "known", "captions", "waiting", "refused_count")}
    assert report == {"added": 20, "known": 1, "captions": 2, "waiting": 1, "refused_count": 2}
    # A batch that was not committed is done again; those before it are not.
    assert len(decoded) <= 22 + 3 * (4 + intake.AHEAD)
    assert DatasetJob.objects.filter(work=CHECK).count() == 1


def test_files_of_a_batch_that_was_lost_are_swept(dataset: Dataset, media: Path) -> None:
    identity.record_start()
    tally = intake.Tally()

    def die(done: int) -> None:
        if done:
            raise Killed

    with archives.opened(io.BytesIO(packed({"1.png": picture(1)}))) as contents, pytest.raises(Killed):
        intake.import_source(contents, dataset, dataset.owner, tally, die)
    assert names(dataset) == []
    assert len(stored(media)) == 2
    brought(dataset, {"2.png": picture(2)})
    assert orphans.sweep_orphans(timedelta(0)).moved == 2
    assert len(stored(media)) == 2


def test_an_archive_that_waits_is_not_swept(dataset: Dataset, media: Path) -> None:
    identity.record_start()
    ordered(dataset, {"1.png": picture(1)})
    assert orphans.sweep_orphans(timedelta(0)).moved == 0
    assert len(stored(media, "uploads/archives")) == 1


def test_a_cancelled_import_ends_soon_and_keeps_what_is_stored(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "BATCH", 2)
    job = ordered(dataset, {f"{at}.png": picture(at) for at in range(12)})
    batches, seen = intake._batches, []

    def watched(found: Any) -> Any:
        for batch in batches(found):
            seen.append(batch)
            if len(seen) == 3:
                dataset_jobs.life.cancel(DatasetJob.objects.get(pk=job.pk))
            yield batch

    monkeypatch.setattr(intake, "_batches", watched)
    dataset_jobs.life.work()
    job.refresh_from_db()
    assert job.status == Status.CANCELLED
    assert len(seen) == 3
    assert len(names(dataset)) == 4


def test_a_worker_that_is_stopped_leaves_the_rest_for_the_next(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "BATCH", 2)
    job = ordered(dataset, {f"{at}.png": picture(at) for at in range(8)})
    enter = intake.enter

    def stopping(*arguments: Any) -> Any:
        found = enter(*arguments)
        if dataset.images.count() == 4:
            workers.stopping.set()
        return found

    monkeypatch.setattr(intake, "enter", stopping)
    dataset_jobs.life.work()
    job.refresh_from_db()
    assert (job.status, job.done) == (Status.QUEUED, 2)
    workers.stopping.clear()
    monkeypatch.setattr(intake, "enter", enter)
    dataset_jobs.life.work()
    job.refresh_from_db()
    assert (job.status, job.report["added"]) == (Status.COMPLETED, 8)


def test_the_same_file_twice_in_one_archive_is_added_once(dataset: Dataset, media: Path) -> None:
    tally = brought(dataset, {"a.png": picture(1), "b.png": picture(1), "c.png": picture(2), "b.txt": b"hills"})
    assert (tally.added, tally.known) == (2, 1)
    assert captions(dataset) == {"a.png": "hills", "c.png": ""}
    assert DatasetImage.everything.count() == 2


@pytest.mark.django_db(transaction=True)
def test_files_of_a_double_are_deleted(dataset: Dataset, media: Path) -> None:
    brought(dataset, {"a.png": picture(1), "b.png": picture(1)})
    assert len(stored(media)) == 2


def test_a_removed_picture_that_is_dropped_again_comes_back_at_the_end(dataset: Dataset, ada: User) -> None:
    brought(dataset, {f"{at}.png": picture(at) for at in range(3)})
    first = dataset.images.get(source_name="0.png")
    first.caption = "kept words"
    first.save()
    dataset.images.filter(pk=first.pk).delete()
    tally = brought(dataset, {"again.png": picture(0)})
    assert tally.added == 1
    assert names(dataset) == ["1.png", "2.png", "0.png"]
    assert dataset.images.get(pk=first.pk).caption == "kept words"


def test_a_full_dataset_takes_no_more(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "MOST_PICTURES", 3)
    tally = brought(dataset, {f"{at}.png": picture(at) for at in range(5)})
    assert tally.added == 3
    assert tally.refused == [[f"{at}.png", "The dataset has 2,000 pictures and takes no more."] for at in (3, 4)]
    assert brought(dataset, {"0.png": picture(0)}).known == 1


def test_folders_of_kohyas_layout_give_an_empty_dataset_repeats_and_trigger_words(people: Callable[..., User]) -> None:
    dataset = Dataset.objects.create(name="New", owner=people("eve"))
    brought(dataset, {"img/7_inkmist/1.png": picture(1), "img/7_inkmist/1.txt": b"inkmist, red hills"})
    dataset.refresh_from_db()
    assert (dataset.repeats, dataset.trigger_words) == (7, "inkmist")
    assert captions(dataset) == {"img/7_inkmist/1.png": "red hills"}
    brought(dataset, {"3_other/2.png": picture(2)})
    dataset.refresh_from_db()
    assert (dataset.repeats, dataset.trigger_words) == (7, "inkmist")


# --- Captions that come before or after


def test_captions_that_come_after_their_pictures_fill_only_what_is_empty(dataset: Dataset) -> None:
    brought(dataset, {"a/1.png": picture(1), "a/2.png": picture(2), "b/2.png": picture(3), "4.png": picture(4)})
    dataset.images.filter(source_name="b/2.png").update(caption="somebody's words")
    tally = brought(
        dataset,
        {"a/1.txt": b"one", "a/2.txt": b"two", "b/2.txt": b"two again", "far/4.txt": b"four", "5.txt": b"five"},
    )
    expected = {"a/1.png": "one", "a/2.png": "two", "b/2.png": "somebody's words", "4.png": "four"}
    assert captions(dataset) == expected
    assert (tally.captions, tally.waiting) == (3, 1)
    change = CaptionChange.objects.get(image__source_name="a/1.png")
    assert (change.before, change.after, change.user) == ("", "one", dataset.owner)
    assert dataset.images.get(source_name="a/1.png").caption_version == 2


def test_captions_that_come_before_their_pictures_wait_for_them(dataset: Dataset) -> None:
    files = {"a/1.txt": b"one", "2.txt": b"two", "metadata.jsonl": b'{"file_name": "3.png", "text": "three"}'}
    assert brought(dataset, files).waiting == 3
    tally = brought(dataset, {"1.png": picture(1), "deep/2.png": picture(2), "3.png": picture(3), "4.png": picture(4)})
    assert tally.captions == 3
    assert captions(dataset) == {"1.png": "one", "deep/2.png": "two", "3.png": "three", "4.png": ""}
    assert not WaitingCaption.objects.exists()


def test_a_caption_for_one_of_two_pictures_of_its_name_waits_until_it_is_clear(dataset: Dataset) -> None:
    brought(dataset, {"a/1.png": picture(1), "b/1.png": picture(2)})
    assert brought(dataset, {"1.txt": b"which?"}).captions == 0
    assert set(captions(dataset).values()) == {""}


def test_captions_lose_the_trigger_words_whenever_they_come(dataset: Dataset) -> None:
    words = b"gouachefield painting, red hills"
    brought(dataset, {"1.png": picture(1), "1.txt": words})
    brought(dataset, {"2.png": picture(2)})
    brought(dataset, {"2.txt": words})
    brought(dataset, {"3.txt": words})
    brought(dataset, {"3.png": picture(3)})
    assert set(captions(dataset).values()) == {"red hills"}


def test_captions_of_no_picture_are_forgotten_after_a_week(dataset: Dataset) -> None:
    brought(dataset, {"1.txt": b"one", "2.txt": b"two"})
    WaitingCaption.objects.filter(key="1").update(created_at=timezone.now() - timedelta(days=8))
    intake.discard_old()
    assert list(WaitingCaption.objects.values_list("key", flat=True)) == ["2"]


# --- For good


@pytest.mark.django_db(transaction=True)
def test_after_a_month_removed_pictures_go_for_good_but_those_that_a_version_needs_stay(
    dataset: Dataset, ada: User, media: Path
) -> None:
    brought(dataset, {f"{at}.png": picture(at) for at in range(2)})
    snapshots.freeze(dataset, ada)
    brought(dataset, {f"{at}.png": picture(at) for at in range(2, 5)})
    dataset.images.exclude(source_name="4.png").delete()
    intake.discard_old()
    assert DatasetImage.everything.count() == 5
    DatasetImage.everything.exclude(source_name="3.png").exclude(deleted_at=None).update(
        deleted_at=timezone.now() - timedelta(days=31)
    )
    intake.discard_old()
    left = set(DatasetImage.everything.values_list("source_name", flat=True))
    assert left == {"0.png", "1.png", "3.png", "4.png"}
    assert len(stored(media)) == 8


@pytest.mark.django_db(transaction=True)
def test_a_picture_that_came_back_while_others_were_purged_stays_with_its_files(dataset: Dataset, media: Path) -> None:
    brought(dataset, {"1.png": picture(1)})
    dataset.images.all().delete()
    found = DatasetImage.everything.select_related("dataset").get()
    assert found.restore()
    intake.purge(found)
    assert names(dataset) == ["1.png"]
    assert len(stored(media)) == 2
    dataset.images.all().delete()
    intake.purge(found)
    assert not DatasetImage.everything.exists()
    assert stored(media) == []


# --- Many at once


@pytest.mark.django_db(transaction=True)
def test_two_who_add_the_same_files_at_once_add_them_once(dataset: Dataset, bob: User) -> None:
    kept = [[intake.keep(picture_files.take(picture(at))) for at in range(6)] for _ in range(2)]
    start = threading.Barrier(2)
    outcomes: list[str] = []

    def add(mine: list[intake.Kept]) -> None:
        start.wait()
        for at, each in enumerate(mine):
            (entry,) = intake.enter(dataset, bob, [intake.Arrival(f"{at}.png", each.sha256, each)])
            outcomes.append(entry.how)

    run_together([partial(add, mine) for mine in kept])
    assert sorted(outcomes) == ["added"] * 6 + ["known"] * 6
    assert sorted(dataset.images.values_list("position", flat=True)) == list(range(6))


def run_together(acts: list[Callable[[], None]]) -> None:
    from django.db import connections

    def act_and_close(act: Callable[[], None]) -> None:
        try:
            act()
        finally:
            connections.close_all()

    threads = [threading.Thread(target=act_and_close, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
