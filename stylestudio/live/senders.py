"""Sending from threads: messages leave in order from a thread of their own, and nobody waits for it."""

from __future__ import annotations

import atexit
import json
import logging
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from stylestudio.host.rendezvous import Endpoint

log = logging.getLogger(__name__)

LARGEST = 2**20  # bytes in one frame
BACK_OFF = 1.0  # seconds between attempts to reach a hub or a Redis that is down
HEAD = struct.Struct("!I")  # the length of a frame, before it

T = TypeVar("T")


class BackgroundSender(Generic[T]):
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


def packed(target: str, content: Any) -> bytes | None:
    """The content of a frame for `target` as JSON; None, with a line in the log, if it cannot be sent."""
    try:
        frame = json.dumps(content).encode()
    except (TypeError, ValueError):
        log.exception("A message for %s is not JSON and was dropped.", target)
        return None
    if len(frame) > LARGEST:
        log.error("A message for %s has %d bytes, more than %d, and was dropped.", target, len(frame), LARGEST)
        return None
    return frame


class HubSender(BackgroundSender[bytes]):
    """Sends messages to the hub in another process."""

    def __init__(self, endpoint: Callable[[], Endpoint | None], capacity: int) -> None:
        super().__init__(capacity)
        self._endpoint = endpoint
        self._socket: socket.socket | None = None

    def put(self, kind: str, target: str, message: dict[str, Any]) -> None:
        """Queue a message. Returns at once and never raises."""
        if frame := packed(target, [kind, target, message]):
            self.take(HEAD.pack(len(frame)) + frame)

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
            self._socket.sendall(HEAD.pack(len(secret)) + secret)
        return self._socket

    def _disconnect(self) -> None:
        if self._socket:
            self._socket.close()
        self._socket = None


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


class RedisSender(BackgroundSender[tuple[str, bytes]]):
    """Publishes to Redis. `publish` is that of a client; after one of its `errors` the message is tried again."""

    def __init__(
        self, publish: Callable[[str, bytes], object], errors: tuple[type[Exception], ...], capacity: int
    ) -> None:
        super().__init__(capacity)
        self._publish = publish
        self._errors = errors
        self._failing_since: float | None = None

    def put(self, name: str, message: dict[str, Any]) -> None:
        """Queue a message for the Redis channel `name`. Returns at once and never raises."""
        if frame := packed(name, message):
            self.take((name, frame))

    def _send_one(self, item: tuple[str, bytes]) -> bool:
        try:
            self._publish(*item)
        except self._errors as error:
            if self._failing_since is None:
                self._failing_since = time.monotonic()
                log.warning("Live updates cannot be sent to Redis, and wait: %s", error)
            return False
        if self._failing_since is not None:
            away, self._failing_since = time.monotonic() - self._failing_since, None
            log.info("Live updates are sent to Redis again, after %.0f s.", away)
        return True
