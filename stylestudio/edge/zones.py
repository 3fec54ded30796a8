"""Shows times in the reader's time zone: the browser sends it in a cookie, and pages are rendered in it."""

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
    """Use the reader's time zone for this response; without the cookie, that of STYLESTUDIO_TIME_ZONE."""
    name = request.COOKIES.get(COOKIE, "").replace("%2F", "/")
    # Looked up among known names, because a cookie could otherwise name any file.
    if name in _known():
        timezone.activate(ZoneInfo(name))
    else:
        timezone.deactivate()
