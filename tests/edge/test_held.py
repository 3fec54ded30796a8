"""What held when the studio was attacked in November 2026, and was in no test yet: it stays held."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from django.contrib.auth import hashers
from django.contrib.auth.models import User
from django.db import models
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from pytest_django import Settings

from generation.engines.models import Engine
from generation.ordering import orders
from generation.ordering.orders import Order
from styles.models import Preset, Style, StyleVersion
from stylestudio.asgi import pages_and_files
from stylestudio.edge.serving import Message, Receive, Scope, Send
from tests.pages import Answer
from training.datasets.models import Dataset

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).parents[2]
PASSWORD = "drawing-room-7"


def sign_in(client: Client, name: str = "ada", password: str = PASSWORD, **extra: str) -> Answer:
    return client.post("/sign-in/", {"username": name, "password": password, **extra})


# Hosts and addresses


@pytest.mark.parametrize("host", ["evil.test", "localhost.evil.test", "evil.test:80", "localhost@evil.test", "[::2]"])
def test_a_foreign_host_is_refused(client: Client, ada: User, settings: Settings, host: str) -> None:
    settings.ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
    assert client.get("/sign-in/", headers={"Host": host}).status_code == 400
    assert client.get("/sign-in/", headers={"Host": "localhost:8000"}).status_code == 200


ELSEWHERE = [
    "https://evil.test/", "http://evil.test", "//evil.test/", "///evil.test", "/\\evil.test", "\\\\evil.test",
    "https:evil.test", "https:///evil.test", "javascript:alert(1)", "/\t/evil.test", " //evil.test",
    "http:\\\\evil.test", "//testserver@evil.test", "https://testserver.evil.test/", "\x00//evil.test",
]  # fmt: skip


@pytest.mark.parametrize("onward", ELSEWHERE)
def test_no_spelling_of_next_leads_to_another_site(client: Client, ada: User, onward: str) -> None:
    for answer in (
        sign_in(client, next=onward),
        client.get("/sign-in/", {"next": onward}),
        client.post("/account/language/", {"language": "en", "next": onward}),
        client.post("/account/theme/", {"theme": "dark"}, headers={"Referer": onward.replace("\x00", "")}),
    ):
        place = answer.headers["Location"]
        assert urlsplit(urljoin("http://testserver/sign-in/", place.replace("\\", "/"))).netloc == "testserver"


def test_line_breaks_in_next_stay_in_the_address(client: Client, ada: User) -> None:
    answer = sign_in(client, next="/account/\r\nSet-Cookie: a=b")
    assert "\n" not in answer.headers["Location"]
    assert "a" not in answer.cookies


async def test_nobody_can_move_the_addresses_of_a_page() -> None:
    """daphne reads a header `Daphne-Root-Path` from anybody."""
    seen: list[str] = []

    async def pages(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["root_path"])

    async def nothing() -> Message:
        return {}

    async def nobody(message: Message) -> None:
        pass

    scope = {"type": "http", "path": "/gallery/", "root_path": "/elsewhere", "headers": []}
    await pages_and_files(pages)(scope, nothing, nobody)
    assert seen == [""]


# Sessions, forgery, guessing


def test_signing_in_begins_a_session_of_a_new_name(client: Client, ada: User, bob: User) -> None:
    assert sign_in(client).status_code == 302
    first = client.session.session_key
    assert sign_in(client, "bob").status_code == 302
    second = client.session.session_key
    assert first and first != second
    stranger = Client()
    stranger.cookies["sessionid"] = first
    assert stranger.get("/account/").status_code == 302


@pytest.mark.parametrize("token", ["", "x" * 64, "y" * 32])
def test_a_form_with_a_foreign_token_is_refused(ada: User, token: str) -> None:
    client = Client(enforce_csrf_checks=True)
    client.get("/sign-in/")
    assert sign_in(client, csrfmiddlewaretoken=token).status_code == 403
    client.force_login(ada)
    for address in (
        "/sign-out/",
        "/account/password/",
        "/account/theme/",
        reverse("generation:generate"),
        "/uploads/start",
    ):
        assert client.post(address, {"csrfmiddlewaretoken": token}).status_code == 403


@pytest.mark.parametrize("other", ["ada ", " ada", "\tada", "ａｄａ", "ada\u3000"])
def test_another_spelling_of_a_name_counts_for_the_same_name(client: Client, ada: User, other: str) -> None:
    for _ in range(10):
        assert sign_in(client, other, "wrong").status_code == 422
    assert sign_in(client).status_code == 429


def test_whether_a_name_exists_cannot_be_told_by_the_time(
    client: Client, ada: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    User.objects.filter(pk=bob.pk).update(is_active=False)
    hashed: list[str] = []
    hasher = hashers.get_hasher()
    encode = type(hasher).encode

    def count(self: Any, password: str, salt: str, *rest: Any) -> str:
        hashed.append(password)
        return str(encode(self, password, salt, *rest))

    monkeypatch.setattr(type(hasher), "encode", count)
    for name in ("ada", "bob", "nobody"):
        hashed.clear()
        assert sign_in(client, name, "wrong").status_code == 422
        assert hashed == ["wrong"], name


# Stored markup

MARK = '"><script>x()</script>'


def test_nothing_of_ours_switches_escaping_off() -> None:
    # The guides are the project's own, and what reads them takes no HTML.
    allowed = {'mark_safe("<br>")', "mark_safe(html)"}
    found = []
    for app in ("stylestudio", "styles", "generation", "training"):
        for file in (ROOT / app).rglob("*.py"):
            found += re.findall(r"mark_safe\([^)]*\)|SafeString\(|\|safe\b|autoescape", file.read_text())
    for file in (ROOT / "templates").rglob("*"):
        if file.is_file():
            found += re.findall(r"\|\s*safe\b|autoescape|safeseq", file.read_text())
    assert set(found) <= allowed


def fill(*rows: models.Model) -> None:
    """Put MARK into every text of these rows that may be any text."""
    for row in rows:
        texts = {
            field.attname: MARK
            for field in row._meta.concrete_fields
            if type(field) in (models.CharField, models.TextField)
            and not (field.choices or field.unique)
            and (field.max_length or 1000) > len(MARK)
        }
        type(row)._default_manager.filter(pk=row.pk).update(**texts)


def addresses(patterns: Any = None, before: str = "/") -> Iterator[str]:
    """Every address without a number or name in it."""
    for entry in get_resolver().url_patterns if patterns is None else patterns:
        part = str(entry.pattern)
        if "<" in part or "(" in part:
            continue
        if isinstance(entry, URLResolver):
            yield from addresses(entry.url_patterns, before + part)
        elif isinstance(entry, URLPattern):
            yield before + part


@pytest.mark.heavy
def test_no_text_of_anybody_becomes_markup(client: Client, people: Callable[..., User]) -> None:
    ada = people("ada", owner=True)
    task = orders.place(Order(prompt="a fox", count=1), ada)
    style = Style.objects.create(name="Ink", owner=ada)
    preset = Preset.objects.create(style=style, owner=ada, name="Bold")
    dataset = Dataset.objects.create(name="Studies", owner=ada)
    engine = Engine.objects.create(address="http://10.0.0.7:1", health=Engine.Health.OK)
    fill(task, style, *StyleVersion.objects.filter(style=style), preset, dataset, engine)
    User.objects.filter(pk=ada.pk).update(first_name=MARK, last_name=MARK)
    client.force_login(ada)
    details = [task.get_absolute_url(), style.get_absolute_url(), dataset.get_absolute_url(), f"/?from={task.pk}"]
    shown = 0
    for address in [*details, *addresses()]:
        for headers in ({}, {"HX-Request": "true"}):
            answer = client.get(address, headers=headers)
            assert answer.status_code < 500 or address == "/health", address
            if not answer.streaming and "html" in answer.headers.get("Content-Type", ""):
                assert "<script>x" not in answer.text, address
                shown += "script&gt;x" in answer.text
    assert shown > 10
