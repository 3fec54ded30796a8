"""Whose sessions those of many sockets are; daily deletion, by the worker, of expired ones and of failed sign-ins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from stylestudio.host.cadence import Every
from stylestudio.people import accounts

AT_ONCE = 1000  # rows; with SQLite nobody else can write during a deletion

daily = Every(24 * 60 * 60.0)


def people_of(session_keys: Iterable[str]) -> dict[str, User]:
    """The active people who are signed in with these sessions, as `django.contrib.auth.get_user` finds each of them.

    Two queries, however many sessions there are. Keys of sessions that are over, or of nobody, are left out.
    """
    stored = Session.objects.filter(pk__in=set(session_keys), expire_date__gt=timezone.now())
    sessions = {session.pk: session.get_decoded() for session in stored}
    numbers = {_person(content) for content in sessions.values()} - {None}
    people = User.objects.filter(is_active=True).in_bulk(numbers)
    return {
        key: person
        for key, content in sessions.items()
        if (person := people.get(_person(content) or 0)) and _is_signed_in(person, content)
    }


def _person(content: Mapping[str, Any]) -> int | None:
    text = str(content.get(SESSION_KEY, ""))
    return int(text) if text.isascii() and text.isdigit() else None


def _is_signed_in(person: User, content: Mapping[str, Any]) -> bool:
    """Whether the session began with a backend and a password that still count."""
    if content.get(BACKEND_SESSION_KEY) not in settings.AUTHENTICATION_BACKENDS:
        return False
    digest = str(content.get(HASH_SESSION_KEY, ""))
    known = [person.get_session_auth_hash(), *person.get_session_auth_fallback_hash()]
    return any(constant_time_compare(digest, each) for each in known)


def sweep_sessions_when_due() -> None:
    """Run `sweep` once a day, and soon after a worker starts."""
    if daily.is_due:
        daily.done()
        sweep_sessions()


def sweep_sessions() -> int:
    """Delete expired sessions, a thousand at a time, and return how many. To users they are as good as gone."""
    accounts.sweep_failures()
    expired = Session.objects.filter(expire_date__lt=timezone.now()).values_list("pk", flat=True)
    gone = 0
    while some := list(expired[:AT_ONCE]):
        gone += Session.objects.filter(pk__in=some).delete()[0]
    return gone
