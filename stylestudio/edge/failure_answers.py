"""Answers that say in words that a database, a disk or a bucket failed: pages, sentences, JSON.

The middleware and `handler500` answer what Django handles; `in_words` does so for files and request bodies handled
outside Django.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.template.loader import render_to_string
from django.views.defaults import bad_request, server_error

from stylestudio.edge import themes
from stylestudio.edge.failures import Failure, note, of
from stylestudio.edge.serving import Application, Message, Receive, Scope, Send


class WordsForFailures:
    """Middleware: answers a failed view with a page, a sentence or JSON that says what happened."""

    sync_capable = async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self._get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        """Pass on to the view; in the asynchronous chain the caller awaits the result."""
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Return the response for a failure, or None for any other error."""
        failure = of(exception)
        return answer(request, failure) if failure else None


def handler500(request: HttpRequest) -> HttpResponseBase:
    """Handle failures in other middleware, such as a session that cannot be stored; else show the page "broke"."""
    failure = of(sys.exc_info()[1])
    return answer(request, failure) if failure else server_error(request)


def handler400(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Handle a session that cannot be stored, which Django reports as a bad request."""
    failure = of(exception)
    return answer(request, failure) if failure else bad_request(request, exception)


def answer(request: HttpRequest, failure: Failure) -> HttpResponse:
    """Answer in the form that the request expects. Runs no database query."""
    note(f"{request.method} {request.path}", failure)
    if session := getattr(request, "session", None):
        session.modified = False  # storing it would only fail again, after another wait
    response = _worded(request, failure)
    response._has_been_logged = True  # type: ignore[attr-defined]  # Django would add the traceback
    return response


def _worded(request: HttpRequest, failure: Failure) -> HttpResponse:
    facts: dict[str, Any] = {"status": failure.status, "headers": failure.headers}
    looking = request.method in {"GET", "HEAD"}
    sentence = failure.sentence(changing=not looking)
    if request.headers.get("HX-Request"):
        # A bare sentence is shown in the corner, and the form stays as it is.
        return HttpResponse(sentence, content_type="text/plain; charset=utf-8", **facts)
    if request.get_preferred_type(["text/html", "application/json"]) == "application/json":
        return JsonResponse({"error": sentence}, **facts)
    again = request.get_full_path() if looking else ""
    context = {"sentence": sentence, "again": again, "theme": themes.theme(request)}
    return HttpResponse(render_to_string("503.html", context), **facts)


def in_words(app: Application) -> Application:
    """Wrap the whole ASGI application: failures become a sentence as long as no response has started."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await app(scope, receive, watched)
        except OSError as error:
            failure = of(error)
            if started or failure is None or scope["type"] != "http":
                raise
            note(f"{scope['method']} {scope['path']}", failure)
            body = failure.sentence(changing=scope["method"] not in {"GET", "HEAD"}).encode()
            headers = {"Content-Type": "text/plain; charset=utf-8", "Content-Length": str(len(body)), **failure.headers}
            lines = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
            await send({"type": "http.response.start", "status": failure.status, "headers": lines})
            await send({"type": "http.response.body", "body": body})

    return guarded
