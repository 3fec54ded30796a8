"""What a page asks for several times, and for how long the answer counts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.utils.module_loading import import_string

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


async def test_it_remembers_for_a_view_in_a_thread_of_its_own(look_up: Callable[..., int], asked: list[str]) -> None:
    def view(_request: HttpRequest) -> HttpResponse:
        return HttpResponse(str([look_up("a"), look_up("a")]))

    later = remember_while_reading(sync_to_async(view))
    assert (await later(RequestFactory().get("/"))).content == b"[1, 1]"
    assert look_up("a") == 2 and asked == ["a", "a"]


def test_no_middleware_takes_a_page_through_a_thread_more() -> None:
    """With one that is sync only, a page that is being made when the studio stops keeps its process from ending."""
    sync_only = [name for name in settings.MIDDLEWARE if not import_string(name).async_capable]
    assert sync_only == []
