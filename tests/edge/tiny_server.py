"""A real daphne with the limits of bodies and connections around an application that says how much it was sent.

Takes the limit of bodies, of unfinished connections, and the public address. Prints its port.
"""

from __future__ import annotations

import asyncio
import itertools
import sys

from daphne.server import Server
from django.conf import settings

settings.configure(USE_I18N=False, MEDIA_ORIGIN="", SECRET_KEY="tiny", PUBLIC_URL=sys.argv[3], PROXIES=[])

from stylestudio.edge import connections, limits  # noqa: E402
from stylestudio.edge.serving import Message, Receive, Scope, Send  # noqa: E402

calls = itertools.count(1)


async def count(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with "calls so far, bytes of the body"."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        return
    number = next(calls)
    if scope["path"].startswith("/breaks"):
        await breaks(scope, send)
    size, more = 0, True
    while more:
        message: Message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    body = f"{number} {size}".encode()
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(body)).encode())]}
    )
    await send({"type": "http.response.body", "body": body})


async def breaks(scope: Scope, send: Send) -> None:
    """An answer that begins, and whose file is gone then: before its first piece, or in the middle of it."""
    length = [(b"content-length", b"1000000")] if scope["path"] == "/breaks/with-length" else []
    await send({"type": "http.response.start", "status": 200, "headers": length})
    if scope["path"] != "/breaks/at-once":
        await send({"type": "http.response.body", "body": b"x" * 1000, "more_body": True})
    raise OSError("The file is gone.")


class TellingServer(Server):  # type: ignore[misc]  # daphne has no types
    """Prints the port as soon as it listens."""

    def listen_success(self, port: object) -> None:
        super().listen_success(port)
        print(self.listening_addresses[0][1], flush=True)


if __name__ == "__main__":
    asyncio.set_event_loop_policy(None)
    limits.LINGER = 2.0
    limits.install(int(sys.argv[1]))
    connections.install()
    connections.waiting.most = int(sys.argv[2])
    TellingServer(count, endpoints=["tcp:port=0:interface=127.0.0.1"]).run()
