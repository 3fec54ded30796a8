"""Which answers are compressed: pages, and never one with a secret. Every address of the studio is asked.

A new page with something that looks like a token, or with a signed address, fails here: send it with
`Cache-Control: no-store`, and name it in UNCOMPRESSED.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.test import Client
from django.urls import reverse

from generation.engines.models import Engine
from stylestudio.comfy.connection.address import bearer
from stylestudio.edge.compression import TYPES, compressed
from stylestudio.people import accounts
from tests.people.permission_cast import Cast
from tests.people.permission_rules import RULES
from tests.people.test_permissions import admin_rules, of_studio, path_in_admin, path_to

# Answers with a secret. "first-run": the form behind the one-time link.
UNCOMPRESSED = {"first-run"}
CREDENTIAL = "a-token-of-the-engine"
GZIP = {"Accept-Encoding": "gzip, deflate, br", "Accept": "text/html"}
LEAST = 500  # bytes; shorter answers may not become shorter by it
# Letters of both kinds and digits, as tokens and signatures have them, and long numbers to the base of sixteen.
TOKEN = re.compile(r"(?<![\w-])(?=[\w-]*[0-9])(?=[\w-]*[a-z])(?=[\w-]*[A-Z])[\w-]{20,}|\b[0-9a-f]{32,}\b")
SIGNED = re.compile(r"signature=|x-amz-", re.IGNORECASE)
# What looks like one and is none: Django's masked CSRF token, names of files, digests of LoRA files and of pictures.
HARMLESS = re.compile(
    r'<dd class="mono" title="[0-9a-f]{64}">|"csrfmiddlewaretoken" value="\w{64}"|"X-CSRFToken": "\w{64}"'
    r"|/(?:outputs|uploads|static)/[\w/.-]+"
)


@pytest.fixture
def cast(db: None) -> Iterator[Cast]:
    """The people and what was made."""
    with transaction.atomic():
        yield Cast()
        transaction.set_rollback(True)


def suspicious(text: str) -> list[str]:
    """What looks like a token, or like a signed address."""
    rest = HARMLESS.sub("", text)
    return [found.group() for pattern in (TOKEN, SIGNED) for found in pattern.finditer(rest)]


def plain(answer: HttpResponseBase) -> str:
    """An answer as the browser reads it."""
    assert isinstance(answer, HttpResponse)
    return (gzip.decompress(answer.content) if answer.has_header("Content-Encoding") else answer.content).decode()


def paths(cast: Cast) -> Iterator[tuple[str, str]]:
    """The name and the path of every address."""
    for address in of_studio(admin=False):
        yield address.name, path_to(cast, address, RULES[address.name])
    for address in of_studio(admin=True):
        yield address.name, path_in_admin(cast, address, admin_rules()[address.name])


def test_no_compressed_answer_has_a_secret_and_pages_are_compressed(cast: Cast) -> None:
    found, left = dict[str, list[str]](), set[str]()
    browser = cast.browsers["owner"]
    asked = 0
    secrets = {morsel.value for morsel in browser.cookies.values()} | {CREDENTIAL}
    Engine.objects.filter(pk=cast.engine.pk).update(credentials=bearer(CREDENTIAL))
    for name, path in paths(cast):
        with transaction.atomic():
            answer: HttpResponseBase = browser.get(path, headers=GZIP)
            transaction.set_rollback(True)
        if isinstance(answer, StreamingHttpResponse):
            list(answer)  # so its files are closed
        if answer.headers.get("Content-Type", "").partition(";")[0] not in TYPES:
            assert "Content-Encoding" not in answer.headers
            continue
        text = plain(answer)
        asked += answer.status_code == 200
        told = suspicious(text) + [secret for secret in secrets if secret and secret in text]
        if "Content-Encoding" not in answer.headers and len(text) >= LEAST:
            left.add(name)
        elif told:
            found[name] = told
    assert found == {}
    # Django's admin says `no-store` for all of its pages.
    assert {name for name in left if not name.startswith("admin")} <= UNCOMPRESSED
    assert asked > 80


@pytest.mark.django_db
def test_the_page_behind_the_one_time_link_is_never_compressed(client: Client, own_data: Path) -> None:
    link = accounts.first_run_link("http://testserver")
    assert link
    for answer in (client.get(link, headers=GZIP), client.post(link, {}, headers=GZIP)):
        assert isinstance(answer, HttpResponse) and len(answer.content) > LEAST
        assert "no-store" in answer.headers["Cache-Control"] and "Content-Encoding" not in answer.headers


def test_what_looks_like_a_secret_is_noticed() -> None:
    assert suspicious('<a href="/welcome/Zk3XpQ0aB_c-9dEfGhIjKlMnOpQrStUv/">')
    assert suspicious("https://s3.example.org/a.png?X-Amz-Signature=0")
    assert suspicious(f'data-key="{"0a" * 20}"')
    assert not suspicious('<input name="csrfmiddlewaretoken" value="' + "aB3" * 21 + 'x">')


def test_a_page_is_sent_compressed_to_those_who_can_read_that(ada: User, client: Client) -> None:
    client.force_login(ada)
    address = reverse("generation:gallery")
    whole, small = client.get(address), client.get(address, headers=GZIP)
    assert "Content-Encoding" not in whole.headers and small.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in whole.headers["Vary"] and "HX-Request" in small.headers["Vary"]
    assert "</html>" in plain(small) and int(small.headers["Content-Length"]) == len(small.content)
    assert len(small.content) < len(whole.content) / 2


@pytest.mark.parametrize(
    ("headers", "is_smaller"),
    [
        ({}, True),
        ({"Content-Type": "application/json"}, True),
        ({"Cache-Control": "private, no-store"}, False),
        ({"Content-Type": "image/png"}, False),
        ({"Content-Type": "application/zip"}, False),
    ],
)
async def test_only_text_without_a_secret_is_compressed(headers: dict[str, str], is_smaller: bool) -> None:
    request = HttpRequest()
    request.META["HTTP_ACCEPT_ENCODING"] = "gzip"

    async def soon(request: HttpRequest) -> HttpResponse:
        return HttpResponse(b"word " * 200, headers=headers)

    def now(request: HttpRequest) -> HttpResponse:
        return HttpResponse(b"word " * 200, headers=headers)

    for answer in (await compressed(soon)(request), compressed(now)(request)):
        assert (answer.headers.get("Content-Encoding") == "gzip") == is_smaller
