"""Dark, light or as the system is: the theme that a browser asks for."""

from __future__ import annotations

from django.http import HttpRequest

THEMES = ("dark", "light", "system")


def theme(request: HttpRequest) -> str:
    """dark, light or system, from the cookie; written into the page by the server so that nothing flashes."""
    chosen = request.COOKIES.get("theme", "")
    return chosen if chosen in THEMES else THEMES[0]
