"""A damaged database is found, table by table, and told; one that cannot be opened is refused in a sentence."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from io import StringIO
from pathlib import Path
from typing import Self

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from stylestudio.database import integrity, salvage
from stylestudio.database.integrity import Damaged, Examination, Examiner
from stylestudio.host.locks import FileLock
from stylestudio.models import Worker

ROWS = 2000
PAGE = 4096


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A database with two tables, an index, and pages that are free."""
    made = tmp_path / "stylestudio.sqlite3"
    with closing(sqlite3.connect(made)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE pictures(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL)")
        database.execute("CREATE INDEX by_name ON pictures(name)")
        database.execute("CREATE TABLE people(id INTEGER PRIMARY KEY, name TEXT)")
        for table in ("pictures", "people"):
            rows = [(f"{table} {number} {'x' * 30}",) for number in range(ROWS)]
            database.executemany(f"INSERT INTO {table}(name) VALUES (?)", rows)
        database.execute("DELETE FROM people WHERE id > 300")
        database.commit()
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return made


def pages_of(file: Path, name: str) -> list[int]:
    """The page of the root of a table or index, then the pages right below it."""
    with closing(sqlite3.connect(file)) as database:
        (root,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)).fetchone()
    data = file.read_bytes()[(root - 1) * PAGE : root * PAGE]
    cells = int.from_bytes(data[3:5], "big")
    offsets = [int.from_bytes(data[12 + 2 * at : 14 + 2 * at], "big") for at in range(cells)]
    return [root, *(int.from_bytes(data[at : at + 4], "big") for at in offsets)]


def overwrite(file: Path, page: int) -> None:
    with file.open("r+b") as opened:
        opened.seek((page - 1) * PAGE)
        opened.write(b"\x5a" * PAGE)


def whole(file: Path) -> None:
    pass


def damage_table(file: Path) -> None:
    overwrite(file, pages_of(file, "pictures")[2])


def damage_root(file: Path) -> None:
    overwrite(file, pages_of(file, "pictures")[0])


def damage_index(file: Path) -> None:
    overwrite(file, pages_of(file, "by_name")[1])


def damage_free_pages(file: Path) -> None:
    overwrite(file, int.from_bytes(file.read_bytes()[32:36], "big"))


def look(file: Path, stopping: threading.Event | None = None) -> Examination:
    Examiner(file, stopping or threading.Event()).examine()
    return Examination.of(file)


@pytest.mark.parametrize(
    ("harm", "where", "readable"),
    [
        (damage_table, "pictures", False),
        (damage_root, "pictures", False),
        (damage_index, "pictures", True),
        (damage_free_pages, integrity.SCHEMA, True),
    ],
)
def test_damage_is_found_in_its_table_and_nowhere_else(
    file: Path, harm: Callable[[Path], None], where: str, readable: bool
) -> None:
    assert look(file).faults == {}
    (file.with_name("integrity.json")).unlink()
    harm(file)
    standing = look(file)
    assert list(standing.faults) == [where]
    assert (where in standing.readable) is readable
    assert integrity.trouble(file)


def test_a_look_changes_no_byte_and_does_not_wait_for_a_writer(file: Path) -> None:
    before = file.read_bytes()
    with closing(sqlite3.connect(file, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        assert look(file).ended
    assert file.read_bytes() == before


class Restarting(threading.Event):
    """A worker that is told to stop whenever it rests."""

    def wait(self, timeout: float | None = None) -> bool:
        return True


def test_a_worker_that_is_restarted_after_every_table_still_gets_through_and_reads_none_twice(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def counted(file: Path, table: str, real: Callable[..., object] = integrity.examine_table) -> object:
        read.append(table)
        return real(file, table)

    monkeypatch.setattr(integrity, "examine_table", counted)
    damage_table(file)
    lives = 0
    while not Examination.of(file).ended:
        look(file, Restarting())
        lives += 1
        assert lives < 10
    assert read == [integrity.SCHEMA, "people", "pictures", "sqlite_sequence"]
    assert list(Examination.of(file).faults) == ["pictures"]
    look(file)
    assert len(read) == 4


def later(file: Path, seconds: float) -> None:
    """As if the last look had been so long ago."""
    standing = Examination.of(file)
    standing.begun, standing.ended = standing.begun - seconds, standing.ended - seconds
    standing.keep(file)


def test_all_is_looked_through_again_after_a_day_and_what_was_damaged_after_an_hour(file: Path) -> None:
    whole_bytes = file.read_bytes()
    look(file)
    damage_table(file)
    assert look(file).faults == {}
    later(file, integrity.DAY + 1)
    assert list(look(file).faults) == ["pictures"]
    with file.open("r+b") as opened:  # the same file again: a new one would be another database
        opened.write(whole_bytes)
    assert list(look(file).faults) == ["pictures"]
    later(file, integrity.HOUR + 1)
    standing = look(file)
    assert standing.faults == {}
    assert not integrity.trouble(file)


def test_another_database_in_the_same_place_is_not_told_to_be_damaged(file: Path) -> None:
    copy = file.with_name("backup.sqlite3")
    copy.write_bytes(file.read_bytes())
    damage_table(file)
    look(file)
    assert integrity.trouble(file)
    copy.replace(file)
    assert not integrity.trouble(file)


def test_a_damaged_page_that_somebody_meets_is_told_at_once_and_looked_into(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(integrity, "database_file", lambda: file)
    look(file)
    later(file, integrity.SOON + 1)
    damage_table(file)
    integrity.suspect()
    assert integrity.trouble()
    assert list(look(file).faults) == ["pictures"]


def test_a_suspicion_that_was_wrong_goes_with_the_next_look_and_does_not_make_it_read_all_the_time(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(integrity, "database_file", lambda: file)
    before = look(file).ended
    integrity.suspect()
    assert look(file).ended == before
    later(file, integrity.SOON + 1)
    assert look(file).ended > before - integrity.SOON
    assert not integrity.trouble()


def test_only_one_worker_at_a_time_looks(file: Path) -> None:
    with FileLock(file.with_name("integrity.lock")):
        assert not look(file).ended
    assert look(file).ended


# --- What a start says


@pytest.mark.parametrize("content", [b"", None])
def test_a_new_studio_begins_without_a_database_or_with_an_empty_one(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "stylestudio.sqlite3"
    if content is not None:
        file.write_bytes(content)
    integrity.check_header(file)


def test_an_empty_database_beside_pictures_is_refused_and_not_begun_anew(tmp_path: Path, media: Path) -> None:
    file = tmp_path / "stylestudio.sqlite3"
    file.touch()
    (media / "outputs" / "2026").mkdir(parents=True)
    with pytest.raises(Damaged, match="is empty, but this studio has files"):
        integrity.check_header(file)
    file.unlink()
    integrity.check_header(file)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (lambda data: b"%PDF" + data[4:], "is not a database"),
        (lambda data: data[: len(data) // 2], "its schema cannot be read, or its end is missing"),
        (lambda data: data[:60], "its schema cannot be read, or its end is missing"),
        (lambda data: data[:100] + b"\x5a" * (PAGE - 100) + data[PAGE:], "its schema cannot be read"),
    ],
    ids=["another file", "truncated", "a few bytes", "first page"],
)
def test_what_cannot_be_opened_is_refused_with_what_to_do(
    file: Path, content: Callable[[bytes], bytes], said: str
) -> None:
    file.write_bytes(content(file.read_bytes()))
    with pytest.raises(Damaged, match=said) as refusal:
        integrity.check_header(file)
    assert "backup" in str(refusal.value)
    assert "rescue" in str(refusal.value)


@pytest.mark.parametrize("harm", [whole, damage_table, damage_index, damage_free_pages])
def test_a_start_waits_for_header_and_schema_only(file: Path, harm: Callable[[Path], None]) -> None:
    harm(file)
    integrity.check_header(file)


def test_a_log_of_changes_that_is_gone_keeps_nothing_from_starting(file: Path) -> None:
    with closing(sqlite3.connect(file)) as database:
        database.execute("INSERT INTO people(name) VALUES ('late')")
        database.commit()
        kept = file.read_bytes()
    file.write_bytes(kept)
    for ending in ("-wal", "-shm"):
        file.with_name(file.name + ending).unlink(missing_ok=True)
    integrity.check_header(file)
    assert look(file).faults == {}


# --- Who tells


@pytest.mark.django_db
def test_health_and_doctor_say_that_it_is_damaged_and_what_to_do(
    file: Path, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    Worker.objects.create(name="w", started_at="2026-01-01T00:00Z", heartbeat_at="2126-01-01T00:00Z")
    monkeypatch.setattr(integrity, "database_file", lambda: file)
    look(file)
    assert client.get("/health").json()["status"] == "ok"
    (told,) = integrity.examined()
    assert told == ("whole, as of less than an hour ago", "")
    damage_table(file)
    later(file, integrity.DAY + 1)
    look(file)
    response = client.get("/health")
    assert (response.status_code, response.json()["status"], response.json()["damaged"]) == (503, "error", True)
    ((state, remedy),) = integrity.examined()
    assert "pictures" in state
    assert "newest backup" in remedy
    said = StringIO()
    with pytest.raises(SystemExit):
        call_command("doctor", stdout=said)
    assert f"FAIL Tables: {state}" in said.getvalue()


def test_doctor_says_how_far_it_got_and_that_no_row_is_lost_where_only_an_index_is_damaged(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(integrity, "database_file", lambda: file)
    ((state, _),) = integrity.examined()
    assert "not looked through yet" in state
    look(file, Restarting())
    ((state, _),) = integrity.examined()
    assert "1 of 4 tables looked through so far" in state
    damage_index(file)
    look(file)
    ((state, remedy),) = integrity.examined()
    assert "No row is lost" in remedy


def test_with_postgresql_nothing_is_said_or_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "vendor", "postgresql", raising=False)
    assert integrity.database_file() is None
    assert list(integrity.examined()) == []
    assert not integrity.trouble()
    integrity.suspect()


# --- What can still be read


def rows(file: Path, table: str) -> int:
    with closing(sqlite3.connect(file)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return int(database.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


@pytest.mark.parametrize("harm", [damage_index, damage_free_pages])
def test_where_only_an_index_or_free_pages_are_damaged_every_row_is_rescued(
    file: Path, harm: Callable[[Path], None]
) -> None:
    harm(file)
    target = file.with_name("new.sqlite3")
    saved = salvage.salvage(file, target)
    assert not any(table.trouble for table in saved)
    assert (rows(target, "pictures"), rows(target, "people")) == (ROWS, 300)


def test_of_a_damaged_table_the_rows_before_and_behind_the_damage_are_rescued(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = pages_of(file, "pictures")[3]
    overwrite(file, page)
    before = file.read_bytes()
    monkeypatch.setattr(integrity, "database_file", lambda: file)
    target = file.with_name("new.sqlite3")
    said, warned = StringIO(), StringIO()
    with pytest.raises(SystemExit):
        call_command("rescue", target, stdout=said, stderr=warned)
    assert "pictures: " in warned.getvalue()
    assert "malformed" in warned.getvalue()
    assert ROWS - 100 < rows(target, "pictures") < ROWS
    assert rows(target, "people") == 300
    with closing(sqlite3.connect(target)) as database:
        ends = database.execute("SELECT min(id), max(id) FROM pictures").fetchone()
    assert ends == (1, ROWS)
    assert file.read_bytes() == before
    with pytest.raises(CommandError, match="is there already"):
        call_command("rescue", target)


@pytest.mark.parametrize(("harm", "starts"), [(damage_table, 0), (damage_index, 1)])
def test_files_whose_rows_could_not_be_read_are_not_taken_for_lost(
    file: Path, harm: Callable[[Path], None], starts: int
) -> None:
    """The sweep takes only what was stored after a start that the database knows."""
    with closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE stylestudio_start(prefix TEXT)")
        database.execute("CREATE TABLE stylestudio_mediastore(adopted_at TEXT)")
        database.execute("INSERT INTO stylestudio_start VALUES ('0123456789ab')")
        database.execute("INSERT INTO stylestudio_mediastore VALUES (NULL)")
        database.commit()
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    harm(file)
    target = file.with_name("new.sqlite3")
    salvage.salvage(file, target)
    assert rows(target, "stylestudio_start") == starts
    assert rows(target, "stylestudio_mediastore WHERE adopted_at IS NULL") == starts


def test_a_file_of_which_nothing_can_be_read_leaves_no_new_one(file: Path) -> None:
    file.write_bytes(b"no database at all" * 1000)
    with pytest.raises(salvage.Hopeless, match="Put a backup in its place"):
        salvage.salvage(file, file.with_name("new.sqlite3"))
    assert not file.with_name("new.sqlite3").exists()


@pytest.mark.django_db(transaction=True)
def test_a_backup_of_a_damaged_database_refuses_with_the_true_reason(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damage_table(file)
    with closing(sqlite3.connect(file)) as database:
        try:
            database.execute("VACUUM INTO ?", [str(tmp_path / "copy.sqlite3")])
        except sqlite3.DatabaseError as error:
            real = error

    class Cursor:
        def __enter__(self) -> Self:
            return self

        def __exit__(self, *args: object) -> None:
            pass

        def execute(self, *args: object) -> None:
            from django.db import DatabaseError

            raise DatabaseError(str(real)) from real

    monkeypatch.setattr(integrity, "database_file", lambda: file)
    monkeypatch.setattr("stylestudio.processes.backups.connection.cursor", Cursor)
    with pytest.raises(CommandError, match="was not saved: it is damaged") as refusal:
        call_command("backup", tmp_path / "safe")
    assert "Is there room" not in str(refusal.value)
    assert list((tmp_path / "safe").iterdir()) == []
    assert integrity.trouble()


def test_a_table_of_a_hundred_megabytes_takes_seconds_and_not_minutes(tmp_path: Path) -> None:
    file = tmp_path / "large.sqlite3"
    with closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, words TEXT)")
        database.executemany("INSERT INTO t(words) VALUES (?)", (("x" * 1000,) for _ in range(10_000)))
        database.commit()
    began = time.monotonic()
    assert integrity.examine_table(file, "t") == ([], False)
    assert time.monotonic() - began < 10
