"""The hub: the channel layer of a studio without Redis. Also publishing from threads, with or without Redis.

The process whose event loop receives first becomes the hub and holds all queues. Every other process hands its messages
to a thread that carries them to the hub over loopback. Sending never waits and never raises: messages are only hints,
and the database rows are the truth.
"""

from __future__ import annotations

import asyncio
import atexit
import hmac
import json
import logging
import secrets
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Generic, TypeVar
from uuid import uuid4

from channels.layers import BaseChannelLayer, get_channel_layer

from stylestudio.host.rendezvous import Endpoint

log = logging.getLogger(__name__)

Message = dict[str, Any]

LARGEST = 2**20  # bytes in one frame
BACK_OFF = 1.0  # seconds between attempts to reach a hub or a Redis that is down
SECONDS_FOR_REDIS = 5.0  # how long Redis may take to accept a message
_HEAD = struct.Struct("!I")


class HubChannelLayer(BaseChannelLayer):  # type: ignore[misc]
    """The interface of Channels, plus `open` for the web process and `group_send_sync` for threads.

    `file` is where the hub stores its port and secret. `capacity` is how many messages a reader may fall behind; beyond
    that the oldest are dropped, because a newer fragment replaces an older one.
    """

    extensions = ("groups", "flush")

    def __init__(self, file: Path, capacity: int = 1000, expiry: int = 60) -> None:
        super().__init__(expiry=expiry, capacity=capacity)
        self._file = Path(file)
        self._hub: asyncio.AbstractEventLoop | None = None
        self._server: asyncio.Server | None = None
        self._opening = threading.Lock()
        self._queues: dict[str, _Queue] = {}
        self._groups: dict[str, set[str]] = {}
        self._secret = b""
        self._carrier = _HubSender(self._endpoint, capacity)

    async def open(self) -> None:
        """Make this process the hub. Raises OSError if the port handed down is taken: there is only one web process."""
        loop = asyncio.get_running_loop()
        with self._opening:
            if self._is_hub():
                if self._hub is not loop:
                    raise RuntimeError("The hub already listens in another event loop of this process.")
                return
            self._queues.clear()
            self._groups.clear()
            self._hub = loop
        #: [Set by `studio`] Port and secret of the channel that carries live updates to the web process.
        endpoint = Endpoint.from_environment("STYLESTUDIO_HUB") or Endpoint(0, secrets.token_urlsafe(32))
        self._secret = endpoint.secret.encode()
        try:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", endpoint.port)
        except OSError:
            self._hub = None
            raise
        Endpoint(self._server.sockets[0].getsockname()[1], endpoint.secret).write(self._file)

    async def close(self) -> None:
        """Stop being the hub. For tests."""
        if self._server and self._is_hub():
            self._server.close()
        self._server = self._hub = None

    async def new_channel(self, prefix: str = "specific") -> str:
        """Return a new channel name for one reader."""
        return f"{prefix}.hub!{uuid4().hex}"

    async def receive(self, channel: str) -> Message:
        """Return the oldest message waiting in `channel`. Makes this process the hub."""
        self.require_valid_channel_name(channel)
        await self.open()
        queue = self._queue(channel)
        queue.readers += 1
        try:
            return await queue.get()
        finally:
            queue.readers -= 1
            queue.read_at = time.monotonic()
            self._forget_if_done(channel)

    async def send(self, channel: str, message: Message) -> None:
        """Put `message` into one channel."""
        self.require_valid_channel_name(channel)
        self._send("channel", channel, message)

    async def group_add(self, group: str, channel: str) -> None:
        """Subscribe `channel` to `group`. Makes this process the hub."""
        self.require_valid_group_name(group)
        self.require_valid_channel_name(channel)
        await self.open()
        self._queue(channel).groups.add(group)
        self._groups.setdefault(group, set()).add(channel)

    async def group_discard(self, group: str, channel: str) -> None:
        """Undo `group_add`."""
        self.require_valid_group_name(group)
        self.require_valid_channel_name(channel)
        self._leave(group, channel)
        self._forget_if_done(channel)

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

    async def flush(self) -> None:
        """Drop every message and every group."""
        self._queues.clear()
        self._groups.clear()

    def _is_hub(self) -> bool:
        return self._hub is not None and not self._hub.is_closed()

    def _endpoint(self) -> Endpoint | None:
        return Endpoint.from_environment("STYLESTUDIO_HUB") or Endpoint.from_file(self._file)

    def _send(self, kind: str, target: str, message: Message) -> None:
        hub = self._hub
        if hub is None or hub.is_closed():
            self._carrier.put(kind, target, message)
        elif _running_loop() is hub:
            self._deliver(kind, target, message)
        else:
            try:
                hub.call_soon_threadsafe(self._deliver, kind, target, message)
            except RuntimeError:
                log.debug("The hub closed while a message was sent.")

    def _deliver(self, kind: str, target: str, message: Message) -> None:
        for channel in tuple(self._groups.get(target, ())) if kind == "group" else (target,):
            queue = self._queue(channel)
            if queue.full():
                if not queue.readers and time.monotonic() - queue.read_at > self.expiry:
                    # Its reader ended without leaving its groups.
                    for group in tuple(queue.groups):
                        self._leave(group, channel)
                    del self._queues[channel]
                    continue
                queue.get_nowait()
            queue.put_nowait(message)

    def _queue(self, channel: str) -> _Queue:
        if channel not in self._queues:
            self._queues[channel] = _Queue(self.capacity)
        return self._queues[channel]

    def _leave(self, group: str, channel: str) -> None:
        if queue := self._queues.get(channel):
            queue.groups.discard(group)
        members = self._groups.get(group, set())
        members.discard(channel)
        if not members:
            self._groups.pop(group, None)

    def _forget_if_done(self, channel: str) -> None:
        queue = self._queues.get(channel)
        if queue and not queue.readers and not queue.groups and queue.empty():
            del self._queues[channel]

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
        except (ValueError, TypeError) as error:
            log.warning("A connection to the hub sent something unreadable and was closed: %s", error)
        finally:
            writer.close()


class _Queue(asyncio.Queue[Message]):
    """The messages waiting for one reader, its groups, and when it last took a message (monotonic seconds)."""

    def __init__(self, capacity: int) -> None:
        super().__init__(capacity)
        self.groups: set[str] = set()
        self.readers = 0
        self.read_at = time.monotonic()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


async def _read(reader: asyncio.StreamReader, most: int) -> bytes:
    (length,) = _HEAD.unpack(await reader.readexactly(_HEAD.size))
    if length > most:
        raise ValueError(f"a frame of {length} bytes is over the limit of {most}")
    return await reader.readexactly(length)


T = TypeVar("T")


class _BackgroundSender(Generic[T]):
    """Sends messages in order from a thread of its own. While they cannot be sent, it keeps the newest."""

    def __init__(self, capacity: int) -> None:
        self._waiting: deque[T] = deque(maxlen=capacity)
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._idle = True

    def take(self, item: T) -> None:
        """Queue a message. Returns at once and never raises."""
        with self._changed:
            self._waiting.append(item)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="courier", daemon=True)
                self._thread.start()
                atexit.register(self.drain)
            self._changed.notify_all()

    def drain(self, seconds: float = 0.5) -> None:
        """Wait up to `seconds` until everything queued has been sent; there may be nobody to receive it."""
        with self._changed:
            self._changed.wait_for(lambda: self._idle and not self._waiting, seconds)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._idle = not self._waiting
                self._changed.notify_all()
                while not self._waiting:
                    self._changed.wait()
                self._idle = False
                item = self._waiting.popleft()
            while not self._send_one(item):
                time.sleep(BACK_OFF)

    def _send_one(self, item: T) -> bool:
        """Send one message. Return False to try the same one again."""
        raise NotImplementedError


class _HubSender(_BackgroundSender[bytes]):
    """Sends messages to the hub in another process."""

    def __init__(self, endpoint: Callable[[], Endpoint | None], capacity: int) -> None:
        super().__init__(capacity)
        self._endpoint = endpoint
        self._socket: socket.socket | None = None

    def put(self, kind: str, target: str, message: Message) -> None:
        """Queue a message. Returns at once and never raises."""
        try:
            frame = json.dumps([kind, target, message]).encode()
        except (TypeError, ValueError):
            log.exception("A message for %s is not JSON and was dropped.", target)
            return
        if len(frame) > LARGEST:
            log.error("A message for %s has %d bytes, more than %d, and was dropped.", target, len(frame), LARGEST)
            return
        self.take(_HEAD.pack(len(frame)) + frame)

    def _send_one(self, frame: bytes) -> bool:
        # Twice, because a connection that broke long ago shows it only when it is used.
        for _attempt in range(2):
            try:
                self._connection().sendall(frame)
                return True
            except OSError:
                self._disconnect()
        return False

    def _connection(self) -> socket.socket:
        if self._socket and _is_closed(self._socket):
            self._disconnect()
        if self._socket is None:
            endpoint = self._endpoint()
            if endpoint is None:
                raise ConnectionError("no hub has left its address")
            # Short, because Windows takes seconds to report that nobody listens.
            self._socket = socket.create_connection(("127.0.0.1", endpoint.port), timeout=0.25)
            self._socket.settimeout(5)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            secret = endpoint.secret.encode()
            self._socket.sendall(_HEAD.pack(len(secret)) + secret)
        return self._socket

    def _disconnect(self) -> None:
        if self._socket:
            self._socket.close()
        self._socket = None


class _LayerSender(_BackgroundSender[tuple[str, Message]]):
    """Sends to groups of a layer that only coroutines can use, such as Redis, from one permanent event loop.

    A new loop for each message would open a new connection for each message.
    """

    def __init__(self, layer: Any) -> None:
        super().__init__(layer.capacity)
        self._layer = layer
        self._loop = asyncio.new_event_loop()
        self._failing = False

    def _send_one(self, item: tuple[str, Message]) -> bool:
        group, message = item
        try:
            self._loop.run_until_complete(asyncio.wait_for(self._layer.group_send(group, message), SECONDS_FOR_REDIS))
        except (TypeError, ValueError, OverflowError):
            log.exception("A message for %s cannot be sent and was dropped.", group)
        except Exception:  # the layer's client raises its own errors; keep the message and try again
            if not self._failing:
                log.warning("Live updates cannot be sent.", exc_info=True)
            self._failing = True
            return False
        self._failing = False
        return True


def _is_closed(connection: socket.socket) -> bool:
    """Whether the other side hung up. The hub never sends anything, so anything readable means the end."""
    connection.setblocking(False)
    try:
        connection.recv(1)
    except BlockingIOError:
        return False
    except OSError:
        return True
    else:
        return True
    finally:
        connection.settimeout(5)


@cache
def _layer_sender(layer: Any) -> _LayerSender:
    return _LayerSender(layer)


def publish(group: str, message: Message) -> None:
    """Send `message` to `group` from any thread, through the configured layer. Never waits, never raises."""
    layer = get_channel_layer()
    if hasattr(layer, "group_send_sync"):
        layer.group_send_sync(group, message)
    else:
        _layer_sender(layer).take((group, message))


def drain() -> None:
    """Let what was published last leave this process. Call it before `os._exit`."""
    layer = get_channel_layer()
    if hasattr(layer, "drain"):
        layer.drain()
    else:
        _layer_sender(layer).drain()
