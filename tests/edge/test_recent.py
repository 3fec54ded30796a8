"""Thumbnails that were asked for a moment ago come from memory, and only to those who may see them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from stylestudio.edge import passes, recent, serving
from stylestudio.edge.recent import Recent

PATH = "/outputs/thumbnails/2026/11/one.webp"
SEVEN = passes.Pass(7, "password", "session")


class Sessions:
    """What the database says of sessions, and how often it was asked."""

    def __init__(self) -> None:
        self.open, self.asked = frozenset({"session"}), 0

    def read(self) -> passes.Table:
        self.asked += 1
        return passes.Table({7: "password"}, self.open)


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> Sessions:
    told = Sessions()
    monkeypatch.setattr(passes, "register", passes.Register(told.read))
    return told


@pytest.fixture(autouse=True)
def thumbnail(own_data: Path, sessions: Sessions) -> Path:
    file = own_data / "media" / PATH[1:]
    file.parent.mkdir(parents=True)
    file.write_bytes(b"thumbnail")
    return file


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses for which a file was read."""
    asked: list[str] = []
    respond = serving.respond

    def noting(method: str, path: str, query: str, headers: dict[str, str]) -> serving.Answer:
        asked.append(path)
        return respond(method, path, query, headers)

    monkeypatch.setattr(serving, "respond", noting)
    return asked


async def get(
    path: str = PATH, *, cookie: str = "", query: str = "", method: str = "GET", **more: str
) -> tuple[int, bytes]:
    headers = {"cookie": f"media={cookie or serving.sign(SEVEN)}", **more}
    lines = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    sent: list[serving.Message] = []

    async def receive() -> serving.Message:
        raise AssertionError("nobody needs the body of a request for a file")

    async def send(message: serving.Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": lines}
    await serving.media_app(scope, receive, send)
    return sent[0]["status"], b"".join(message["body"] for message in sent[1:])


async def test_the_second_one_is_not_read_again(reads: list[str]) -> None:
    assert [await get() for _time in range(3)] == [(200, b"thumbnail")] * 3
    assert reads == [PATH]


async def test_what_is_in_memory_is_told_to_nobody_who_may_not_see_it(sessions: Sessions) -> None:
    await get()
    assert (await get(cookie="forged"))[0] == 403
    assert (await get(cookie=serving.sign(passes.Pass(7, "password", "another session"))))[0] == 403
    sessions.open = frozenset()
    passes.register.forget()  # as the end of a session does
    assert (await get())[0] == 403


async def test_a_session_that_ended_without_a_word_is_noticed_as_without_memory(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    await get()
    sessions.open, now = frozenset(), time.monotonic()
    assert (await get())[0] == 200
    monkeypatch.setattr(time, "monotonic", lambda: now + passes.AGE + 1)
    assert (await get())[0] == 403


async def test_a_cookie_of_yesterday_opens_nothing_that_is_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    cookie, now = serving.sign(SEVEN), time.time()
    assert (await get(cookie=cookie))[0] == 200
    monkeypatch.setattr(time, "time", lambda: now + serving.COOKIE_AGE + 10)
    assert (await get(cookie=cookie))[0] == 403


async def test_a_deleted_file_is_gone_within_a_minute(thumbnail: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await get()
    thumbnail.unlink()
    assert (await get())[0] == 200
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + recent.AGE)
    assert (await get())[0] == 404


async def test_ranges_conditions_heads_and_downloads_are_answered_from_the_file(reads: list[str]) -> None:
    await get()
    assert await get(range="bytes=0-4") == (206, b"thumb")
    assert (await get(if_none_match="*"))[0] == 304
    assert await get(method="HEAD") == (200, b"")
    assert await get(query="download=it") == (200, b"thumbnail")
    assert len(reads) == 5


async def test_large_files_and_refusals_are_not_kept(reads: list[str], thumbnail: Path) -> None:
    (thumbnail.parent / "large.png").write_bytes(bytes(recent.MOST + 1))
    for name in ("large.png", "missing.webp"):
        path = f"{PATH.rpartition('/')[0]}/{name}"
        assert await get(path) == await get(path)
    assert len(reads) == 4


def test_the_one_that_nobody_asked_for_longest_gives_way() -> None:
    kept = Recent(room=30)
    for name in "abc":
        kept.put(name, 200, [], bytes(10))
    kept.get("a")
    kept.put("d", 200, [], bytes(10))
    kept.put("d", 200, [], bytes(10))
    assert [name for name in "abcd" if kept.get(name)] == ["a", "c", "d"]
    kept.put("e", 200, [], bytes(30))
    assert [name for name in "abcde" if kept.get(name)] == ["e"]
