"""What watchers.py compares with: a Channels consumer without a database, on the daphne of the web process.

`python tests/benchmarks/bare_consumer.py PORT`. Each socket joins one group; what one of them says, all are sent.
"""

from __future__ import annotations

# Before Django: importing daphne decides which event loop Twisted uses.
from daphne.server import Server  # isort: skip

import sys
from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer
from daphne.endpoints import build_endpoint_description_strings
from django.conf import settings

LAYER = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer", "CONFIG": {"capacity": 1000}}}


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


def main() -> None:
    """Serve until killed."""
    settings.configure(CHANNEL_LAYERS=LAYER)
    endpoints = build_endpoint_description_strings(host="127.0.0.1", port=int(sys.argv[1]))
    Server(Bare.as_asgi(), endpoints=endpoints, application_close_timeout=3).run()


if __name__ == "__main__":
    main()
