"""Style, script and icons, served beside Django.

A page has two dozen of them, and Django's request handling costs several times as much as serving such a file, so the
first visit would have to wait for it. ServeStatic knows the files and decides on the response: the whole file, a
range, or "not modified".
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from servestatic.middleware import ServeStaticMiddleware

from stylestudio.edge.headers import security_headers
from stylestudio.edge.serving import Application, Receive, Scope, Send


def with_static_files(pages: Application) -> Application:
    """Serve static files, and pass all other requests on to `pages`. The files are listed once, at start."""
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
    """The static file at this address, or None. With DEBUG it is looked up anew, so that changes show."""
    if not path.startswith(known.static_prefix):
        return None
    return await asyncio.to_thread(known.find_file, path) if known.autorefresh else known.files.get(path)


def _read(file: Any, method: str, environ: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body. Files are small, so each is read in one go; more thread switches would cost more."""
    answer = file.get_response(method, environ)
    headers = {name: value for name, value in answer.headers if value is not None}
    if answer.file is None:
        return int(answer.status), headers, b""
    with answer.file:
        return int(answer.status), headers, answer.file.read()


async def _nobody(request: HttpRequest) -> HttpResponseBase:
    """The fallback that ServeStatic requires for other addresses. It is never called."""
    raise NotImplementedError
