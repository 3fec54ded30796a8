"""Saving the database and the pictures."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from io import StringIO
from pathlib import Path
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django import Settings

from stylestudio.management.commands import backup
from stylestudio.media import identity
from stylestudio.models import MediaStore, Worker
from stylestudio.processes import backups

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def media(tmp_path: Path, settings: Settings) -> Path:
    folder = tmp_path / "media"
    (folder / "outputs").mkdir(parents=True)
    (folder / "outputs" / "a.png").write_bytes(b"picture")
    settings.MEDIA_ROOT = folder
    return folder


def count_workers(database: Path) -> int:
    with closing(sqlite3.connect(database)) as copy:
        return int(copy.execute("select count(*) from stylestudio_worker").fetchone()[0])


def a_worker() -> None:
    Worker.objects.create(name="w", started_at="2026-01-01T00:00Z", heartbeat_at="2026-01-01T00:00Z")


def test_a_backup_has_the_rows_and_the_pictures(media: Path, tmp_path: Path) -> None:
    a_worker()
    said = StringIO()
    call_command("backup", tmp_path / "safe", stdout=said)
    (folder,) = (tmp_path / "safe").iterdir()
    assert str(folder) in said.getvalue()
    assert count_workers(folder / "stylestudio.sqlite3") == 1
    assert (folder / "media" / "outputs" / "a.png").read_bytes() == b"picture"


def test_the_two_of_a_backup_belong_together_although_the_counter_goes_on(
    media: Path, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity.record_start()
    (media / "bin" / "2026-01-01").mkdir(parents=True)
    (media / "outputs" / "bin").mkdir()
    save = backups.save_database

    def save_and_start(target: Path) -> None:
        save(target)
        identity.record_start()

    monkeypatch.setattr(backup, "save_database", save_and_start)
    call_command("backup", tmp_path / "safe", stdout=StringIO())
    (folder,) = (tmp_path / "safe").iterdir()
    kept = MediaStore.objects.get(), json.loads((folder / "media" / "studio.json").read_text())
    assert (kept[0].counter, kept[1]["counter"]) == (2, 1)
    assert sorted(path.name for path in (folder / "media").iterdir()) == ["outputs", "studio.json"]
    assert (folder / "media" / "outputs" / "bin").is_dir()
    # The row as the copy has it, beside the media of the copy.
    with closing(sqlite3.connect(folder / "stylestudio.sqlite3")) as copied:
        (token,) = copied.execute("select token from stylestudio_mediastore").fetchone()
    assert token == kept[1]["token"]
    settings.MEDIA_ROOT = folder / "media"
    MediaStore.objects.update(token=kept[1]["token"], counter=1)
    identity.record_start()
    assert MediaStore.objects.get().is_settled


def test_a_database_that_was_not_updated_yet_is_saved_too(
    media: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by whoever saves everything after `git pull`, before the first start."""
    save = backups.save_database

    def save_older(target: Path) -> None:
        save(target)
        with sqlite3.connect(target) as copy:
            copy.execute("DROP TABLE stylestudio_mediastore")
        copy.close()

    monkeypatch.setattr(backup, "save_database", save_older)
    call_command("backup", tmp_path / "safe", stdout=StringIO())
    (folder,) = (tmp_path / "safe").iterdir()
    assert not folder.name.endswith(".unfinished") and (folder / "media" / "outputs" / "a.png").exists()


def test_a_backup_of_two_that_do_not_belong_together_does_not_hide_it(media: Path, tmp_path: Path) -> None:
    identity.record_start()
    MediaStore.objects.update(identity=uuid4())
    call_command("backup", tmp_path / "safe", stdout=StringIO())
    (folder,) = (tmp_path / "safe").iterdir()
    assert (folder / "media" / "studio.json").read_bytes() == (media / "studio.json").read_bytes()


def test_a_backup_without_pictures_is_possible(settings: Settings, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "none"
    call_command("backup", tmp_path / "safe", stdout=StringIO())
    (folder,) = (tmp_path / "safe").iterdir()
    assert [file.name for file in folder.iterdir()] == ["stylestudio.sqlite3"]


def test_a_place_that_cannot_be_written_is_a_clear_error_and_leaves_nothing(media: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(CommandError, match="could not be saved"):
        call_command("backup", tmp_path / "file" / "inside")


def test_the_media_folder_is_not_saved_into_itself(media: Path) -> None:
    with pytest.raises(CommandError, match="inside the folder that is saved"):
        call_command("backup", media / "outputs")


def test_postgresql_is_refused_with_the_name_of_its_own_tool(
    media: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "vendor", "postgresql")
    with pytest.raises(CommandError, match="pg_dump"):
        call_command("backup", tmp_path / "safe")
    assert not (tmp_path / "safe").exists()


def test_before_an_update_the_database_is_saved_and_the_newest_three_are_kept(
    settings: Settings, tmp_path: Path
) -> None:
    settings.DATA = tmp_path
    a_worker()
    saved = [backups.save_before_migrating() for _ in range(5)]
    assert sorted((tmp_path / "backups").iterdir()) == saved[2:]
    assert saved[4] and count_workers(saved[4]) == 1
