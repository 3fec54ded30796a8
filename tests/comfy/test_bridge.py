from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import CancelledError
from uuid import uuid4

import aiohttp
import pytest

from stylestudio.comfy.bridge import LoopThread
from stylestudio.comfy.client import ComfyClient
from stylestudio.comfy.graphs.graph import Graph
from stylestudio.comfy.protocol.events import Completed
from stylestudio.preview_engine.server import Options, PreviewThread


@pytest.fixture
def loop_thread() -> Iterator[LoopThread]:
    thread = LoopThread()
    yield thread
    thread.stop()


async def _count(most: int, closed: threading.Event | None = None) -> AsyncGenerator[int, None]:
    try:
        for number in range(most):
            yield number
            await asyncio.sleep(0)
    finally:
        if closed:
            closed.set()


async def _silence(closed: threading.Event) -> AsyncGenerator[int, None]:
    try:
        await asyncio.Event().wait()
        yield 1
    finally:
        closed.set()


async def _never() -> None:
    await asyncio.Event().wait()


def test_a_call_gives_the_result_and_runs_on_the_other_thread(loop_thread: LoopThread) -> None:
    async def name() -> str:
        return threading.current_thread().name

    assert loop_thread.call(name()) == "engine-loop"


def test_a_call_raises_what_the_coroutine_raised(loop_thread: LoopThread) -> None:
    async def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        loop_thread.call(fail())


def test_a_call_that_takes_too_long_is_cancelled(loop_thread: LoopThread) -> None:
    cancelled = threading.Event()

    async def wait() -> None:
        try:
            await _never()
        finally:
            cancelled.set()

    with pytest.raises(TimeoutError):
        loop_thread.call(wait(), timeout=0.02)
    assert cancelled.wait(2)


def test_a_call_from_the_loop_thread_itself_is_refused(loop_thread: LoopThread) -> None:
    async def inner() -> None:
        loop_thread.call(asyncio.sleep(0))

    with pytest.raises(RuntimeError, match="wait for itself"):
        loop_thread.call(inner())


def test_items_come_in_order(loop_thread: LoopThread) -> None:
    assert list(loop_thread.iterate(_count(500), poll=5)) == list(range(500))


def test_silence_gives_none_so_that_the_caller_can_look_around(loop_thread: LoopThread) -> None:
    closed = threading.Event()
    with contextlib.closing(loop_thread.iterate(_silence(closed), poll=0.01)) as items:
        assert [next(items), next(items)] == [None, None]
        assert not closed.is_set()
    assert closed.is_set()


def test_leaving_early_closes_the_generator_before_it_returns(loop_thread: LoopThread) -> None:
    closed = threading.Event()
    with contextlib.closing(loop_thread.iterate(_count(10**9, closed), poll=5)) as items:
        assert next(items) == 0
    assert closed.is_set()


def test_leaving_before_anything_began_does_not_hang(loop_thread: LoopThread) -> None:
    for _ in range(50):
        items = loop_thread.iterate(_silence(threading.Event()), poll=0)
        next(items)
        items.close()
    assert loop_thread.call(_settled()) == 0


async def _settled() -> int:
    await asyncio.sleep(0)
    return sum(task is not asyncio.current_task() for task in asyncio.all_tasks())


def test_an_exception_passes_through_after_the_items_before_it(loop_thread: LoopThread) -> None:
    async def fail() -> AsyncGenerator[int, None]:
        yield 1
        raise KeyError("gone")

    items = loop_thread.iterate(fail(), poll=5)
    assert next(items) == 1
    with pytest.raises(KeyError, match="gone"):
        next(items)


def test_stopping_ends_whoever_waits(loop_thread: LoopThread) -> None:
    ended: list[type[BaseException]] = []

    def work() -> None:
        try:
            list(loop_thread.iterate(_silence(began), poll=60))
        except CancelledError as error:
            ended.append(type(error))

    began = threading.Event()
    future = loop_thread.submit(_never())
    worker = threading.Thread(target=work)
    worker.start()
    loop_thread.call(_count_tasks(2))
    loop_thread.stop()
    worker.join(5)
    assert ended == [CancelledError]
    assert future.cancelled()


async def _count_tasks(most: int) -> None:
    while len(asyncio.all_tasks()) <= most:
        await asyncio.sleep(0.001)


def test_after_stopping_everything_is_refused(loop_thread: LoopThread) -> None:
    loop_thread.stop()
    loop_thread.stop()
    with pytest.raises(RuntimeError, match="has stopped"):
        loop_thread.call(asyncio.sleep(0))
    with pytest.raises(RuntimeError, match="has stopped"):
        next(loop_thread.iterate(_count(1), poll=1))


def test_items_cross_in_well_under_a_millisecond(loop_thread: LoopThread) -> None:
    async def stamps() -> AsyncGenerator[float, None]:
        for _ in range(100):
            await asyncio.sleep(0.001)
            yield time.perf_counter()

    delays = sorted(time.perf_counter() - sent for sent in loop_thread.iterate(stamps(), poll=5) if sent is not None)
    assert delays[len(delays) // 2] < 0.001


def test_a_synchronous_worker_makes_a_picture_on_one_long_lived_client(
    loop_thread: LoopThread, graph: Callable[..., Graph]
) -> None:
    async def connect(url: str) -> ComfyClient:
        return ComfyClient(aiohttp.ClientSession(), url, client_id="worker")

    async def leave(client: ComfyClient) -> None:
        await client.close()
        await client.transport.session.close()

    with PreviewThread(Options(painter="flat")) as engine:
        client = loop_thread.call(connect(engine.url))
        for _ in range(2):
            *_, last = loop_thread.iterate(client.run(graph(), str(uuid4())), poll=5)
            assert isinstance(last, Completed)
            ((ref,),) = last.outputs.values()
            assert loop_thread.call(client.fetch(ref)).startswith(b"\x89PNG")
        loop_thread.call(leave(client))
