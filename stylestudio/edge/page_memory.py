"""What several parts of a page ask for is looked up once while the page is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

P = ParamSpec("P")
T = TypeVar("T")

GetResponse = Callable[[HttpRequest], Any]

_answers: ContextVar[dict[Any, Any] | None] = ContextVar("answers", default=None)


@sync_and_async_middleware
def remember_while_reading(get_response: GetResponse) -> GetResponse:
    """Middleware: `once_a_page` remembers while a GET or HEAD is answered, and never while something is changed."""
    if iscoroutinefunction(get_response):

        async def later(request: HttpRequest) -> HttpResponseBase:
            with _remembering(request):
                answer: HttpResponseBase = await get_response(request)
                return answer

        return later

    def middleware(request: HttpRequest) -> HttpResponseBase:
        with _remembering(request):
            answer: HttpResponseBase = get_response(request)
            return answer

    return middleware


@contextmanager
def _remembering(request: HttpRequest) -> Iterator[None]:
    token = _answers.set({} if request.method in ("GET", "HEAD") else None)
    try:
        yield
    finally:
        _answers.reset(token)


@contextmanager
def remembering() -> Iterator[None]:
    """`once_a_page` remembers meanwhile: for a view that has changed what it wanted to and makes its answer now."""
    token = _answers.set({})
    try:
        yield
    finally:
        _answers.reset(token)


def once_a_page(ask: Callable[P, T]) -> Callable[P, T]:
    """Call `ask` once per page for the same arguments, which must be hashable. Outside of a page call it each time.

    All callers on a page get the same object and must not change it.
    """

    @wraps(ask)
    def remembered(*args: P.args, **kwargs: P.kwargs) -> T:
        answers = _answers.get()
        if answers is None:
            return ask(*args, **kwargs)
        key = (ask, args, tuple(sorted(kwargs.items())))
        if key not in answers:
            answers[key] = ask(*args, **kwargs)
        answer: T = answers[key]
        return answer

    return remembered
