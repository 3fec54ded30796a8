"""Files end with the session: signed out, switched off, deleted, a new password, in whatever way; without queries."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest
from channels.layers import get_channel_layer
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import DatabaseError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import Settings

from stylestudio.edge import passes, serving
from stylestudio.live import publisher

pytestmark = pytest.mark.django_db

PASSWORD = "five silver herons"
NEW = "nine copper kettles"


class Clock:
    """The clock that says when what is known is old."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(passes, "time", clock)
    return clock


@pytest.fixture(autouse=True)
def picture() -> str:
    """A file that is there."""
    default_storage.save("outputs/fox.png", ContentFile(b"png"))
    return "/outputs/fox.png"


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada", password=PASSWORD)


def browser(user: User) -> Client:
    """A browser in which `user` is signed in and has seen a page."""
    client = Client()
    client.force_login(user)
    client.get("/account/")
    return client


def fetch(cookie: str) -> int:
    """What somebody with this media cookie gets."""
    answer = serving.respond("GET", "/outputs/fox.png", "", {"cookie": f"{serving.COOKIE}={cookie}"})
    if answer.file:
        answer.file.close()
    return answer.status


def cookie(client: Client) -> str:
    return client.cookies[serving.COOKIE].value


def new_password(client: Client) -> None:
    form = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}
    assert client.post("/account/password/", form).status_code == 302


def by_command(client: Client) -> None:
    user = User.objects.get()
    user.set_password(NEW)
    user.save()


ENDS: dict[str, Callable[[Client], object]] = {
    "signed out": lambda client: client.post("/sign-out/"),
    "new password": new_password,
    "password by another process": by_command,
    "switched off": lambda client: User.objects.update(is_active=False),
    "deleted": lambda client: User.objects.get().delete(),
    "deleted by the database": lambda client: User.objects.all()._raw_delete("default"),
    "password by the database": lambda client: User.objects.update(password="!"),
    "sessions cleared": lambda client: Session.objects.all().delete(),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_a_media_cookie_ends_with_its_session_within_a_minute(
    ada: User, clock: Clock, end: Callable[[Client], object]
) -> None:
    client = browser(ada)
    held = cookie(client)
    assert fetch(held) == 200
    end(client)
    clock.now += passes.AGE
    assert fetch(held) == 403
    assert passes.AGE + passes.SECONDS_BETWEEN_SESSION_LOOKS < 60


@pytest.mark.parametrize("end", [ENDS["signed out"], ENDS["sessions cleared"]], ids=["signed out", "cleared"])
def test_it_ends_at_once_where_another_process_says_so(ada: User, end: Callable[[Client], object]) -> None:
    client = browser(ada)
    held = cookie(client)
    assert fetch(held) == 200
    end(client)
    passes.register.forget()
    assert fetch(held) == 403


def test_a_sign_out_in_one_browser_breaks_no_picture_in_another(ada: User, clock: Clock) -> None:
    here, there = browser(ada), browser(ada)
    left, stays = cookie(here), cookie(there)
    here.post("/sign-out/")
    clock.now += passes.AGE
    assert (fetch(left), fetch(stays)) == (403, 200)
    there.get("/account/")
    assert cookie(there) == stays


def test_after_a_new_password_the_browser_that_changed_it_goes_on(ada: User, clock: Clock) -> None:
    here, there = browser(ada), browser(ada)
    left = cookie(there)
    new_password(here)
    clock.now += passes.AGE
    assert (fetch(cookie(here)), fetch(left)) == (200, 403)
    assert there.get("/account/").status_code == 302
    assert not cookie(there)


def test_who_signed_in_a_moment_ago_sees_pictures_at_once(ada: User) -> None:
    bob = User.objects.create_user("bob", password=PASSWORD)
    assert fetch(cookie(browser(ada))) == 200
    assert fetch(cookie(browser(ada))) == 200
    assert fetch(cookie(browser(bob))) == 200


def test_another_person_in_the_same_browser_gets_a_cookie_of_their_own(ada: User) -> None:
    client = browser(ada)
    first = cookie(client)
    User.objects.create_user("bob", password=PASSWORD)
    client.post("/sign-in/", {"username": "bob", "password": PASSWORD})
    client.get("/account/")
    assert fetch(cookie(client)) == 200
    passes.register.forget()
    assert fetch(first) == 403


def test_a_page_of_pictures_asks_the_database_twice_and_not_for_each(ada: User, clock: Clock) -> None:
    held = cookie(browser(ada))
    with CaptureQueriesContext(connection) as asked:
        assert {fetch(held) for _ in range(200)} == {200}
    assert len(asked) == 2
    clock.now += passes.AGE - 1
    with CaptureQueriesContext(connection) as asked:
        assert {fetch(held) for _ in range(200)} == {200}
    assert len(asked) == 0


def test_a_cookie_that_ended_asks_once_and_a_forged_one_never(ada: User) -> None:
    client = browser(ada)
    held = cookie(client)
    assert fetch(held) == 200
    client.post("/sign-out/")
    passes.register.forget()
    with CaptureQueriesContext(connection) as asked:
        assert {fetch(held) for _ in range(50)} == {403}
        assert {fetch(held[:-2] + "xx") for _ in range(50)} == {403}
    assert len(asked) <= 4


def test_after_a_restart_the_same_cookie_is_good(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    held = cookie(browser(ada))
    monkeypatch.setattr(passes, "register", passes.Register())
    assert fetch(held) == 200


def test_a_wrong_clock_of_the_machine_changes_nothing(ada: User, clock: Clock, settings: Settings) -> None:
    """The age of what is known goes by a clock that nobody sets."""
    held = cookie(browser(ada))
    clock.now += 1e6
    assert fetch(held) == 200


def test_while_the_database_is_away_what_was_known_stands(
    ada: User, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = False
    tries = 0

    def read() -> passes.Table:
        nonlocal tries
        tries += 1
        if away:
            raise DatabaseError("away")
        return passes.read()

    monkeypatch.setattr(passes.register, "_read", read)
    held = cookie(browser(ada))
    assert fetch(held) == 200
    away = True
    clock.now += passes.AGE
    assert {fetch(held) for _ in range(10)} == {200}
    assert tries == 2
    User.objects.update(is_active=False)
    away = False
    clock.now += passes.PAUSE
    assert fetch(held) == 403


def test_a_process_that_never_reached_the_database_says_so(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def read() -> passes.Table:
        raise DatabaseError("away")

    monkeypatch.setattr(passes.register, "_read", read)
    answer = serving.respond("GET", "/outputs/fox.png", "", {"cookie": f"{serving.COOKIE}={cookie(browser(ada))}"})
    assert answer.status == 503
    assert b"The database does not answer" in answer.body


def test_nobody_waits_while_another_thread_reads(ada: User, clock: Clock) -> None:
    reading, go_on = threading.Event(), threading.Event()
    table = passes.read()

    def read() -> passes.Table:
        if threading.current_thread() is not threading.main_thread():
            reading.set()
            assert go_on.wait(10)
        return table

    register = passes.Register(read)
    held = passes.Pass(ada.pk, "x", "y")
    assert not register.has(held)
    clock.now += passes.AGE
    other = threading.Thread(target=register.has, args=(held,))
    other.start()
    assert reading.wait(10)
    assert not register.has(held)
    go_on.set()
    other.join()


def test_all_pictures_of_the_first_page_after_a_start_come(ada: User) -> None:
    """The browser asks for them at the same time; what one of them finds out counts for all."""
    reading, go_on = threading.Event(), threading.Event()
    held = passes.Pass(ada.pk, "x", "y")

    def read() -> passes.Table:
        reading.set()
        assert go_on.wait(10)
        return passes.Table({ada.pk: "x"}, frozenset("y"))

    register = passes.Register(read)
    answers: list[bool] = []
    first, second = (threading.Thread(target=lambda: answers.append(register.has(held))) for _ in range(2))
    first.start()
    assert reading.wait(10)
    second.start()
    second.join(0.2)  # the second has asked, and waits
    go_on.set()
    first.join()
    second.join()
    assert answers == [True, True]


async def test_what_another_process_says_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    told = asyncio.Event()
    monkeypatch.setattr(passes.register, "forget", told.set)
    layer = get_channel_layer()
    hearing = asyncio.create_task(passes.listen_for_session_ends())
    while passes.GROUP not in layer._groups:
        await asyncio.sleep(0)
    await asyncio.to_thread(publisher.check_sessions, 7)
    await asyncio.wait_for(told.wait(), 10)
    hearing.cancel()
    await layer.flush()
    await layer.close()


@pytest.mark.parametrize("text", ["", "7", "7.", "7.a", "7..b", ".a.b", "x.a.b", "-7.a.b", "²." + "a.b"])
def test_what_is_no_pass_is_none(text: str) -> None:
    assert passes.parse(text) is None
    assert str(passes.parse("7.a.b")) == "7.a.b"


def test_a_cookie_from_before_the_update_is_replaced_by_the_next_page(ada: User) -> None:
    client = browser(ada)
    old = serving._signer().sign(str(ada.pk))
    assert fetch(old) == 403
    client.cookies[serving.COOKIE] = old
    client.get("/account/")
    assert fetch(cookie(client)) == 200
