"""What crossing to the loop of engines costs, ours beside anyio's; docs/decisions/loop-bridge.md has the figures.

.venv/bin/python tests/benchmarks/loop_bridge.py [rounds]
"""

from __future__ import annotations

import queue
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, closing
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

CALLS, ITEMS = 5_000, 20_000


class Portal:
    """`LoopThread` on anyio: the portal has no iterator over an async generator, so that part is ours here too."""

    def __init__(self) -> None:
        from anyio.from_thread import start_blocking_portal

        self._manager = start_blocking_portal()
        self._portal = self._manager.__enter__()

    def call(self, coro: Any) -> Any:
        """The result of `coro`."""

        async def awaited() -> Any:
            return await coro

        return self._portal.call(awaited)

    def iterate(self, events: AsyncGenerator[Any, None], poll: float) -> Generator[Any, None, None]:
        """The items of `events`, and None when `poll` seconds pass without one."""
        items: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()

        async def pump() -> None:
            async with aclosing(events):
                async for event in events:
                    items.put((event,))

        future = self._portal.start_task_soon(pump)
        future.add_done_callback(lambda _done: items.put(()))
        try:
            while True:
                try:
                    item = items.get(timeout=poll)
                except queue.Empty:
                    yield None
                    continue
                if not item:
                    return future.result()
                yield item[0]
        finally:
            future.cancel()

    def stop(self) -> None:
        """End the loop."""
        self._manager.__exit__(None, None, None)


async def nothing() -> int:
    """The shortest coroutine."""
    return 1


async def numbers() -> AsyncGenerator[int, None]:
    """Items as fast as they are taken."""
    for number in range(ITEMS):
        yield number


def measure(kind: str) -> None:
    """Print: import seconds, µs of a call, µs of an item, megabytes."""
    began = time.perf_counter()
    if kind == "ours":
        from stylestudio.comfy.bridge import LoopThread

        bridge: Any = LoopThread()
    else:
        bridge = Portal()
    ready = time.perf_counter() - began
    times = []
    for _ in range(CALLS):
        began = time.perf_counter()
        bridge.call(nothing())
        times.append(time.perf_counter() - began)
    began = time.perf_counter()
    with closing(bridge.iterate(numbers(), poll=1)) as items:
        assert sum(1 for item in items if item is not None) == ITEMS
    each = (time.perf_counter() - began) / ITEMS
    bridge.stop()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(ready * 1e3, statistics.median(times) * 1e6, each * 1e6, memory)


def main(rounds: int) -> None:
    """Both in turn, each time in a process of its own."""
    measured: dict[str, list[list[float]]] = {"ours": [], "anyio": []}
    for number in range(rounds):
        for kind in ("ours", "anyio") if number % 2 else ("anyio", "ours"):
            said = subprocess.run(
                [sys.executable, __file__, "measure", kind], capture_output=True, text=True, check=True
            )
            measured[kind].append([float(word) for word in said.stdout.split()])
    for kind, rows in measured.items():
        ready, call, item, memory = (statistics.median(column) for column in zip(*rows, strict=True))
        print(f"{kind}: ready in {ready:.0f} ms, a call {call:.0f} µs, an item {item:.1f} µs, {memory:.0f} MB")


if __name__ == "__main__":
    if sys.argv[1:2] == ["measure"]:
        measure(sys.argv[2])
    else:
        main(int(sys.argv[1]) if sys.argv[1:] else 11)
