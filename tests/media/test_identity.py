"""Whose these media are: the mark that database and store share."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import OperationalError, connection
from django.utils import timezone
from pytest_django import Settings

from generation.pictures.models import Reference
from stylestudio.host import locks
from stylestudio.host.locks import FileLock
from stylestudio.media import identity, survey
from stylestudio.media.storage import ASIDE, AsideStorage
from stylestudio.models import MediaStore, Start
from stylestudio.processes import doctor, tasks
from tests.media.stores import (
    Relation,
    another_database,
    files,
    kept,
    lost,
    made_older,
    put_back,
    reference,
    relation,
    rested,
)


def test_a_first_start_marks_the_store_and_every_further_one_raises_the_counter_in_both(studio: Path) -> None:
    for number in (1, 2, 3):
        row, mark = MediaStore.objects.get(), json.loads((studio / "studio.json").read_text())
        assert (row.relation, row.counter, mark["counter"]) == (Relation.SAME, number, number)
        assert (mark["database"], mark["token"]) == (str(row.identity), row.token)
        identity.record_start()


def test_an_empty_database_beside_full_media_deletes_nothing_and_says_so(studio: Path, ada: User) -> None:
    for _each in range(30):
        made_older(Path(reference(ada).file.path))
    before = files(studio)
    Reference.objects.all().delete()
    with another_database():
        identity.record_start()
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
    identity.record_start()
    assert relation() == Relation.SAME
    lost(uuid.uuid4().hex + ".png")
    (studio / "studio.json").unlink()
    identity.record_start()
    assert relation() == Relation.UNMARKED, "18 of 20 would not be 95 %, and 19 of 21 are not"
    assert not (studio / "studio.json").exists() and stranger.exists()


def test_months_that_are_long_gone_count_as_the_newest_when_there_are_no_others(db: None, media: Path) -> None:
    old = media / "outputs/2024/03" / f"{uuid.uuid4().hex}.png"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"x")
    identity.record_start()
    assert relation() == Relation.UNMARKED and survey.survey().unknown == ("outputs/2024/03/" + old.name,)


def test_empty_media_are_not_taken_by_a_database_that_names_files(studio: Path, ada: User) -> None:
    reference(ada)
    shutil.rmtree(studio)
    identity.record_start()
    assert relation() == Relation.EMPTY
    assert not identity.check_relation() and relation() == Relation.EMPTY


def test_an_older_copy_of_the_database_deletes_nothing_and_the_media_are_called_the_newer_ones(
    studio: Path, ada: User
) -> None:
    old = kept()
    identity.record_start()
    lost()
    put_back(old)
    identity.record_start()
    assert relation() == Relation.OLDER
    row, mark = identity.current()
    assert identity.newer(row, mark) == "The media are the newer ones."
    rested()
    tasks.sweep.call_local()
    assert len(files(studio)) == 1


def test_an_older_copy_that_was_made_while_the_studio_ran_is_known_by_the_stop_of_the_worker(studio: Path) -> None:
    old = kept()
    identity.advance_counter()
    put_back(old)
    identity.record_start()
    assert relation() == Relation.OLDER


def test_older_media_beside_a_newer_database_are_told_apart(studio: Path) -> None:
    mark = (studio / "studio.json").read_bytes()
    identity.record_start()
    identity.record_start()
    (studio / "studio.json").write_bytes(mark)
    identity.record_start()
    row, seen = identity.current()
    assert relation() == Relation.NEWER and identity.newer(row, seen) == "The database is the newer one."


def test_two_that_went_on_from_one_copy_are_told_apart(studio: Path) -> None:
    old, mark = kept(), (studio / "studio.json").read_bytes()
    identity.record_start()
    other = (studio / "studio.json").read_bytes()
    put_back(old)
    (studio / "studio.json").write_bytes(mark)
    identity.record_start()
    (studio / "studio.json").write_bytes(other)
    assert not identity.check_relation() and relation() == Relation.PARTED


def test_a_crash_between_database_and_store_harms_nothing(studio: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash() -> None:
        raise OSError("no power")

    with monkeypatch.context() as broken:
        broken.setattr(identity, "_write_mark", crash)
        for _start in range(3):
            identity.record_start()
    identity.record_start()
    assert relation() == Relation.SAME
    row, mark = identity.current()
    assert mark and (mark.token, mark.counter) == (row.token, row.counter) and row.counter == 5


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"database": 1}', "\x00" * 40])
def test_a_damaged_mark_stops_every_deletion_and_can_be_adopted(studio: Path, text: str) -> None:
    orphan = lost()
    (studio / "studio.json").write_text(text)
    identity.record_start()
    rested()
    tasks.sweep.call_local()
    assert relation() == Relation.UNREADABLE and orphan.exists()
    call_command("adopt_media", yes=True, stdout=StringIO())
    assert relation() == Relation.SAME


def test_a_studio_that_loses_its_media_to_a_running_copy_stops_the_other_one_too(studio: Path) -> None:
    first = kept()
    identity.record_start()  # the copy starts on the same folder
    second = kept()
    put_back(first)
    assert not identity.check_relation(), "the first one notices within a minute"
    put_back(second)
    assert not identity.check_relation() and relation() == Relation.CONTESTED
    identity.record_start()
    assert relation() == Relation.CONTESTED
    identity.adopt()
    assert identity.check_relation()


def test_the_counter_goes_on_while_a_worker_runs(studio: Path) -> None:
    before = MediaStore.objects.get()
    assert identity.check_relation() and MediaStore.objects.get().counter == before.counter
    MediaStore.objects.update(marked_at=timezone.now() - identity.TURN)
    assert identity.check_relation() and MediaStore.objects.get().counter == before.counter + 1
    assert identity.check_relation()


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
    identity.record_start()
    MediaStore.objects.update(marked_at=timezone.now() - identity.TURN)
    assert identity.check_relation()
    identity.advance_counter()
    assert MediaStore.objects.get().counter == 3
    assert len(asked) >= 6 and not any(asked)


def test_of_several_that_start_or_turn_one_waits_for_the_other(studio: Path, settings: Settings) -> None:
    lock = Path(settings.DATA, "media.lock")
    with ThreadPoolExecutor() as pool:
        with FileLock(lock):
            other = pool.submit(lambda: locks.wait_for_lock(lock, 20).__enter__())
            assert not other.done()
        other.result()
    with FileLock(lock), pytest.raises(TimeoutError), locks.wait_for_lock(lock, 0):
        pass


def test_what_the_sweep_notes_is_not_lost_to_a_turn_at_the_same_moment(
    studio: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = AsideStorage.read

    def swept_meanwhile(*args: Any) -> bytes:
        MediaStore.objects.update(swept={"files": 7})
        return read(*args)

    monkeypatch.setattr(AsideStorage, "read", swept_meanwhile)
    identity.advance_counter()
    row = MediaStore.objects.get()
    assert (row.counter, row.swept) == (2, {"files": 7})


def test_a_worker_stops_although_its_database_does_not_answer(studio: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **facts: Any) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr(MediaStore, "save", refuse)
    identity.advance_counter()
    assert MediaStore.objects.get().counter == 1


def test_two_that_write_one_name_at_the_same_moment_do_not_move_each_others_half(studio: Path) -> None:
    half = studio / ASIDE / identity.MARK
    half.parent.mkdir(exist_ok=True)
    half.write_bytes(b"hal")
    identity.record_start()
    assert (half.read_bytes(), list(half.parent.iterdir())) == (b"hal", [half])
    assert identity.check_relation()


def test_media_that_do_not_answer_keep_the_studio_running(
    studio: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (studio / "studio.json").unlink()
    (studio / "studio.json").mkdir()
    identity.record_start()
    assert not identity.check_relation() and not identity.may_delete()
    assert "Nothing of them is deleted" in caplog.text
    identity.advance_counter()
    (studio / "studio.json").rmdir()
    identity.record_start()
    assert relation() == Relation.SAME


def test_the_log_says_whose_media_they_are_when_that_changes_and_not_at_every_start(
    studio: Path, caplog: pytest.LogCaptureFixture
) -> None:
    said = "The media belong to another database."
    identity.record_start()
    assert not caplog.records
    with another_database():
        identity.record_start()
        assert caplog.text.count(said) == 1
        identity.record_start()
        assert caplog.text.count(said) == 1


@pytest.mark.parametrize("make", [lambda: identity.new_name(".png"), lambda: identity.new_name("")])
def test_names_cannot_be_guessed_and_tell_their_start(studio: Path, make: Callable[[], str]) -> None:
    names = {make() for _each in range(50)}
    assert len(names) == 50 and all(survey.NAME.fullmatch(name) for name in names)
    assert {name[: identity.PREFIX] for name in names} == {Start.objects.get().prefix}


def test_a_picture_whose_folder_is_a_file_is_refused_and_leaves_no_half_behind(studio: Path) -> None:
    (studio / "outputs").write_bytes(b"")
    with pytest.raises(OSError, match="outputs"):
        identity.storage().put("outputs/fox.png", b"picture")
    assert not any((studio / ASIDE).iterdir())


def test_a_picture_stored_in_one_piece_replaces_the_one_before(studio: Path) -> None:
    for data in (b"first", b"second"):
        identity.storage().put("outputs/fox.png", data)
        assert (studio / "outputs/fox.png").read_bytes() == data
    assert not any((studio / ASIDE).iterdir())
