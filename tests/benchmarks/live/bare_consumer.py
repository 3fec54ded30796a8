"""A Channels consumer without a database, on the daphne of the web process: watchers.py and ways_in.py compare with it.

`python tests/benchmarks/live/bare_consumer.py PORT [HUB_FILE]`. Each socket joins one group; what one of them says, or
is posted with the secret, all are sent. With a file, other processes send through our hub, else the layer is in memory.
"""

from __future__ import annotations

# Before Django: importing daphne decides which event loop Twisted uses.
from daphne.server import Server  # isort: skip

import hmac
import json
import sys
from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer
from channels.layers import get_channel_layer
from daphne.endpoints import build_endpoint_description_strings
from django.conf import settings

SECRET = b"secret"


class Bare(AsyncWebsocketConsumer):  # type: ignore[misc]  # channels has no types
    """Forwards what is said to the group."""

    async def connect(self) -> None:
        """Join and accept."""
        await self.channel_layer.group_add("all", self.channel_name)
        await self.accept()

    async def disconnect(self, code: int) -> None:
        """Leave."""
        await self.channel_layer.group_discard("all", self.channel_name)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Tell all."""
        await self.channel_layer.group_send("all", {"type": "push", "text": text_data})

    async def push(self, message: dict[str, Any]) -> None:
        """Forward it."""
        await self.send(text_data=message["text"])


async def post(scope: Any, receive: Any, send: Any) -> None:
    """Tell all what was posted, if the secret fits: no more than a way in from another process needs."""
    body, more = b"", True
    while more:
        event = await receive()
        body, more = body + event.get("body", b""), event.get("more_body", False)
    fits = hmac.compare_digest(dict(scope["headers"]).get(b"authorization", b""), SECRET)
    if fits:
        await get_channel_layer().group_send("all", json.loads(body))
    await send({"type": "http.response.start", "status": 204 if fits else 403, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def main() -> None:
    """Serve until killed."""
    layer: dict[str, Any] = {"BACKEND": "channels.layers.InMemoryChannelLayer", "CONFIG": {"capacity": 1000}}
    if len(sys.argv) > 2:
        layer = {"BACKEND": "stylestudio.live.hub.HubChannelLayer", "CONFIG": {"file": sys.argv[2]}}
    settings.configure(CHANNEL_LAYERS={"default": layer})
    socket = Bare.as_asgi()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await (socket if scope["type"] == "websocket" else post)(scope, receive, send)

    endpoints = build_endpoint_description_strings(host="127.0.0.1", port=int(sys.argv[1]))
    Server(application, endpoints=endpoints, application_close_timeout=3).run()


if __name__ == "__main__":
    main()
