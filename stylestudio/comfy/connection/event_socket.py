"""The one long-lived socket of a client: opened when first needed, shared by all its prompts.

A reader task puts every event directly into the inbox of its prompt. A socket that ends leaves a `Gap` in every inbox;
whoever follows a prompt then reopens it and asks the engine what was missed.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from dataclasses import dataclass

import aiohttp

from stylestudio.comfy.connection.admission import REDIRECTS
from stylestudio.comfy.connection.transport import GATEWAY, Transport
from stylestudio.comfy.errors import BadResponse, EngineErred, EngineTimeout, EngineUnreachable, Refused, may_pass
from stylestudio.comfy.protocol.events import Executing, Preview, Progress, QueueChanged, Started, WireEvent, parse

log = logging.getLogger(__name__)

# If an engine has not noticed the end of the old connection, it removes the new one from its table together with it.
PAUSE_AFTER_CLOSE = 0.5
_HEARTBEAT = 30.0
_LARGEST_FRAME = 32 * 2**20
_FULL = 1000
_HANDSHAKE = json.dumps({"type": "feature_flags", "data": {"supports_preview_metadata": True}})


@dataclass(frozen=True, slots=True)
class Gap:
    """The socket ended here: frames after this point may be missing."""


class Inbox:
    """Events of one prompt, from the reader task to the one coroutine that follows the prompt."""

    __slots__ = ("_items", "_waiter")

    def __init__(self) -> None:
        self._items: deque[WireEvent | Gap] = deque()
        self._waiter: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: WireEvent | Gap) -> None:
        """Add `item`. A follower that has fallen far behind misses previews and progress, never anything else."""
        if len(self._items) >= _FULL and isinstance(item, Preview | Progress | QueueChanged):
            return
        self._items.append(item)
        self._wake()

    async def get(self, timeout: float) -> WireEvent | Gap | None:
        """The next item, or None after `timeout` seconds without one. For one caller at a time."""
        if not self._items:
            loop = asyncio.get_running_loop()
            self._waiter = loop.create_future()
            alarm = loop.call_later(max(timeout, 0), self._wake)
            try:
                await self._waiter
            finally:
                alarm.cancel()
                self._waiter = None
        return self._items.popleft() if self._items else None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class EventSocket:
    """The socket of one client id on one engine."""

    def __init__(self, transport: Transport, client_id: str) -> None:
        self._transport = transport
        self._client_id = client_id
        self._inboxes: dict[str, Inbox] = {}
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._reader: asyncio.Task[None] | None = None
        self._opening = asyncio.Lock()
        self._closed_at: float | None = None
        self._heard_at = 0.0
        self.executing: str | None = None

    def register(self, prompt_id: str) -> Inbox:
        """Route the events of `prompt_id` to a new inbox. Raises ValueError if the prompt is already being followed."""
        if prompt_id in self._inboxes:
            raise ValueError(f"Prompt {prompt_id} is followed already.")
        inbox = self._inboxes[prompt_id] = Inbox()
        return inbox

    def unregister(self, prompt_id: str) -> None:
        """Drop the events of `prompt_id` from now on."""
        self._inboxes.pop(prompt_id, None)

    def is_open(self) -> bool:
        """Whether the socket is connected. Frames may be missing all the same: see `silence`."""
        return self._socket is not None

    @property
    def silence(self) -> float:
        """Seconds since the last frame of any kind."""
        return asyncio.get_running_loop().time() - self._heard_at

    async def open(self) -> None:
        """Return once the engine has registered the socket; at once if it is open already.

        Raises EngineUnreachable, EngineTimeout or BadResponse.
        """
        if self.is_open():
            return
        async with self._opening:
            if self.is_open():
                return
            loop = asyncio.get_running_loop()
            if self._closed_at is not None:
                await asyncio.sleep(self._closed_at + PAUSE_AFTER_CLOSE - loop.time())
            self._socket = await self._connect()
            self._heard_at = loop.time()
            self._reader = loop.create_task(self._read(self._socket), name="comfy-socket")

    async def close(self) -> None:
        """Close the connection cleanly; followers find a Gap. It may be opened again."""
        async with self._opening:
            if self._socket is not None:
                await self._socket.close()
            if self._reader is not None:
                await asyncio.wait([self._reader])

    async def _connect(self) -> aiohttp.ClientWebSocketResponse:
        name = self._transport.name
        try:
            async with asyncio.timeout(self._transport.timeout):
                socket = await self._shake_hands()
                try:
                    await socket.send_str(_HANDSHAKE)
                    first = await socket.receive()
                except BaseException:
                    self._closed_at = asyncio.get_running_loop().time()
                    await socket.close()
                    raise
        except TimeoutError as error:
            raise EngineTimeout(f"The engine at {name} did not open its live connection in time.", name) from error
        except aiohttp.WSServerHandshakeError as error:
            location = error.headers.get("Location") if error.headers else None
            if away := self._transport.turned_away(error.status, self._transport.address("ws"), location):
                raise away from error
            if error.status in GATEWAY:
                raise EngineUnreachable(
                    f"A proxy answers at {name}, but the engine behind it does not.", f"/ws at {name}: {error.status}"
                ) from error
            refused = EngineErred if may_pass(error.status) else Refused
            raise refused(
                f"What answers at {name} does not accept a live connection ({error.status}).",
                self._transport.reveal(f"/ws at {name}: {error.status} {error.message}"),
                error.status,
                None,
            ) from error
        except aiohttp.ClientConnectorError as error:
            raise self._transport.not_connected(error, "/ws") from error
        except (aiohttp.ClientError, ConnectionError) as error:
            raise EngineUnreachable(
                f"The engine at {name} closed the connection.", self._transport.reveal(f"/ws: {error!r}")
            ) from error
        # The engine registers a socket before it sends this, so nothing posted from now on is missed.
        if first.type is not aiohttp.WSMsgType.TEXT or not isinstance(parse(first.data), QueueChanged):
            await socket.close()
            self._closed_at = asyncio.get_running_loop().time()
            if first.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR):
                raise EngineUnreachable(f"The engine at {name} closed the connection.", f"/ws: {first.type.name}")
            raise BadResponse(f"What answers at {name} is not ComfyUI.", f"/ws began with {first.type.name}")
        return socket

    async def _shake_hands(self) -> aiohttp.ClientWebSocketResponse:
        """Connect to the engine's own address.

        Sessions follow redirects of a handshake unless a middleware stops them.
        """
        shared = self._transport.session
        if shared.closed:
            raise aiohttp.ClientConnectionError("The session is closed.")
        async with aiohttp.ClientSession(
            connector=shared.connector,
            connector_owner=False,
            cookie_jar=shared.cookie_jar,
            middlewares=(_stay_here,),
        ) as session:
            return await session.ws_connect(
                self._transport.address("ws", params={"clientId": self._client_id}),
                headers=self._transport.headers,
                heartbeat=_HEARTBEAT,
                max_msg_size=_LARGEST_FRAME,
                timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
            )

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        loop = asyncio.get_running_loop()
        try:
            async for message in socket:
                self._heard_at = loop.time()
                if message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                    event = parse(message.data)
                    if event is not None:
                        self._dispatch(event)
        finally:
            self._socket = None
            self._closed_at = loop.time()
            self.executing = None
            for inbox in self._inboxes.values():
                inbox.put(Gap())

    def _dispatch(self, event: WireEvent) -> None:
        if isinstance(event, QueueChanged):
            for inbox in self._inboxes.values():
                inbox.put(event)
            return
        if isinstance(event, Started) or (isinstance(event, Executing) and event.node is not None):
            self.executing = event.prompt_id or self.executing
        prompt_id = event.prompt_id or self.executing
        if prompt_id is not None and prompt_id in self._inboxes:
            self._inboxes[prompt_id].put(event)
        if isinstance(event, Executing) and event.node is None:
            self.executing = None


async def _stay_here(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Abort a handshake that is answered with a redirect."""
    response = await handler(request)
    if response.status in REDIRECTS:
        response.close()
        raise aiohttp.WSServerHandshakeError(
            response.request_info, response.history, status=response.status, headers=response.headers
        )
    return response
