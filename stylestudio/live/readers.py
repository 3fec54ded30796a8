"""The readers of this process: their queues and their groups, whichever way messages come from other processes."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from typing import Any
from uuid import uuid4

from channels.layers import BaseChannelLayer

log = logging.getLogger(__name__)

Message = dict[str, Any]


class LocalLayer(BaseChannelLayer):  # type: ignore[misc]
    """The interface of Channels for one event loop, plus `open` for the web process.

    `capacity` is how many messages a reader may fall behind; beyond that the oldest are dropped, because a newer
    fragment replaces an older one.
    """

    extensions = ("groups", "flush")

    def __init__(self, capacity: int, expiry: int) -> None:
        super().__init__(expiry=expiry, capacity=capacity)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._opening = threading.Lock()
        self._queues: dict[str, _Queue] = {}
        self._groups: dict[str, set[str]] = {}

    async def open(self) -> None:
        """Let readers of this event loop receive. Raises OSError if the port handed down is taken."""
        loop = asyncio.get_running_loop()
        with self._opening:
            if self._is_open():
                if self._loop is not loop:
                    raise RuntimeError("Another event loop of this process already receives.")
                return
            self._queues.clear()
            self._groups.clear()
            self._loop = loop
        try:
            await self._start_receiving()
        except OSError:
            self._loop = None
            raise

    async def _start_receiving(self) -> None:
        """Begin to receive from other processes."""
        raise NotImplementedError

    async def new_channel(self, prefix: str = "specific") -> str:
        """Return a new channel name for one reader."""
        return f"{prefix}.hub!{uuid4().hex}"

    async def receive(self, channel: str) -> Message:
        """Return the oldest message waiting in `channel`. Opens the layer."""
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

    async def group_add(self, group: str, channel: str) -> None:
        """Subscribe `channel` to `group`. Opens the layer."""
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

    async def flush(self) -> None:
        """Drop every message and every group."""
        self._queues.clear()
        self._groups.clear()

    def _is_open(self) -> bool:
        return self._loop is not None and not self._loop.is_closed()

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


class _Queue(asyncio.Queue[Message]):
    """The messages waiting for one reader, its groups, and when it last took a message (monotonic seconds)."""

    def __init__(self, capacity: int) -> None:
        super().__init__(capacity)
        self.groups: set[str] = set()
        self.readers = 0
        self.read_at = time.monotonic()
