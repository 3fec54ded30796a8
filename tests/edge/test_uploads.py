"""Large files in parts: who may send what, offsets, resuming, crashes, finishing once, sweeping."""

from __future__ import annotations

import errno
import io
import os
import shutil
import sqlite3
import stat
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.db import OperationalError, connections
from django.http import HttpResponse
from django.shortcuts import redirect
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from stylestudio.asgi import pages_and_files
from stylestudio.edge import serving as media
from stylestudio.host.locks import FileLock
from stylestudio.models import Upload
from stylestudio.people.access import StudioRequest
from stylestudio.processes import tasks
from stylestudio.uploads import parts, purposes
from stylestudio.uploads.purposes import Purpose, Refused

pytestmark = pytest.mark.django_db

TRUTH = bytes(range(256)) * 64  # 16 KB
UPLOAD = "5a1857a2-9158-4b8e-904d-13e4e5eea430"


class Finished:
    """A purpose that remembers what it was given."""

    def __init__(self) -> None:
        self.files: list[bytes] = []
        self.fields: list[dict[str, Any]] = []
        self.answer: Callable[[Upload], HttpResponse | str] = lambda upload: HttpResponse(f"<p>{upload.name}</p>")

    def __call__(self, request: StudioRequest, upload: Upload, found: Any) -> HttpResponse | str:
        self.files.append(upload.path.read_bytes())
        self.fields.append(request.POST.dict())
        return self.answer(upload)


@pytest.fixture
def finished(monkeypatch: pytest.MonkeyPatch) -> Finished:
    noted = Finished()
    purpose = Purpose(name="note", most_bytes=10**6, suffixes=(".bin", ".zip"), finished=noted)
    monkeypatch.setitem(purposes._purposes, "note", purpose)
    return noted


@pytest.fixture
def ada(finished: Finished) -> User:
    return User.objects.create_user("ada", password="five silver herons")


@pytest.fixture
def client(ada: User) -> Client:
    return entered(ada)


def entered(user: User, **options: Any) -> Client:
    client = Client(**options)
    client.force_login(user)
    return client


def start(client: Client, name: str = "a.bin", size: int = len(TRUTH), **fields: Any) -> Any:
    return client.post("/uploads/start", {"purpose": "note", "name": name, "size": size, **fields})


def begun(client: Client, **fields: Any) -> dict[str, Any]:
    answer = start(client, **fields)
    assert answer.status_code == 200, answer.text
    facts: dict[str, Any] = answer.json()
    return facts


def put(client: Client, upload: dict[str, Any], offset: int, body: bytes, **options: Any) -> Any:
    address = f"{upload['parts']}?offset={offset}"
    return client.put(address, body, content_type="application/octet-stream", **options)


def whole(client: Client, **fields: Any) -> dict[str, Any]:
    """Everything sent, nothing finished."""
    upload = begun(client, **fields)
    assert put(client, upload, 0, TRUTH).json() == {"received": len(TRUTH)}
    return upload


def row(upload: dict[str, Any]) -> Upload:
    return Upload.objects.get(pk=upload["id"])


def test_a_file_sent_in_parts_arrives_whole_and_reaches_its_purpose_with_the_forms_fields(
    client: Client, finished: Finished
) -> None:
    upload = begun(client)
    assert (upload["received"], upload["part_size"]) == (0, 4 * 2**20)
    for offset in range(0, len(TRUTH), 5000):
        answer = put(client, upload, offset, TRUTH[offset : offset + 5000])
        assert answer.json() == {"received": min(offset + 5000, len(TRUTH))}
    path = row(upload).path
    answer = client.post(upload["finish"], {"dataset": "7"})
    assert (answer.status_code, answer.text) == (200, "<p>a.bin</p>")
    assert finished.files == [TRUTH]
    assert finished.fields == [{"dataset": "7"}]
    assert not path.exists()
    assert list(path.parent.iterdir()) == []


def test_the_same_file_started_again_goes_on_and_other_files_and_people_do_not(client: Client, bob: User) -> None:
    upload = begun(client, fingerprint="17")
    put(client, upload, 0, TRUTH[:5000])
    again = begun(client, fingerprint="17")
    assert (again["id"], again["received"]) == (upload["id"], 5000)
    others = [begun(client, fingerprint="18"), begun(client, fingerprint="17", size=9), begun(entered(bob))]
    assert all((other["id"], other["received"]) != (upload["id"], 5000) for other in others)
    client.post(whole(client, fingerprint="19")["finish"])
    assert begun(client, fingerprint="19")["received"] == 0


def test_an_offset_that_is_not_the_end_gets_409_with_what_has_arrived_and_changes_nothing(client: Client) -> None:
    upload = begun(client)
    put(client, upload, 0, TRUTH[:5000])
    for offset in (0, 4999, 5001, 10**15):
        answer = put(client, upload, offset, b"x" * 100)
        assert (answer.status_code, answer.json()) == (409, {"received": 5000})
    assert row(upload).path.read_bytes() == TRUTH[:5000]
    assert client.get(upload["parts"]).json()["received"] == 5000


@pytest.mark.parametrize("offset", ["", "-1", "1.5", "x", "9" * 40])
def test_an_offset_without_sense_is_refused(client: Client, offset: str) -> None:
    upload = begun(client)
    answer = client.put(f"{upload['parts']}?offset={offset}", b"x", content_type="application/octet-stream")
    assert answer.status_code == 404
    assert row(upload).received == 0


def test_more_than_the_file_has_or_than_a_part_may_have_is_refused_and_counts_nothing(client: Client) -> None:
    upload = begun(client)
    assert put(client, upload, 0, TRUTH + b"x").status_code == 413
    assert client.get(upload["parts"]).json()["received"] == 0
    with patch.object(parts, "MOST_PART", 100):
        assert put(client, upload, 0, b"x" * 101).status_code == 413
        assert put(client, upload, 0, TRUTH[:100]).json() == {"received": 100}
    assert put(client, upload, 100, TRUTH[100:]).json() == {"received": len(TRUTH)}
    assert put(client, upload, len(TRUTH), b"x").status_code == 413
    client.post(upload["finish"])


def test_a_part_that_is_shorter_than_it_said_counts_nothing(client: Client) -> None:
    upload = begun(client)
    with pytest.raises(Refused, match="did not arrive whole"):
        parts.receive(row(upload), 0, io.BytesIO(TRUTH[:5000]), announced=6000)
    assert client.get(upload["parts"]).json()["received"] == 0
    assert put(client, upload, 0, TRUTH).json() == {"received": len(TRUTH)}


def test_a_part_must_be_sent_as_what_it_is(client: Client) -> None:
    answer = client.put(f"{begun(client)['parts']}?offset=0", b"a=b", content_type="text/plain")
    assert answer.status_code == 415


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
    monkeypatch.setitem(purposes._purposes, "note", purpose)
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


def test_a_cancelled_upload_is_gone_with_its_bytes(client: Client) -> None:
    upload = whole(client)
    path = row(upload).path
    assert client.delete(upload["parts"]).status_code == 204
    assert list(path.parent.iterdir()) == []
    assert client.get(upload["parts"]).status_code == 404
    assert put(client, upload, 0, TRUTH).status_code == 404
    assert client.post(upload["finish"]).status_code == 404


def test_an_upload_that_is_cancelled_while_a_part_arrives_leaves_nothing(client: Client) -> None:
    upload = begun(client)
    kept = row(upload)

    class Body:
        sent = False

        def read(self, size: int) -> bytes:
            if self.sent:
                return b""
            self.sent = True
            parts.cancel(row(upload))
            return b"x"

    with pytest.raises(parts.Http404):
        parts.receive(kept, 0, Body())
    assert list(kept.path.parent.iterdir()) == []


def test_nobody_but_the_owner_sees_an_upload(client: Client, bob: User, people: Callable[..., User]) -> None:
    upload = whole(client)
    for stranger in (entered(bob), entered(people("cora", owner=True))):
        assert stranger.get(upload["parts"]).status_code == 404
        assert put(stranger, upload, 0, TRUTH).status_code == 404
        assert stranger.delete(upload["parts"]).status_code == 404
        assert stranger.post(upload["finish"]).status_code == 404
    assert row(upload).received == len(TRUTH)


def test_who_is_not_signed_in_is_sent_to_sign_in(client: Client) -> None:
    upload = begun(client)
    assert start(Client()).headers["Location"].startswith("/sign-in/")
    answer = put(Client(), upload, 0, TRUTH, headers={"hx-request": "true", "hx-current-url": "http://testserver/x/"})
    assert answer.headers["HX-Redirect"] == "/sign-in/?next=/x/"
    assert row(upload).received == 0


def test_a_request_without_the_token_against_forgery_is_refused(client: Client, ada: User) -> None:
    upload = begun(client)
    strict = entered(ada, enforce_csrf_checks=True)
    assert start(strict).status_code == 403
    assert put(strict, upload, 0, TRUTH).status_code == 403
    assert strict.delete(upload["parts"]).status_code == 403
    assert strict.post(upload["finish"]).status_code == 403
    assert row(upload).received == 0
    strict.get("/account/")
    token = {"x-csrftoken": strict.cookies["csrftoken"].value}
    assert put(strict, upload, 0, TRUTH, headers=token).json() == {"received": len(TRUTH)}


def test_a_purpose_decides_who_may_by_the_forms_fields(
    client: Client, finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    def may(request: StudioRequest) -> None:
        if request.POST.get("dataset") != "7":
            raise PermissionDenied("Only the maker of this dataset adds to it.")

    purpose = Purpose(name="note", most_bytes=10**6, suffixes=(".bin",), finished=finished, may=may)
    monkeypatch.setitem(purposes._purposes, "note", purpose)
    answer = start(client)
    assert (answer.status_code, answer.json()) == (403, {"error": "Only the maker of this dataset adds to it."})
    upload = whole(client, dataset="7")
    assert client.post(upload["finish"], {"dataset": "8"}).status_code == 403
    assert client.post(upload["finish"], {"dataset": "7"}).status_code == 200


@pytest.mark.parametrize(
    ("fields", "status", "sentence"),
    [
        ({"purpose": "nothing"}, 404, "no such thing"),
        ({"size": 10**6 + 1}, 413, "at most 976.6"),
        ({"size": 0}, 422, "empty"),
        ({"size": -1}, 422, "empty"),
        ({"size": "many"}, 422, "needs the name and the size"),
        ({"size": 10**30}, 413, "too large"),
        ({"name": ""}, 422, "needs the name and the size"),
        ({"name": "a.exe"}, 422, ".bin, .zip"),
        ({"name": "a\0.bin"}, 422, "needs the name and the size"),
        ({"name": "/etc/.."}, 422, ".bin, .zip"),
    ],
)
def test_what_cannot_be_taken_is_refused_before_a_byte_was_sent(
    client: Client, fields: dict[str, Any], status: int, sentence: str
) -> None:
    answer = start(client, **fields)
    assert answer.status_code == status
    assert sentence in answer.json()["error"]
    assert not Upload.objects.exists()


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("C:\\art\\Ink & mist.BIN", "Ink & mist.BIN"),
        ("../../etc/水墨.bin", "水墨.bin"),
        ("evil\u202enib.bin\n", "evilnib.bin"),
        ("x" * 300 + ".bin", "x" * 196 + ".bin"),
        ("/", ""),
    ],
)
def test_a_name_is_only_shown_and_made_harmless_for_that(name: str, cleaned: str) -> None:
    assert purposes.clean_name(name) == cleaned


@given(st.text())
def test_any_name_becomes_one_that_fits(name: str) -> None:
    cleaned = purposes.clean_name(name)
    assert len(cleaned) <= 200
    assert "/" not in cleaned
    assert "\\" not in cleaned
    assert purposes.clean_name(cleaned) == cleaned


def test_files_are_private_and_named_by_us(client: Client) -> None:
    path = row(whole(client, name="../../x.bin")).path
    assert path.parent.name == "parts"
    assert path.stem.isalnum()
    if os.name != "nt":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_one_person_has_a_share_and_resting_uploads_make_room(
    client: Client, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purposes, "MOST_UNFINISHED", 3)
    first = begun(client, fingerprint="0")
    for number in (1, 2):
        begun(client, fingerprint=str(number))
    answer = start(client, fingerprint="3")
    assert answer.status_code == 429
    assert "Too many of your uploads" in answer.json()["error"]
    assert start(entered(bob)).status_code == 200
    Upload.objects.filter(pk=first["id"]).update(updated_at=timezone.now() - timedelta(hours=2))
    assert start(client, fingerprint="3").status_code == 200
    assert client.get(first["parts"]).status_code == 404


def test_the_share_counts_bytes_too(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purposes, "MOST_PENDING", 1000)
    begun(client, size=600)
    assert start(client, size=401).status_code == 429
    assert start(client, size=400).status_code == 200


def test_a_disk_that_is_nearly_full_takes_nothing_new(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    free = purposes.RESERVE + 1000
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(0, 0, free))  # type: ignore[attr-defined]
    begun(client, size=600)
    answer = start(client, size=401)
    assert answer.status_code == 507
    assert "disk is nearly full" in answer.json()["error"]
    assert start(client, size=400).status_code == 200


def test_a_disk_that_fills_up_meanwhile_is_said_and_counts_nothing(client: Client) -> None:
    upload = begun(client)
    with patch.object(os, "fsync", side_effect=OSError(errno.ENOSPC, "No space left on device")):
        answer = put(client, upload, 0, TRUTH)
    assert answer.status_code == 507
    assert "disk is nearly full" in answer.json()["error"]
    assert client.get(upload["parts"]).json()["received"] == 0
    assert put(client, upload, 0, TRUTH).json() == {"received": len(TRUTH)}


def test_bytes_that_a_crash_left_uncounted_are_cut_off(client: Client, finished: Finished) -> None:
    upload = begun(client)
    put(client, upload, 0, TRUTH[:5000])
    with row(upload).path.open("ab") as file:
        file.write(b"half a part that was never counted")
    assert client.get(upload["parts"]).json()["received"] == 5000
    put(client, upload, 5000, TRUTH[5000:])
    client.post(upload["finish"])
    assert finished.files == [TRUTH]


def test_bytes_that_were_lost_are_sent_again(client: Client, finished: Finished) -> None:
    upload = begun(client)
    put(client, upload, 0, TRUTH[:5000])
    os.truncate(row(upload).path, 3000)
    assert begun(client)["received"] == 3000
    assert put(client, upload, 5000, TRUTH[5000:]).json() == {"received": 3000}
    put(client, upload, 3000, TRUTH[3000:])
    row(upload).path.unlink()
    assert client.post(upload["finish"]).json() == {"received": 0}
    put(client, upload, 0, TRUTH)
    client.post(upload["finish"])
    assert finished.files == [TRUTH]


class Killed(BaseException):
    """The process ends here."""


class Dying:
    """A body in the midst of which the process is killed."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = list(pieces)

    def read(self, size: int) -> bytes:
        if not self.pieces:
            raise Killed
        return self.pieces.pop()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 60), st.binary(min_size=1, max_size=25)),
        st.tuples(st.just("next"), st.integers(1, 25), st.just(b"")),
        st.tuples(st.just("again"), st.integers(0, 25), st.just(b"")),
        st.tuples(st.just("crash"), st.just(0), st.binary(min_size=1, max_size=20)),
        st.tuples(st.just("lose"), st.integers(0, 60), st.just(b"")),
        st.tuples(st.just("short"), st.integers(0, 60), st.binary(min_size=1, max_size=25)),
        st.tuples(st.just("finish"), st.just(0), st.just(b"")),
    ),
    max_size=20,
)


@given(STEPS)
@hypothesis_settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_sent_in_whatever_order_the_counted_bytes_are_the_accepted_ones(
    client: Client, finished: Finished, steps: list[tuple[str, int, bytes]]
) -> None:
    size, accepted, last = 50, b"", (0, b"x")
    Upload.objects.all().delete()
    finished.files.clear()
    upload = begun(client, size=size)
    with patch.object(parts, "MOST_PART", 20):
        for act, number, body in steps:
            path = row(upload).path
            if act == "finish":
                answer = client.post(upload["finish"])
                assert answer.status_code == (200 if len(accepted) == size or finished.files else 409)
            elif finished.files:
                assert put(client, upload, number, body).status_code == 409
            elif act == "crash":
                with pytest.raises((Killed, Refused)):
                    parts.receive(row(upload), len(accepted), Dying(body))
            elif act == "lose":
                if path.exists() and number < path.stat().st_size:
                    os.truncate(path, number)
                    accepted = accepted[:number]
            elif act == "short":
                with pytest.raises((Refused, parts.Elsewhere)):
                    parts.receive(row(upload), number, io.BytesIO(body), announced=len(body) + 1)
            else:
                offset, sent = {
                    "put": (number, body),
                    "next": (len(accepted), os.urandom(number)),
                    "again": last,
                }[act]
                last = (offset, sent)
                answer = put(client, upload, offset, sent)
                if offset != len(accepted):
                    assert (answer.status_code, answer.json()["received"]) == (409, len(accepted))
                elif len(sent) > min(20, size - len(accepted)):
                    assert answer.status_code == 413
                else:
                    accepted += sent
                    assert answer.json() == {"received": len(accepted)}
            if not finished.files:
                assert client.get(upload["parts"]).json()["received"] == len(accepted)
                assert (path.read_bytes() if path.exists() else b"")[: len(accepted)] == accepted
    assert finished.files in ([], [accepted])


def together(count: int, act: Callable[[int], Any]) -> list[Any]:
    """The answers of so many threads that begin at the same moment."""
    barrier, answers = threading.Barrier(count), []

    def run(number: int) -> None:
        barrier.wait(10)
        try:
            answers.append(act(number))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return answers


@pytest.mark.django_db(transaction=True)
def test_of_different_parts_for_the_same_place_one_is_taken_whole(ada: User, finished: Finished) -> None:
    bodies = [bytes([number]) * len(TRUTH) for number in range(6)]
    upload = begun(entered(ada))
    clients = [entered(ada) for _ in bodies]
    answers = together(6, lambda number: put(clients[number], upload, 0, bodies[number]))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409, 409]
    assert row(upload).path.read_bytes() in bodies
    assert clients[0].post(upload["finish"]).status_code == 200
    assert finished.files[0] in bodies


@pytest.mark.django_db(transaction=True)
def test_finishing_at_the_same_moment_happens_once_and_answers_the_same(ada: User, finished: Finished) -> None:
    upload = whole(entered(ada))
    clients = [entered(ada) for _ in range(5)]
    answers = together(5, lambda number: clients[number].post(upload["finish"]))
    assert [(answer.status_code, answer.text) for answer in answers] == [(200, "<p>a.bin</p>")] * 5
    assert finished.files == [TRUTH]


@pytest.mark.django_db(transaction=True)
def test_starting_the_same_file_at_the_same_moment_makes_one_upload(ada: User) -> None:
    clients = [entered(ada) for _ in range(5)]
    answers = together(5, lambda number: begun(clients[number]))
    assert len({answer["id"] for answer in answers}) == 1
    assert Upload.objects.count() == 1


def test_a_part_does_not_wait_for_ever_for_another_one(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = begun(client)
    put(client, upload, 0, TRUTH[:5000])
    real = parts.alone
    monkeypatch.setattr(parts, "alone", lambda upload, patience: real(upload, 0.1))
    with FileLock(row(upload).path.with_suffix(".lock")):
        answer = put(client, upload, 5000, TRUTH[5000:])
    assert (answer.status_code, answer.json()) == (409, {"received": 5000})
    assert put(client, upload, 5000, TRUTH[5000:]).json() == {"received": len(TRUTH)}


@pytest.mark.parametrize(
    ("path", "to_django"),
    [
        ("/uploads/start", True),
        (f"/uploads/parts/{UPLOAD}", True),
        (f"/uploads/finish/{UPLOAD}", True),
        ("/uploads/started", False),
        ("/uploads/start/x.png", False),
        ("/uploads/parts/", False),
        (f"/uploads/parts/{UPLOAD}/../../references/x.png", False),
        (f"/uploads/parts/{UPLOAD}.part", False),
        ("/uploads/parts/" + UPLOAD.replace("-", "") + ".part", False),
        (f"/uploads/parts/{UPLOAD}\n", False),
        ("/uploads/references/2026/11/x.png", False),
        ("/outputs/x.png", False),
        ("/outputs/start", False),
        ("/queue/", True),
    ],
)
async def test_only_these_addresses_of_uploads_go_to_django(path: str, to_django: bool) -> None:
    asked: list[str] = []

    async def pages(scope: media.Scope, receive: media.Receive, send: media.Send) -> None:
        asked.append("pages")

    async def never() -> media.Message:
        raise AssertionError

    async def sent(message: media.Message) -> None:
        asked.append(str(message.get("status", "")))

    scope = {"type": "http", "method": "GET", "path": path, "headers": []}
    await pages_and_files(pages)(scope, never, sent)
    assert asked[0] == ("pages" if to_django else "403")


def test_no_address_of_the_mount_leads_to_a_part(client: Client, ada: User) -> None:
    path = row(whole(client)).path
    headers = {"cookie": f"{media.COOKIE}={client.cookies[media.COOKIE].value}"}
    (path.parent.parent / "uploads").mkdir()
    for address in (f"/uploads/../parts/{path.name}", f"/uploads/parts/{path.name}", f"/parts/{path.name}"):
        assert media.respond("GET", address, "", headers).status == 404


def test_uploads_that_nobody_touched_for_two_days_are_forgotten_and_files_without_rows_deleted(
    client: Client, media: Path
) -> None:
    old, young, done = (whole(client, fingerprint=text) for text in "abc")
    client.post(done["finish"])
    past = timezone.now() - timedelta(hours=49)
    Upload.objects.filter(pk__in=[old["id"], done["id"]]).update(updated_at=past)
    paths = {name: row(upload).path for name, upload in (("old", old), ("young", young))}
    stray, fresh = (paths["old"].with_name(f"{uuid4().hex}.{kind}") for kind in ("part", "lock"))
    stray.touch()
    fresh.touch()
    for file in (*paths.values(), stray):
        os.utime(file, (past.timestamp(), past.timestamp()))
    assert parts.sweep() == 2
    assert set(Upload.objects.values_list("pk", flat=True)) == {row(young).pk}
    left = {file.name for file in fresh.parent.iterdir() if file.suffix == ".part"}
    assert left == {paths["young"].name}
    assert fresh.exists()
    assert client.get(young["parts"]).json()["received"] == len(TRUTH)


def test_the_sweep_of_every_minute_looks_for_them_once_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    monkeypatch.setattr(parts, "_due", 0.0)
    monkeypatch.setattr(parts, "sweep", lambda: calls.append(1))
    tasks.sweep.call_local()
    tasks.sweep.call_local()
    assert calls == [1]


def test_a_backup_leaves_half_uploads_out(client: Client, own_data: Path, tmp_path: Path) -> None:
    whole(client)
    stored = own_data / "media/outputs/x.png"
    stored.parent.mkdir(parents=True)
    stored.write_bytes(b"x")
    with patch("stylestudio.management.commands.backup.save_database", lambda file: file.parent.mkdir(parents=True)):
        call_command("backup", str(tmp_path / "saved"))
    (saved,) = (tmp_path / "saved").glob("stylestudio-*/media")
    assert [entry.name for entry in saved.iterdir()] == ["outputs"]


@pytest.fixture(autouse=True)
def nothing_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sweeping is called by the tests alone."""
    monkeypatch.setattr(parts, "_due", float("inf"))


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


def locked() -> Exception:
    """What a locked database raises."""
    error = OperationalError("database is locked")
    error.__cause__ = sqlite3.OperationalError("database is locked")
    error.__cause__.sqlite_errorcode = sqlite3.SQLITE_BUSY  # type: ignore[attr-defined]
    return error


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
