"""Following a prompt from a test: everything it says is kept, and any moment of it can be awaited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TypeVar

from stylestudio.comfy.protocol.events import Completed, Event

T = TypeVar("T", bound=Event)


class Follower:
    """Reads a run to its end in a task of its own. `seen` holds its events so far.

    Whoever waits longer than `limit` seconds gets a TimeoutError.
    """

    def __init__(self, events: AsyncGenerator[Event, None], limit: float = 10.0) -> None:
        self.limit = limit
        self.seen: list[Event] = []
        self._news = asyncio.Condition()
        self._task = asyncio.create_task(self._follow(events))

    async def _follow(self, events: AsyncGenerator[Event, None]) -> Completed:
        try:
            async with aclosing(events):
                async for event in events:
                    self.seen.append(event)
                    async with self._news:
                        self._news.notify_all()
        finally:
            async with self._news:
                self._news.notify_all()
        last = self.seen[-1]
        assert isinstance(last, Completed), f"{last} is not how a run ends"
        return last

    async def until(self, kind: type[T], matching: Callable[[T], bool] = lambda event: True) -> T:
        """The first event of this kind; fails when the run ends without one."""
        looked = 0
        async with asyncio.timeout(self.limit), self._news:
            while True:
                for event in self.seen[looked:]:
                    if isinstance(event, kind) and matching(event):
                        return event
                looked = len(self.seen)
                if self._task.done():
                    self._task.result()
                    raise AssertionError(f"The run ended without {kind.__name__}: {self.seen}")
                await self._news.wait()

    async def end(self) -> Completed:
        """The result; raises what the run raised."""
        async with asyncio.timeout(self.limit):
            return await self._task

    def of(self, kind: type[T]) -> list[T]:
        return [event for event in self.seen if isinstance(event, kind)]

    async def leave(self) -> None:
        """Stops following, as a worker does that is told to stop."""
        self._task.cancel()
        await asyncio.wait([self._task])
