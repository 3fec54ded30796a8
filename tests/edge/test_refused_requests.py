"""Somebody whose request disk, database or bucket refuse gets an answer in words, whatever was asked and however."""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from io import BytesIO, FileIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import DatabaseError, OperationalError, connection
from django.test import Client
from PIL import Image
from pytest_django import DjangoAssertNumQueries

from generation.pictures.models import Reference
from stylestudio.database import integrity
from stylestudio.edge import failures
from stylestudio.media import storage
from stylestudio.models import SignInFailure
from stylestudio.people import accounts
from tests.edge.test_failures import refuse
from tests.pages import Answer
from training.datasets.models import Dataset, DatasetImage

PASSWORD = "drawing-room-7"


def png(size: int = 64) -> bytes:
    made = BytesIO()
    Image.effect_noise((size, size), 60).convert("RGB").save(made, "PNG")
    return made.getvalue()


@pytest.fixture
def site() -> Client:
    """Gets the answers that browsers get, those to errors too."""
    return Client(raise_request_exception=False)


@pytest.fixture
def desk(site: Client, ada: User) -> Client:
    site.force_login(ada)
    return site


@pytest.fixture
def locked(transactional_db: None) -> Iterator[sqlite3.Connection]:
    """Somebody else writes to the database, until they are done."""
    with closing(
        sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None, check_same_thread=False)
    ) as writer:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA busy_timeout = 50")
        writer.execute("BEGIN IMMEDIATE")
        yield writer
    connection.close()


@pytest.fixture
def no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk of the media folder takes half of every file."""

    def half(self: FileSystemStorage, name: str, content: Any) -> str:
        path = Path(self.path(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")
        os.write(os.open("/dev/full", os.O_WRONLY), b"the other half")
        return name

    def half_of_what_is_in_memory(place: Path) -> FileIO:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"half")
        return FileIO("/dev/full", "w")

    monkeypatch.setattr(FileSystemStorage, "_save", half)
    monkeypatch.setattr(storage, "_new_file", half_of_what_is_in_memory)


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


# --- Signing in


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "SIGN_IN_PATIENCE", 0.2)


def sign_in(site: Client) -> Answer:
    return site.post("/sign-in/", {"username": "ada", "password": PASSWORD})


@pytest.mark.django_db(transaction=True)
def test_signing_in_while_the_database_is_locked_says_so_quickly_and_keeps_the_name(
    ada: User, locked: sqlite3.Connection, site: Client, hurried: None, caplog: pytest.LogCaptureFixture
) -> None:
    response = sign_in(site)
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    page = response.content.decode()
    assert "busy with something else. Try again in a moment." in page
    assert 'value="ada"' in page
    assert "sessionid" not in response.cookies
    assert "media" not in response.cookies
    assert "Traceback" not in caplog.text
    locked.execute("ROLLBACK")
    assert sign_in(site).status_code == 302
    assert not SignInFailure.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_signing_in_waits_for_a_lock_of_a_moment(
    ada: User, locked: sqlite3.Connection, site: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts, "SIGN_IN_PATIENCE", 20.0)
    threading.Timer(0.3, lambda: locked.execute("ROLLBACK")).start()
    assert sign_in(site).status_code == 302


@pytest.mark.django_db(transaction=True)
def test_signing_in_with_a_full_disk_says_so_and_leaves_nobody_half_signed_in(ada: User, site: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA page_count")
        cursor.execute(f"PRAGMA max_page_count = {cursor.fetchone()[0]}")
        # Large rows, then small ones for the gaps, then such as a failed sign-in of ada would be.
        for name, address in (("x" * 150, None), ("y", None), ("adb", "127.0.0.2")):
            with pytest.raises(OperationalError, match="full"):
                while True:
                    SignInFailure.objects.create(name=name, address=address)
        response = sign_in(site)
        cursor.execute("PRAGMA max_page_count = 1000000")
    assert (response.status_code, response["Retry-After"]) == (503, "300")
    assert "The studio&#x27;s disk is full. Tell whoever runs the studio" in response.content.decode()
    assert "sessionid" not in response.cookies
    assert not Session.objects.exists()


# --- Pages, fragments, scripts


@pytest.mark.django_db(transaction=True)
def test_every_form_answers_in_words_while_the_database_is_locked(
    ada: User, desk: Client, locked: sqlite3.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    whole = desk.post("/jobs/clear/")
    assert (whole.status_code, whole["Retry-After"]) == (503, "5")
    assert "what you typed is still there" in whole.content.decode()
    fragment = desk.post("/jobs/clear/", headers={"HX-Request": "true"})
    assert (fragment.status_code, fragment["Content-Type"]) == (503, "text/plain; charset=utf-8")
    assert fragment.content.decode() == (
        "The studio's database is busy with something else. Nothing was kept. Try again in a moment."
    )
    script = desk.post("/jobs/clear/", headers={"Accept": "application/json"})
    assert script.status_code == 503
    assert script.json()["error"] == fragment.content.decode()
    for page in ("/", "/gallery/", "/queue/", "/styles/", "/datasets/"):
        assert desk.get(page).status_code == 200
    lines = [record for record in caplog.records if "busy with something else" in record.getMessage()]
    assert len(lines) == 3
    assert not any(record.exc_info for record in caplog.records)


@pytest.mark.django_db(transaction=True)
def test_a_session_that_cannot_be_stored_is_told_as_well(
    ada: User, desk: Client, locked: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nothing of the page itself fails: it is Django's own middleware that stores the session afterwards.
    def changed(request: Any) -> Any:
        request.session["seen"] = True
        from django.http import HttpResponse

        return HttpResponse("fine")

    from stylestudio.queue import views

    monkeypatch.setattr(views.urlpatterns[0], "callback", changed)
    response = desk.get("/queue/")
    assert response.status_code == 503
    assert "busy with something else. Try again in a moment." in response.content.decode()
    assert 'href="/queue/"' in response.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize(("cookie", "theme"), [("light", "light"), ("system", "system"), ("", "dark"), ('"x', "dark")])
def test_the_page_has_the_theme_of_the_person(
    desk: Client, monkeypatch: pytest.MonkeyPatch, cookie: str, theme: str
) -> None:
    def full(*args: Any, **more: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("stylestudio.queue.rows._active", full)
    desk.cookies["theme"] = cookie
    assert f'data-theme="{theme}"' in desk.get("/queue/").content.decode()


@pytest.mark.django_db
def test_the_page_says_it_in_the_language_of_the_person_and_needs_no_database(
    desk: Client, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    def full(*args: Any, **more: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("stylestudio.queue.rows._active", full)
    with django_assert_num_queries(3):  # whether there are accounts, session and person: before the page
        response = desk.get("/queue/", headers={"Accept-Language": "zh-hans"})
    assert response.status_code == 503
    assert 'lang="zh-hans"' in response.content.decode()


@pytest.mark.django_db
def test_an_error_of_ours_is_still_the_page_that_says_so(desk: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any, **more: Any) -> None:
        raise KeyError("ours")

    monkeypatch.setattr("stylestudio.queue.rows._active", broken)
    response = desk.get("/queue/")
    assert response.status_code == 500
    assert "Something broke on our side" in response.content.decode()


@pytest.mark.django_db
def test_a_damaged_page_that_a_person_meets_is_told_to_monitoring(
    desk: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cause = refuse(tmp_path / "x.sqlite3", "damaged")

    def damaged(*args: Any, **more: Any) -> None:
        raise DatabaseError(str(cause)) from cause

    file = tmp_path / "studio.sqlite3"
    monkeypatch.setattr(integrity, "database_file", lambda: file)
    monkeypatch.setattr("stylestudio.queue.rows._active", damaged)
    assert "is damaged" in desk.get("/queue/").content.decode()
    assert desk.get("/health").json()["damaged"] is True


# --- Uploads


def reference(desk: Client, **headers: str) -> Answer:
    return desk.post("/references/", {"reference": SimpleUploadedFile("a.png", png())}, headers=headers)


@pytest.mark.django_db
@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}], ids=["plain", "htmx"])
def test_a_reference_that_finds_no_room_is_told_and_nothing_half_is_kept(
    desk: Client, no_room: None, media: Path, headers: dict[str, str]
) -> None:
    response = reference(desk, **headers)
    assert (response.status_code, response["Retry-After"]) == (503, "300")
    assert "disk is full. Nothing was kept." in response.content.decode()
    assert not Reference.objects.exists()
    assert files_in(media) == []


@pytest.mark.django_db
def test_a_file_in_the_place_of_the_media_folder_is_told_too(desk: Client, media: Path) -> None:
    media.write_text("no folder")
    response = reference(desk)
    assert response.status_code == 503
    assert "may not use one of its own files or folders" in response.content.decode()


@pytest.mark.django_db(transaction=True)
def test_a_reference_whose_row_cannot_be_stored_leaves_no_file(
    ada: User, desk: Client, locked: sqlite3.Connection, media: Path
) -> None:
    assert reference(desk).status_code == 503
    assert files_in(media) == []


@pytest.mark.django_db
@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}], ids=["plain", "htmx"])
def test_pictures_for_a_dataset_that_find_no_room_are_told_and_nothing_half_is_kept(
    desk: Client, ada: User, no_room: None, media: Path, headers: dict[str, str]
) -> None:
    dataset = Dataset.objects.create(name="Foxes", owner=ada)
    files = [SimpleUploadedFile(f"{number}.png", png(64 + number)) for number in range(3)]
    response = desk.post(f"/datasets/{dataset.slug}/add/", {"file": files}, headers=headers)
    assert response.status_code == 503
    assert "disk is full. Nothing was kept." in response.content.decode()
    assert not DatasetImage.everything.exists()
    assert files_in(media) == []


@pytest.mark.django_db
def test_a_thumbnail_that_finds_no_room_takes_its_picture_with_it(
    desk: Client, ada: User, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[str] = []

    def all_but_the_second(real: Callable[..., Any]) -> Callable[..., Any]:
        def save(self: FileSystemStorage, name: str, content: Any) -> Any:
            saved.append(name)
            if len(saved) == 2:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(self, name, content)

        return save

    # Django's own, and ours for what is in memory.
    for owner, name in ((FileSystemStorage, "_save"), (storage.AsideStorage, "_write")):
        monkeypatch.setattr(owner, name, all_but_the_second(getattr(owner, name)))
    dataset = Dataset.objects.create(name="Foxes", owner=ada)
    response = desk.post(f"/datasets/{dataset.slug}/add/", {"file": SimpleUploadedFile("a.png", png())})
    assert response.status_code == 503
    assert files_in(media) == []


@pytest.mark.django_db
def test_a_picture_without_a_file_is_a_404_in_words(desk: Client, ada: User, media: Path) -> None:
    with pytest.raises(FileNotFoundError) as raised:
        default_storage.open("outputs/2026/11/gone.png")
    found = failures.of(raised.value)
    assert found and found.status == 404
    assert "missing in the studio" in found.sentence()


def test_a_full_disk_names_the_media_folder_to_commands(no_room: None, media: Path) -> None:
    with pytest.raises(OSError, match="No space left") as raised:
        default_storage.save("outputs/a.png", ContentFile(b"x"))
    assert failures.plainly(raised.value, "pics") == f"{media}: No space left on device"
