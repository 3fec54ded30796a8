"""Ends sockets whose sessions ended without a message, with one look for all sockets of this process."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from stylestudio.edge import passes
from stylestudio.edge.passes import Pass


class SessionWatch:
    """The passes of all open sockets, each with the coroutine function that closes it."""

    def __init__(self) -> None:
        self._held: dict[Callable[[], Awaitable[None]], Pass] = {}
        self._task: asyncio.Task[None] | None = None

    def add(self, close: Callable[[], Awaitable[None]], held: Pass) -> None:
        """Call `close` within `passes.SECONDS_BETWEEN_SESSION_LOOKS` of the moment at which `held` is found ended."""
        if self._task is None or self._task.done() or self._task.get_loop() is not asyncio.get_running_loop():
            self._held.clear()
            self._task = asyncio.get_running_loop().create_task(self._look_regularly())
        self._held[close] = held

    def remove(self, close: Callable[[], Awaitable[None]]) -> None:
        """Undo `add`."""
        self._held.pop(close, None)
        if not self._held and self._task:
            self._task.cancel()
            self._task = None

    async def _look_regularly(self) -> None:
        while True:
            await asyncio.sleep(passes.SECONDS_BETWEEN_SESSION_LOOKS)
            # If nobody knows, it is looked at again soon.
            with contextlib.suppress(passes.Unknown):
                over = await asyncio.to_thread(passes.register.ended, set(self._held.values()))
                for close in [close for close, held in self._held.items() if held in over]:
                    self.remove(close)
                    await close()
