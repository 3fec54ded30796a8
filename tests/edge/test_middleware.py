"""Security headers, the door, the media cookie."""

from __future__ import annotations

import sqlite3
import time

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.db import OperationalError
from django.test import AsyncClient, Client
from pytest_django.fixtures import Settings

from stylestudio.edge import passes, serving
from stylestudio.edge.headers import security_headers as media_headers
from stylestudio.people import accounts

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def small_site(settings: Settings) -> None:
    """A few pages beside the real ones."""
    settings.ROOT_URLCONF = "tests.edge.urls"


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada", password="correct horse")


def whose(cookie: str) -> int | None:
    """The person in a media cookie."""
    found = serving.held(cookie)
    return found.person if found else None


@pytest.mark.parametrize("address", ["/private/", "/public/", "/no-such-page/", "/sign-in/"])
def test_every_answer_has_a_strict_policy(client: Client, ada: User, address: str) -> None:
    client.force_login(ada)
    headers = client.get(address).headers
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == policy["form-action"] == "'self'"
    assert policy["img-src"] == "'self' data:"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"


def test_an_error_page_has_the_headers_too(client: Client, ada: User) -> None:
    client.force_login(ada)
    client.raise_request_exception = False
    answer = client.get("/fails/")
    assert answer.status_code == 500
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_an_opener_policy_that_browsers_would_complain_about_is_left_out_on_plain_http(
    client: Client, ada: User, settings: Settings
) -> None:
    settings.PUBLIC_URL = "http://studio.example.org"
    assert "Cross-Origin-Opener-Policy" not in client.get("/public/").headers


@pytest.mark.parametrize(
    "address", ["/private/", "/public/", "/sign-in/", "/account/", "/no-such-page/", "/fails/", "/admin/", "/waits/"]
)
def test_pages_are_kept_for_back_but_asked_for_again(client: Client, ada: User, address: str) -> None:
    User.objects.update(is_staff=True)
    client.force_login(User.objects.get())
    client.raise_request_exception = False
    headers = client.get(address).headers
    assert headers["Cache-Control"] == "private, no-cache"
    assert "HX-Request" in headers["Vary"]


def test_a_page_with_a_secret_is_not_kept(client: Client) -> None:
    link = accounts.first_run_link("http://testserver")
    assert link
    answer = client.get(link)
    assert "Create the owner account" in answer.text
    assert answer.headers["Cache-Control"] == "private, no-store"


def test_the_icon_keeps_a_caching_of_its_own(client: Client, ada: User) -> None:
    assert client.get("/favicon.ico").headers["Cache-Control"] == "public, max-age=86400"


@pytest.mark.parametrize(
    ("address", "told"),
    [("https://studio.example.org", "max-age=2592000"), ("http://studio.example.org", None), ("", None)],
)
def test_browsers_are_told_to_stay_with_tls_where_the_address_has_it(
    client: Client, ada: User, settings: Settings, address: str, told: str | None
) -> None:
    settings.PUBLIC_URL = address
    assert client.get("/public/").headers.get("Strict-Transport-Security") == told
    assert media_headers().get("Strict-Transport-Security") == told


@pytest.mark.parametrize("address", ["/", "/private/", "/public/", "/sign-in/", "/admin/", "/admin/login/"])
def test_without_any_account_every_page_says_where_the_link_is(client: Client, address: str) -> None:
    answer = client.get(address)
    assert answer.status_code == 200
    assert "first_run_token" in answer.text
    assert "private to" not in answer.text


def test_without_any_account_health_still_answers(client: Client) -> None:
    assert client.get("/health").text == "public"


def test_a_stranger_is_sent_to_sign_in_and_back(client: Client, ada: User) -> None:
    answer = client.get("/private/?a=1&b=2")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/sign-in/?next=/private/%3Fa%3D1%26b%3D2")
    assert client.get("/public/").text == "public"


def test_htmx_moves_the_page_to_sign_in_and_swaps_nothing(client: Client, ada: User) -> None:
    answer = client.post(
        "/private/", headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/gallery/?style=ink"}
    )
    assert answer.status_code == 200
    assert answer.headers["HX-Redirect"] == "/sign-in/?next=/gallery/%3Fstyle%3Dink"
    assert answer.content == b""


def test_the_admin_has_no_sign_in_of_its_own(client: Client, ada: User) -> None:
    answer = client.get("/admin/login/?next=/admin/auth/user/")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/sign-in/?next=/admin/auth/user/")
    assert client.post("/admin/login/", {"username": "ada", "password": "correct horse"}).status_code == 302
    assert "_auth_user_id" not in client.session


def test_whoever_is_signed_in_gets_a_media_cookie_that_scripts_cannot_read(client: Client, ada: User) -> None:
    client.force_login(ada)
    cookie = client.get("/private/").cookies[serving.COOKIE]
    assert whose(cookie.value) == ada.pk
    assert (cookie["httponly"], cookie["samesite"], cookie["max-age"]) == (True, "Lax", 24 * 60 * 60)
    assert not cookie["secure"]


def test_the_media_cookie_is_secure_where_the_session_is(client: Client, ada: User, settings: Settings) -> None:
    settings.SESSION_COOKIE_SECURE = True
    client.force_login(ada)
    assert client.get("/private/", secure=True).cookies[serving.COOKIE]["secure"]


def test_a_fresh_media_cookie_is_left_alone_and_an_old_one_renewed(
    client: Client, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.force_login(ada)
    client.get("/private/")
    assert serving.COOKIE not in client.get("/private/").cookies
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 2 * 60 * 60)
    assert serving.COOKIE in client.get("/private/").cookies


def test_a_media_cookie_of_somebody_else_is_replaced(client: Client, ada: User) -> None:
    client.cookies[serving.COOKIE] = serving.sign(passes.Pass(ada.pk + 1, "password", "session"))
    client.force_login(ada)
    assert whose(client.get("/private/").cookies[serving.COOKIE].value) == ada.pk


def test_sign_out_takes_the_media_cookie_away(client: Client, ada: User) -> None:
    client.force_login(ada)
    client.get("/private/")
    assert client.cookies[serving.COOKIE].value
    client.post("/sign-out/")
    assert not client.cookies[serving.COOKIE].value
    assert client.get("/private/").status_code == 302


def test_a_person_who_was_switched_off_loses_the_media_cookie(client: Client, ada: User) -> None:
    client.force_login(ada)
    client.get("/private/")
    User.objects.update(is_active=False)
    assert client.get("/private/").status_code == 302
    assert not client.cookies[serving.COOKIE].value


def test_a_stranger_gets_no_media_cookie(client: Client, ada: User) -> None:
    assert serving.COOKIE not in client.get("/public/").cookies
    assert serving.COOKIE not in client.get("/private/").cookies


@pytest.mark.django_db(transaction=True)
async def test_all_of_it_works_under_asgi_too() -> None:
    ada = await User.objects.acreate_user("ada", password="correct horse")
    client = AsyncClient()
    assert (await client.get("/waits/")).status_code == 302
    await client.aforce_login(ada)
    answer = await client.get("/waits/")
    assert answer.content == b"awaited"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert whose(answer.cookies[serving.COOKIE].value) == ada.pk
    assert (await client.get("/no-such-page/")).status_code == 404


@pytest.mark.django_db(transaction=True)
async def test_a_database_that_is_away_while_a_session_is_loaded_is_told_in_words(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ROOT_URLCONF = "stylestudio.urls"  # has the words
    ada = await User.objects.acreate_user("ada", password="correct horse")
    client = AsyncClient(raise_request_exception=False)
    await client.aforce_login(ada)
    load = SessionStore.load

    def fail_once(session: SessionStore) -> dict[str, object]:
        monkeypatch.setattr(SessionStore, "load", load)
        cause = sqlite3.OperationalError("database is locked")
        cause.sqlite_errorcode = sqlite3.SQLITE_BUSY
        raise OperationalError(str(cause)) from cause

    monkeypatch.setattr(SessionStore, "load", fail_once)
    assert (await client.get("/")).status_code == 503
    assert (await client.get("/")).status_code == 200
