"""Rejects request bodies over the limit with 413 while they arrive.

Two guards. `limit_bodies` wraps the ASGI application and works under every server. daphne calls an application only
when the body is complete, so `install` puts the same limit into daphne's own request.
"""

from __future__ import annotations

import logging
from typing import Any

from daphne import http_protocol, server
from django.utils.translation import gettext

from stylestudio.edge.serving import Application, Message, Receive, Scope, Send

log = logging.getLogger(__name__)

# Seconds during which the rest of a rejected body is read and discarded. Closing at once would reset the connection,
# and many browsers would then show a broken connection instead of the response.
LINGER = 5.0


def _sentence(limit: int) -> bytes:
    text = gettext("This upload is too large: at most %(limit)d MB go through. Nothing was kept.")
    return (text % {"limit": limit // 2**20}).encode()


def _no_place() -> bytes:
    text = gettext("The studio has no room to take this in. Nothing was kept. Ask whoever runs it to make room.")
    return text.encode()


class _TooLarge(Exception):
    """More of the body arrived than is allowed."""


def limit_bodies(app: Application, limit: int) -> Application:
    """Wrap `app` with a guard that answers 413 as soon as a body, announced or chunked, exceeds `limit` bytes."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        arrived = 0
        started = False

        async def counted() -> Message:
            nonlocal arrived
            message = await receive()
            arrived += len(message.get("body", b""))
            if arrived > limit:
                raise _TooLarge
            return message

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            if _announced(scope) > limit:
                raise _TooLarge
            await app(scope, counted, watched)
        except _TooLarge:
            if started:
                raise
            body = _sentence(limit)
            headers = [
                (b"content-type", b"text/plain; charset=utf-8"),
                (b"content-length", str(len(body)).encode()),
                (b"connection", b"close"),
            ]
            await send({"type": "http.response.start", "status": 413, "headers": headers})
            await send({"type": "http.response.body", "body": body})

    return guarded


def _announced(scope: Scope) -> int:
    lengths = [value for name, value in scope["headers"] if name == b"content-length"]
    return int(lengths[0]) if lengths and lengths[0].isdigit() else 0


class LimitedRequest(http_protocol.WebRequest):  # type: ignore[misc]
    """daphne's request, which rejects a body over `limit` bytes while it arrives."""

    limit = 16 * 2**20

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # daphne never uses the form that Twisted parses, and parsing takes twelve times the body in memory.
        super().__init__(*args, parsePOSTFormSubmission=False, **kwargs)
        self._arrived = 0
        self._refused = False

    def gotLength(self, length: int | None) -> None:
        """The headers are complete; `length` is None for a chunked body."""
        if length is not None and length > self.limit:
            super().gotLength(0)
            self._refuse()
            return
        try:
            super().gotLength(length)
        except OSError:  # bodies over 100 kB go into a temporary file
            super().gotLength(0)
            self._refuse_for_room()

    def handleContentChunk(self, data: bytes) -> None:
        """One more piece of the body, with the chunked framing removed."""
        if self._refused:
            return
        self._arrived += len(data)
        if self._arrived > self.limit:
            self.content.seek(0)
            self.content.truncate()
            self._refuse()
            return
        try:
            super().handleContentChunk(data)
        except OSError:
            self._refuse_for_room()

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """The body is complete. A rejected one does not reach the application."""
        if self._refused:
            self.channel.loseConnection()
        else:
            super().requestReceived(command, path, version)

    def handle_exception(self, exception: BaseException) -> None:
        """The application failed. If the response has started, all we can do is to cut it off."""
        if not self._response_started:
            super().handle_exception(exception)
        elif self.channel is not None:
            self.channel.transport.abortConnection()

    def _refuse_for_room(self) -> None:
        log.warning("A request could not be taken in: there is no room for temporary files.")
        self._refuse(b"503 Service Unavailable", _no_place())

    def _refuse(self, status: bytes = b"413 Content Too Large", body: bytes = b"") -> None:
        self._refused = True
        # Otherwise Twisted would go on to ask for the body that was just rejected.
        self.requestHeaders.removeHeader(b"Expect")
        body = body or _sentence(self.limit)
        # Written by hand: Twisted's own response would read the rest of the body as the next request.
        transport = self.channel.transport
        transport.write(
            b"HTTP/1.1 %b\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n"
            b"X-Content-Type-Options: nosniff\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)
        )
        transport.loseWriteConnection()
        server.reactor.callLater(LINGER, transport.abortConnection)


def install(limit: int) -> None:
    """Make daphne reject bodies over `limit` bytes. Call before `daphne.server.Server(...).run()`."""
    LimitedRequest.limit = limit
    http_protocol.WebRequest = LimitedRequest
