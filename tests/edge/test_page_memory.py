"""What a page asks for several times, and for how long the answer counts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from stylestudio.edge.page_memory import once_a_page, remember_while_reading


@pytest.fixture
def asked() -> list[str]:
    """What was looked up."""
    return []


@pytest.fixture
def look_up(asked: list[str]) -> Callable[..., int]:
    """A question that is counted."""

    @once_a_page
    def ask(name: str) -> int:
        asked.append(name)
        return len(asked)

    return ask


def answer(method: str, view: Callable[[HttpRequest], HttpResponse]) -> None:
    """Send a request through the middleware."""
    remember_while_reading(view)(RequestFactory().generic(method, "/"))


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_while_a_page_is_read_each_question_is_asked_once(
    method: str, look_up: Callable[..., int], asked: list[str]
) -> None:
    def view(_request: HttpRequest) -> HttpResponse:
        assert [look_up("a"), look_up("b"), look_up("a"), look_up(name="a"), look_up(name="a")] == [1, 2, 1, 3, 3]
        return HttpResponse()

    answer(method, view)
    assert asked == ["a", "b", "a"]
    answer(method, lambda _request: HttpResponse(str(look_up("a"))))
    assert asked == ["a", "b", "a", "a"], "one page knows what another asked for"


def test_what_changes_something_looks_each_time(look_up: Callable[..., int], asked: list[str]) -> None:
    answer("POST", lambda _request: HttpResponse(str([look_up("a"), look_up("a")])))
    assert [look_up("a"), look_up("a")] == [3, 4] and asked == ["a"] * 4


def test_a_page_that_fails_leaves_nothing_behind(look_up: Callable[..., int], asked: list[str]) -> None:
    def fails(_request: HttpRequest) -> HttpResponse:
        look_up("a")
        raise RuntimeError("no page")

    with pytest.raises(RuntimeError, match="no page"):
        answer("GET", fails)
    assert look_up("a") == 2
