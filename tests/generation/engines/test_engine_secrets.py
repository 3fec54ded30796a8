"""What an engine must be given to be reached goes in, stays with its address, and never comes out."""

from __future__ import annotations

import importlib
import io
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import web
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from pytest_django import Settings

from generation.engines import diagnostics, roster
from generation.engines.models import Engine
from generation.ordering import orders
from generation.ordering.orders import Order
from generation.pictures import engine_cards, faults
from stylestudio import checks
from stylestudio.comfy.bridge import LoopThread
from stylestudio.comfy.connection.address import callable_url
from stylestudio.comfy.errors import ComfyError
from stylestudio.host.logs import SharedRotatingFile
from stylestudio.live import publisher
from stylestudio.preview_engine.server import PreviewThread
from stylestudio.preview_engine.troubles import Answer
from tests.comfy.connection.door import Door, certificate, standing

pytestmark = pytest.mark.django_db

HERE = "http://10.0.0.9:8188/comfy"
PLAIN = "pl@nted/pa:ss?wörd#1"
TOKEN = "pl4nted-t0ken.of+an/engine=="


class Form:
    """The form of the engine named Big."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.page = ""  # that the last form led to

    def __call__(self, **fields: str) -> Engine:
        """Send it, adding the engine first where it is not there: form(address=…), as it is then."""
        known = Engine.objects.filter(name="Big").first()
        place = "admin:engines_engine_change" if known else "admin:engines_engine_add"
        wanted = {"name": "Big", "address": known.address if known else HERE, **fields}
        answer = self._client.post(reverse(place, args=[known.pk] if known else []), wanted, follow=True)
        self.page = answer.content.decode()
        return Engine.objects.get(name="Big")


@pytest.fixture
def form(client: Client, curator: User) -> Form:
    """In a curator's browser."""
    client.force_login(curator)
    return Form(client)


ELSEWHERE = [
    "https://10.0.0.9:8188/comfy", "http://10.0.0.8:8188/comfy", "http://10.0.0.9:8189/comfy", "http://10.0.0.9:8188",
    "http://10.0.0.9:8188/comfy/2", "http://10.0.0.9/comfy",
]  # fmt: skip


@pytest.mark.parametrize("address", ELSEWHERE)
def test_a_changed_address_forgets_what_is_stored_and_says_so(form: Form, address: str) -> None:
    form(address=f"{HERE}?token={quote(TOKEN)}", credentials=f"ada:{PLAIN}")
    moved = form(address=address)
    assert (moved.address, moved.credentials, moved.url) == (address, "", address)
    assert "the sign-in of the old one is forgotten" in form.page
    assert (moved.health, moved.checked_at) == (Engine.Health.UNKNOWN, None)


@pytest.mark.parametrize("same", [HERE, f"{HERE}/", "http://10.0.0.9:8188/comfy#x", "HTTP://10.0.0.9:08188/comfy"])
def test_the_same_address_keeps_it(form: Form, same: str) -> None:
    before = form(credentials=f"ada:{PLAIN}").credentials
    engine = form(address=same)
    assert (engine.address, engine.credentials) == (HERE, before)


def test_a_new_address_takes_what_is_typed_with_it(form: Form) -> None:
    form(credentials="ada:old-secret", address=f"{HERE}?token=old-token")
    moved = form(address="http://10.0.0.8:1?token=new", credentials="bob:new")
    assert moved.url == "http://bob:new@10.0.0.8:1?token=new"
    assert form(address="http://carol@10.0.0.7:1").credentials == "carol"


def test_another_user_in_the_address_does_not_get_the_password(form: Form) -> None:
    form(credentials="ada:old-secret")
    assert form(address="http://carol@10.0.0.9:8188/comfy").credentials == "carol"


def test_each_kind_of_sign_in_is_typed_as_it_is_and_sent_as_that(form: Form, client: Client) -> None:
    assert form(kind="basic", credentials=f"ada:{PLAIN}").url.startswith(f"http://ada:{quote(PLAIN, safe='')}@")
    assert "Write it as user:password" in (form(kind="basic", credentials="pasted"), form.page)[1]
    engine = form(kind="bearer", credentials=f"Bearer {TOKEN}")
    assert engine.credentials == f"bearer:{quote(TOKEN, safe='')}"
    assert form(kind="bearer").credentials == engine.credentials
    assert "again" in (form(kind="basic"), form.page)[1]
    assert "A bearer token is stored." in form.page
    engine = form(kind="bearer", address=f"{HERE}/?token=abc")
    assert engine.credentials == f"bearer:{quote(TOKEN, safe='')}?token=abc"
    assert form(kind="bearer", forget="on").credentials == ""
    assert "Nothing is stored." in client.get(reverse("admin:engines_engine_add")).content.decode()
    engine = form(kind="basic", address=f"http://bearer:{quote(TOKEN, safe='')}@10.0.0.9:8188/comfy")
    assert (callable_url(engine.url).user, callable_url(engine.url).password) == ("bearer", TOKEN)


def test_a_form_that_is_shown_again_does_not_show_what_was_typed_into_the_address(form: Form) -> None:
    form()
    form(
        name="x" * 81,
        address=f"http://ada:{quote(PLAIN, safe='')}@10.0.0.9/?token={quote(TOKEN)}",
        credentials="a:bcdefg",
    )
    page = form.page
    assert "Type the user and password, or the token, again." in page
    assert not [secret for secret in (*secrets(), "bcdefg") if secret in page]


@pytest.mark.parametrize("address", ["http://ada:12/34@gpu:1", "http://bearer:a%0Ab@gpu", "http://gpu:0", "http://a b"])
def test_an_address_that_hides_half_a_password_or_cannot_be_called_is_refused(
    form: Form, settings: Settings, address: str
) -> None:
    form()
    assert form(address=address).address == HERE
    assert "Use an address such as" in form.page
    settings.COMFYUI_URLS = [address]
    [error] = checks.engine_addresses_are_addresses()
    assert error.id == "stylestudio.E001" and "34" not in str(error)


def test_the_preview_engine_takes_no_secret_to_its_next_port(settings: Settings) -> None:
    settings.COMFYUI_URLS, settings.PREVIEW_URL = [], "http://127.0.0.1:20001"
    roster.sync_engines()
    Engine.objects.filter(source=Engine.Source.PREVIEW).update(credentials="ada:secret")
    roster.sync_engines()
    assert Engine.objects.get(source=Engine.Source.PREVIEW).credentials == "ada:secret"
    settings.PREVIEW_URL = "http://127.0.0.1:20002"
    roster.sync_engines()
    assert Engine.objects.get(source=Engine.Source.PREVIEW).url == "http://127.0.0.1:20002"


def test_addresses_that_older_versions_stored_with_a_token_lose_it_and_keep_their_pictures(settings: Settings) -> None:
    rows = {
        "http://a:1/?token=t1": ("admin", True), "http://b:1?token=t2": ("env", True), "http://c:1": ("env", False),
        "http://c:1/?token=t3": ("admin", True), "http://d:1": ("admin", True), "http://d:1?token=t4": ("admin", True),
        "http://e:1?token=t5#7": ("env", False),
    }  # fmt: skip
    made = [Engine.objects.create(address=at, source=by, active=on) for at, (by, on) in rows.items()]
    kind, owner = ContentType.objects.create(app_label="generation", model="engine"), User.objects.create_user("olga")
    LogEntry.objects.create(user=owner, content_type=kind, object_repr="http://a:1/?token=t1", action_flag=1)
    migration = importlib.import_module("stylestudio.database.earlier.generation.0006_engine_secrets")
    models_of_then = SimpleNamespace(get_model=lambda label, name: LogEntry if label == "admin" else Engine)
    migration.take_tokens_out(models_of_then, None)
    after = {engine.pk: (engine.address, engine.credentials, engine.active) for engine in Engine.objects.all()}
    assert [after[engine.pk] for engine in made] == [
        ("http://a:1", "?token=t1", True),
        ("http://b:1", "", True),
        (f"http://c:1#{made[2].pk}", "", False),
        ("http://c:1", "?token=t3", True),
        ("http://d:1", "", True),
        (f"http://d:1#{made[5].pk}", "?token=t4", False),
        (f"http://e:1#{made[6].pk}", "", False),
    ]
    assert LogEntry.objects.get().object_repr == "http://a:1/"
    settings.COMFYUI_URLS = ["http://b:1?token=t2"]
    roster.sync_engines()
    assert Engine.objects.get(address="http://b:1").url == "http://b:1?token=t2"


# Certificates and sign-ins, as people see them


@pytest.fixture
def behind(preview: PreviewThread, tmp_path: Path) -> Iterator[Callable[..., tuple[str, Path]]]:
    """The address of the engine behind a door of its own, and the file with the door's certificate."""
    preview.troubles.clear()
    standings = []
    loop = LoopThread()

    def build(*, ask: Any = lambda request: None, tls: bool = False) -> tuple[str, Path]:
        file, context = certificate(tmp_path)
        place = standing(Door(preview.url, ask), tls=context if tls else None)
        standings.append(place)
        return str(loop.call(place.__aenter__())).rstrip("/"), file

    yield build
    roster.pool.close()
    for place in standings:
        loop.call(place.__aexit__(None, None, None))
    loop.stop()


def test_an_engine_with_its_own_certificate_is_used_once_a_setting_names_it(
    behind: Callable[..., tuple[str, Path]], settings: Settings, client: Client, curator: User
) -> None:
    address, file = behind(tls=True)
    engine = Engine.objects.create(address=address)
    assert not roster.probe(engine)
    assert (engine.closed, "COMFYUI_CA_FILE" in engine.trouble) == (True, True)
    [fact] = engine_cards.facts()
    assert (fact.state, fact.failed) == ("closed", True)
    client.force_login(curator)
    page = client.get(reverse("queue")).content.decode()
    assert "its certificate is not accepted" in page and "Check that ComfyUI runs there" not in page
    roster.pool.close()
    settings.COMFYUI_CA_FILE = file
    assert checks.the_certificates_can_be_read() == []
    assert roster.probe(engine)
    assert not engine.closed and engine_cards.facts()[0].state == "idle"


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_a_file_from_which_no_certificate_can_be_read_stops_the_start(
    settings: Settings, tmp_path: Path, content: bytes | None
) -> None:
    settings.COMFYUI_CA_FILE = tmp_path / "ca.pem"
    if content is not None:
        settings.COMFYUI_CA_FILE.write_bytes(content)
    [error] = checks.the_certificates_can_be_read()
    assert error.id == "stylestudio.E006" and str(tmp_path) in error.msg
    [finding] = diagnostics.look_at_engines()
    assert not finding.well and finding.name == "COMFYUI_CA_FILE"


@pytest.mark.parametrize("named", [True, False])
def test_doctor_says_that_an_engine_asks_for_a_sign_in(
    behind: Callable[..., tuple[str, Path]], settings: Settings, monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    address, _file = behind(ask=lambda request: web.Response(status=401))
    settings.COMFYUI_URLS = [address] if named else []
    monkeypatch.setattr(roster, "LOCAL", address)
    finding = next(iter(diagnostics.look_at_engines()))
    assert not finding.well and "asks for a sign-in" in finding.state


def test_doctor_signs_in_with_what_is_stored_for_an_engine_that_the_environment_names(
    behind: Callable[..., tuple[str, Path]], settings: Settings
) -> None:
    address, _file = behind(ask=lambda r: None if "Authorization" in r.headers else web.Response(status=401))
    settings.COMFYUI_URLS = [address]
    roster.sync_engines()
    Engine.objects.update(credentials="ada:secret")
    assert next(iter(diagnostics.look_at_engines())).well


# Never shown


def secrets() -> set[str]:
    """All spellings of the planted secrets, and pieces of them."""
    return {spelling for secret in (PLAIN, TOKEN) for spelling in (secret, quote(secret), quote(secret, safe=""))} | {
        "pl@nted", "pl4nted", "pl%40nted"
    }  # fmt: skip


def addresses() -> Iterator[str]:
    """Every address of the studio without a variable part."""

    def walk(patterns: list[Any], before: str) -> Iterator[str]:
        for pattern in patterns:
            route = before + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                yield from walk(pattern.url_patterns, route)
            elif isinstance(pattern, URLPattern) and not set(route) & set("<(\\^"):
                yield "/" + route

    yield from walk(get_resolver().url_patterns, "")


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Path]:
    """The log as a studio writes it, and what it says at its most talkative."""
    handler = SharedRotatingFile(tmp_path / "studio.log")
    handler.setFormatter(logging.getLogger().handlers[1].formatter)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield tmp_path / "studio.log"
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.mark.parametrize("in_environment", [pytest.param(True, marks=pytest.mark.heavy), False])
def test_secrets_of_engines_are_on_no_page_in_no_log_in_doctor_and_in_no_answer(
    preview: PreviewThread, people: Callable[..., User], settings: Settings, log: Path, in_environment: bool
) -> None:
    echo = f"GET {preview.url}/?token={TOKEN} as ada:{PLAIN}\n2026-01-01 00:00:00,000 INFO x: forged"
    person, query = f"ada:{quote(PLAIN, safe='')}", f"?token={quote(TOKEN, safe='')}"
    url = preview.url.replace("://", f"://{person}@") + query
    if in_environment:
        settings.COMFYUI_URLS = [url, f"http://bearer:{quote(TOKEN, safe='')}@127.0.0.1:9"]
        roster.sync_engines()
        engine, away = Engine.objects.order_by("pk")
    else:
        engine = Engine.objects.create(address=preview.url, credentials=person + query)
        away = Engine.objects.create(address="http://127.0.0.1:9", credentials=f"bearer:{quote(TOKEN, safe='')}")
    owner = people("olga", owner=True)
    task = orders.place(Order(prompt="a fox"), owner)
    preview.troubles.clear()
    try:
        assert not roster.probe(away)
        preview.troubles.add(Answer("/system_stats", "GET", status=500, body=echo, times=2))
        assert not roster.probe(engine)
        said = "".join(str(finding) for finding in diagnostics.look_at_engines())
        preview.troubles.clear()
        assert roster.probe(engine)
        refusal = json.dumps({"error": {"message": echo}})
        preview.troubles.add(Answer("/prompt", "POST", status=400, body=refusal))
        with pytest.raises(ComfyError) as caught:
            roster.pool.loop.call(roster.pool.client(engine).submit({}, "1", {}))
        task.fail(faults.kind_of(caught.value), str(caught.value), caught.value.detail)
        logging.getLogger("generation").error("While asking %s", url, exc_info=ValueError(f"{url}\n{echo}"))
    finally:
        preview.troubles.clear()
        roster.pool.close()
    client = Client()
    client.force_login(owner)
    pages = [*addresses(), *(reverse("admin:engines_engine_change", args=[row.pk]) for row in (engine, away))]
    pages.append(task.get_absolute_url())
    shown = {page: client.get(page).content.decode(errors="replace") for page in pages if "log-out" not in page}
    assert len(shown) > 40 and "127.0.0.1:9" in shown[reverse("queue")]
    out = io.StringIO()
    with pytest.raises(SystemExit):
        call_command("doctor", stdout=out)
    task.refresh_from_db()
    shown |= {
        "doctor": out.getvalue() + said,
        "log": log.read_text(),
        "facts": str(publisher.facts(task)) + str(engine_cards.facts()),
    }
    assert "***" in shown["log"] and "\n2026-01-01" not in shown["log"]
    assert {name for name, words in shown.items() if any(secret in words for secret in secrets())} == set()


def test_only_what_is_stored_can_be_forgotten(form: Form, client: Client) -> None:
    offer = '<input type="checkbox" name="forget"'
    assert offer not in client.get(reverse("admin:engines_engine_add")).content.decode()
    engine = form(kind="bearer", credentials=TOKEN)
    assert offer in client.get(reverse("admin:engines_engine_change", args=[engine.pk])).content.decode()
