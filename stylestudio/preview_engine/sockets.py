"""The connected sockets and what is sent to them. Frames may be sent from any thread."""

from __future__ import annotations

import asyncio
import json
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from aiohttp import WSMsgType, web

from .frames import Frame
from .troubles import Troubles

PREVIEW, PREVIEW_WITH_METADATA = 1, 4
JPEG = 1
BACKLOG = 2_000


def features(max_upload: int) -> dict[str, Any]:
    """The engine's feature flags, for GET /features and for the socket."""
    return {
        "supports_preview_metadata": True,
        "max_upload_size": max_upload,
        "extension": {"manager": {"supports_v4": True}},
    }


@dataclass(eq=False, slots=True)
class Listener:
    """One open socket."""

    ws: web.WebSocketResponse
    request: web.Request
    metadata: bool = False
    muted: bool = False
    ending: bool = False
    frames: deque[Frame] = field(default_factory=deque)
    ready: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, frame: Frame) -> None:
        if self.muted:
            return
        self.frames.append(frame)
        self.ready.set()
        if len(self.frames) > BACKLOG:
            self.abort()

    def break_off(self) -> None:
        """End the connection as a crash would, once everything queued before has been sent."""
        self.muted = self.ending = True
        self.ready.set()

    def abort(self) -> None:
        """End the connection now, without a closing handshake: the client sees code 1006."""
        if self.request.transport:
            self.request.transport.abort()

    async def write(self) -> None:
        """Send the queued frames in order until the connection ends."""
        try:
            while True:
                await self.ready.wait()
                self.ready.clear()
                while self.frames:
                    await self._send(self.frames.popleft())
                if self.ending:
                    self.abort()
                    return
        except ConnectionError:
            return

    async def _send(self, frame: Frame) -> None:
        if not frame.image:
            await self.ws.send_str(json.dumps({"type": frame.event, "data": frame.data}))
        elif self.metadata:
            about = json.dumps({**frame.data, "image_type": "image/jpeg"}).encode()
            await self.ws.send_bytes(struct.pack(">II", PREVIEW_WITH_METADATA, len(about)) + about + frame.image)
        else:
            await self.ws.send_bytes(struct.pack(">II", PREVIEW, JPEG) + frame.image)


class Sockets:
    """The table of listeners by client id. `running_client` and `running_node` are reported to a late listener."""

    def __init__(self, troubles: Troubles, features: dict[str, Any]) -> None:
        self.running_client: str | None = None
        self.running_node: str | None = None
        self._troubles = troubles
        self._features = features
        self._table: dict[str, Listener] = {}
        self._open: set[Listener] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._outgoing: deque[Frame] = deque()
        self._woken = False

    def bind(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Set the loop that owns the sockets; None while the engine is stopped."""
        self._loop = loop

    def listening(self, sid: str | None) -> bool:
        return bool(self._table) if sid is None else sid in self._table

    def knows_metadata(self, sid: str | None) -> bool:
        """Whether previews for `sid` name their prompt. Broadcasts never do."""
        listener = None if sid is None else self._table.get(sid)
        return listener is not None and listener.metadata

    def send(self, event: str, data: dict[str, Any], sid: str | None = None, image: bytes = b"") -> None:
        """Thread-safe. `data` must not be changed afterwards."""
        if not self.listening(sid):
            return
        self._outgoing.append(Frame(event, data, sid, image))
        # One wake-up is enough for all frames queued before the loop gets to them.
        if not self._woken:
            self._woken = True
            self.call(self._deliver)

    def call(self, function: Any, *arguments: Any) -> None:
        """Run `function` in the loop; at once if the caller is already there."""
        loop = self._loop
        if loop is None:
            return
        try:
            here = asyncio.get_running_loop() is loop
        except RuntimeError:
            here = False
        if here:
            function(*arguments)
            return
        try:
            loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            return  # The loop closed between the two lines; there are no listeners left.

    def break_all(self) -> None:
        """Thread-safe. Every connection ends as in a crash."""

        def break_off() -> None:
            for listener in self._open:
                listener.break_off()

        self.call(break_off)

    def mute_all(self) -> None:
        """Thread-safe. The currently open sockets stay open but receive nothing more."""

        def mute() -> None:
            for listener in self._open:
                listener.muted = True

        self.call(mute)

    async def close_all(self) -> None:
        self.bind(None)
        for listener in list(self._open):
            listener.abort()

    async def serve(self, request: web.Request, remaining: Callable[[], int]) -> web.WebSocketResponse:
        """Handle one connection, from handshake to end."""
        ws = web.WebSocketResponse(compress=False)
        await ws.prepare(request)
        sid = request.query.get("clientId") or uuid4().hex
        listener = Listener(ws, request)
        self._table[sid] = listener
        self._open.add(listener)
        writer = asyncio.create_task(listener.write())
        try:
            status = {"status": {"exec_info": {"queue_remaining": remaining()}}, "sid": sid}
            listener.put(Frame("status", status))
            if self.running_node is not None and self.running_client == sid:
                listener.put(Frame("executing", {"node": self.running_node}))
            await self._listen(listener)
        finally:
            writer.cancel()
            self._open.discard(listener)
            # By id, not by identity: a newer socket of the same client stops receiving, as with the real server.
            self._table.pop(sid, None)
        return ws

    async def _listen(self, listener: Listener) -> None:
        first = True
        async for message in listener.ws:
            if message.type is not WSMsgType.TEXT:
                continue
            try:
                said = json.loads(message.data)
            except ValueError:
                continue
            if first and isinstance(said, dict) and said.get("type") == "feature_flags":
                flags = said.get("data")
                listener.metadata = isinstance(flags, dict) and bool(flags.get("supports_preview_metadata"))
                listener.put(Frame("feature_flags", self._features))
            first = False

    def _deliver(self) -> None:
        # First the flag, then the frames: a frame queued in between wakes the loop again.
        self._woken = False
        while self._outgoing:
            self._fan_out(self._outgoing.popleft())

    def _fan_out(self, frame: Frame) -> None:
        for changed in self._troubles.frames(frame):
            if changed.sid is None:
                for listener in list(self._table.values()):
                    listener.put(changed)
            elif listener_of := self._table.get(changed.sid):
                listener_of.put(changed)
        self._troubles.delivered(frame)
