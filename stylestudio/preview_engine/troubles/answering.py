"""Troubles of HTTP: responses that are wrong, late, truncated or lost."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from aiohttp import web

from stylestudio.preview_engine.troubles.trouble import Gate, Trouble


@dataclass
class HttpTrouble(Trouble):
    """Applies to requests whose path starts with `path` and whose method is `method` ("" is any)."""

    path: str = "/"
    method: str = ""

    def concerns(self, request: web.Request) -> bool:
        path = request.path.removeprefix("/api")
        return path.startswith(self.path) and self.method in ("", request.method)


@dataclass
class Answer(HttpTrouble):
    """Answers instead of the engine: a rejection, HTML, an empty picture, nonsense."""

    status: int = 500
    body: str | bytes = "500 Internal Server Error\n\nServer got itself in trouble"
    content_type: str = "text/plain"

    async def request(self, request: web.Request) -> web.StreamResponse | None:
        if not self.concerns(request) or not self.strike():
            return None
        body = self.body.encode() if isinstance(self.body, str) else self.body
        return web.Response(status=self.status, body=body, content_type=self.content_type)


@dataclass
class LoseAnswer(HttpTrouble):
    """The request is handled (unless `handled` is false), then the connection breaks without a response."""

    path: str = "/prompt"
    method: str = "POST"
    handled: bool = True

    async def request(self, request: web.Request) -> web.StreamResponse | None:
        if self.handled or not self.concerns(request) or not self.strike():
            return None
        return self._broken(request)

    async def response(self, request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
        if not self.handled or not self.concerns(request) or not self.strike():
            return response
        return self._broken(request)

    def _broken(self, request: web.Request) -> web.StreamResponse:
        if request.transport:
            request.transport.abort()
        return web.Response()


@dataclass
class CutAnswer(HttpTrouble):
    """Only the first `share` of a response body arrives, then the connection breaks.

    `told`: the shorter length was announced, so that the response looks complete and the file is damaged.
    """

    path: str = "/view"
    share: float = 0.5
    told: bool = False

    async def response(self, request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
        if not self.concerns(request) or not self.strike():
            return response
        body = await asyncio.to_thread(_body, response)
        begun = body[: int(self.share * len(body))]
        if self.told:
            return web.Response(body=begun, content_type=response.content_type)
        cut = web.StreamResponse(headers={"Content-Length": str(len(body)), "Content-Type": response.content_type})
        await cut.prepare(request)
        await cut.write(begun)
        if request.transport:
            request.transport.abort()
        return cut


def _body(response: web.StreamResponse) -> bytes:
    """The body that the engine would have sent."""
    if isinstance(response, web.FileResponse):
        return response._path.read_bytes()  # noqa: SLF001 - nothing public names the file
    body = response.body if isinstance(response, web.Response) else None
    return body if isinstance(body, bytes) else b""


@dataclass
class HoldAnswer(Gate, HttpTrouble):
    """The request is handled, and its response waits until released."""

    path: str = "/prompt"
    method: str = "POST"

    async def response(self, request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
        if self.concerns(request) and self.strike():
            await self.hold_request()
        return response


@dataclass
class HoldRequest(Gate, HttpTrouble):
    """The request waits until released before its body is read, so that a large one is stuck on its way."""

    path: str = "/upload"
    method: str = "POST"

    async def request(self, request: web.Request) -> web.StreamResponse | None:
        if self.concerns(request) and self.strike():
            await self.hold_request()
        return None


@dataclass
class LateHistory(Trouble):
    """GET /history/{id} answers {} to this many requests after the prompt has ended."""

    async def response(self, request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
        if "/history/" not in request.path or not isinstance(response, web.Response) or response.text == "{}":
            return response
        return web.json_response({}) if self.strike() else response
