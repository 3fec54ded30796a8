"""Middleware for every request: address clean-up, security headers, the reader's time zone, the media cookie.

All of it is async-capable.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.utils.cache import patch_vary_headers
from django.utils.decorators import sync_and_async_middleware

from stylestudio.edge import passes, proxies, serving, zones
from stylestudio.edge.headers import PAGES
from stylestudio.edge.headers import security_headers as common_headers

MEDIA_COOKIE_REFRESH = 60 * 60  # seconds

GetResponse = Callable[[HttpRequest], Any]


def _finishing(get_response: GetResponse, finish: Callable[[HttpRequest, HttpResponseBase], None]) -> GetResponse:
    """A middleware that only changes the response. Without Django's mixin it needs no thread switch."""
    if iscoroutinefunction(get_response):

        async def later(request: HttpRequest) -> HttpResponseBase:
            answer: Awaitable[HttpResponseBase] = get_response(request)
            response = await answer
            finish(request, response)
            return response

        return later

    def now(request: HttpRequest) -> HttpResponseBase:
        response: HttpResponseBase = get_response(request)
        finish(request, response)
        return response

    return now


def _beginning(get_response: GetResponse, begin: Callable[[HttpRequest], None]) -> GetResponse:
    """A middleware that only changes the request."""
    if iscoroutinefunction(get_response):

        async def later(request: HttpRequest) -> HttpResponseBase:
            begin(request)
            answer: Awaitable[HttpResponseBase] = get_response(request)
            return await answer

        return later

    def now(request: HttpRequest) -> HttpResponseBase:
        begin(request)
        response: HttpResponseBase = get_response(request)
        return response

    return now


@sync_and_async_middleware
def security_headers(get_response: GetResponse) -> GetResponse:
    """Add the security headers to every response, and a caching policy unless its view sets one."""
    headers = common_headers()

    def finish(request: HttpRequest, response: HttpResponseBase) -> None:
        for name, value in headers.items():
            response.headers.setdefault(name, value)
        # Django forbids browsers to cache anything of the admin, even for Back; there are no secrets in it.
        if "Cache-Control" not in response.headers or _is_admin(request):
            response.headers["Cache-Control"] = PAGES
            # Some addresses answer htmx with a part of their page, which Back must not show as the page.
            patch_vary_headers(response, ["HX-Request"])

    return _finishing(get_response, finish)


def _is_admin(request: HttpRequest) -> bool:
    match = getattr(request, "resolver_match", None)
    return match is not None and match.app_name == "admin"


@sync_and_async_middleware
def only_proxies_forward(get_response: GetResponse) -> GetResponse:
    """Drop forwarding headers from senders that are not our proxies, such as the claim that they used TLS."""

    def clean(request: HttpRequest) -> None:
        proxies.believe_proxies_only(request.META)

    return _beginning(get_response, clean)


@sync_and_async_middleware
def without_nul(get_response: GetResponse) -> GetResponse:
    """Replace NUL characters in the address by �, as browsers do: PostgreSQL fails on them."""

    def clean(request: HttpRequest) -> None:
        request.META["QUERY_STRING"] = request.META.get("QUERY_STRING", "").replace("%00", "%EF%BF%BD")
        request.path_info = request.path_info.replace("\0", "\ufffd")

    return _beginning(get_response, clean)


@sync_and_async_middleware
def readers_zone(get_response: GetResponse) -> GetResponse:
    """Show times and dates of pages in the reader's time zone."""
    return _beginning(get_response, zones.activate)


@sync_and_async_middleware
def media_cookie(get_response: GetResponse) -> GetResponse:
    """Set the cookie that `stylestudio.edge.serving` requires for signed-in people, and delete it at sign-out."""

    def finish(request: HttpRequest, response: HttpResponseBase) -> None:
        if not request.META.get("stylestudio.user_known"):
            return
        held = request.COOKIES.get(serving.COOKIE)
        due = passes.of(request.user, request.session.session_key) if request.user.is_authenticated else None
        if due is None:
            if held is not None:
                response.delete_cookie(serving.COOKIE, samesite="Lax")
        elif held is None or serving.held(held, MEDIA_COOKIE_REFRESH) != due:
            response.set_cookie(
                serving.COOKIE,
                serving.sign(due),
                max_age=serving.COOKIE_AGE,
                httponly=True,
                samesite="Lax",
                secure=settings.SESSION_COOKIE_SECURE,
            )

    return _finishing(get_response, finish)
