"""The channel layer of a studio with Redis: readers are kept in this process, as in the hub; Redis carries messages.

A process has two connections for it, one that publishes and one that hears the groups of those who read here. Redis
keeps no list of readers, so whoever ends in whatever way leaves nothing behind.
"""

from __future__ import annotations

import json
import logging
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.retry import Retry

from stylestudio.live.readers import LocalLayer, Message
from stylestudio.live.redis_subscriber import SECONDS_FOR_REDIS, Subscriber
from stylestudio.live.senders import RedisSender

log = logging.getLogger(__name__)

# What readers are sent when messages may have been lost: pages come back, and are sent what they missed.
LOST: Message = {"type": "lost"}


class RedisChannelLayer(LocalLayer):
    """The interface of Channels, plus `group_send_sync` for threads. `url` is the address of Redis.

    `send` reaches readers of this process only: everything here is sent to groups.
    """

    def __init__(self, url: str, capacity: int = 1000, expiry: int = 60) -> None:
        super().__init__(capacity, expiry)
        self._url = url
        # To channels, all numbered databases of a Redis are one; each may belong to another studio.
        self._prefix = f"stylestudio.{parse_url(url).get('db', 0)}."
        self._client: Any = None
        self._sender = RedisSender(self._publish, (redis.RedisError, OSError), capacity)
        self._subscriber: Subscriber | None = None

    async def _start_receiving(self) -> None:
        self._subscriber = Subscriber(self._url, self._hear, self._lose)

    async def close(self) -> None:
        """Stop receiving. For tests."""
        subscriber, self._subscriber, self._loop = self._subscriber, None, None
        if subscriber:
            await subscriber.stop()

    async def send(self, channel: str, message: Message) -> None:
        """Put `message` into one channel of this process."""
        self.require_valid_channel_name(channel)
        self._deliver("channel", channel, message)

    async def group_add(self, group: str, channel: str) -> None:
        """Subscribe `channel` to `group`, and return when Redis has confirmed it. Raises ConnectionError."""
        await super().group_add(group, channel)
        assert self._subscriber
        await self._subscriber.join(self._prefix + group)

    async def group_send(self, group: str, message: Message) -> None:
        """Send `message` to every channel in `group`, in all processes."""
        self.group_send_sync(group, message)

    def group_send_sync(self, group: str, message: Message) -> None:
        """`group_send` for use from any thread."""
        self.require_valid_group_name(group)
        self._sender.put(self._prefix + group, message)

    def drain(self) -> None:
        """Wait up to half a second for queued messages to leave this process. Needed only before `os._exit`."""
        self._sender.drain()

    def _leave(self, group: str, channel: str) -> None:
        super()._leave(group, channel)
        if group not in self._groups and self._subscriber:
            self._subscriber.leave(self._prefix + group)

    def _publish(self, name: str, content: bytes) -> None:
        """Called in the sender's thread."""
        if self._client is None:
            self._client = redis.Redis.from_url(
                self._url,
                socket_timeout=SECONDS_FOR_REDIS,
                socket_connect_timeout=SECONDS_FOR_REDIS,
                # Once more at once: a connection that broke long ago shows it only when it is used.
                retry=Retry(NoBackoff(), 1),
            )
        self._client.publish(name, content)

    def _hear(self, name: str, content: bytes) -> None:
        try:
            message = json.loads(content)
            _type: str = message["type"]
        except (ValueError, TypeError, KeyError) as error:  # from something else that uses this Redis
            log.warning("A message in Redis for %s is not a live update and was dropped: %s", name, error)
            return
        self._deliver("group", name.removeprefix(self._prefix), message)

    def _lose(self) -> None:
        for channel in tuple(self._queues):
            self._deliver("channel", channel, LOST)
