"""The mount for private files: who may read, what can be reached, ranges and caching."""

from __future__ import annotations

import asyncio
import io
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import pytest
from django.core import signing

from stylestudio.edge import passes, serving

DATA = bytes(range(256)) * 4000  # a little over a million bytes: several chunks
SEVEN = passes.Pass(7, "password", "session")


@pytest.fixture(autouse=True)
def seven_is_signed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """No database: these tests are of cookies and files."""
    table = passes.Table({7: "password"}, frozenset({"session"}))
    monkeypatch.setattr(passes, "register", passes.Register(lambda: table))


@dataclass
class Got:
    status: int
    headers: dict[str, str]
    body: bytes
    messages: int


async def get(path: str, *, method: str = "GET", cookie: str | None = "good", query: str = "", **headers: str) -> Got:
    """One request; `path` is percent-decoded as a server does it."""
    if cookie == "good":
        cookie = serving.sign(SEVEN)
    if cookie is not None:
        headers["cookie"] = f"theme=dark; {serving.COOKIE}={cookie}; other=1"
    scope = {
        "type": "http",
        "method": method,
        "path": unquote(path),
        "query_string": query.encode(),
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
    }
    sent: list[serving.Message] = []

    async def receive() -> serving.Message:
        return {"type": "http.request", "body": b"", "more_body": False} if not sent else await never()

    async def never() -> serving.Message:
        import asyncio

        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: serving.Message) -> None:
        sent.append(message)

    await serving.media_app(scope, receive, send)
    assert not sent[-1].get("more_body")
    lines = {name.decode(): value.decode("latin-1") for name, value in sent[0]["headers"]}
    return Got(sent[0]["status"], lines, b"".join(piece["body"] for piece in sent[1:]), len(sent))


@pytest.fixture(autouse=True)
def stored(own_data: Path) -> Path:
    """A media root with a picture, files of other kinds, and a secret beside the public folders."""
    root = own_data / "media"
    for name in ("outputs/ab/one.png", "uploads/two.webp", "outputs/page.html", "outputs/style.safetensors"):
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(DATA)
    (root / "outputs/empty.png").write_bytes(b"")
    (root / "outputs/.hidden.png").write_bytes(DATA)
    (root / "secret.png").write_bytes(b"secret")
    (own_data / "secret_key").write_bytes(b"secret")
    (root / "outputs-old").mkdir()
    (root / "outputs-old/secret.png").write_bytes(b"secret")
    return root


async def test_a_picture_arrives_whole_and_in_pieces() -> None:
    got = await get("/outputs/ab/one.png")
    assert (got.status, got.body) == (200, DATA)
    assert got.messages == 1 + 4
    assert got.headers["content-type"] == "image/png"
    assert got.headers["content-length"] == str(len(DATA))
    assert got.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert got.headers["x-content-type-options"] == "nosniff"
    assert got.headers["content-security-policy"].startswith("sandbox; script-src 'none';")
    assert "unsafe" not in got.headers["content-security-policy"]
    assert "content-disposition" not in got.headers
    assert (await get("/uploads/two.webp")).headers["content-type"] == "image/webp"


async def test_an_empty_file_is_a_whole_answer() -> None:
    got = await get("/outputs/empty.png")
    assert (got.status, got.headers["content-length"], got.body) == (200, "0", b"")


async def test_without_the_cookie_nothing_is_said_about_files() -> None:
    for path in ("/outputs/ab/one.png", "/outputs/missing.png"):
        got = await get(path, cookie=None)
        assert got.status == 403
        assert got.headers["content-type"].startswith("text/plain")
        assert got.headers["cache-control"] == "no-store"
        assert b"Sign in" in got.body


@pytest.mark.parametrize(
    "cookie",
    [
        "",
        "7",
        "7:1tQ2aB:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        signing.TimestampSigner(key="another key", salt="stylestudio.edge.serving").sign("7"),
        signing.TimestampSigner(salt="another salt").sign("7"),
        serving.sign(SEVEN)[:-1] + ("a" if serving.sign(SEVEN)[-1] != "a" else "b"),
        serving.sign(SEVEN).replace("7.", "8.", 1),
    ],
    ids=["none", "unsigned", "made up", "another key", "another salt", "another signature", "another person"],
)
async def test_a_forged_cookie_opens_nothing(cookie: str) -> None:
    assert (await get("/outputs/ab/one.png", cookie=cookie)).status == 403


async def test_a_cookie_ends_after_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    cookie = serving.sign(SEVEN)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + serving.COOKIE_AGE - 10)
    assert (await get("/outputs/ab/one.png", cookie=cookie)).status == 200
    monkeypatch.setattr(time, "time", lambda: now + serving.COOKIE_AGE + 10)
    assert (await get("/outputs/ab/one.png", cookie=cookie)).status == 403


@pytest.mark.parametrize(
    "path",
    [
        "/outputs/missing.png",
        "/outputs/",
        "/outputs/ab",
        "/outputs/ab/",
        "/outputs//ab/one.png",
        "/outputs/./ab/one.png",
        "/outputs/ab/../../secret.png",
        "/outputs/../secret.png",
        "/outputs/%2e%2e/secret.png",
        "/outputs/..%2fsecret.png",
        "/outputs/%2e%2e%2f%2e%2e%2fsecret_key",
        "/outputs/..%5csecret.png",
        "/outputs/%252e%252e/secret.png",
        "/outputs/../outputs-old/secret.png",
        "/outputs/ab/one.png%00.txt",
        "/outputs/%00",
        "/outputs//etc/passwd",
        "/outputs/%2fetc/passwd",
        "/outputs/C:/secret.png",
        "/outputs/.hidden.png",
        "/outputs/" + "x" * 300 + ".png",
        "/outputs/ab/one.png/",
        "/outputs/\udcff.png",
    ],
)
async def test_no_path_leads_out_of_the_folder(path: str) -> None:
    got = await get(path)
    assert got.status == 404
    assert b"secret" not in got.body
    assert got.headers["cache-control"] == "no-store"


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
async def test_a_link_inside_may_not_lead_out_but_the_folder_itself_may_be_one(stored: Path, tmp_path: Path) -> None:
    (stored / "outputs/out.png").symlink_to(stored / "secret.png")
    (stored / "outputs/up").symlink_to(stored)
    (stored / "outputs/loop.png").symlink_to(stored / "outputs/loop.png")
    for name in ("out.png", "up/secret.png", "loop.png"):
        assert (await get(f"/outputs/{name}")).status == 404
    (stored / "uploads").rename(tmp_path / "other disk")
    (stored / "uploads").symlink_to(tmp_path / "other disk")
    assert (await get("/uploads/two.webp")).status == 200


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes in folders")
async def test_what_is_no_plain_file_is_not_opened(stored: Path) -> None:
    os.mkfifo(stored / "outputs/pipe.png")
    assert (await get("/outputs/pipe.png")).status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
async def test_files_can_only_be_read(method: str) -> None:
    got = await get("/outputs/ab/one.png", method=method)
    assert (got.status, got.headers["allow"]) == (405, "GET, HEAD")


async def test_head_says_the_same_without_the_body() -> None:
    full, head = await get("/outputs/ab/one.png"), await get("/outputs/ab/one.png", method="HEAD")
    assert (head.status, head.headers, head.body) == (200, full.headers, b"")


async def test_an_unchanged_file_is_not_sent_again(stored: Path) -> None:
    etag = (await get("/outputs/ab/one.png")).headers["etag"]
    for asked in (etag, f'"other", W/{etag}', "*"):
        got = await get("/outputs/ab/one.png", if_none_match=asked)
        assert (got.status, got.body, got.headers["etag"]) == (304, b"", etag)
    (stored / "outputs/ab/one.png").write_bytes(b"new")
    assert (await get("/outputs/ab/one.png", if_none_match=etag)).body == b"new"


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=10-19", 10, 19),
        ("bytes=300000-900000", 300000, 900000),
        ("bytes=1023990-", 1023990, 1023999),
        ("bytes=-5", 1023995, 1023999),
        ("bytes=-99999999", 0, 1023999),
        ("bytes=5-99999999", 5, 1023999),
    ],
)
async def test_a_part_of_a_file_can_be_asked_for(asked: str, first: int, last: int) -> None:
    got = await get("/outputs/ab/one.png", range=asked)
    assert got.status == 206
    assert got.body == DATA[first : last + 1]
    assert got.headers["content-range"] == f"bytes {first}-{last}/{len(DATA)}"
    assert got.headers["content-length"] == str(last - first + 1)


@pytest.mark.parametrize("asked", ["bytes=1024000-", "bytes=1024000-1024005", "bytes=-0"])
async def test_a_part_outside_the_file_is_refused(asked: str) -> None:
    got = await get("/outputs/ab/one.png", range=asked)
    assert (got.status, got.headers["content-range"], got.body) == (416, f"bytes */{len(DATA)}", b"")


@pytest.mark.parametrize("asked", ["bytes=-", "bytes=5-2", "bytes=0-1,5-6", "items=0-1", "bytes=a-b", "bytes=٣-٤", ""])
async def test_a_range_that_makes_no_sense_is_ignored(asked: str) -> None:
    got = await get("/outputs/ab/one.png", range=asked)
    assert (got.status, len(got.body)) == (200, len(DATA))


async def test_a_part_is_only_sent_of_the_file_that_the_browser_knows() -> None:
    etag = (await get("/outputs/ab/one.png")).headers["etag"]
    assert (await get("/outputs/ab/one.png", range="bytes=0-1", if_range=etag)).status == 206
    assert (await get("/outputs/ab/one.png", range="bytes=0-1", if_range='"old"')).status == 200


async def test_what_is_not_on_the_list_is_a_download_and_never_a_page() -> None:
    got = await get("/outputs/page.html")
    assert got.headers["content-type"] == "application/octet-stream"
    assert got.headers["content-disposition"] == 'attachment; filename="page.html"'
    assert (await get("/outputs/style.safetensors")).headers["content-type"] == "application/octet-stream"


@pytest.mark.parametrize(
    ("query", "disposition"),
    [
        ("download=valley.png", 'attachment; filename="valley.png"'),
        ("download=valley", 'attachment; filename="valley.png"'),
        ("download=evil.html", 'attachment; filename="evil.html.png"'),
        ("download=../../a%22b%0d%0aX:%20y", 'attachment; filename="a-b-X- y.png"'),
        ("download=%E5%A2%A8", "attachment; filename*=utf-8''%E5%A2%A8.png"),
        ("download=", 'attachment; filename="one.png"'),
        ("download=" + "x" * 500, f'attachment; filename="{"x" * 100}.png"'),
    ],
)
async def test_a_download_has_a_harmless_name_and_the_files_own_ending(query: str, disposition: str) -> None:
    assert (await get("/outputs/ab/one.png", query=query)).headers["content-disposition"] == disposition


async def test_reading_stops_when_the_browser_is_gone(stored: Path) -> None:
    (stored / "outputs/large.zip").write_bytes(b"x" * (40 * serving.CHUNK))
    sent: list[serving.Message] = []
    inbox: Iterable[str] = iter(["http.request", "http.disconnect"])

    async def receive() -> serving.Message:
        return {"type": next(iter(inbox))}

    async def send(message: serving.Message) -> None:
        sent.append(message)

    cookie = f"{serving.COOKIE}={serving.sign(SEVEN)}".encode()
    scope = {"type": "http", "method": "GET", "path": "/outputs/large.zip", "headers": [(b"cookie", cookie)]}
    await serving.media_app(scope, receive, send)
    assert len(sent) < 5


def test_a_file_that_becomes_shorter_while_it_is_sent_ends_as_an_error_and_not_as_silence() -> None:
    sent: list[serving.Message] = []

    async def send(message: serving.Message) -> None:
        sent.append(message)

    async def receive() -> serving.Message:
        await asyncio.Event().wait()
        return {}

    with pytest.raises(EOFError):
        asyncio.run(serving._stream(io.BytesIO(b"half"), 8, receive, send))
    assert [message["more_body"] for message in sent] == [True]
