"""What many who connect at once are sent: the same as each would be alone, for the queries of one."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.models import Session
from django.http import HttpRequest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from generation.ordering import orders
from generation.ordering.orders import Order
from generation.pictures.models import GenerationTask
from stylestudio.jobs import kinds
from stylestudio.live import arrivals
from stylestudio.live.arrivals import Arrival
from stylestudio.people import sessions
from stylestudio.people.visibility import Visibility

pytestmark = pytest.mark.django_db


@pytest.fixture
def crowd(ada: User, bob: User) -> list[User]:
    """Ada, Bob, an owner of the studio, and somebody who never orders."""
    owner = User.objects.create_superuser("olga")
    return [ada, bob, owner, User.objects.create_user("eve")]


@pytest.fixture
def jobs(crowd: list[User]) -> list[GenerationTask]:
    """Waiting and ended, of the team and private, cleared and not, each changed a minute after the one before."""
    found = []
    for number, (owner, visibility, end) in enumerate(
        itertools.product(crowd[:3], Visibility.values, ("", "cancel", "clear"))
    ):
        task = orders.place(Order(prompt=f"fox {number}"), owner)
        if end:
            task.cancel()
        changed = timezone.now() - timedelta(hours=1) + timedelta(minutes=number)
        cleared = changed if end == "clear" else None
        GenerationTask.objects.filter(pk=task.pk).update(updated_at=changed, cleared_at=cleared, visibility=visibility)
        task.refresh_from_db()
        found.append(task)
    return found


def everything(crowd: list[User], jobs: list[GenerationTask]) -> list[Arrival]:
    """Everybody, watching everything, since several moments."""
    moments: list[datetime | None] = [None, jobs[0].updated_at, jobs[9].updated_at, timezone.now()]
    watches = ["mine", "all", f"generation-{jobs[4].pk}", f"dataset-{jobs[4].pk}"]
    return [Arrival(*each) for each in itertools.product(crowd, ("en", ""), watches, moments)]


ROOT = re.compile(r'<article[^>]* id="job-generation-(\d+)"|^\{.*"id": (\d+)')


def numbers(welcome: arrivals.Welcome) -> list[str]:
    """The jobs that a welcome shows, each as fragments or facts."""
    found = [ROOT.search(text) for text in welcome.news]
    return [
        f"{text.lstrip()[0]} {match and (match[1] or match[2])}"
        for text, match in zip(welcome.news, found, strict=True)
    ]


def test_many_are_sent_what_each_would_be_sent_alone(
    crowd: list[User], jobs: list[GenerationTask], monkeypatch: pytest.MonkeyPatch
) -> None:
    asking = everything(crowd, jobs)
    together = arrivals.welcome(asking)
    # With no room for a comparison each looks for its own.
    monkeypatch.setattr(arrivals, "MOST_NEWS", 0)
    alone = [arrivals.welcome([each])[0] for each in asking]
    assert [numbers(each) for each in together] == [numbers(each) for each in alone]
    assert [each.badge for each in together] == [each.badge for each in alone]
    assert sum(map(len, map(numbers, alone))) > 100
    assert not any("None" in each for each in itertools.chain(*map(numbers, alone)))


def test_a_thousand_that_missed_nothing_cost_the_queries_of_one(
    crowd: list[User], jobs: list[GenerationTask], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    most = 2  # what changed of all kinds, and the counts of all
    for number in (1, 1000):
        asking = [Arrival(crowd[each % 4], "en", "mine", timezone.now()) for each in range(number)]
        with django_assert_num_queries(most):
            arrivals.welcome(asking)


def test_counts_for_many_are_those_of_each(crowd: list[User], jobs: list[GenerationTask]) -> None:
    together = kinds.counts_for(crowd)
    active = GenerationTask.everything.active()
    for person in crowd:
        mine, seen = active.filter(owner=person).count(), active.visible_to(person).count()
        assert together[person.pk] == kinds.counts(person) == (mine, seen)
    assert len(set(together.values())) == 3  # ada and bob have as many


def signed_in(person: User) -> str:
    """The key of a session."""
    client = Client()
    client.force_login(person)
    return str(client.session.session_key)


def nothing(person: User, session: Any) -> None:
    """It stays."""


def left(person: User, session: Any) -> None:
    """The account was closed."""
    User.objects.filter(pk=person.pk).update(is_active=False)


def changed_password(person: User, session: Any) -> None:
    """The session was another password's."""
    User.objects.filter(pk=person.pk).update(password="!")


def expired(person: User, session: Any) -> None:
    """It is over."""
    Session.objects.update(expire_date=timezone.now())


def other_backend(person: User, session: Any) -> None:
    """It began in a way that counts no more."""
    session["_auth_user_backend"] = "django.contrib.auth.backends.RemoteUserBackend"
    session.save()


def unsigned(person: User, session: Any) -> None:
    """It has no digest of a password."""
    del session["_auth_user_hash"]
    session.save()


def nobodys(person: User, session: Any) -> None:
    """It is nobody's."""
    session["_auth_user_id"] = "somebody"
    session.save()


def damaged(person: User, session: Any) -> None:
    """What is stored was not stored by us."""
    Session.objects.update(session_data="damaged")


@pytest.mark.parametrize(
    ("happens", "stays"),
    [
        (nothing, True),
        *((end, False) for end in (left, changed_password, expired, other_backend, unsigned, nobodys, damaged)),
    ],
)
def test_sessions_of_many_are_those_that_django_finds(
    ada: User, happens: Callable[[User, Any], None], stays: bool
) -> None:
    key = signed_in(ada)
    happens(ada, Client().session.__class__(key))
    assert sessions.people_of([key, "unknown", ""]) == ({key: ada} if stays else {})
    if happens is not nobodys:  # Django raises then
        request = HttpRequest()
        request.session = Client().session.__class__(key)
        assert get_user(request) == (ada if stays else AnonymousUser())


def test_a_session_of_a_former_secret_key_counts_as_for_pages(ada: User, settings: Settings) -> None:
    key = signed_in(ada)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another key", [settings.SECRET_KEY]
    assert sessions.people_of([key]) == {key: ada}
    settings.SECRET_KEY_FALLBACKS = []
    assert sessions.people_of([key]) == {}


def test_a_thousand_sessions_are_two_queries(ada: User, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    keys = [signed_in(ada) for _time in range(5)]
    with django_assert_num_queries(2):
        assert len(sessions.people_of(keys * 200)) == 5
