"""A WebSocket client that costs next to nothing, so that a thousand of them measure the server and not themselves."""

from __future__ import annotations

import asyncio
import base64
import os
import time
from collections.abc import Callable

PING, CLOSE = 9, 8


class LightSocket(asyncio.Protocol):
    """One open socket. `hear` is called with each whole text frame, `end` when it is closed or refused."""

    def __init__(self, request: bytes, hear: Callable[[bytes], None], end: Callable[[LightSocket], None]) -> None:
        self._request, self._hear, self._end = request, hear, end
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self.opened: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self.refusal = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """The answer, then frames."""
        self._buffer += data
        if not self.opened.done():
            head, blank, rest = self._buffer.partition(b"\r\n\r\n")
            if not blank:
                return
            if b" 101 " not in head.split(b"\r\n", 1)[0]:
                self.refusal = bytes(head.split(b"\r\n", 1)[0])
                self.abort()
                return
            self.opened.set_result(time.perf_counter())
            self._buffer = rest
        self._take_frames()

    def connection_lost(self, error: Exception | None) -> None:
        """Gone, or never opened."""
        if not self.opened.done():
            self.opened.set_exception(ConnectionError(self.refusal or b"the connection was closed"))
            self.opened.exception()  # seen, though nobody may wait for it
        self._end(self)

    def say(self, text: bytes) -> None:
        """Send a text frame of at most 64 kB."""
        self._send(1, text)

    def abort(self) -> None:
        """End without a word."""
        if self._transport:
            self._transport.abort()

    def _take_frames(self) -> None:
        while len(self._buffer) >= 2:
            length, start = self._buffer[1], 2
            if length >= 126:
                start = 4 if length == 126 else 10
                if len(self._buffer) < start:
                    return
                length = int.from_bytes(self._buffer[2:start], "big")
            if len(self._buffer) < start + length:
                return
            kind, content = self._buffer[0] & 15, bytes(self._buffer[start : start + length])
            del self._buffer[: start + length]
            if kind == PING:
                self._send(10, content)
            elif kind == CLOSE:
                self.abort()
            else:
                self._hear(content)

    def _send(self, kind: int, content: bytes) -> None:
        length = bytes([0x80 | len(content)]) if len(content) < 126 else b"\xfe" + len(content).to_bytes(2, "big")
        if self._transport and not self._transport.is_closing():
            self._transport.write(bytes([0x80 | kind]) + length + b"\0\0\0\0" + content)


def upgrade(path: str, host: str, cookie: str = "") -> bytes:
    """The request that opens a socket."""
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        "Sec-WebSocket-Version: 13",
        *([f"Cookie: {cookie}"] if cookie else []),
    ]
    return "\r\n".join([*lines, "", ""]).encode()
