"""While database and media differ nothing goes; somebody settles whose the media are."""

from __future__ import annotations

import uuid
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from generation.pictures.models import Reference
from stylestudio.management.commands import adopt_media
from stylestudio.media import identity
from stylestudio.models import MediaStore
from stylestudio.processes import tasks, workers
from stylestudio.uploads import parts
from tests.media.stores import Relation, another_database, files, kept, lost, put_back, reference, relation, rested

# --- While the two do not belong together, nothing at all goes


def test_nobody_deletes_a_file_of_media_that_may_be_another_databases(studio: Path, ada: User) -> None:
    picture = reference(ada)
    with another_database():
        identity.record_start()
        picture.file.storage.delete(str(picture.file.name))
        picture.file.delete(save=False)
        assert len(files(studio)) == 1
    default_storage.delete(files(studio)[0])
    assert files(studio) == []


def test_nobody_deletes_a_file_of_media_without_a_mark_that_were_not_taken(db: None, media: Path) -> None:
    stranger = lost(uuid.uuid4().hex + ".png")
    identity.record_start()
    assert relation() == Relation.UNMARKED
    default_storage.delete(str(stranger.relative_to(media)))
    assert stranger.exists()


def test_what_an_older_database_takes_for_old_is_not_thrown_away(
    studio: Path, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    swept: list[str] = []
    monkeypatch.setattr(workers, "run_sweeps", lambda *, guarded: swept.append("rows") if guarded else None)
    monkeypatch.setattr(parts, "sweep_uploads_when_due", lambda: swept.append("parts"))
    with another_database():
        identity.record_start()
        tasks.sweep.call_local()
        assert swept == []
    tasks.sweep.call_local()
    assert swept == ["rows", "parts"]


# --- Settling it


def test_adopting_shows_numbers_and_changes_nothing_until_somebody_says_yes(studio: Path, ada: User) -> None:
    known = reference(ada)
    with another_database():
        identity.record_start()
        stranger, said = lost(uuid.uuid4().hex + ".png"), StringIO()
        with pytest.raises(CommandError, match="Nothing was changed"):
            call_command("adopt_media", stdout=said)
        assert "hold 2 files. This database knows 1 of them, and 1 not." in said.getvalue()
        assert relation() == Relation.OTHER
        call_command("adopt_media", yes=True, stdout=said)
        assert relation() == Relation.SAME and identity.check_relation()
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
    identity.record_start()
    newer = kept()
    put_back(old)
    call_command("adopt_media", yes=True, stdout=StringIO())
    put_back(newer)
    identity.record_start()
    assert relation() == Relation.OLDER


def test_curators_read_on_every_page_that_database_and_media_differ(
    studio: Path, client: Client, curator: User, ada: User
) -> None:
    with another_database():
        identity.record_start()
        client.force_login(curator)
        assert "belong to another database" in client.get("/queue/").content.decode()
        assert client.get("/health").json()["media"] == "other"
        client.force_login(ada)
        assert "belong to another database" not in client.get("/queue/").content.decode()
    client.force_login(curator)
    assert "adopt_media" not in client.get("/queue/").content.decode()
    assert "media" not in client.get("/health").json()
