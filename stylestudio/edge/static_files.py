"""Style, script and icons, answered beside Django.

A page has two dozen of them, and Django's handling of a request costs several times what such a file costs: the first
visit would wait for it. ServeStatic knows the files and decides what a request gets: all of a file, a range, or "not
modified".
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from servestatic.middleware import ServeStaticMiddleware

from stylestudio.edge.headers import security_headers
from stylestudio.edge.serving import Application, Receive, Scope, Send


def before(pages: Application) -> Application:
    """Answer requests for static files, and pass all others on to `pages`. The files are looked up once, at start."""
    known = ServeStaticMiddleware(_nobody)
    common = security_headers()

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        file = await _find(known, scope["path"])
        if file is None:
            await pages(scope, receive, send)
            return
        environ = {
            f"HTTP_{name.decode('latin-1').upper().replace('-', '_')}": value.decode("latin-1")
            for name, value in scope["headers"]
        }
        status, headers, body = await asyncio.to_thread(_read, file, scope["method"], environ)
        lines = [(name.lower().encode(), value.encode("latin-1")) for name, value in (common | headers).items()]
        await send({"type": "http.response.start", "status": status, "headers": lines})
        await send({"type": "http.response.body", "body": body})

    return route


async def _find(known: Any, path: str) -> Any | None:
    """What ServeStatic has under this address. While debugging it looks anew, so that changes are seen."""
    if not path.startswith(known.static_prefix):
        return None
    return await asyncio.to_thread(known.find_file, path) if known.autorefresh else known.files.get(path)


def _read(file: Any, method: str, environ: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body. Files are small, so each is read in one go; more trips to a thread cost more."""
    answer = file.get_response(method, environ)
    headers = {name: value for name, value in answer.headers if value is not None}
    if answer.file is None:
        return int(answer.status), headers, b""
    with answer.file:
        return int(answer.status), headers, answer.file.read()


async def _nobody(request: HttpRequest) -> HttpResponseBase:
    """ServeStatic wants to know whom to ask about other addresses. It is never asked about them."""
    raise NotImplementedError
