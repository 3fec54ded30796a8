"""Daily deletion, by the worker, of expired sessions and of failed sign-ins that no longer count."""

from __future__ import annotations

from django.contrib.sessions.models import Session
from django.utils import timezone

from stylestudio.host.cadence import Every
from stylestudio.people import accounts

AT_ONCE = 1000  # rows; with SQLite nobody else can write during a deletion

daily = Every(24 * 60 * 60.0)


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
