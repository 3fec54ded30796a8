"""What no longer counts is deleted once a day: expired sessions, failures to sign in."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from stylestudio.models import SignInFailure
from stylestudio.people import sessions
from stylestudio.processes import tasks

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def just_started() -> None:
    sessions.daily.hurry()


def store(number: int, days: float) -> None:
    Session.objects.bulk_create(
        Session(session_key=f"{days}-{key}", session_data="x", expire_date=timezone.now() + timedelta(days=days))
        for key in range(number)
    )


def test_the_workers_sweep_deletes_expired_sessions_once_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    store(5, -1)
    store(3, 1)
    tasks.sweep.call_local()
    assert Session.objects.count() == 3
    store(5, -2)
    tasks.sweep.call_local()
    assert Session.objects.count() == 8
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 24 * 60 * 60)
    tasks.sweep.call_local()
    assert Session.objects.count() == 3


def test_many_go_a_thousand_at_a_time_so_that_others_can_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "AT_ONCE", 10)
    store(25, -1)
    with CaptureQueriesContext(connection) as asked:
        assert sessions.sweep_sessions() == 25
    assert len([query for query in asked if query["sql"].startswith('DELETE FROM "django_session"')]) == 3


def test_failures_that_no_longer_count_go_too() -> None:
    for name in ("old", "new"):
        SignInFailure.objects.create(name=name, address="203.0.113.7")
    SignInFailure.objects.filter(name="old").update(at=timezone.now() - timedelta(hours=1))
    sessions.sweep_sessions()
    assert list(SignInFailure.objects.values_list("name", flat=True)) == ["new"]
