"""What disk, database or bucket refuse is told apart, beside Django and in the log too."""

from __future__ import annotations

import errno
import logging
import sqlite3
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import DatabaseError, OperationalError, connection

from stylestudio.edge import failure_answers, failures
from stylestudio.edge.failures import Kind
from stylestudio.edge.serving import Message
from stylestudio.media.storage import StoreUnreachable

# --- Which error is what


def refuse(file: Path, how: str) -> sqlite3.Error:
    """What SQLite really raises."""
    place = f"{file.as_uri()}?mode=ro" if how == "read-only" else file.as_uri()
    with closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE t(x)")
        if how == "full":
            database.execute("PRAGMA max_page_count = 2")
        if how == "busy":
            database.execute("BEGIN EXCLUSIVE")
            with closing(sqlite3.connect(file, timeout=0)) as other, pytest.raises(sqlite3.Error) as raised:
                other.execute("INSERT INTO t VALUES (1)")
            return raised.value
        if how == "full":
            with pytest.raises(sqlite3.Error) as raised:
                database.execute("INSERT INTO t VALUES (?)", ("x" * 100_000,))
            return raised.value
    if how in {"damaged", "no database"}:
        data = file.read_bytes()
        file.write_bytes(data[:100] + b"\x5a" * 9000 if how == "damaged" else b"x" * 5000)
    if how == "cannot open":
        place = (file.parent / "nowhere" / "x.sqlite3").as_uri()
    with pytest.raises(sqlite3.Error) as raised, closing(sqlite3.connect(place, uri=True)) as opened:
        opened.execute("INSERT INTO t VALUES (1)")
    return raised.value


@pytest.mark.parametrize(
    ("how", "kind"),
    [
        ("busy", Kind.BUSY),
        ("full", Kind.FULL),
        ("read-only", Kind.READ_ONLY),
        ("damaged", Kind.DAMAGED),
        ("no database", Kind.DAMAGED),
        ("cannot open", Kind.FORBIDDEN),
    ],
)
def test_what_sqlite_refuses_is_told_apart_however_it_words_it(tmp_path: Path, how: str, kind: Kind) -> None:
    cause = refuse(tmp_path / "x.sqlite3", how)
    error = OperationalError("whatever language")
    error.__cause__ = cause
    found = failures.of(error)
    assert found and found.kind == kind
    around = RuntimeError("of a caller")
    around.__cause__ = error
    assert failures.of(around) == found
    # Not by way of Django: the file of messages, which may be thrown away.
    raw = failures.of(cause)
    assert raw and raw.kind == (Kind.MESSAGES if kind == Kind.DAMAGED else kind)


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("53100", Kind.FULL),
        ("53300", Kind.BUSY),
        ("25006", Kind.READ_ONLY),
        ("55P03", Kind.BUSY),
        ("40P01", Kind.BUSY),
        ("57P01", Kind.AWAY),
        ("08006", Kind.AWAY),
        ("XX001", Kind.DAMAGED),
        ("42P01", None),
        ("23505", None),
    ],
)
def test_what_postgresql_refuses_is_told_by_its_state(state: str, kind: Kind | None) -> None:
    class Refused(Exception):
        sqlstate = state

    cause = Refused("words in any language")
    error = DatabaseError("x")
    error.__cause__ = cause
    found = failures.of(error)
    assert (found.kind if found else None) == kind


def test_no_connection_to_postgresql_has_no_state_and_is_told_as_that() -> None:
    class OperationalError(Exception):
        sqlstate = None

    error = DatabaseError("connection refused")
    error.__cause__ = OperationalError()
    found = failures.of(error)
    assert found and found.kind == Kind.AWAY


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(errno.ENOSPC, "x"), Kind.FULL),
        (OSError(errno.EDQUOT, "x"), Kind.FULL),
        (OSError(errno.EROFS, "x"), Kind.READ_ONLY),
        (PermissionError(errno.EACCES, "x"), Kind.FORBIDDEN),
        (OSError(errno.EIO, "x"), Kind.BROKEN),
        (FileExistsError("x exists and is not a directory."), Kind.FORBIDDEN),
        (StoreUnreachable("The bucket b could not be used"), Kind.STORE),
        (FileNotFoundError(errno.ENOENT, "x", "outputs/2026/11/a.png"), Kind.GONE),
        (FileNotFoundError(errno.ENOENT, "x", "/somewhere/else"), None),
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), None),
        (TimeoutError(), None),
        (ValueError("x"), None),
    ],
)
def test_what_the_system_refuses_is_told_apart_and_all_else_stays_an_error_of_ours(
    error: Exception, kind: Kind | None
) -> None:
    found = failures.of(error)
    assert (found.kind if found else None) == kind


# --- Beside Django


async def nothing() -> Message:
    """What comes in."""
    return {}


async def test_a_body_or_a_file_beside_django_that_finds_no_room_is_a_sentence() -> None:
    async def full(scope: Any, receive: Any, send: Any) -> None:
        raise OSError(errno.ENOSPC, "x")

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "PUT", "path": "/uploads/parts/x"}
    await failure_answers.in_words(full)(scope, nothing, send)
    assert sent[0]["status"] == 503
    assert b"disk is full. Nothing was kept." in sent[1]["body"]


async def test_an_answer_that_has_begun_ends_as_an_error_and_not_as_a_second_answer() -> None:
    async def half(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise OSError(errno.EIO, "x")

    async def send(message: Message) -> None:
        pass

    scope = {"type": "http", "method": "GET", "path": "/outputs/a.png"}
    with pytest.raises(OSError, match="x"):
        await failure_answers.in_words(half)(scope, nothing, send)


# --- The log


def test_the_log_says_in_one_line_and_once_a_minute_what_is_met_all_the_time() -> None:
    def record(error: Exception, created: float, name: str = "worker") -> logging.LogRecord:
        made = logging.LogRecord(name, logging.ERROR, "", 0, "Not %s.", ("done",), (type(error), error, None))
        made.created = created
        return made

    full, ours = OSError(errno.ENOSPC, "No space left"), KeyError("ours")
    told = failures.WithoutTraceback()
    first = record(full, 100.0)
    assert told.filter(first)
    assert told.filter(first)  # the second handler
    assert (first.getMessage(), first.exc_info) == ("Not done. The studio's disk is full. (No space left)", None)
    assert not told.filter(record(full, 101.0))
    assert told.filter(record(full, 101.0, "another"))
    assert told.filter(record(full, 100.0 + failures.QUIET))
    bug = record(ours, 100.0)
    assert told.filter(bug)
    assert bug.exc_info


def test_patience_is_for_a_while_and_for_sqlite_alone(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def timeout() -> int:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA busy_timeout")
            return int(cursor.fetchone()[0])

    usual = timeout()
    with failures.patience(0.2):
        assert timeout() == 200
    assert timeout() == usual == 20_000
    monkeypatch.setattr(failures, "connection", SimpleNamespace(vendor="postgresql"))
    with failures.patience(0.2):
        pass
