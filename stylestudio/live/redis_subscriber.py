"""One connection to Redis that hears groups: it is told which, confirms them, and says when messages may be lost."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from redis import RedisError
from redis import asyncio as aioredis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from stylestudio.live import senders

log = logging.getLogger(__name__)

SECONDS_FOR_REDIS = 5.0  # how long Redis may take to accept a connection or a message
SECONDS_TO_JOIN = 3.0  # how long it may take to confirm a group; sockets that are not open in time are ended silently
SECONDS_BETWEEN_PINGS = 10.0
SECONDS_OF_SILENCE = 25.0  # after which a connection counts as broken, although it was pinged


class Subscriber:
    """Hears the groups that were joined. All methods are for one event loop.

    `hear(name, content)` is called for each message, `lose()` whenever the connection broke, because what was published
    then is lost: Redis keeps nothing for those who are away.
    """

    def __init__(self, url: str, hear: Callable[[str, bytes], None], lose: Callable[[], None]) -> None:
        self._url = url
        self._hear, self._lose = hear, lose
        self._wanted: set[str] = set()
        self._changed: set[str] = set()  # joined or left since Redis was told
        self._wake = asyncio.Event()
        self._asked: set[str] = set()  # what Redis was told to send
        self._unconfirmed: Counter[str] = Counter()
        self._confirmed: set[str] = set()
        self._joining: dict[str, asyncio.Future[None]] = {}
        self._away_since: float | None = None
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Disconnect."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def join(self, name: str) -> None:
        """Hear `name` from now on: what is published after this returns, is heard. Raises ConnectionError."""
        self._wanted.add(name)
        if name in self._confirmed:
            return
        if name not in self._joining:
            self._joining[name] = asyncio.get_running_loop().create_future()
        self._note(name)
        try:
            async with asyncio.timeout(SECONDS_TO_JOIN):
                await asyncio.shield(self._joining[name])
        except TimeoutError:
            raise ConnectionError("Redis does not confirm that it will send live updates.") from None

    def leave(self, name: str) -> None:
        """Undo `join`."""
        self._wanted.discard(name)
        self._joining.pop(name, None)
        self._note(name)

    def _note(self, name: str) -> None:
        self._changed.add(name)
        self._wake.set()

    async def _run(self) -> None:
        while True:
            # Without attempts of its own: it would subscribe again and say nothing of what was lost in between.
            client: Any = aioredis.Redis.from_url(
                self._url, retry=Retry(NoBackoff(), 0), socket_connect_timeout=SECONDS_FOR_REDIS
            )
            pubsub = client.pubsub()
            try:
                async with asyncio.timeout(2 * SECONDS_FOR_REDIS):
                    await pubsub.connect()
                await self._serve(pubsub)
            except (RedisError, OSError) as error:
                self._note_away(str(error))
            except Exception as error:  # without this task no page of this process would hear anything again
                log.exception("Live updates from Redis stopped, and are begun again.")
                self._note_away(str(error))
            finally:
                with contextlib.suppress(RedisError, OSError):
                    await pubsub.aclose()
                    await client.aclose()
            await asyncio.sleep(senders.BACK_OFF)

    def _note_away(self, reason: str) -> None:
        self._asked.clear()
        self._unconfirmed.clear()
        self._confirmed.clear()
        if self._away_since is None:
            self._away_since = time.monotonic()
            log.warning("Live updates are not heard from Redis, and pages will come back later: %s", reason)
            self._lose()  # once: whoever joins from now on waits for Redis, and has nothing to lose

    def _note_answer(self) -> None:
        if self._away_since is not None:
            log.info("Live updates are heard from Redis again, after %.0f s.", time.monotonic() - self._away_since)
            self._away_since = None

    async def _serve(self, pubsub: Any) -> None:
        """Talk to Redis until the connection breaks, which raises."""
        both = [asyncio.ensure_future(self._tell(pubsub)), asyncio.ensure_future(self._listen(pubsub))]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_EXCEPTION)
            for task in both:
                if task.done():
                    task.result()
        finally:
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)

    async def _tell(self, pubsub: Any) -> None:
        self._changed = set(self._wanted)
        while True:
            changed, self._changed = self._changed, set()
            self._wake.clear()
            new = (changed & self._wanted) - self._asked
            gone = (changed & self._asked) - self._wanted
            # Noted before they are sent, because the listener may see the answer first.
            self._asked = (self._asked | new) - gone
            self._unconfirmed.update(new)
            self._confirmed -= gone
            if new:
                await pubsub.subscribe(*new)
            if gone:
                await pubsub.unsubscribe(*gone)
            try:
                async with asyncio.timeout(SECONDS_BETWEEN_PINGS):
                    await self._wake.wait()
            except TimeoutError:
                await pubsub.ping()

    async def _listen(self, pubsub: Any) -> None:
        while True:
            message = await pubsub.get_message(timeout=SECONDS_OF_SILENCE)
            if message is None:
                raise ConnectionError(f"nothing came from Redis for {SECONDS_OF_SILENCE:.0f} s")
            self._note_answer()  # not before: a Redis that lets nobody in, or hear, accepts connections too
            if message["type"] == "message":
                self._hear(message["channel"].decode(), message["data"])
            elif message["type"] == "subscribe":
                self._confirm(message["channel"].decode())

    def _confirm(self, name: str) -> None:
        self._unconfirmed[name] -= 1
        # Somebody left and another one joined in between: only the last answer counts.
        if self._unconfirmed[name] > 0:
            return
        del self._unconfirmed[name]
        if name in self._asked:
            self._confirmed.add(name)
            if waiting := self._joining.pop(name, None):
                waiting.set_result(None)
