"""Commands refuse a database that is not for them, and say in a sentence what the system refuses them."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import QuerySet
from pytest_django import DjangoAssertNumQueries, Settings

from stylestudio.database import integrity, schema
from stylestudio.models import DatabaseSchema
from stylestudio.processes import backups, command_line, doctor

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.django_db(transaction=True)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Exit code and what was said on stderr."""
    try:
        command_line.run(["manage.py", *arguments])
    except SystemExit as end:
        return int(end.code or 0), capsys.readouterr().err
    return 0, capsys.readouterr().err


@pytest.fixture
def recorded() -> Iterator[MigrationRecorder]:
    """Migrations that a test records are forgotten after it."""
    recorder = MigrationRecorder(connection)
    before = set(recorder.applied_migrations())
    yield recorder
    for migration in set(recorder.applied_migrations()) - before:
        recorder.record_unapplied(*migration)
    for migration in before - set(recorder.applied_migrations()):
        recorder.record_applied(*migration)


NEWER = [("styles", "0099_of_the_future"), ("auth", "0099_of_a_newer_django"), ("boards", "0001_initial")]


@pytest.mark.parametrize("migration", NEWER)
@pytest.mark.parametrize("command", ["migrate", "createsuperuser", "studio", "worker", "import_lora"])
def test_a_database_of_a_newer_program_is_refused_before_anything_is_changed(
    recorded: MigrationRecorder, capsys: pytest.CaptureFixture[str], migration: tuple[str, str], command: str
) -> None:
    recorded.record_applied(*migration)
    more = {"createsuperuser": ["--noinput", "--username=ada", "--email=a@example.org"], "import_lora": ["x"]}
    code, said = run(capsys, command, *more.get(command, []))
    assert code == 1
    assert said.startswith("The database is of a newer StyleStudio")
    assert ".".join(migration) in said
    assert said.count("\n") == 1
    assert not User.objects.exists()


def test_a_database_with_a_higher_number_of_its_schema_is_refused_too(
    recorded: MigrationRecorder, capsys: pytest.CaptureFixture[str]
) -> None:
    DatabaseSchema.objects.update_or_create(pk=1, defaults={"number": schema.NUMBER + 1})
    code, said = run(capsys, "migrate")
    assert (code, said.startswith("The database is of a newer StyleStudio")) == (1, True)
    assert f"number {schema.NUMBER + 1}" in said and said.count("\n") == 1


def test_the_number_of_the_schema_is_one_question_and_0_if_there_is_no_such_table(
    django_assert_num_queries: DjangoAssertNumQueries, monkeypatch: pytest.MonkeyPatch
) -> None:
    DatabaseSchema.objects.update_or_create(pk=1, defaults={"number": schema.NUMBER})
    with django_assert_num_queries(1):
        assert schema.number() == schema.NUMBER
    monkeypatch.setattr(DatabaseSchema._meta, "db_table", "no_such_table")
    assert schema.number() == 0


def test_a_table_that_is_there_and_cannot_be_read_is_not_taken_for_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(query: Any) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr(QuerySet, "first", locked)
    with pytest.raises(OperationalError, match="locked"):
        schema.number()


def test_a_database_that_is_newer_in_one_thing_and_older_in_another_is_refused_too(
    recorded: MigrationRecorder, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded.record_applied(*NEWER[0])
    (last,) = MigrationLoader(connection).graph.leaf_nodes("stylestudio")
    recorded.record_unapplied(*last)
    assert backups.unapplied_migrations()
    code, said = run(capsys, "migrate")
    assert (code, "newer StyleStudio" in said) == (1, True)
    assert last not in recorded.applied_migrations()


def test_of_many_changes_the_first_ones_are_named(recorded: MigrationRecorder) -> None:
    for number in range(5):
        recorded.record_applied("styles", f"010{number}_x")
    with pytest.raises(schema.NewerDatabase, match=r"all of its changes \(styles.0100_x, .*, …\)"):
        schema.refuse_newer()


def test_what_was_squashed_into_a_migration_of_ours_is_known(
    recorded: MigrationRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.contrib.auth.migrations import __name__ as package

    squashed = __import__(f"{package}.0001_initial", fromlist=["Migration"]).Migration
    monkeypatch.setattr(squashed, "replaces", [("auth", "0000_gone")], raising=False)
    recorded.record_applied("auth", "0000_gone")
    assert schema.unknown_migrations() == []


def test_what_only_looks_goes_on_and_doctor_says_it(
    recorded: MigrationRecorder, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded.record_applied(*NEWER[0])
    assert run(capsys, "check")[0] == 0
    (finding,) = doctor.database()
    assert not finding.well
    assert "newer" in finding.state
    assert "Start the newer version again" in finding.remedy


def test_a_command_refuses_settings_that_contradict_each_other(
    capsys: pytest.CaptureFixture[str], settings: Settings
) -> None:
    settings.COMFYUI_URLS = ["no address"]
    code, said = run(capsys, "scan_loras")
    assert (code, "COMFYUI_URL holds something that is not an address" in said) == (1, True)
    assert run(capsys, "check")[0] == 1


def test_a_command_checks_settings_and_leaves_the_code_to_check(
    capsys: pytest.CaptureFixture[str], settings: Settings
) -> None:
    settings.ROOT_URLCONF = "no.such.addresses"
    assert run(capsys, "showmigrations", "auth") == (0, "")
    with pytest.raises(ModuleNotFoundError, match="named 'no'"):
        run(capsys, "check")


def test_a_database_of_this_program_is_not_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert schema.unknown_migrations() == []
    command_line.check_database()


def test_a_database_that_cannot_be_opened_is_refused_with_what_to_do(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "stylestudio.sqlite3"
    file.write_bytes(b"no database" * 1000)
    monkeypatch.setattr(integrity, "database_file", lambda: file)
    code, said = run(capsys, "migrate")
    assert code == 1
    assert "is not a database" in said
    assert "Traceback" not in said


def test_a_lock_of_the_database_is_a_sentence_and_not_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    with closing(sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        connection.settings_dict["OPTIONS"]["timeout"], usual = 0.1, connection.settings_dict["OPTIONS"]["timeout"]
        connection.close()
        try:
            code, said = run(capsys, "createsuperuser", "--noinput", "--username=ada", "--email=a@example.org")
        finally:
            connection.settings_dict["OPTIONS"]["timeout"] = usual
            connection.close()
    assert (code, said) == (1, "The studio's database is busy with something else. (database is locked)\n")


def test_a_data_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    data = tmp_path / "file" / "data"
    environment = {**os.environ, "STYLESTUDIO_DATA": str(data), "DJANGO_SETTINGS_MODULE": "stylestudio.settings"}
    command = [sys.executable, "manage.py", "doctor"]
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 1
    assert str(tmp_path / "file") in ended.stderr
    assert "set STYLESTUDIO_DATA" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_reader_that_has_seen_enough_ends_a_command_without_a_traceback(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    environment = {**os.environ, "STYLESTUDIO_DATA": str(tmp_path), "DJANGO_SETTINGS_MODULE": "stylestudio.settings"}
    command = [sys.executable, "manage.py", "help", "--commands"]
    with os.fdopen(writing, "wb") as output:
        ended = subprocess.run(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.PIPE, check=False)
    assert (ended.returncode, ended.stderr) == (1, b"")
