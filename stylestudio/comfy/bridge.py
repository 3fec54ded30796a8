"""An event loop in its own thread, for synchronous workers that talk to engines."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from concurrent.futures import CancelledError, Future
from contextlib import aclosing, suppress
from typing import Any, Generic, TypeVar

T = TypeVar("T")

_CLOSE_TIMEOUT = 5.0


class LoopThread:
    """One event loop in a daemon thread. Its methods may be called from any number of other threads."""

    def __init__(self, name: str = "engine-loop") -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._stopped = False
        self._lock = threading.Lock()
        self._thread.start()

    def submit(self, coro: Coroutine[Any, Any, T]) -> Future[T]:
        """Start `coro` on the loop. Raises RuntimeError after `stop`."""
        with self._lock:
            if self._stopped:
                coro.close()
                raise RuntimeError("The loop thread has stopped.")
            return asyncio.run_coroutine_threadsafe(coro, self._loop)

    def call(self, coro: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        """Run `coro` and return its result; its exceptions pass through.

        After `timeout` seconds it is cancelled and TimeoutError is raised. Raises CancelledError (from
        concurrent.futures) if the loop stops in the meantime.
        """
        if threading.current_thread() is self._thread:
            coro.close()
            raise RuntimeError("The loop thread cannot wait for itself.")
        future = self.submit(coro)
        try:
            return future.result(timeout)
        finally:
            future.cancel()

    def iterate(self, events: AsyncGenerator[T, None], poll: float) -> Generator[T | None, None, None]:
        """Yield the items of `events` as they come, and None whenever `poll` seconds pass without one.

        Exceptions from `events` pass through. Closing the iterator closes `events` before returning, so use
        `contextlib.closing` if the loop may be left early. Raises CancelledError if the loop thread stops in the
        meantime.
        """
        items: queue.SimpleQueue[_Item[T] | _End] = queue.SimpleQueue()
        started = self._start(_pump(events, items), lambda task: items.put(_End(_outcome(task))))
        ended = False
        try:
            while True:
                try:
                    item = items.get(timeout=poll)
                except queue.Empty:
                    yield None
                    continue
                if isinstance(item, _Item):
                    yield item.value
                    continue
                ended = True
                if item.error is not None:
                    raise item.error
                return
        finally:
            if not ended:
                self._loop.call_soon_threadsafe(lambda: started.result().cancel())
                with suppress(queue.Empty):
                    while not isinstance(items.get(timeout=_CLOSE_TIMEOUT), _End):
                        pass

    def stop(self, timeout: float = 5.0) -> None:
        """Cancel whatever is still running, then end the thread. May be called again."""
        with self._lock:
            if self._stopped:
                return
            self._stopped = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout)

    def _start(
        self, coro: Coroutine[Any, Any, None], done: Callable[[asyncio.Task[None]], object]
    ) -> Future[asyncio.Task[None]]:
        """Start `coro` on the loop soon, without waiting for that: a thread that wakes takes time from the loop."""
        started: Future[asyncio.Task[None]] = Future()

        def start() -> None:
            task = self._loop.create_task(coro)
            task.add_done_callback(done)
            started.set_result(task)

        with self._lock:
            if self._stopped:
                coro.close()
                raise RuntimeError("The loop thread has stopped.")
            self._loop.call_soon_threadsafe(start)
        return started

    def _work(self) -> None:
        loop = self._loop
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
            tasks = asyncio.all_tasks(loop)
            for task in tasks:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()


class _Item(Generic[T]):
    __slots__ = ("value",)

    def __init__(self, value: T) -> None:
        self.value = value


class _End:
    __slots__ = ("error",)

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


async def _pump(events: AsyncGenerator[T, None], items: queue.SimpleQueue[_Item[T] | _End]) -> None:
    async with aclosing(events):
        async for event in events:
            items.put(_Item(event))


def _outcome(task: asyncio.Task[None]) -> BaseException | None:
    return CancelledError() if task.cancelled() else task.exception()
