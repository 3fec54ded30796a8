"""Who may send what, how much of it, and who sees it."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from stylestudio.asgi import pages_and_files
from stylestudio.edge import serving as media
from stylestudio.models import Upload
from stylestudio.people.access import StudioRequest
from stylestudio.uploads import purposes
from stylestudio.uploads.purposes import Purpose
from tests.uploads.sending import TRUTH, UPLOAD, Finished, begun, entered, put, row, start, whole

pytestmark = pytest.mark.django_db


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
    monkeypatch.setitem(purposes.known(), "note", purpose)
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
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(0, 0, free))
    begun(client, size=600)
    answer = start(client, size=401)
    assert answer.status_code == 507
    assert "disk is nearly full" in answer.json()["error"]
    assert start(client, size=400).status_code == 200


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
