"""What a crash left goes to the bin, and nothing else does."""

from __future__ import annotations

import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone
from pytest_django import Settings

from stylestudio.media import identity, orphans, survey
from stylestudio.media.storage import ASIDE
from stylestudio.models import MediaStore, Start, Worker
from stylestudio.processes import doctor, tasks
from tests.media.stores import HOURS, Relation, files, lost, made_older, reference, relation, rested


def test_what_a_crash_left_goes_to_the_bin_and_after_a_month_for_good(studio: Path, ada: User) -> None:
    orphan, picture = lost(), reference(ada)
    half = default_storage.save(f"{ASIDE}/{identity.new_name('')}", ContentFile(b"half"))
    made_older(Path(default_storage.path(half)))
    tasks.sweep.call_local()
    assert orphan.exists(), "not within the hour of a start"
    rested()
    tasks.sweep.call_local()
    today = studio / "bin" / timezone.localdate().isoformat()
    assert not orphan.exists() and (today / orphan.relative_to(studio)).read_bytes() == b"x"
    assert (today / half).exists() and Path(picture.file.path).exists()
    assert MediaStore.objects.get().swept == {"files": 2, "foreign": 0, "lost": 2, "moved": 2, "stopped": False}
    today.rename(today.with_name((timezone.localdate() - timedelta(days=30)).isoformat()))
    rested()
    tasks.sweep.call_local()
    assert len(files(studio)) == 3, "a day too early"
    old = next((studio / "bin").iterdir())
    old.rename(old.with_name((timezone.localdate() - timedelta(days=31)).isoformat()))
    (studio / "bin" / "notes").mkdir()
    rested()
    tasks.sweep.call_local()
    assert files(studio) == [picture.file.name] and [each.name for each in (studio / "bin").iterdir()] == ["notes"]


def test_a_bin_that_others_use_too_loses_only_what_the_studio_put_there(studio: Path) -> None:
    old = studio / "bin" / (timezone.localdate() - timedelta(days=31)).isoformat()
    old.mkdir(parents=True)
    (old / "holiday.jpg").write_bytes(b"of somebody")
    (old / identity.new_name(".png")).write_bytes(b"lost")
    assert orphans.empty_bin(timedelta(days=30)) == 1
    assert [path.name for path in old.iterdir()] == ["holiday.jpg"]


def test_the_sweep_comes_again_after_an_hour_and_only_once_of_several_workers(studio: Path) -> None:
    rested()
    tasks.sweep.call_local()
    first = MediaStore.objects.get().swept_at
    tasks.sweep.call_local()
    assert MediaStore.objects.get().swept_at == first
    MediaStore.objects.update(swept_at=timezone.now() - timedelta(minutes=61))
    tasks.sweep.call_local()
    assert MediaStore.objects.get().swept_at != first


def test_workers_that_start_again_and_again_keep_the_sweep_waiting(studio: Path, settings: Settings) -> None:
    settings.SWEEP_MINUTES = 1
    orphan = lost()
    for _restart in range(12):
        Start.objects.update(at=timezone.now() - timedelta(seconds=59))
        identity.record_start()
        MediaStore.objects.update(swept_at=None)
        tasks.sweep.call_local()
    assert orphan.exists() and relation() == Relation.SAME


def test_young_files_and_files_of_other_databases_are_left(studio: Path, ada: User) -> None:
    for _each in range(120):
        reference(ada)
    young, foreign, strange = lost(age=timedelta(0)), lost(uuid.uuid4().hex + ".png"), lost("notes.png")
    MediaStore.objects.update(adopted_at=timezone.now() - 2 * HOURS)
    found = orphans.sweep_orphans(timedelta(hours=1))
    assert (found.foreign, found.lost, found.stopped) == (1, 0, False)
    assert young.exists() and foreign.exists() and strange.exists()


@pytest.mark.parametrize(("foreign", "own", "stopped"), [(0, 20, False), (0, 21, True), (2, 1, True), (21, 0, True)])
def test_too_much_that_is_unknown_stops_the_sweep(
    studio: Path, ada: User, foreign: int, own: int, stopped: bool
) -> None:
    for _each in range(20):
        reference(ada)
    MediaStore.objects.update(adopted_at=timezone.now() - 2 * HOURS)
    orphans_left = [lost() for _each in range(own)] + [lost(uuid.uuid4().hex + ".png") for _each in range(foreign)]
    assert orphans.sweep_orphans(timedelta(hours=1)).stopped == stopped
    assert sum(path.exists() for path in orphans_left) == (own if stopped else 0) + foreign
    told = next(finding for finding in doctor.examine() if finding.name == "Files without a row")
    assert bool(told.remedy) == stopped


def test_files_that_another_copy_stored_after_this_one_was_made_are_not_taken_for_lost(studio: Path, ada: User) -> None:
    for _each in range(300):
        reference(ada)
    Worker.objects.create(name="w", started_at=timezone.now(), heartbeat_at=timezone.now() - HOURS)
    Start.objects.update(at=timezone.now() - 2 * HOURS)
    theirs, ours = lost(age=HOURS - timedelta(minutes=5)), lost(age=HOURS + timedelta(minutes=5))
    identity.record_start()
    MediaStore.objects.update(adopted_at=timezone.now() - 4 * HOURS)
    found = orphans.sweep_orphans(timedelta(hours=1))
    assert (found.foreign, found.lost) == (1, 1) and theirs.exists() and not ours.exists()


def test_every_column_that_names_files_is_known_to_the_sweep() -> None:
    from django.apps import apps
    from django.db.models import FileField

    known = {column for owners in survey.columns().values() for column in owners}
    every = {
        column for model in apps.get_models() for column in model._meta.local_fields if isinstance(column, FileField)
    }
    assert known == every and {"outputs", "uploads/datasets", "uploads/styles", "uploads/archives"} <= set(
        survey.columns()
    )


def test_pictures_that_were_removed_but_can_come_back_are_known(studio: Path, ada: User) -> None:
    from training.datasets.models import Dataset, DatasetImage

    stored = default_storage.save(
        f"uploads/datasets/{timezone.localtime():%Y/%m}/{identity.new_name('.png')}", ContentFile(b"x")
    )
    dataset = Dataset.objects.create(owner=ada, name="Ink", slug="ink")
    image = DatasetImage(
        dataset=dataset, added_by=ada, file=stored, width=1, height=1, byte_size=1, position=0, sha256="0" * 64
    )
    image.deleted_at = timezone.now()
    DatasetImage.everything.bulk_create([image])
    assert survey.survey().unknown == ()
