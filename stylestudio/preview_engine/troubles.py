"""Everything that can go wrong with an engine, on demand.

A trouble is added, strikes `times` times (None: until it is removed or released) and is gone:

    engine.troubles.add(FailNode("KSampler", "RuntimeError", "boom"))
    hold = engine.troubles.add(Hold("KSampler"))
    await hold.reached()
    hold.release()

Scripts outside the process name it by its class in snake case, through POST /preview/troubles of a scriptable engine:
{"trouble": "fail_node", "class_type": "KSampler"}.

Hook points: `node`, `step` and `place` in the worker thread, `request` and `response` around HTTP handlers, `frame` and
`delivered` around each socket frame, `begin` and `end` for what changes the engine as a whole.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, Protocol, TypeVar

from aiohttp import web

from .frames import Frame

Halted = Callable[[], bool]
OUT_OF_MEMORY = (
    "Allocation on device \nThis error means you ran out of memory on your GPU.\n\n"
    "TIPS: If the workflow worked before you might have accidentally set the batch_size to a large number."
)


class NodeFailure(Exception):
    """A node fails with this exception type and message, whatever Python would call it."""

    def __init__(self, exception_type: str, message: str) -> None:
        super().__init__(message)
        self.exception_type = exception_type


class Engine(Protocol):
    """What a trouble may do to the engine as a whole. All thread-safe."""

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
        """Uses up one time; False when none was left."""
        with self._lock:
            if not self.active:
                return False
            self.struck += 1
            return True

    def release(self) -> None:
        """Ends the trouble and lets go of whatever it holds."""
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
        """Extra seconds this step takes. May raise NodeFailure."""
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
class FailNode(Trouble):
    """A node of this class raises. "" is any class."""

    class_type: str = ""
    exception_type: str = "RuntimeError"
    message: str = "Something broke."

    def node(self, class_type: str, halted: Halted) -> None:
        if self.class_type in ("", class_type) and self.strike():
            raise NodeFailure(self.exception_type, self.message)


@dataclass
class OutOfMemory(FailNode):
    """A node of this class runs out of GPU memory."""

    class_type: str = "KSampler"
    exception_type: str = "torch.OutOfMemoryError"
    message: str = OUT_OF_MEMORY


@dataclass
class FailStep(FailNode):
    """A node of this class raises after step `after_step` was reported."""

    class_type: str = "TrainLoraNode"
    after_step: int = 1

    def node(self, class_type: str, halted: Halted) -> None: ...

    def step(self, class_type: str, value: int, halted: Halted) -> float:
        if value == self.after_step:
            super().node(class_type, halted)
        return 0.0


@dataclass
class OutOfMemoryStep(FailStep):
    """A node of this class runs out of GPU memory after step `after_step`."""

    exception_type: str = "torch.OutOfMemoryError"
    message: str = OUT_OF_MEMORY


@dataclass
class CrashStep(Trouble):
    """The engine restarts as in `Restart` after step `after_step` of a node of this class was reported."""

    class_type: str = "TrainLoraNode"
    after_step: int = 1

    def step(self, class_type: str, value: int, halted: Halted) -> float:
        if value == self.after_step and class_type == self.class_type and self._engine and self.strike():
            self._engine.forget_everything()
        return 0.0


@dataclass
class Gate(Trouble):
    """Holds whoever comes until released."""

    _reached: threading.Event = field(default_factory=threading.Event, init=False, repr=False)

    def wait_reached(self, timeout: float = 10.0) -> None:
        """Waits until somebody is held; TimeoutError after `timeout` seconds. For synchronous code."""
        if not self._reached.wait(timeout):
            raise TimeoutError(f"Nothing came to {self} within {timeout} s.")

    async def reached(self, timeout: float = 10.0) -> None:
        """wait_reached() for code inside an event loop."""
        await asyncio.to_thread(self.wait_reached, timeout)

    async def hold_request(self) -> None:
        """hold() for code inside an event loop; any number may be held without a thread for each."""
        self._reached.set()
        while not self._ended.is_set():
            await asyncio.sleep(0.02)

    def hold(self, halted: Halted) -> None:
        self._reached.set()
        while not self._ended.wait(0.02):
            if halted():
                return


@dataclass
class Hold(Gate):
    """Freezes the worker before a node of class `before`, or after step `after_step` of sampling or training.

    `before` may also be a place: "start" (taken from the queue, nothing sent), "success" (all nodes done), "history"
    (execution_success sent, history not written) or "idle" (history written, last frame not sent). An interrupt gets
    through unless `deaf`.
    """

    before: str = ""
    after_step: int | None = None
    deaf: bool = False

    def node(self, class_type: str, halted: Halted) -> None:
        if class_type == self.before:
            self._freeze(halted)

    def place(self, name: str, halted: Halted) -> None:
        if name == self.before:
            self._freeze(halted)

    def step(self, class_type: str, value: int, halted: Halted) -> float:
        if value == self.after_step:
            self._freeze(halted)
        return 0.0

    def _freeze(self, halted: Halted) -> None:
        if self.strike():
            self.hold((lambda: False) if self.deaf else halted)


@dataclass
class SlowSteps(Trouble):
    """Every step of sampling or training takes this many seconds more; with `class_type` only those of such nodes."""

    times: int | None = field(default=None, kw_only=True)
    seconds: float = 0.1
    class_type: str = ""

    def step(self, class_type: str, value: int, halted: Halted) -> float:
        return self.seconds if self.class_type in ("", class_type) and self.strike() else 0.0


@dataclass
class DeadWorker(Trouble):
    """Prompts are accepted and none runs, until released."""

    times: int | None = field(default=None, kw_only=True)

    def begin(self, engine: Engine) -> None:
        engine.pause_worker(True)

    def end(self, engine: Engine) -> None:
        engine.pause_worker(False)


@dataclass
class Restart(Trouble):
    """The engine forgets queue, history, cache and temp files, and every socket breaks. Happens at once."""

    def begin(self, engine: Engine) -> None:
        if self.strike():
            engine.forget_everything()


@dataclass
class HttpTrouble(Trouble):
    """Concerns requests whose path starts with `path` and whose method is `method` ("" is any)."""

    path: str = "/"
    method: str = ""

    def concerns(self, request: web.Request) -> bool:
        path = request.path.removeprefix("/api")
        return path.startswith(self.path) and self.method in ("", request.method)


@dataclass
class Answer(HttpTrouble):
    """Answers in place of the engine: a rejection, HTML, an empty picture, nonsense."""

    status: int = 500
    body: str | bytes = "500 Internal Server Error\n\nServer got itself in trouble"
    content_type: str = "text/plain"

    async def request(self, request: web.Request) -> web.StreamResponse | None:
        if not self.concerns(request) or not self.strike():
            return None
        body = self.body.encode() if isinstance(self.body, str) else self.body
        return web.Response(status=self.status, body=body, content_type=self.content_type)


@dataclass
class LoseAnswer(HttpTrouble):
    """The request is handled (not with `handled` false), then the connection breaks without an answer."""

    path: str = "/prompt"
    method: str = "POST"
    handled: bool = True

    async def request(self, request: web.Request) -> web.StreamResponse | None:
        if self.handled or not self.concerns(request) or not self.strike():
            return None
        return self._broken(request)

    async def response(self, request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
        if not self.handled or not self.concerns(request) or not self.strike():
            return response
        return self._broken(request)

    def _broken(self, request: web.Request) -> web.StreamResponse:
        if request.transport:
            request.transport.abort()
        return web.Response()


@dataclass
class CutAnswer(HttpTrouble):
    """Only the first `share` of an answer's body arrives, then the connection breaks.

    `told`: the shorter length was announced, so that the answer looks whole and the file is damaged.
    """

    path: str = "/view"
    share: float = 0.5
    told: bool = False

    async def response(self, request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
        if not self.concerns(request) or not self.strike():
            return response
        body = await asyncio.to_thread(_body, response)
        begun = body[: int(self.share * len(body))]
        if self.told:
            return web.Response(body=begun, content_type=response.content_type)
        cut = web.StreamResponse(headers={"Content-Length": str(len(body)), "Content-Type": response.content_type})
        await cut.prepare(request)
        await cut.write(begun)
        if request.transport:
            request.transport.abort()
        return cut


def _body(response: web.StreamResponse) -> bytes:
    """What the engine would have sent."""
    if isinstance(response, web.FileResponse):
        return response._path.read_bytes()  # noqa: SLF001 - a test double; nothing public names the file
    body = response.body if isinstance(response, web.Response) else None
    return body if isinstance(body, bytes) else b""


@dataclass
class HoldAnswer(Gate, HttpTrouble):
    """The request is handled, and its answer waits until released."""

    path: str = "/prompt"
    method: str = "POST"

    async def response(self, request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
        if self.concerns(request) and self.strike():
            await self.hold_request()
        return response


@dataclass
class HoldRequest(Gate, HttpTrouble):
    """The request waits until released before its body is read, so that a large one gets stuck on its way."""

    path: str = "/upload"
    method: str = "POST"

    async def request(self, request: web.Request) -> web.StreamResponse | None:
        if self.concerns(request) and self.strike():
            await self.hold_request()
        return None


@dataclass
class LateHistory(Trouble):
    """GET /history/{id} says {} for this many asks after the prompt has ended."""

    async def response(self, request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
        if "/history/" not in request.path or not isinstance(response, web.Response) or response.text == "{}":
            return response
        return web.json_response({}) if self.strike() else response


@dataclass
class DropSockets(Trouble):
    """Every socket breaks (code 1006), at once or right after a frame of type `after`."""

    after: str = ""

    def begin(self, engine: Engine) -> None:
        if not self.after and self.strike():
            engine.drop_sockets()

    def delivered(self, frame: Frame, engine: Engine) -> None:
        if self.after and frame.event == self.after and self.strike():
            engine.drop_sockets()


@dataclass
class SilentSockets(Trouble):
    """The sockets open at that time stay open and hear nothing more, at once or right after a frame of type `after`."""

    after: str = ""

    def begin(self, engine: Engine) -> None:
        if not self.after and self.strike():
            engine.mute_sockets()

    def delivered(self, frame: Frame, engine: Engine) -> None:
        if self.after and frame.event == self.after and self.strike():
            engine.mute_sockets()


@dataclass
class FrameTrouble(Trouble):
    """Concerns frames of type `event`; "" is every type, "preview" the binary ones."""

    times: int | None = field(default=None, kw_only=True)
    event: str = ""

    def concerns_frame(self, frame: Frame) -> bool:
        return self.event in ("", frame.event)


@dataclass
class LoseFrames(FrameTrouble):
    """Such frames never arrive."""

    def frame(self, frame: Frame) -> list[Frame]:
        return [] if self.concerns_frame(frame) and self.strike() else [frame]


@dataclass
class DuplicateFrames(FrameTrouble):
    """Such frames arrive twice."""

    def frame(self, frame: Frame) -> list[Frame]:
        return [frame, frame] if self.concerns_frame(frame) and self.strike() else [frame]


@dataclass
class ReorderFrames(FrameTrouble):
    """Such frames change places with the next one. The last frame of a prompt never waits."""

    _waiting: Frame | None = field(default=None, init=False, repr=False)

    def frame(self, frame: Frame) -> list[Frame]:
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            return [frame, waiting]
        last = frame.event == "executing" and frame.data.get("node") is None
        if not last and self.concerns_frame(frame) and self.strike():
            self._waiting = frame
            return []
        return [frame]


@dataclass
class WrongIds(FrameTrouble):
    """Such frames carry another prompt's id."""

    prompt_id: str = "00000000-0000-4000-8000-000000000000"

    def frame(self, frame: Frame) -> list[Frame]:
        return [frame.with_prompt_id(self.prompt_id)] if self.concerns_frame(frame) and self.strike() else [frame]


@dataclass
class ForeignFrames(FrameTrouble):
    """Before such frames the same client hears the same of somebody else's prompt."""

    prompt_id: str = "00000000-0000-4000-8000-000000000000"

    def frame(self, frame: Frame) -> list[Frame]:
        if frame.image or "prompt_id" not in frame.data or not self.concerns_frame(frame) or not self.strike():
            return [frame]
        return [frame.with_prompt_id(self.prompt_id), frame]


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
    """The trouble that a script asks for; ValueError says what is wrong with the request."""
    if not isinstance(told, dict) or told.get("trouble") not in KINDS:
        raise ValueError(f'Name a trouble, as in {{"trouble": "fail_node"}}. Known: {", ".join(sorted(KINDS))}.')
    kind = KINDS[told["trouble"]]
    known = {entry.name for entry in fields(kind) if entry.init}
    given = {name: value for name, value in told.items() if name != "trouble"}
    if unknown := sorted(set(given) - known):
        raise ValueError(f"{told['trouble']} has no {', '.join(unknown)}. It has {', '.join(sorted(known))}.")
    return kind(**given)


class Troubles:
    """The troubles of one engine, and the places where it asks for them. Thread-safe."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._added: dict[int, Trouble] = {}

    def add(self, trouble: T) -> T:
        """Starts a trouble and returns it, so that it can be waited for and released."""
        with self._lock:
            trouble.id = len(self._added) + 1
            self._added[trouble.id] = trouble
        trouble.start(self._engine)
        return trouble

    def get(self, number: int) -> Trouble:
        """KeyError when there is none."""
        return self._added[number]

    def clear(self) -> None:
        """Ends and releases every trouble."""
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
        """Before a node runs. May raise NodeFailure, may hold."""
        for trouble in self._active():
            trouble.node(class_type, halted)

    def step(self, class_type: str, value: int, halted: Halted) -> float:
        """After a step of a sampler or a training was reported. May hold or raise; returns extra seconds."""
        return sum(trouble.step(class_type, value, halted) for trouble in self._active())

    def place(self, name: str, halted: Halted) -> None:
        """At a named place of the worker. May hold."""
        for trouble in self._active():
            trouble.place(name, halted)

    async def request(self, request: web.Request) -> web.StreamResponse | None:
        """Before a handler; an answer takes its place."""
        for trouble in self._active():
            if answer := await trouble.request(request):
                return answer
        return None

    async def response(self, request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
        """After a handler."""
        for trouble in self._active():
            response = await trouble.response(request, response)
        return response

    def frames(self, frame: Frame) -> list[Frame]:
        """What is sent in place of a frame."""
        sent = [frame]
        # Not only active ones: a reordered frame may still wait in a trouble that has struck for the last time.
        for trouble in list(self._added.values()):
            if isinstance(trouble, FrameTrouble):
                sent = [changed for each in sent for changed in trouble.frame(each)]
        return sent

    def delivered(self, frame: Frame) -> None:
        """After a frame was put on its way."""
        for trouble in self._active():
            trouble.delivered(frame, self._engine)
