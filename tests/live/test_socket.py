"""The page's one socket: who may listen, what comes at once, what comes later, and when it ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from channels.layers import get_channel_layer
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from generation.engines.models import Engine
from generation.ordering import orders
from generation.ordering.orders import Order
from generation.pictures.models import GenerationTask
from stylestudio.edge import passes
from stylestudio.live import hub as layers
from stylestudio.live import publisher
from stylestudio.people.visibility import Visibility
from tests.live.conftest import Listen, dial, run, signed_in

pytestmark = pytest.mark.django_db(transaction=True)

SIGNED_OUT, FOREIGN, NOTHING_THERE, LATER = 4401, 4403, 4404, 4503


async def refusal(user: User | None, **options: str) -> int:
    """The code with which the socket is refused."""
    socket = await run(dial)(user, **options)
    accepted, code = await socket.connect(timeout=10)
    await socket.disconnect()
    assert not accepted
    return int(code)


async def facts(socket: WebsocketCommunicator) -> dict[str, Any]:
    """The next message for a script."""
    found = json.loads(await socket.receive_from(timeout=5))
    assert isinstance(found, dict)
    return found


async def fragment(socket: WebsocketCommunicator, having: str) -> str:
    """The next pushed HTML with these words in it."""
    while having not in (html := str(await socket.receive_from(timeout=5))):
        pass
    return html


async def closing(socket: WebsocketCommunicator) -> int:
    """The code with which the server closes it."""
    while (message := await socket.receive_output(timeout=5))["type"] != "websocket.close":
        pass
    return int(message["code"])


async def quiet(socket: WebsocketCommunicator) -> bool:
    """Whether it says nothing; fails with what it says. What was sent before has arrived: delivery takes no thread."""
    if not await socket.receive_nothing(timeout=0.3, interval=0.02):
        pytest.fail(f"it says {await socket.receive_output(timeout=1)}")
    return True


def place(user: User, prompt: str = "a fox", **fields: Any) -> GenerationTask:
    """A waiting task."""
    task = orders.place(Order(prompt=prompt, count=2), user)
    if fields:
        GenerationTask.objects.filter(pk=task.pk).update(**fields)
        task.refresh_from_db()
    return task


def push(task: GenerationTask) -> None:
    """What the publisher does for a change."""
    task.refresh_from_db()
    publisher.publish(publisher.groups(task), publisher.fragments(task), publisher.facts(task))


# Who may listen


async def test_nobody_listens_without_a_session(hub: None, db: None) -> None:
    assert await refusal(None) == SIGNED_OUT


async def test_a_session_that_ended_is_none(hub: None, ada: User) -> None:
    client = await run(signed_in)(ada)
    socket = await run(dial)(client)
    await run(client.session.flush)()
    assert await socket.connect(timeout=10) == (False, SIGNED_OUT)


async def test_somebody_who_left_does_not_listen(hub: None, ada: User) -> None:
    client = await run(signed_in)(ada)
    await run(User.objects.filter(pk=ada.pk).update)(is_active=False)
    assert await run(dial)(client) and await refusal(client) == SIGNED_OUT


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.test",
        "http://studio.test:8001",
        "https://studio.test.evil.test",
        "null",
        "http://evil.test/studio.test",
    ],
)
async def test_another_sites_page_does_not_listen(hub: None, ada: User, origin: str) -> None:
    assert await refusal(ada, origin=origin) == FOREIGN


@pytest.mark.parametrize("origin", ["http://studio.test", "https://studio.test", ""])
async def test_our_pages_and_scripts_with_a_session_listen(listen: Listen, ada: User, origin: str) -> None:
    async with listen(ada, origin=origin) as socket:
        assert "rail-badge" in await socket.receive_from(timeout=5)


async def test_the_public_address_is_ours_too(listen: Listen, ada: User, settings: Settings) -> None:
    settings.CSRF_TRUSTED_ORIGINS = ["https://studio.example.org"]
    async with listen(ada, origin="https://studio.example.org") as socket:
        assert "rail-badge" in await socket.receive_from(timeout=5)


# What comes


async def test_a_script_gets_json_with_the_promised_keys(listen: Listen, ada: User) -> None:
    task = await run(place)(ada)
    async with listen(ada, format="json") as socket:
        message = await facts(socket)
        assert (message["kind"], message["id"], message["status"], message["progress"]) == (
            "generation",
            task.pk,
            "queued",
            0,
        )
        assert datetime.fromisoformat(message["timestamp"]) <= datetime.now(UTC)
        await run(task.start)("w")
        await run(push)(task)
        assert (await facts(socket))["status"] == "running"


async def test_a_script_is_not_told_what_pages_wear(listen: Listen, ada: User) -> None:
    async with listen(ada, format="json") as socket:
        await run(publisher.publish_shell)("shell/_toast.html", message="hello")
        await run(publisher.publish)([publisher.mine(ada)], {"en": "<img>", "zh-hans": "<img>"})
        await run(publisher.counts_changed)()
        assert await quiet(socket)


async def test_mine_is_mine_and_all_is_all(listen: Listen, ada: User, bob: User) -> None:
    async with (
        listen(ada, format="json", watch="mine") as mine,
        listen(ada, format="json", watch="all") as everyones,
    ):
        theirs, own = await run(place)(bob), await run(place)(ada)
        await run(push)(theirs)
        await run(push)(own)
        assert (await facts(mine))["id"] == own.pk
        assert [(await facts(everyones))["id"], (await facts(everyones))["id"]] == [theirs.pk, own.pk]
        assert await quiet(mine)


async def test_one_job_can_be_watched(listen: Listen, ada: User, bob: User) -> None:
    other, watched = await run(place)(bob), await run(place)(bob)
    async with listen(ada, format="json", watch=f"generation-{watched.pk}") as socket:
        assert (await facts(socket))["id"] == watched.pk
        await run(push)(other)
        await run(watched.cancel)()
        await run(push)(watched)
        assert await facts(socket) | {"timestamp": ""} == publisher.facts(watched) | {"timestamp": ""}
        assert await quiet(socket)


async def test_on_connect_comes_what_changed_since_the_page_the_ended_too(listen: Listen, ada: User) -> None:
    page = timezone.now()
    await run(place)(ada, "before", updated_at=page - timedelta(minutes=1))
    waiting, ended = await run(place)(ada, "since"), await run(place)(ada, "ended")
    await run(ended.cancel)()
    async with listen(ada, format="json", since=page.isoformat()) as socket:
        found = [await facts(socket), await facts(socket)]
        assert [(one["id"], one["status"]) for one in found] == [(waiting.pk, "queued"), (ended.pk, "cancelled")]
        assert await quiet(socket)


async def test_clocks_may_differ_by_some_seconds(listen: Listen, ada: User) -> None:
    page = timezone.now()
    task = await run(place)(ada, updated_at=page - timedelta(seconds=4))
    async with listen(ada, format="json", since=page.isoformat()) as socket:
        assert (await facts(socket))["id"] == task.pk


async def test_a_cleared_job_does_not_come_back(listen: Listen, ada: User) -> None:
    page = timezone.now()
    task = await run(place)(ada)
    await run(task.cancel)()
    await run(GenerationTask.objects.update)(cleared_at=timezone.now())
    async with listen(ada, format="json", since=page.isoformat()) as socket:
        assert await quiet(socket)
    async with listen(ada, format="json", since=page.isoformat(), watch=f"generation-{task.pk}") as socket:
        assert (await facts(socket))["status"] == "cancelled"


async def test_a_page_gets_whole_fragments_then_its_badge(listen: Listen, ada: User, bob: User) -> None:
    task = await run(place)(ada, "a heron")
    await run(place)(bob)
    async with listen(ada, lang="en") as socket:
        html = await socket.receive_from(timeout=5)
        assert f'id="job-generation-{task.pk}"' in html and f'id="row-generation-{task.pk}"' in html
        assert "1/2" in await socket.receive_from(timeout=5)


async def test_the_badge_follows_the_counts_and_several_changes_are_one(listen: Listen, ada: User, bob: User) -> None:
    async with listen(ada) as socket:
        assert "hidden" in await socket.receive_from(timeout=5)
        for _time in range(5):
            await run(place)(bob)
            await run(publisher.counts_changed)()
        assert "0/5" in await fragment(socket, "0/5")
        assert await quiet(socket)


async def test_everybody_sees_an_engine_change(listen: Listen, ada: User) -> None:
    async with listen(ada) as socket:
        await run(Engine.objects.create)(address="http://10.0.0.7:1", device="RTX 4090", health=Engine.Health.OK)
        await run(publisher.publish_engines)()
        assert "engine-pill" in await fragment(socket, "RTX 4090")


async def test_each_page_hears_its_own_language(listen: Listen, ada: User) -> None:
    task = await run(place)(ada)
    async with (
        listen(ada, lang="en", since=timezone.now().isoformat()) as english,
        listen(ada, lang="zh-hans") as chinese,
        listen(ada, lang="klingon") as fallback,
    ):
        html = {"en": f"hello {task.pk}", "zh-hans": f"你好 {task.pk}"}
        await run(publisher.publish)([publisher.mine(ada)], html)
        assert await fragment(english, "hello") == html["en"]
        assert await fragment(chinese, "你好") == html["zh-hans"]
        assert await fragment(fallback, "hello") == html["en"]


@pytest.mark.live_pushes
async def test_a_change_arrives_without_anybody_asking(listen: Listen, ada: User) -> None:
    async with listen(ada, format="json") as socket:
        task = await run(place)(ada)
        assert (await facts(socket))["status"] == "queued"
        await run(task.cancel)()
        await run(publisher.changed)(task)
        while (await facts(socket))["status"] != "cancelled":
            pass
    await asyncio.to_thread(publisher.publisher.flush)


# What is private


async def test_a_private_job_is_its_owners(listen: Listen, ada: User, bob: User) -> None:
    secret = await run(place)(ada, "a surprise for bob", visibility=Visibility.PRIVATE)
    async with (
        listen(bob, format="json", watch="all") as theirs,
        listen(ada, format="json", watch="mine") as own,
    ):
        assert (await facts(own))["id"] == secret.pk
        await run(push)(secret)
        assert (await facts(own))["id"] == secret.pk
        assert await quiet(theirs)
    assert await refusal(bob, watch=f"generation-{secret.pk}") == NOTHING_THERE
    async with listen(ada, watch=f"generation-{secret.pk}") as watching:
        assert "a surprise for bob" in await fragment(watching, "job-generation-")


# Values that make no sense


@pytest.mark.parametrize(
    "watch",
    ["", "generation", "generation-", "generation-abc", "generation-0", "generation--1", "generation-²", "painting-1",
     "generation-" + "9" * 30, "generation-" + "9" * 5000, "ALL", "jobs.all", "generation-1\0"],
)  # fmt: skip
async def test_what_is_not_there_cannot_be_watched(hub: None, ada: User, watch: str) -> None:
    # An empty value is left out by the parser, so it means the default.
    if watch:
        assert await refusal(ada, watch=watch) == NOTHING_THERE
    else:
        socket = await run(dial)(ada, watch=watch)
        assert (await socket.connect(timeout=10))[0]
        await socket.disconnect()


@pytest.mark.parametrize(
    "since",
    ["", "yesterday", "2024-05-05", "2024-05-05T10:00:00", "2024-05-05 10:00:00 00:00", "NaN",
     "0001-01-01T00:00:00+00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "9" * 5000, "\0"],
)  # fmt: skip
async def test_a_time_that_makes_no_sense_means_everything_that_is_active(
    listen: Listen, ada: User, since: str
) -> None:
    task = await run(place)(ada)
    async with listen(ada, format="json", since=since) as socket:
        assert (await facts(socket))["id"] == task.pk


async def test_what_a_page_says_is_not_heard(listen: Listen, ada: User) -> None:
    async with listen(ada, format="json") as socket:
        await socket.send_to(text_data='{"type": "push"}')
        await socket.send_to(bytes_data=b"\0\xff")
        task = await run(place)(ada)
        await run(push)(task)
        assert (await facts(socket))["id"] == task.pk


# When it ends


@pytest.mark.parametrize("form", ["html", "json"])
async def test_signing_out_closes_the_sockets_of_that_session_only(listen: Listen, ada: User, form: str) -> None:
    here, elsewhere = await run(signed_in)(ada), await run(signed_in)(ada)
    async with listen(here, format=form) as ends, listen(elsewhere, format=form) as stays:
        await run(here.post)(reverse("sign-out"))
        assert await closing(ends) == SIGNED_OUT
        task = await run(place)(ada)
        await run(push)(task)
        assert str(task.pk) in await fragment(stays, "generation")


async def test_a_new_password_closes_the_sockets_of_other_sessions(listen: Listen, ada: User) -> None:
    here, elsewhere = await run(signed_in)(ada), await run(signed_in)(ada)
    words = {"old_password": "drawing-room-7", "new_password1": "painting-room-8", "new_password2": "painting-room-8"}
    async with listen(elsewhere) as socket:
        response = await run(here.post)(reverse("account-password"), words)
        assert response.status_code == 302
        assert await closing(socket) == SIGNED_OUT


async def test_somebody_who_leaves_hears_no_more(listen: Listen, ada: User, bob: User) -> None:
    async with listen(ada) as socket, listen(bob, format="json") as other:
        ada.is_active = False
        await run(ada.save)()
        assert await closing(socket) == SIGNED_OUT
        task = await run(place)(bob)
        await run(push)(task)
        assert (await facts(other))["id"] == task.pk


async def delete(user: User) -> None:
    """As the admin does."""
    await run(user.delete)()


async def delete_many(user: User) -> None:
    """As the admin does with those that are ticked."""
    await run(User.objects.filter(pk=user.pk).delete)()


@pytest.mark.parametrize("end", [delete, delete_many])
async def test_a_deleted_account_hears_no_more(
    listen: Listen, ada: User, bob: User, end: Callable[[User], Awaitable[None]]
) -> None:
    async with listen(ada, watch="all") as socket, listen(bob, format="json") as other:
        await end(ada)
        assert await closing(socket) == SIGNED_OUT
        task = await run(place)(bob)
        await run(push)(task)
        assert (await facts(other))["id"] == task.pk


async def in_the_database(user: User) -> None:
    """Nothing tells of it."""
    await run(User.objects.filter(pk=user.pk).update)(is_active=False)


async def without_rows(user: User) -> None:
    """The row is gone, and nothing tells of it."""
    await run(User.objects.filter(pk=user.pk)._raw_delete)("default")


async def another_password(user: User) -> None:
    """By SQL."""
    await run(User.objects.filter(pk=user.pk).update)(password="!")


@pytest.mark.parametrize("end", [in_the_database, without_rows, another_password])
async def test_sockets_end_within_a_minute_of_what_nobody_told(
    listen: Listen,
    ada: User,
    bob: User,
    end: Callable[[User], Awaitable[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert passes.AGE + passes.SECONDS_BETWEEN_SESSION_LOOKS < 60
    monkeypatch.setattr(passes, "AGE", 0)
    monkeypatch.setattr(passes, "SECONDS_BETWEEN_SESSION_LOOKS", 0.05)
    async with listen(ada, watch="all") as socket, listen(bob, format="json") as other:
        await end(ada)
        assert await closing(socket) == SIGNED_OUT
        assert await quiet(other)


async def test_signing_in_elsewhere_closes_nothing(listen: Listen, ada: User) -> None:
    async with listen(ada, format="json") as socket:
        await run(Client().post)(reverse("sign-in"), {"username": "ada", "password": "drawing-room-7"})
        await run(Client().post)(reverse("sign-in"), {"username": "ada", "password": "wrong"})
        task = await run(place)(ada)
        await run(push)(task)
        assert (await facts(socket))["id"] == task.pk


async def test_a_closed_page_leaves_its_groups(listen: Listen, ada: User) -> None:
    async with listen(ada, watch="all"):
        assert layers.part(publisher.EVERYONE, "en") in get_channel_layer()._groups
    assert not get_channel_layer()._groups


async def test_what_a_newer_studio_says_beside_this_one_is_passed_over(listen: Listen, ada: User) -> None:
    async with listen(ada, format="json") as socket:
        await get_channel_layer().group_send(publisher.person(ada.pk), {"type": "celebrate", "why": "a million"})
        task = await run(place)(ada)
        await run(push)(task)
        assert (await facts(socket))["id"] == task.pk


async def test_who_cannot_hear_is_told_to_come_later(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(group: str, channel: str) -> None:
        raise ConnectionError("Redis is away")

    monkeypatch.setattr(get_channel_layer(), "group_add", away)
    socket = await run(dial)(ada, watch="all")
    assert (await socket.connect())[0]  # browsers are told no reason by a refusal
    assert await closing(socket) == LATER
    assert not get_channel_layer()._groups


async def test_whose_messages_may_be_lost_is_told_to_come_later(listen: Listen, ada: User) -> None:
    async with listen(ada, watch="all") as socket:
        await get_channel_layer().group_send(publisher.person(ada.pk), {"type": "lost"})
        assert await closing(socket) == LATER
