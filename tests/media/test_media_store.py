"""Whose media these are, and that nothing is ever deleted that another database may need."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone

from generation.models import Reference
from stylestudio.host import locks
from stylestudio.host.locks import FileLock
from stylestudio.management.commands import adopt_media
from stylestudio.media import identity, orphans, survey
from stylestudio.media.storage import ASIDE, AsideStorage
from stylestudio.models import MediaStore, Start, Worker
from stylestudio.processes import doctor, tasks
from stylestudio.uploads import parts

Relation = MediaStore.Relation
HOURS = timedelta(hours=2)


@pytest.fixture
def studio(db: None, media: Path) -> Path:
    """A studio that has started on an empty folder."""
    identity.begin()
    return media


def relation() -> str:
    """What the database keeps of it."""
    return MediaStore.objects.get().relation


def reference(owner: User, name: str = "") -> Reference:
    """A picture with its row, stored now."""
    name = name or identity.new_name(".png")
    stored = default_storage.save(f"uploads/references/{timezone.localtime():%Y/%m}/{name}", ContentFile(b"a picture"))
    return Reference.objects.create(owner=owner, file=stored, width=1, height=1, sha256=uuid.uuid4().hex)


def lost(name: str = "", age: timedelta = HOURS) -> Path:
    """A file as a crash leaves it: written, and then no row."""
    folder = f"outputs/{timezone.localtime():%Y/%m}"
    path = Path(
        default_storage.path(default_storage.save(f"{folder}/{name or identity.new_name('.png')}", ContentFile(b"x")))
    )
    made_older(path, age)
    return path


def made_older(path: Path, age: timedelta = HOURS) -> None:
    """Give a file an earlier time."""
    at = (timezone.now() - age).timestamp()
    os.utime(path, (at, at))


def files(media: Path) -> list[str]:
    """Everything that people would miss."""
    return sorted(
        str(path.relative_to(media)) for path in media.rglob("*") if path.is_file() and path.name != identity.MARK
    )


def rested() -> None:
    """The last start was long ago, and so was the last sweep."""
    Start.objects.update(at=timezone.now() - HOURS)
    MediaStore.objects.update(swept_at=None)


@contextmanager
def another_database() -> Iterator[None]:
    """Inside, the rows of this test's database are as before the studio ever started; afterwards they are back."""
    row, starts = MediaStore.objects.get(), list(Start.objects.all())
    MediaStore.objects.all().delete()
    Start.objects.all().delete()
    yield
    MediaStore.objects.all().delete()
    Start.objects.all().delete()
    row.save(force_insert=True)
    Start.objects.bulk_create(starts)


def kept() -> tuple[MediaStore, list[Start]]:
    """A copy of what the database knows, for `put_back`."""
    return MediaStore.objects.get(), list(Start.objects.all())


def put_back(copy: tuple[MediaStore, list[Start]]) -> None:
    """The database is the copy again."""
    MediaStore.objects.all().delete()
    Start.objects.all().delete()
    copy[0].save(force_insert=True)
    Start.objects.bulk_create(copy[1])


# --- The mark


def test_a_first_start_marks_the_store_and_every_further_one_raises_the_counter_in_both(studio: Path) -> None:
    for number in (1, 2, 3):
        row, mark = MediaStore.objects.get(), json.loads((studio / "studio.json").read_text())
        assert (row.relation, row.counter, mark["counter"]) == (Relation.SAME, number, number)
        assert (mark["database"], mark["token"]) == (str(row.identity), row.token)
        identity.begin()


def test_an_empty_database_beside_full_media_deletes_nothing_and_says_so(studio: Path, ada: User) -> None:
    for _each in range(30):
        made_older(Path(reference(ada).file.path))
    before = files(studio)
    Reference.objects.all().delete()
    with another_database():
        identity.begin()
        rested()
        tasks.sweep.call_local()
        assert files(studio) == before
        assert relation() == Relation.OTHER
        told = [finding for finding in doctor.examine() if finding.name == "Media"]
        assert "belong to another database" in told[0].state and "adopt_media" in told[0].remedy


def test_media_without_a_mark_belong_to_a_database_that_knows_nearly_all_of_them(studio: Path, ada: User) -> None:
    for _each in range(19):
        reference(ada)
    stranger = lost(uuid.uuid4().hex + ".png")
    (studio / "studio.json").unlink()
    identity.begin()
    assert relation() == Relation.SAME
    lost(uuid.uuid4().hex + ".png")
    (studio / "studio.json").unlink()
    identity.begin()
    assert relation() == Relation.UNMARKED, "18 of 20 would not be 95 %, and 19 of 21 are not"
    assert not (studio / "studio.json").exists() and stranger.exists()


def test_months_that_are_long_gone_count_as_the_newest_when_there_are_no_others(db: None, media: Path) -> None:
    old = media / "outputs/2024/03" / f"{uuid.uuid4().hex}.png"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"x")
    identity.begin()
    assert relation() == Relation.UNMARKED and survey.survey().unknown == ("outputs/2024/03/" + old.name,)


def test_empty_media_are_not_taken_by_a_database_that_names_files(studio: Path, ada: User) -> None:
    reference(ada)
    shutil.rmtree(studio)
    identity.begin()
    assert relation() == Relation.EMPTY
    assert not identity.look() and relation() == Relation.EMPTY


def test_an_older_copy_of_the_database_deletes_nothing_and_the_media_are_called_the_newer_ones(
    studio: Path, ada: User
) -> None:
    old = kept()
    identity.begin()
    lost()
    put_back(old)
    identity.begin()
    assert relation() == Relation.OLDER
    row, mark = identity.current()
    assert identity.newer(row, mark) == "The media are the newer ones."
    rested()
    tasks.sweep.call_local()
    assert len(files(studio)) == 1


def test_an_older_copy_that_was_made_while_the_studio_ran_is_known_by_the_stop_of_the_worker(studio: Path) -> None:
    old = kept()
    identity.turn()
    put_back(old)
    identity.begin()
    assert relation() == Relation.OLDER


def test_older_media_beside_a_newer_database_are_told_apart(studio: Path) -> None:
    mark = (studio / "studio.json").read_bytes()
    identity.begin()
    identity.begin()
    (studio / "studio.json").write_bytes(mark)
    identity.begin()
    row, seen = identity.current()
    assert relation() == Relation.NEWER and identity.newer(row, seen) == "The database is the newer one."


def test_two_that_went_on_from_one_copy_are_told_apart(studio: Path) -> None:
    old, mark = kept(), (studio / "studio.json").read_bytes()
    identity.begin()
    other = (studio / "studio.json").read_bytes()
    put_back(old)
    (studio / "studio.json").write_bytes(mark)
    identity.begin()
    (studio / "studio.json").write_bytes(other)
    assert not identity.look() and relation() == Relation.PARTED


def test_a_crash_between_database_and_store_harms_nothing(studio: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash() -> None:
        raise OSError("no power")

    with monkeypatch.context() as broken:
        broken.setattr(identity, "_write_mark", crash)
        for _start in range(3):
            identity.begin()
    identity.begin()
    assert relation() == Relation.SAME
    row, mark = identity.current()
    assert mark and (mark.token, mark.counter) == (row.token, row.counter) and row.counter == 5


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"database": 1}', "\x00" * 40])
def test_a_damaged_mark_stops_every_deletion_and_can_be_adopted(studio: Path, text: str) -> None:
    orphan = lost()
    (studio / "studio.json").write_text(text)
    identity.begin()
    rested()
    tasks.sweep.call_local()
    assert relation() == Relation.UNREADABLE and orphan.exists()
    call_command("adopt_media", yes=True, stdout=StringIO())
    assert relation() == Relation.SAME


def test_a_studio_that_loses_its_media_to_a_running_copy_stops_the_other_one_too(studio: Path) -> None:
    first = kept()
    identity.begin()  # the copy starts on the same folder
    second = kept()
    put_back(first)
    assert not identity.look(), "the first one notices within a minute"
    put_back(second)
    assert not identity.look() and relation() == Relation.CONTESTED
    identity.begin()
    assert relation() == Relation.CONTESTED
    identity.adopt()
    assert identity.look()


def test_the_counter_goes_on_while_a_worker_runs(studio: Path) -> None:
    before = MediaStore.objects.get()
    assert identity.look() and MediaStore.objects.get().counter == before.counter
    MediaStore.objects.update(marked_at=timezone.now() - identity.TURN)
    assert identity.look() and MediaStore.objects.get().counter == before.counter + 1
    assert identity.look()


@pytest.mark.skipif(connection.vendor != "sqlite", reason="elsewhere one row is locked, which only workers want")
def test_nobody_waits_to_write_while_the_store_is_asked(
    transactional_db: None, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def watched(name: str) -> None:
        ask = getattr(AsideStorage, name)

        def answer(*args: Any) -> Any:
            asked.append(connection.in_atomic_block)
            return ask(*args)

        monkeypatch.setattr(AsideStorage, name, answer)

    for name in ("read", "put"):
        watched(name)
    identity.begin()
    MediaStore.objects.update(marked_at=timezone.now() - identity.TURN)
    assert identity.look()
    identity.turn()
    assert MediaStore.objects.get().counter == 3
    assert len(asked) >= 6 and not any(asked)


def test_of_several_that_start_or_turn_one_waits_for_the_other(studio: Path, settings: Any) -> None:
    lock = Path(settings.DATA, "media.lock")
    with ThreadPoolExecutor() as pool:
        with FileLock(lock):
            other = pool.submit(lambda: locks.waited_for(lock, 20).__enter__())
            assert not other.done()
        other.result()
    with FileLock(lock), pytest.raises(TimeoutError), locks.waited_for(lock, 0):
        pass


def test_what_the_sweep_notes_is_not_lost_to_a_turn_at_the_same_moment(
    studio: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = AsideStorage.read

    def swept_meanwhile(*args: Any) -> bytes:
        MediaStore.objects.update(swept={"files": 7})
        return read(*args)

    monkeypatch.setattr(AsideStorage, "read", swept_meanwhile)
    identity.turn()
    row = MediaStore.objects.get()
    assert (row.counter, row.swept) == (2, {"files": 7})


def test_a_worker_stops_although_its_database_does_not_answer(studio: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **facts: Any) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr(MediaStore, "save", refuse)
    identity.turn()
    assert MediaStore.objects.get().counter == 1


def test_two_that_write_one_name_at_the_same_moment_do_not_move_each_others_half(
    studio: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = studio / ASIDE / identity.MARK
    half.parent.mkdir(exist_ok=True)
    choose = AsideStorage.get_available_name

    def begun_meanwhile(storage: AsideStorage, name: str, *args: Any, **facts: Any) -> str:
        chosen = choose(storage, name, *args, **facts)
        if not half.exists():
            half.write_bytes(b"hal")
        return chosen

    monkeypatch.setattr(AsideStorage, "get_available_name", begun_meanwhile)
    identity.begin()
    assert (half.read_bytes(), list(half.parent.iterdir())) == (b"hal", [half])
    assert identity.look()


def test_media_that_do_not_answer_keep_the_studio_running(
    studio: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (studio / "studio.json").unlink()
    (studio / "studio.json").mkdir()
    identity.begin()
    assert not identity.look() and not identity.may_delete()
    assert "Nothing of them is deleted" in caplog.text
    identity.turn()
    (studio / "studio.json").rmdir()
    identity.begin()
    assert relation() == Relation.SAME


# --- The sweep


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


def test_workers_that_start_again_and_again_keep_the_sweep_waiting(studio: Path, settings: Any) -> None:
    settings.SWEEP_MINUTES = 1
    orphan = lost()
    for _restart in range(12):
        Start.objects.update(at=timezone.now() - timedelta(seconds=59))
        identity.begin()
        MediaStore.objects.update(swept_at=None)
        tasks.sweep.call_local()
    assert orphan.exists() and relation() == Relation.SAME


def test_young_files_and_files_of_other_databases_are_left(studio: Path, ada: User) -> None:
    for _each in range(120):
        reference(ada)
    young, foreign, strange = lost(age=timedelta(0)), lost(uuid.uuid4().hex + ".png"), lost("notes.png")
    MediaStore.objects.update(adopted_at=timezone.now() - 2 * HOURS)
    found = orphans.sweep(timedelta(hours=1))
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
    assert orphans.sweep(timedelta(hours=1)).stopped == stopped
    assert sum(path.exists() for path in orphans_left) == (own if stopped else 0) + foreign
    told = next(finding for finding in doctor.examine() if finding.name == "Files without a row")
    assert bool(told.remedy) == stopped


def test_files_that_another_copy_stored_after_this_one_was_made_are_not_taken_for_lost(studio: Path, ada: User) -> None:
    for _each in range(300):
        reference(ada)
    Worker.objects.create(name="w", started_at=timezone.now(), heartbeat_at=timezone.now() - HOURS)
    Start.objects.update(at=timezone.now() - 2 * HOURS)
    theirs, ours = lost(age=HOURS - timedelta(minutes=5)), lost(age=HOURS + timedelta(minutes=5))
    identity.begin()
    MediaStore.objects.update(adopted_at=timezone.now() - 4 * HOURS)
    found = orphans.sweep(timedelta(hours=1))
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
    from training.models import Dataset, DatasetImage

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


# --- While the two do not belong together, nothing at all goes


def test_nobody_deletes_a_file_of_media_that_may_be_another_databases(studio: Path, ada: User) -> None:
    picture = reference(ada)
    with another_database():
        identity.begin()
        picture.file.storage.delete(picture.file.name)
        picture.file.delete(save=False)
        assert len(files(studio)) == 1
    default_storage.delete(files(studio)[0])
    assert files(studio) == []


def test_nobody_deletes_a_file_of_media_without_a_mark_that_were_not_taken(db: None, media: Path) -> None:
    stranger = lost(uuid.uuid4().hex + ".png")
    identity.begin()
    assert relation() == Relation.UNMARKED
    default_storage.delete(str(stranger.relative_to(media)))
    assert stranger.exists()


def test_what_an_older_database_takes_for_old_is_not_thrown_away(
    studio: Path, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    swept: list[str] = []
    monkeypatch.setattr("stylestudio.processes.workers.guarded_sweeps", [lambda: swept.append("rows")])
    monkeypatch.setattr(parts, "sweep_when_due", lambda: swept.append("parts"))
    with another_database():
        identity.begin()
        tasks.sweep.call_local()
        assert swept == []
    tasks.sweep.call_local()
    assert swept == ["rows", "parts"]


# --- Settling it


def test_adopting_shows_numbers_and_changes_nothing_until_somebody_says_yes(studio: Path, ada: User) -> None:
    known = reference(ada)
    with another_database():
        identity.begin()
        stranger, said = lost(uuid.uuid4().hex + ".png"), StringIO()
        with pytest.raises(CommandError, match="Nothing was changed"):
            call_command("adopt_media", stdout=said)
        assert "hold 2 files. This database knows 1 of them, and 1 not." in said.getvalue()
        assert relation() == Relation.OTHER
        call_command("adopt_media", yes=True, stdout=said)
        assert relation() == Relation.SAME and identity.look()
        rested()
        tasks.sweep.call_local()
        assert stranger.exists() and Path(known.file.path).exists()
        assert MediaStore.objects.get().swept["foreign"] == 0, "what was there is settled"


def test_where_database_and_media_agree_there_is_nothing_to_ask(studio: Path, ada: User) -> None:
    reference(ada)
    call_command("adopt_media", stdout=(said := StringIO()))
    assert "The media belong to this database." in said.getvalue() and "There is nothing to settle." in said.getvalue()


def test_adopting_can_put_what_no_row_names_into_the_bin(studio: Path, ada: User) -> None:
    known, said = reference(ada), StringIO()
    orphans_left = [lost(uuid.uuid4().hex + ".png") for _each in range(30)]
    call_command("adopt_media", yes=True, to_bin=True, stdout=said)
    assert "30 files are in the bin" in said.getvalue()
    assert not any(path.exists() for path in orphans_left) and Path(known.file.path).exists()
    assert len(list((studio / "bin").rglob("*.png"))) == 30


def test_what_a_row_names_by_the_time_of_the_answer_does_not_go_to_the_bin(
    studio: Path, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    orphan, folder = lost(uuid.uuid4().hex + ".png"), studio / f"uploads/references/{timezone.localtime():%Y/%m}"
    late = folder / f"{uuid.uuid4().hex}.png"
    late.parent.mkdir(parents=True)
    late.write_bytes(b"stored, and its row comes in a moment")

    def answer(*args: Any, **facts: Any) -> None:
        Reference.objects.create(
            owner=ada, file=str(late.relative_to(studio)), width=1, height=1, sha256=uuid.uuid4().hex
        )

    monkeypatch.setattr(adopt_media.Command, "_ask", answer)
    call_command("adopt_media", to_bin=True, stdout=StringIO())
    assert late.exists() and not orphan.exists()


def test_after_adopting_an_older_copy_the_newer_database_deletes_nothing_either(studio: Path) -> None:
    old = kept()
    identity.begin()
    newer = kept()
    put_back(old)
    call_command("adopt_media", yes=True, stdout=StringIO())
    put_back(newer)
    identity.begin()
    assert relation() == Relation.OLDER


def test_curators_read_on_every_page_that_database_and_media_differ(
    studio: Path, client: Client, curator: User, ada: User
) -> None:
    with another_database():
        identity.begin()
        client.force_login(curator)
        assert "belong to another database" in client.get("/queue/").content.decode()
        assert client.get("/health").json()["media"] == "other"
        client.force_login(ada)
        assert "belong to another database" not in client.get("/queue/").content.decode()
    client.force_login(curator)
    assert "adopt_media" not in client.get("/queue/").content.decode()
    assert "media" not in client.get("/health").json()


@pytest.mark.parametrize("make", [lambda: identity.new_name(".png"), lambda: identity.new_name("")])
def test_names_cannot_be_guessed_and_tell_their_start(studio: Path, make: Callable[[], str]) -> None:
    names = {make() for _each in range(50)}
    assert len(names) == 50 and all(survey.NAME.fullmatch(name) for name in names)
    assert {name[: identity.PREFIX] for name in names} == {Start.objects.get().prefix}
