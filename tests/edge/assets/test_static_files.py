"""Style, script and icons beside Django: headers, caching, ranges, and what is passed on."""

from __future__ import annotations

import pytest

from stylestudio.edge.assets.static_files import StaticFiles
from stylestudio.edge.headers import security_headers
from stylestudio.edge.serving import Application, Message, Receive, Scope, Send

BASE = "/static/admin/css/base.css"


@pytest.fixture(scope="module")
def site() -> Application:
    """The static files of the studio before a page that says 418."""

    async def pages(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 418, "headers": []})
        await send({"type": "http.response.body", "body": scope["path"].encode()})

    return StaticFiles(pages)


async def ask(site: Application, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body. `path` is decoded, as servers hand it on."""
    sent: list[Message] = []

    async def receive() -> Message:
        raise AssertionError("nobody needs the body of a request for a file")

    async def send(message: Message) -> None:
        sent.append(message)

    lines = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    await site({"type": "http", "method": method, "path": path, "headers": lines}, receive, send)
    start, body = sent
    return start["status"], {name.decode(): value.decode() for name, value in start["headers"]}, body["body"]


async def test_a_file_comes_whole_with_the_headers_of_every_answer(site: Application) -> None:
    status, headers, body = await ask(site, BASE)
    assert (status, headers["content-type"]) == (200, 'text/css; charset="utf-8"')
    assert headers["content-length"] == str(len(body)) and body.strip().endswith(b"}")
    common = {name.lower(): value for name, value in security_headers().items()}
    assert common.items() <= headers.items()
    assert "script-src 'self'; style-src 'self'" in headers["content-security-policy"]


async def test_script_has_a_type_that_browsers_take_for_a_module(site: Application) -> None:
    _status, headers, _body = await ask(site, "/static/js/studio.js")
    assert headers["content-type"].startswith("text/javascript")


async def test_static_files_keep_a_caching_of_their_own(site: Application) -> None:
    _status, headers, _body = await ask(site, BASE)
    assert headers["cache-control"] == "max-age=60, public"
    assert "HX-Request" not in headers.get("vary", "")


async def test_an_unchanged_file_is_not_sent_again(site: Application) -> None:
    etag = (await ask(site, BASE))[1]["etag"]
    assert (await ask(site, BASE, if_none_match=etag))[::2] == (304, b"")
    assert (await ask(site, BASE, if_none_match='"another"'))[0] == 200


async def test_heads_and_ranges_are_answered_and_nothing_is_written(site: Application) -> None:
    whole = (await ask(site, BASE))[2]
    status, headers, body = await ask(site, BASE, "HEAD")
    assert (status, headers["content-length"], body) == (200, str(len(whole)), b"")
    assert (await ask(site, BASE, range="bytes=10-19"))[::2] == (206, whole[10:20])
    assert (await ask(site, BASE, "POST"))[::2] == (405, b"")


@pytest.mark.parametrize(
    "path", ["/", "/static/", "/static/js/", "/static/js/missing.js", "/static/../manage.py", "/staticjs/studio.js"]
)
async def test_everything_else_is_passed_on(site: Application, path: str) -> None:
    assert await ask(site, path) == (418, {}, path.encode())
