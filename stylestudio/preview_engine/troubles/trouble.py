"""The base of all troubles: strikes a number of times, may hold callers, and ends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from aiohttp import web

from stylestudio.preview_engine.frames import Frame

Halted = Callable[[], bool]


class NodeFailure(Exception):
    """A node fails with this exception type and message, whatever Python would call it."""

    def __init__(self, exception_type: str, message: str) -> None:
        super().__init__(message)
        self.exception_type = exception_type


class Engine(Protocol):
    """What a trouble may do to the engine as a whole. All methods are thread-safe."""

    def forget_everything(self) -> None: ...
    def pause_worker(self, paused: bool) -> None: ...
    def drop_sockets(self) -> None: ...
    def mute_sockets(self) -> None: ...


@dataclass
class Trouble:
    """Does nothing by itself. `left` counts down from `times` and ends the trouble at 0."""

    times: int | None = field(default=1, kw_only=True)
    id: int = field(default=0, init=False)
    struck: int = field(default=0, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)
    _ended: threading.Event = field(default_factory=threading.Event, init=False, repr=False)
    _engine: Engine | None = field(default=None, init=False, repr=False)

    @property
    def active(self) -> bool:
        return not self._ended.is_set() and (self.times is None or self.struck < self.times)

    def strike(self) -> bool:
        """Use up one strike; False if none was left."""
        with self._lock:
            if not self.active:
                return False
            self.struck += 1
            return True

    def release(self) -> None:
        """End the trouble and let go of whatever it holds."""
        self._ended.set()
        if self._engine:
            self.end(self._engine)

    def start(self, engine: Engine) -> None:
        self._engine = engine
        self.begin(engine)

    def begin(self, engine: Engine) -> None: ...
    def end(self, engine: Engine) -> None: ...
    def node(self, class_type: str, halted: Halted) -> None: ...
    def step(self, class_type: str, value: int, halted: Halted) -> float:
        """Extra seconds that this step takes. May raise NodeFailure."""
        return 0.0

    def place(self, name: str, halted: Halted) -> None: ...
    async def request(self, request: web.Request) -> web.StreamResponse | None:
        return None

    async def response(self, request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
        return response

    def frame(self, frame: Frame) -> list[Frame]:
        return [frame]

    def delivered(self, frame: Frame, engine: Engine) -> None: ...


@dataclass
class Gate(Trouble):
    """Blocks every caller until released."""

    _reached: threading.Event = field(default_factory=threading.Event, init=False, repr=False)

    def wait_reached(self, timeout: float = 10.0) -> None:
        """Wait until a caller is blocked; TimeoutError after `timeout` seconds. For synchronous code."""
        if not self._reached.wait(timeout):
            raise TimeoutError(f"Nothing came to {self} within {timeout} s.")

    async def reached(self, timeout: float = 10.0) -> None:
        """`wait_reached` for code inside an event loop."""
        await asyncio.to_thread(self.wait_reached, timeout)

    async def hold_request(self) -> None:
        """`hold` for code inside an event loop; any number of callers may be held without a thread for each."""
        self._reached.set()
        while not self._ended.is_set():
            await asyncio.sleep(0.02)

    def hold(self, halted: Halted) -> None:
        self._reached.set()
        while not self._ended.wait(0.02):
            if halted():
                return
