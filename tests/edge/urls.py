"""The site with a few plain pages more, for the tests of the middleware: private, public, async, failing."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.urls import path

from stylestudio import urls


def private(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"private to {request.user.get_username()}")


@login_not_required
def public(request: HttpRequest) -> HttpResponse:
    return HttpResponse("public")


def fails(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("on purpose")


async def waits(request: HttpRequest) -> HttpResponse:
    return HttpResponse("awaited")


urlpatterns = [
    path("private/", private),
    path("waits/", waits),
    path("public/", public),
    path("fails/", fails),
    path("health", public, name="health"),
    *urls.urlpatterns,
]
