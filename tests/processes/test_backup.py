"""Saving the database and the pictures."""

from __future__ import annotations

import sqlite3
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from stylestudio import backups
from stylestudio.models import Worker

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def media(tmp_path, settings) -> Path:
    folder = tmp_path / "media"
    (folder / "outputs").mkdir(parents=True)
    (folder / "outputs" / "a.png").write_bytes(b"picture")
    settings.MEDIA_ROOT = folder
    return folder


def count_workers(database: Path) -> int:
    copy = sqlite3.connect(database)
    try:
        return int(copy.execute("select count(*) from stylestudio_worker").fetchone()[0])
    finally:
        copy.close()


def a_worker() -> None:
    Worker.objects.create(name="w", started_at="2026-01-01T00:00Z", heartbeat_at="2026-01-01T00:00Z")


def test_a_backup_has_the_rows_and_the_pictures(media, tmp_path) -> None:
    a_worker()
    said = StringIO()
    call_command("backup", tmp_path / "safe", stdout=said)
    (folder,) = (tmp_path / "safe").iterdir()
    assert str(folder) in said.getvalue()
    assert count_workers(folder / "stylestudio.sqlite3") == 1
    assert (folder / "media" / "outputs" / "a.png").read_bytes() == b"picture"


def test_a_backup_without_pictures_is_possible(settings, tmp_path) -> None:
    settings.MEDIA_ROOT = tmp_path / "none"
    call_command("backup", tmp_path / "safe", stdout=StringIO())
    (folder,) = (tmp_path / "safe").iterdir()
    assert [file.name for file in folder.iterdir()] == ["stylestudio.sqlite3"]


def test_a_place_that_cannot_be_written_is_a_clear_error_and_leaves_nothing(media, tmp_path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(CommandError, match="could not be saved"):
        call_command("backup", tmp_path / "file" / "inside")


def test_the_media_folder_is_not_saved_into_itself(media) -> None:
    with pytest.raises(CommandError, match="inside the folder that is saved"):
        call_command("backup", media / "outputs")


def test_postgresql_is_refused_with_the_name_of_its_own_tool(media, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(connection, "vendor", "postgresql")
    with pytest.raises(CommandError, match="pg_dump"):
        call_command("backup", tmp_path / "safe")
    assert not (tmp_path / "safe").exists()


def test_before_an_update_the_database_is_saved_and_the_newest_three_are_kept(settings, tmp_path) -> None:
    settings.DATA = tmp_path
    a_worker()
    saved = [backups.save_before_migrating() for _ in range(5)]
    assert sorted((tmp_path / "backups").iterdir()) == saved[2:]
    assert saved[4] and count_workers(saved[4]) == 1
