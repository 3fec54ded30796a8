"""What several parts of a page ask for is looked up once while the page is made."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from django.http import HttpRequest, HttpResponseBase

P = ParamSpec("P")
T = TypeVar("T")

_answers: ContextVar[dict[Any, Any] | None] = ContextVar("answers", default=None)


def remember_while_reading(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Any:
    """Middleware: `once_a_page` remembers while a GET or HEAD is answered, and never while something is changed."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if request.method not in ("GET", "HEAD"):
            return get_response(request)
        token = _answers.set({})
        try:
            return get_response(request)
        finally:
            _answers.reset(token)

    return middleware


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
