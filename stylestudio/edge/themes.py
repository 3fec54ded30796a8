"""The theme of a browser: dark, light, or following the system."""

from __future__ import annotations

from django.http import HttpRequest

THEMES = ("dark", "light", "system")


def theme(request: HttpRequest) -> str:
    """dark, light or system, from the cookie. The server writes it into the page, so that nothing flashes."""
    chosen = request.COOKIES.get("theme", "")
    return chosen if chosen in THEMES else THEMES[0]
