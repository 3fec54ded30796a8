"""Sessions and failures to sign in that no longer count are deleted once a day, by the worker."""

from __future__ import annotations

from django.contrib.sessions.models import Session
from django.utils import timezone

from stylestudio.host.cadence import Every
from stylestudio.people import accounts

AT_ONCE = 1000  # rows; SQLite lets nobody else write while they go

daily = Every(24 * 60 * 60.0)


def sweep_when_due() -> None:
    """Once a day, and soon after the start of a worker."""
    if daily.is_due:
        daily.done()
        sweep()


def sweep() -> int:
    """Delete expired sessions, a thousand at a time; how many. Nobody can tell them from none."""
    accounts.sweep_failures()
    expired = Session.objects.filter(expire_date__lt=timezone.now()).values_list("pk", flat=True)
    gone = 0
    while some := list(expired[:AT_ONCE]):
        gone += Session.objects.filter(pk__in=some).delete()[0]
    return gone
