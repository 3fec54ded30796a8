"""The hub: the channel layer of a studio without Redis. Also publishing from threads, with or without Redis.

The process whose event loop receives first becomes the hub and holds all queues. Every other process hands its messages
to a thread that carries them to the hub over loopback. Sending never waits and never raises: messages are only hints,
and the database rows are the truth.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import secrets
from pathlib import Path

from channels.layers import get_channel_layer

from stylestudio.host.rendezvous import Endpoint
from stylestudio.live.readers import LocalLayer, Message
from stylestudio.live.senders import HEAD, LARGEST, HubSender

log = logging.getLogger(__name__)


class HubChannelLayer(LocalLayer):
    """The interface of Channels, plus `group_send_sync` for threads.

    `file` is where the hub stores its port and secret.
    """

    def __init__(self, file: Path, capacity: int = 1000, expiry: int = 60) -> None:
        super().__init__(capacity, expiry)
        self._file = Path(file)
        self._server: asyncio.Server | None = None
        self._secret = b""
        self._carrier = HubSender(self._endpoint, capacity)

    async def _start_receiving(self) -> None:
        #: [Set by `studio`] Port and secret of the channel that carries live updates to the web process.
        endpoint = Endpoint.from_environment("STYLESTUDIO_HUB") or Endpoint(0, secrets.token_urlsafe(32))
        self._secret = endpoint.secret.encode()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", endpoint.port)
        Endpoint(self._server.sockets[0].getsockname()[1], endpoint.secret).write(self._file)

    async def close(self) -> None:
        """Stop being the hub. For tests."""
        if self._server and self._is_open():
            self._server.close()
        self._server = self._loop = None

    async def send(self, channel: str, message: Message) -> None:
        """Put `message` into one channel."""
        self.require_valid_channel_name(channel)
        self._send("channel", channel, message)

    async def group_send(self, group: str, message: Message) -> None:
        """Send `message` to every channel in `group`."""
        self.group_send_sync(group, message)

    def group_send_sync(self, group: str, message: Message) -> None:
        """`group_send` for use from any thread."""
        self.require_valid_group_name(group)
        self._send("group", group, message)

    def drain(self) -> None:
        """Wait up to half a second for queued messages to leave this process. Needed only before `os._exit`."""
        self._carrier.drain()

    def _endpoint(self) -> Endpoint | None:
        return Endpoint.from_environment("STYLESTUDIO_HUB") or Endpoint.from_file(self._file)

    def _send(self, kind: str, target: str, message: Message) -> None:
        hub = self._loop
        if hub is None or hub.is_closed():
            self._carrier.put(kind, target, message)
        elif _running_loop() is hub:
            self._deliver(kind, target, message)
        else:
            try:
                hub.call_soon_threadsafe(self._deliver, kind, target, message)
            except RuntimeError:
                log.debug("The hub closed while a message was sent.")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(5):
                greeting = await _read(reader, 200)
            if not hmac.compare_digest(greeting, self._secret):
                log.warning("A connection to the hub came with a wrong secret and was refused.")
                return
            while True:
                kind, target, message = json.loads(await _read(reader, LARGEST))
                self._deliver(kind, target, message)
        except (asyncio.IncompleteReadError, ConnectionError, TimeoutError):
            pass  # the other process ended, or was not one of ours
        except asyncio.CancelledError:
            # The loop ends. Until Python 3.12 asyncio asks such a task for its result, and logs that it was cancelled.
            pass
        except (ValueError, TypeError) as error:
            log.warning("A connection to the hub sent something unreadable and was closed: %s", error)
        finally:
            writer.close()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


async def _read(reader: asyncio.StreamReader, most: int) -> bytes:
    (length,) = HEAD.unpack(await reader.readexactly(HEAD.size))
    if length > most:
        raise ValueError(f"a frame of {length} bytes is over the limit of {most}")
    return await reader.readexactly(length)


def part(group: str, language: str) -> str:
    """The part of a group that hears pushes in one language, or their facts as JSON without one."""
    return f"{group}.{language or 'json'}"


def publish(group: str, message: Message) -> None:
    """Send `message` to `group` from any thread, through the configured layer. Never waits, never raises.

    A push has the fragments of all languages as `html` and facts for scripts as `data`, either of which may be empty.
    Each part of the group is sent its own.
    """
    layer = get_channel_layer()
    if message["type"] != "push":
        layer.group_send_sync(group, message)
        return
    facts = json.dumps(message["data"]) if message["data"] else ""
    for language, text in {**message["html"], "": facts}.items():
        if text:
            layer.group_send_sync(part(group, language), {"type": "push", "text": text})


def drain() -> None:
    """Let what was published last leave this process. Call it before `os._exit`."""
    get_channel_layer().drain()
