"""Times are the reader's: the browser tells its time zone in a cookie, and pages are made in it."""

from __future__ import annotations

from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from django.http import HttpRequest
from django.utils import timezone

COOKIE = "zone"  # set by static/js/preferences.js


@cache
def _known() -> frozenset[str]:
    return frozenset(available_timezones())


def activate(request: HttpRequest) -> None:
    """Make times of this request's answer those of its reader; without the cookie those of STYLESTUDIO_TIME_ZONE."""
    name = request.COOKIES.get(COOKIE, "").replace("%2F", "/")
    # Looked up among names, or a cookie could name any file.
    if name in _known():
        timezone.activate(ZoneInfo(name))
    else:
        timezone.deactivate()
