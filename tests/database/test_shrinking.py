"""What a database no longer uses is given back, after a look at the room; otherwise nothing changes."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from stylestudio.database import integrity, shrinking
from stylestudio.database.shrinking import CannotShrink, Size, shrink
from stylestudio.models import Worker
from stylestudio.processes import doctor
from tests.processes.test_studio import environment

ROOT = Path(__file__).parents[2]


def manage(data: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A command, as an operator runs it on this data folder."""
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=ROOT,
        env=environment(data),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_the_file_is_as_small_as_what_is_in_it_and_no_row_is_lost(tmp_path: Path) -> None:
    assert manage(tmp_path, "migrate", "-v0").returncode == 0
    file = tmp_path / "stylestudio.sqlite3"
    with closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE bulk (text)")
        database.executemany("INSERT INTO bulk VALUES (?)", (("x" * 1000,) for _each in range(20_000)))
        database.execute("DELETE FROM bulk WHERE rowid > 100")
        database.commit()
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = file.stat().st_size
    done = manage(tmp_path, "shrink_database")
    assert done.returncode == 0, done.stderr
    assert f"took {before // 10**6} MB" in done.stdout
    assert file.stat().st_size < before / 5
    with closing(sqlite3.connect(file)) as database:
        assert database.execute("SELECT count(*) FROM bulk").fetchone() == (100,)
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    wal = file.with_name(file.name + "-wal")
    assert not wal.exists() or wal.stat().st_size == 0


@pytest.mark.django_db(transaction=True)
def test_a_running_studio_is_not_disturbed(alive: Worker) -> None:
    with pytest.raises(CommandError, match="Stop it on every machine"):
        call_command("shrink_database")
    Worker.objects.all().delete()
    told = StringIO()
    call_command("shrink_database", stdout=told)
    assert "takes" in told.getvalue()


@pytest.mark.django_db(transaction=True)
def test_without_room_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(integrity, "free_bytes", lambda: 1000)
    monkeypatch.setattr(shrinking, "_vacuum_sqlite", lambda: pytest.fail("it began"))
    with pytest.raises(CannotShrink, match=r"0\.0 GB are. Nothing was changed"):
        shrink()


def test_room_is_needed_twice_for_what_is_used() -> None:
    assert Size(3_000, 2_000).needed == 2_000


@pytest.mark.django_db
def test_doctor_says_if_it_is_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def state() -> str:
        return next(each.state for each in doctor.database())

    assert "unused" not in state()
    monkeypatch.setattr(shrinking, "size", lambda: Size(3 * 10**9, 2 * 10**9))
    assert "2.0 of its 3.0 GB are unused: manage.py shrink_database" in state()
    monkeypatch.setattr(shrinking, "size", lambda: Size(3 * 10**9, 10**8))
    assert "unused" not in state()
