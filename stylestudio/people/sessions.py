"""Sessions and failures to sign in that no longer count are deleted once a day, by the worker."""

from __future__ import annotations

import time

from django.contrib.sessions.models import Session
from django.utils import timezone

from stylestudio.people import accounts

A_DAY = 24 * 60 * 60.0
AT_ONCE = 1000  # rows; SQLite lets nobody else write while they go

_due = 0.0


def sweep_when_due() -> None:
    """Once a day, and soon after the start of a worker."""
    global _due
    if time.monotonic() < _due:
        return
    _due = time.monotonic() + A_DAY
    sweep()


def sweep() -> int:
    """Delete expired sessions, a thousand at a time; how many. Nobody can tell them from none."""
    accounts.sweep_failures()
    expired = Session.objects.filter(expire_date__lt=timezone.now()).values_list("pk", flat=True)
    gone = 0
    while some := list(expired[:AT_ONCE]):
        gone += Session.objects.filter(pk__in=some).delete()[0]
    return gone
