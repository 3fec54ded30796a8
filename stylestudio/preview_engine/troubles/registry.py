"""The troubles of one engine: which kinds there are, and the hooks that the engine calls."""

from __future__ import annotations

import re
import threading
from dataclasses import fields
from typing import Any, TypeVar

from aiohttp import web

from stylestudio.preview_engine.frames import Frame
from stylestudio.preview_engine.troubles.answering import (
    Answer,
    CutAnswer,
    HoldAnswer,
    HoldRequest,
    LateHistory,
    LoseAnswer,
)
from stylestudio.preview_engine.troubles.sockets import (
    DropSockets,
    DuplicateFrames,
    ForeignFrames,
    FrameTrouble,
    LoseFrames,
    ReorderFrames,
    SilentSockets,
    WrongIds,
)
from stylestudio.preview_engine.troubles.trouble import Engine, Halted, Trouble
from stylestudio.preview_engine.troubles.working import (
    CrashStep,
    DeadWorker,
    FailNode,
    FailStep,
    Hold,
    OutOfMemory,
    OutOfMemoryStep,
    Restart,
    SlowSteps,
)

T = TypeVar("T", bound=Trouble)
ALL: tuple[type[Trouble], ...] = (
    FailNode,
    OutOfMemory,
    FailStep,
    OutOfMemoryStep,
    CrashStep,
    Hold,
    SlowSteps,
    DeadWorker,
    Restart,
    Answer,
    LoseAnswer,
    CutAnswer,
    HoldAnswer,
    HoldRequest,
    LateHistory,
    DropSockets,
    SilentSockets,
    LoseFrames,
    DuplicateFrames,
    ReorderFrames,
    WrongIds,
    ForeignFrames,
)


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


KINDS = {_snake(kind.__name__): kind for kind in ALL}


def from_json(told: Any) -> Trouble:
    """Build the trouble that a script requests; ValueError says what is wrong with the request."""
    if not isinstance(told, dict) or told.get("trouble") not in KINDS:
        raise ValueError(f'Name a trouble, as in {{"trouble": "fail_node"}}. Known: {", ".join(sorted(KINDS))}.')
    kind = KINDS[told["trouble"]]
    known = {entry.name for entry in fields(kind) if entry.init}
    given = {name: value for name, value in told.items() if name != "trouble"}
    if unknown := sorted(set(given) - known):
        raise ValueError(f"{told['trouble']} has no {', '.join(unknown)}. It has {', '.join(sorted(known))}.")
    return kind(**given)


class Troubles:
    """The troubles of one engine, and the hooks that it calls. Thread-safe."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._added: dict[int, Trouble] = {}

    def add(self, trouble: T) -> T:
        """Start a trouble and return it, so that it can be awaited and released."""
        with self._lock:
            trouble.id = len(self._added) + 1
            self._added[trouble.id] = trouble
        trouble.start(self._engine)
        return trouble

    def get(self, number: int) -> Trouble:
        """The trouble with this number. Raises KeyError."""
        return self._added[number]

    def clear(self) -> None:
        """End and release every trouble."""
        for trouble in list(self._added.values()):
            trouble.release()

    def as_json(self) -> list[dict[str, Any]]:
        return [
            {
                "id": trouble.id,
                "trouble": _snake(type(trouble).__name__),
                "struck": trouble.struck,
                "active": trouble.active,
            }
            for trouble in list(self._added.values())
        ]

    def _active(self) -> list[Trouble]:
        return [trouble for trouble in list(self._added.values()) if trouble.active] if self._added else []

    def node(self, class_type: str, halted: Halted) -> None:
        """Called before a node runs. May raise NodeFailure or block."""
        for trouble in self._active():
            trouble.node(class_type, halted)

    def step(self, class_type: str, value: int, halted: Halted) -> float:
        """Called after a step of a sampler or a training was reported. May block or raise; returns extra seconds."""
        return sum(trouble.step(class_type, value, halted) for trouble in self._active())

    def place(self, name: str, halted: Halted) -> None:
        """Called at a named place of the worker. May block."""
        for trouble in self._active():
            trouble.place(name, halted)

    async def request(self, request: web.Request) -> web.StreamResponse | None:
        """Called before a handler; a response replaces the handler's."""
        for trouble in self._active():
            if answer := await trouble.request(request):
                return answer
        return None

    async def response(self, request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
        """Called after a handler."""
        for trouble in self._active():
            response = await trouble.response(request, response)
        return response

    def frames(self, frame: Frame) -> list[Frame]:
        """The frames to send instead of a frame."""
        sent = [frame]
        # Not only active ones: a trouble that has struck for the last time may still hold a reordered frame.
        for trouble in list(self._added.values()):
            if isinstance(trouble, FrameTrouble):
                sent = [changed for each in sent for changed in trouble.frame(each)]
        return sent

    def delivered(self, frame: Frame) -> None:
        """Called after a frame was queued for sending."""
        for trouble in self._active():
            trouble.delivered(frame, self._engine)
