"""A file that has arrived reaches its purpose once, whatever happens at that moment."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from unittest.mock import patch

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.http import HttpResponse
from django.shortcuts import redirect
from django.test import Client

from stylestudio.models import Upload
from stylestudio.uploads import purposes
from stylestudio.uploads.purposes import Purpose, Refused
from tests.uploads.sending import TRUTH, Finished, begun, entered, locked, put, row, together, whole

pytestmark = pytest.mark.django_db


def test_finishing_too_early_says_what_has_arrived(client: Client, finished: Finished) -> None:
    upload = begun(client)
    put(client, upload, 0, TRUTH[:-1])
    answer = client.post(upload["finish"])
    assert (answer.status_code, answer.json()) == (409, {"received": len(TRUTH) - 1})
    assert finished.files == []


def test_finishing_twice_answers_the_same_and_does_it_once(client: Client, finished: Finished) -> None:
    finished.answer = lambda upload: HttpResponse("<p>kept</p>", status=201, headers={"HX-Trigger": "kept"})
    upload = whole(client)
    first, second = client.post(upload["finish"]), client.post(upload["finish"])
    for answer in (first, second):
        assert (answer.status_code, answer.text, answer.headers["HX-Trigger"]) == (201, "<p>kept</p>", "kept")
        assert answer.headers["Cache-Control"] == "private, no-cache"
    assert len(finished.files) == 1
    facts = client.get(upload["parts"]).json()
    assert (facts["finished"], facts["received"]) == (True, len(TRUTH))
    assert put(client, upload, 0, b"x").status_code == 409


@pytest.mark.parametrize("answer", ["/styles/", redirect("/styles/")])
def test_an_address_is_answered_as_one(client: Client, finished: Finished, answer: HttpResponse | str) -> None:
    finished.answer = lambda upload: answer
    assert client.post(whole(client)["finish"]).json() == {"location": "/styles/"}


def test_a_file_that_its_purpose_refuses_is_gone_and_the_sentence_stays(client: Client, finished: Finished) -> None:
    def refuse(upload: Upload) -> str:
        User.objects.create_user("left-behind")
        raise Refused("This is no LoRA.")

    finished.answer = refuse
    upload = whole(client)
    for _ in range(2):
        answer = client.post(upload["finish"])
        assert (answer.status_code, answer.json()) == (422, {"error": "This is no LoRA."})
    assert len(finished.files) == 1
    assert not row(upload).path.exists()
    assert not User.objects.filter(username="left-behind").exists()


def test_what_the_slow_look_finds_reaches_the_purpose(
    client: Client, finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    purpose = Purpose(
        name="note",
        most_bytes=10**6,
        suffixes=(".bin",),
        examine=lambda upload: upload.path.stat().st_size,
        finished=lambda request, upload, found: HttpResponse(f"{found} bytes"),
    )
    monkeypatch.setitem(purposes.known(), "note", purpose)
    assert client.post(whole(client)["finish"]).text == f"{len(TRUTH)} bytes"


def test_a_purpose_that_fails_can_be_asked_again(client: Client, finished: Finished) -> None:
    def fail(upload: Upload) -> str:
        raise RuntimeError("on purpose")

    finished.answer = fail
    upload = whole(client)
    with pytest.raises(RuntimeError):
        client.post(upload["finish"])
    finished.answer = lambda upload: "/"
    assert client.post(upload["finish"]).json() == {"location": "/"}
    assert finished.files == [TRUTH, TRUTH]


def test_a_stored_file_is_moved_into_the_media_folder(client: Client, finished: Finished) -> None:
    finished.answer = lambda upload: purposes.store(upload, "uploads/loras/x.bin")
    assert client.post(whole(client)["finish"]).json() == {"location": "uploads/loras/x.bin"}
    stored = Path(default_storage.path("uploads/loras/x.bin"))
    assert stored.read_bytes() == TRUTH
    if os.name != "nt":
        assert stat.S_IMODE(stored.stat().st_mode) == 0o644


def test_a_stored_file_is_copied_to_another_disk(client: Client, finished: Finished) -> None:
    finished.answer = lambda upload: purposes.store(upload, "uploads/loras/y.bin")
    upload = whole(client)
    real = Path.replace

    def other_disk(self: Path, target: Path) -> Path:
        if self.suffix == ".part":
            raise OSError(18, "Invalid cross-device link")
        return real(self, target)

    with patch.object(Path, "replace", other_disk):
        client.post(upload["finish"])
    assert Path(default_storage.path("uploads/loras/y.bin")).read_bytes() == TRUTH
    assert not row(upload).path.exists()


@pytest.mark.django_db(transaction=True)
def test_finishing_at_the_same_moment_happens_once_and_answers_the_same(ada: User, finished: Finished) -> None:
    upload = whole(entered(ada))
    clients = [entered(ada) for _ in range(5)]
    answers = together(5, lambda number: clients[number].post(upload["finish"]))
    assert [(answer.status_code, answer.text) for answer in answers] == [(200, "<p>a.bin</p>")] * 5
    assert finished.files == [TRUTH]


def test_a_full_or_locked_disk_is_a_sentence_that_the_page_can_show(client: Client, finished: Finished) -> None:
    upload = whole(client)
    for error, status, words in (
        (OSError(errno.EROFS, "x"), 507, "disk is read-only. Nothing was kept."),
        (locked(), 503, "busy with something else. Nothing was kept. Try again"),
    ):

        def refused(upload: Upload, error: Exception = error) -> str:
            raise error

        finished.answer = refused
        response = client.post(upload["finish"])
        assert response.status_code == status
        assert words in response.json()["error"]


def test_a_file_whose_row_cannot_be_stored_comes_back_and_is_not_sent_again(
    client: Client, finished: Finished, media: Path
) -> None:
    def fails(upload: Upload) -> str:
        purposes.store(upload, "uploads/styles/2026/11/a.bin")
        raise locked()

    finished.answer = fails
    upload = whole(client)
    assert client.post(upload["finish"]).status_code == 503
    assert not (media / "uploads/styles/2026/11/a.bin").exists()
    assert client.get(upload["parts"]).json()["received"] == len(TRUTH)
    finished.answer = lambda upload: HttpResponse(purposes.store(upload, "uploads/styles/2026/11/b.bin"))
    assert client.post(upload["finish"]).status_code == 200
    assert (media / "uploads/styles/2026/11/b.bin").read_bytes() == TRUTH
