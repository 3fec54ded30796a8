"""A database from before the rooms of today is taken along: every row, in one go, into the tables of a new studio.

`earlier/2026-11-28.sql` is what a studio of commit 141ec7e wrote, cut down: pictures, waiting jobs, two trainings, one
of them killed while it ran, an unfinished upload, and at least one row of nearly every table.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth import BACKEND_SESSION_KEY
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import reverse

from stylestudio.database import conversion, earlier, integrity, schema
from stylestudio.database.earlier import ROOMS

ROOT = Path(__file__).parents[2]
DUMP = Path(__file__).parent / "earlier/2026-11-28.sql"
KILLED = """
import os, signal
from stylestudio.database import conversion
conversion._rename_content_types = lambda: os.kill(os.getpid(), signal.SIGKILL)
"""
MIGRATE = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "stylestudio.settings"
import django
django.setup()
{first}
from django.core.management import call_command
call_command("migrate", verbosity=0)
"""
CONVERT = """
from stylestudio.database import conversion
assert conversion.convert_earlier()
raise SystemExit
"""
DELETED = 5_000  # pictures, a year ago
LATER = """
import json, os, sys
from datetime import timedelta
os.environ["DJANGO_SETTINGS_MODULE"] = "stylestudio.settings"
import django
django.setup()
from django.contrib.auth.models import User
from django.utils import timezone
from generation.pictures.models import GeneratedImage
from generation.trash import emptying, schedule, wall
from stylestudio.media import identity

identity.record_start()
identity.adopt()  # its files are not here
really, told = timezone.now, []
someone = User(pk=1, is_superuser=True, is_active=True)
for days in (0, 1, 24, 29, 31):
    timezone.now = lambda: really() + timedelta(days=days)
    schedule.TrashRule.objects.update(looked_at=timezone.now())  # it ran all the time
    schedule.keep()
    soon = wall.amount(someone, schedule.current()).soon_number
    while emptying.empty_slice(1):
        pass
    told.append((days, GeneratedImage.everything.filter(emptied_at__isnull=False).count(), soon))
print(json.dumps(told))
"""
# Rows of today's tables that are not those of then, for a reason.
WRITTEN_ANEW = {"django_migrations", "generation_engine"}
# A column that today's tables do not have: it is computed from the graph.
COMPUTED = {"graph_sha256"}


def studio_of_then(folder: Path) -> Path:
    """A data folder with the database of then, kept as it was then: with a write-ahead log."""
    folder.mkdir(parents=True)
    with closing(sqlite3.connect(folder / "stylestudio.sqlite3")) as database:
        database.executescript(DUMP.read_text(encoding="utf-8"))
        database.execute("PRAGMA journal_mode = WAL")
    return folder


def deleted_long_ago(folder: Path) -> None:
    """Add pictures that were deleted a year ago to the database of then."""
    with closing(sqlite3.connect(folder / "stylestudio.sqlite3")) as database:
        for table, changed in (
            ("engineprompt", {"prompt_id": "printf('%032x', n)", "state": "'done'"}),
            ("generatedimage", {"prompt_id": "900000 + n", "deleted_at": "'2025-11-28 10:00:00'"}),
        ):
            names = [row[1] for row in database.execute(f"PRAGMA table_info(generation_{table})")]
            changed |= {"id": "900000 + n", "index": "1000 + n"}
            values = ", ".join(changed.get(name, f'"{name}"') for name in names)
            database.execute(
                f"WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {DELETED}) "
                f"INSERT INTO generation_{table} SELECT {values} FROM c, "
                f"(SELECT * FROM generation_{table} ORDER BY id LIMIT 1)"
            )
        database.commit()


def migrate(folder: Path, first: str = "") -> subprocess.CompletedProcess[str]:
    """`manage.py migrate` in a process of its own, with something done to it first."""
    mine = ("DATABASE_URL", "REDIS_URL", "S3_", "STYLESTUDIO_", "COMFYUI_", "DJANGO_")
    env = {name: value for name, value in os.environ.items() if not name.startswith(mine)}
    command = [sys.executable, "-c", MIGRATE.format(first=first)]
    return subprocess.run(
        command, cwd=ROOT, env=env | {"STYLESTUDIO_DATA": str(folder)}, text=True, capture_output=True, timeout=300
    )


def rows_of(folder: Path) -> dict[str, list[Any]]:
    """All rows by table, each as name -> value."""
    with closing(sqlite3.connect(folder / "stylestudio.sqlite3")) as database:
        database.row_factory = sqlite3.Row
        names = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            name: sorted((dict(row) for row in database.execute(f'SELECT * FROM "{name}"')), key=lambda row: str(row))
            for name in names
        }


def schema_of(folder: Path) -> list[Any]:
    """All tables and indexes, each as it was made."""
    with closing(sqlite3.connect(folder / "stylestudio.sqlite3")) as database:
        return database.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY 1, 2").fetchall()


def room_of(table: str) -> str:
    """What a table of then is called today."""
    label, _, model = table.partition("_")
    return f"{ROOMS[label, model]}_{model}" if (label, model) in ROOMS else table


@pytest.fixture(scope="module")
def then(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    folder = studio_of_then(tmp_path_factory.mktemp("then") / "data")
    deleted_long_ago(folder)
    return rows_of(folder)


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder afterwards."""
    folder = studio_of_then(tmp_path_factory.mktemp("taken") / "data")
    deleted_long_ago(folder)
    done = migrate(folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def today(taken: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(taken / "stylestudio.sqlite3")) as database:
        yield database


def test_no_row_is_lost_or_changed(then: dict[str, list[Any]], tmp_path: Path) -> None:
    """By the conversion itself; the heavy ones look at what the migrations of all the time since then make of it."""
    folder = studio_of_then(tmp_path / "data")
    deleted_long_ago(folder)
    done = migrate(folder, CONVERT)
    assert done.returncode == 0, done.stderr
    compare(then, rows_of(folder))


@pytest.mark.heavy
def test_no_row_is_lost_or_changed_until_today(then: dict[str, list[Any]], taken: Path) -> None:
    compare(then, rows_of(taken))


@pytest.mark.heavy
def test_what_is_killed_on_the_way_leaves_everything_as_it_was_and_the_next_try_takes_it_along(
    then: dict[str, list[Any]], tmp_path: Path
) -> None:
    folder = studio_of_then(tmp_path / "data")
    deleted_long_ago(folder)
    before = schema_of(folder)
    assert migrate(folder, KILLED).returncode == -9
    assert (rows_of(folder), schema_of(folder)) == (then, before)
    done = migrate(folder)
    assert done.returncode == 0, done.stderr
    compare(then, rows_of(folder))


def compare(then: dict[str, list[Any]], now: dict[str, list[Any]]) -> None:
    """Assert that every row of then is there now, with the same values."""
    for table, rows in then.items():
        if table in WRITTEN_ANEW or table.startswith("sqlite_"):
            continue
        rows = [{name: row[name] for name in row if name not in COMPUTED} for row in rows]
        kept = [{name: row[name] for name in (rows[0] if rows else ())} for row in now[room_of(table)]]
        if table == "django_content_type":
            rows = [row | {"app_label": ROOMS.get((row["app_label"], row["model"]), row["app_label"])} for row in rows]
            kept = [row for row in kept if row["id"] in {row["id"] for row in rows}]
        if table == "auth_permission":
            kept = [row for row in kept if row["id"] in {row["id"] for row in rows}]
        assert sorted(map(str, kept)) == sorted(map(str, rows)), table
    assert len(now["engines_engine"]) == len(then["generation_engine"])


@pytest.mark.heavy
def test_numbers_of_deleted_rows_are_not_given_again(then: dict[str, list[Any]], today: sqlite3.Connection) -> None:
    numbers = dict(today.execute("SELECT name, seq FROM sqlite_sequence"))
    before = {row["name"]: row["seq"] for row in then["sqlite_sequence"]}
    assert before["generation_generatedimage"] > len(then["generation_generatedimage"])
    grown = {"django_content_type", "auth_permission", "django_migrations"}
    assert {room_of(name): seq for name, seq in before.items() if name not in grown} == {
        name: seq for name, seq in numbers.items() if name in {room_of(old) for old in before} - grown
    }


@pytest.mark.heavy
@pytest.mark.django_db
def test_the_schema_is_that_of_a_new_studio_to_the_last_name(today: sqlite3.Connection) -> None:
    asked = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY 1, 2"
    recorded = "SELECT app, name FROM django_migrations ORDER BY 1, 2"
    with connection.cursor() as cursor:
        cursor.execute(asked)
        new = [tuple(row) for row in cursor.fetchall()]
        cursor.execute(recorded)
        migrations = [tuple(row) for row in cursor.fetchall()]
    assert today.execute(asked).fetchall() == new
    assert today.execute(recorded).fetchall() == migrations
    assert today.execute("PRAGMA foreign_key_check").fetchall() == []
    assert not [name for (name,) in today.execute("SELECT name FROM sqlite_master") if name.startswith("earlier")]


@pytest.mark.heavy
def test_permissions_and_the_history_of_the_admin_follow_their_models(today: sqlite3.Connection) -> None:
    of_type = "JOIN django_content_type t ON t.id = {} WHERE t.app_label = ? AND t.model = ?"
    keepers = "SELECT p.codename FROM auth_group_permissions g JOIN auth_permission p ON p.id = g.permission_id "
    assert today.execute(keepers + of_type.format("p.content_type_id"), ("engines", "engine")).fetchall() == [
        ("change_engine",)
    ]
    person = "SELECT p.codename FROM auth_user_user_permissions u JOIN auth_permission p ON p.id = u.permission_id "
    assert today.execute(person + of_type.format("p.content_type_id"), ("datasets", "dataset")).fetchall() == [
        ("view_dataset",)
    ]
    history = "SELECT object_repr FROM django_admin_log l "
    assert today.execute(history + of_type.format("l.content_type_id"), ("engines", "engine")).fetchall() == [
        ("Preview engine",)
    ]
    old = "SELECT count(*) FROM django_content_type WHERE app_label IN ('generation', 'training')"
    assert today.execute(old).fetchone() == (0,)


@pytest.mark.heavy
def test_what_came_between_that_day_and_the_rooms_is_done_first(today: sqlite3.Connection) -> None:
    """An address with a token was shown to everybody then."""
    engines = dict(today.execute("SELECT address, credentials FROM engines_engine WHERE source = 'admin'"))
    assert engines == {"http://10.0.0.5:8188": "?token=t1"}


def test_an_even_older_database_is_refused_in_a_sentence_and_left_alone(tmp_path: Path) -> None:
    folder = studio_of_then(tmp_path / "data")
    with closing(sqlite3.connect(folder / "stylestudio.sqlite3")) as database:
        database.execute("DELETE FROM django_migrations WHERE app = 'training' AND name = '0004_doing'")
        database.commit()
    before = rows_of(folder)
    refused = migrate(folder)
    assert refused.returncode != 0
    assert "from before 28 November 2026" in refused.stderr.strip().splitlines()[-1]
    assert rows_of(folder) == before


@pytest.mark.heavy
def test_a_column_that_somebody_added_by_hand_is_named_in_a_sentence_and_nothing_is_lost(tmp_path: Path) -> None:
    folder = studio_of_then(tmp_path / "data")
    with closing(sqlite3.connect(folder / "stylestudio.sqlite3")) as database:
        database.execute("ALTER TABLE training_waitingcaption ADD COLUMN colour text DEFAULT 'red'")
        database.commit()
    before = rows_of(folder)
    refused = migrate(folder)
    assert refused.returncode != 0
    said = refused.stderr.strip().splitlines()[-1]
    assert "table datasets_waitingcaption" in said and "(colour)" in said and "Start the version from before" in said
    assert rows_of(folder) == before


def test_without_room_on_the_disk_nothing_is_begun(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "stylestudio.sqlite3"
    file.write_bytes(b"x" * 1000)
    monkeypatch.setattr(integrity, "database_file", lambda: file)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=2999))
    with pytest.raises(conversion.CannotConvert, match="Make room"):
        conversion._require_room()
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=3000))
    conversion._require_room()


@pytest.mark.django_db
def test_a_new_studio_has_nothing_to_take_along() -> None:
    assert not conversion.is_earlier()
    assert not conversion.convert_earlier()


@pytest.mark.django_db
def test_people_stay_signed_in(client: Client, people: Callable[..., User]) -> None:
    client.force_login(people("ada"))
    session = client.session
    session[BACKEND_SESSION_KEY] = conversion.SIGNED_IN_BY  # as it was stored then
    session.save()
    account = reverse("account")
    assert client.get(account).status_code == 302
    client.cookies["sessionid"] = str(session.session_key)
    conversion.keep_people_signed_in()
    assert client.get(account).status_code == 200


@pytest.mark.heavy
def test_the_database_knows_the_number_of_its_schema(today: sqlite3.Connection) -> None:
    assert today.execute("SELECT number FROM stylestudio_databaseschema").fetchall() == [(schema.NUMBER,)]


def test_every_model_of_then_has_a_place_today() -> None:
    made = {(model.app_label, model.name_lower) for model in earlier_models() if model.app_label in conversion.PARTS}
    assert {key for key in made if key[0] in ("generation", "training")} == set(earlier.ROOMS)


def earlier_models() -> list[Any]:
    loader = conversion._EarlierLoader(None)
    return list(loader.project_state(loader.graph.leaf_nodes()).models.values())


@pytest.mark.heavy
def test_of_five_thousand_pictures_deleted_before_none_is_gone_the_next_day(taken: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(taken, tmp_path / "data"))
    env = {name: value for name, value in os.environ.items() if not name.startswith(("STYLESTUDIO_", "DATABASE_URL"))}
    later = subprocess.run(
        [sys.executable, "-c", LATER],
        cwd=ROOT, env=env | {"STYLESTUDIO_DATA": str(folder)}, text=True, capture_output=True, timeout=300,
    )  # fmt: skip
    assert later.returncode == 0, later.stderr
    told = {days: (emptied, soon) for days, emptied, soon in json.loads(later.stdout.splitlines()[-1])}
    with closing(sqlite3.connect(folder / "stylestudio.sqlite3")) as database:
        asked = "SELECT count(*) FROM pictures_generatedimage WHERE deleted_at IS NOT NULL"
        number = int(database.execute(asked).fetchone()[0])
    assert number >= DELETED
    assert told[0] == told[1] == (0, 0)
    assert told[24] == told[29] == (0, number), "announced a week ahead"
    assert told[31][0] == number
