"""One prompt on one engine, from the POST to its outputs.

As long as the socket holds, its frames are all that is needed. Whatever casts doubt on them (a gap, silence, a lost
answer) leads to one query, `_query`: what do /history and /queue say?
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from stylestudio.comfy.connection.event_socket import EventSocket, Gap, Inbox
from stylestudio.comfy.errors import (
    BadResponse,
    ComfyError,
    EngineErred,
    EngineTimeout,
    EngineUnreachable,
    FateUnknown,
    GraphInvalid,
    NotConnected,
    NotTaken,
    PromptInterrupted,
    PromptLost,
    PromptStalled,
    QueueStuck,
    Refused,
    execution_error,
)
from stylestudio.comfy.protocol.answers import HistoryEntry, QueueState
from stylestudio.comfy.protocol.events import (
    Completed,
    Event,
    Executed,
    Executing,
    Failed,
    ImageRef,
    Interrupted,
    Posted,
    QueueChanged,
    Started,
    Succeeded,
    Waiting,
    WireEvent,
)

T = TypeVar("T")

_FIRST_LOOK = 1.0
_LONGEST_SILENCE = 60.0
_LAST_FRAME = 1.0
_WITHOUT_SOCKET = 1.0
_STUCK_AFTER = 30.0  # a queue that holds prompts but runs none for this long has lost its worker
_STUCK_LOOK = 5.0
_SEARCH_PAUSES = (0.0, 1.0)  # the request may still be on its way through a proxy
_RETRY_PAUSE = 0.5
_LONGEST_RETRY_PAUSE = 5.0
_HISTORY_PAUSES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4)


@dataclass(frozen=True, slots=True)
class PromptState:
    """What the engine knows about a prompt. All fields empty: nothing."""

    entry: HistoryEntry | None = None
    running: bool = False
    position: int | None = None
    engine_works: bool = True

    @property
    def known(self) -> bool:
        return self.entry is not None or self.running or self.position is not None


class PromptClient(Protocol):
    """What following a prompt needs of an engine; `ComfyClient` provides it."""

    socket: EventSocket

    async def submit(self, graph: Mapping[str, Any], prompt_id: str, extra_data: Mapping[str, Any], /) -> float | None:
        """Post the graph."""

    async def cancel_job(self, prompt_id: str, /) -> bool | None:
        """End the prompt in one step; None if this engine cannot."""

    async def delete(self, prompt_ids: Iterable[str], /) -> None:
        """Remove prompts from the queue."""

    async def history(self, prompt_id: str, /) -> HistoryEntry | None:
        """How the prompt ended."""

    async def queue(self) -> QueueState:
        """What is running and waiting."""


class Run:
    """The state of following one prompt. The parameters are those of `ComfyClient.run`."""

    def __init__(
        self,
        client: PromptClient,
        graph: Mapping[str, Any],
        prompt_id: str,
        extra_data: Mapping[str, Any],
        silence: float,
        stall_timeout: float,
        patience: float,
    ) -> None:
        self._client = client
        self._graph = graph
        self._prompt_id = prompt_id
        self._extra_data = extra_data
        self._silence = silence
        self._stall_timeout = stall_timeout
        self._patience = patience
        self._now = time.monotonic
        self._outputs: dict[str, tuple[ImageRef, ...]] = {}
        self._texts: dict[str, tuple[str, ...]] = {}
        self._intact = True
        self._started = False
        self._succeeded = False
        self._position: int | None = None
        self._sign_of_life = self._now()
        self._idle_since: float | None = None
        self._quiet = silence
        self._due = 0.0

    async def events(self, attach: bool) -> AsyncGenerator[Event, None]:
        """Yield every event of the prompt, Completed last; any other outcome raises."""
        socket = self._client.socket
        inbox = socket.register(self._prompt_id)
        try:
            if attach:
                self._intact = False
                happened = await self._recover()
            else:
                await self._listen()
                happened = [await self._post()]
            self._due = self._now() + min(_FIRST_LOOK, self._silence)
            while True:
                for event in happened:
                    yield event
                    if isinstance(event, Completed):
                        return
                happened = await self._next(inbox)
        finally:
            socket.unregister(self._prompt_id)

    async def _listen(self) -> None:
        """Open the socket. If the engine is in trouble and offers none, go on without it and query instead."""
        try:
            await self._client.socket.open()
        except NotConnected:
            raise
        except (EngineUnreachable, EngineTimeout, EngineErred):
            self._intact = False

    async def _next(self, inbox: Inbox) -> list[Event]:
        item = await inbox.get(self._due - self._now())
        if item is None:
            self._intact = self._intact and not self._succeeded
            self._quiet = min(2 * self._quiet, max(self._silence, _LONGEST_SILENCE))
            return await self._query_after_silence(inbox)
        if isinstance(item, Gap):
            self._intact = False
            return await self._recover()
        if isinstance(item, QueueChanged):
            if not self._started:
                self._due = min(self._due, self._now() + _FIRST_LOOK)
            return [item]
        return await self._take(item)

    async def _query_after_silence(self, inbox: Inbox) -> list[Event]:
        """Query the engine after a long silence. Events received meanwhile outweigh an engine that answers badly."""
        try:
            return await (self._finish() if self._succeeded else self._recover())
        except FateUnknown:
            if not inbox:
                raise
            return []

    async def _take(self, event: WireEvent) -> list[Event]:
        self._sign_of_life = self._now()
        self._idle_since = None
        self._quiet = self._silence
        self._wait_for_frames()
        match event:
            case Failed():
                raise execution_error(event.node, event.node_type, event.exception_type, event.message)
            case Interrupted():
                raise PromptInterrupted("The work was stopped on the engine.")
            case Executing(node=None):
                return [event, *await self._finish()]
            case Started():
                return self._start()
            case Succeeded():
                self._succeeded = True
                self._due = self._now() + _LAST_FRAME
            case Executed():
                if event.images:
                    self._outputs[event.node] = event.images
                if event.text:
                    self._texts[event.node] = event.text
        return [*self._start(), event]

    def _start(self) -> list[Event]:
        news: list[Event] = [] if self._started else [Started(self._prompt_id)]
        self._started = True
        return news

    def _wait_for_frames(self) -> None:
        stalled = self._sign_of_life + self._stall_timeout
        self._due = min(self._now() + self._quiet, max(stalled, self._now()))

    async def _post(self) -> Posted:
        try:
            number = await self._client.submit(self._graph, self._prompt_id, self._extra_data)
        except (GraphInvalid, NotConnected):
            raise
        except (EngineTimeout, EngineUnreachable, BadResponse) as error:
            if isinstance(error, Refused) and error.status < 500:
                raise
            await self._search(error)
            number = None
        return Posted(self._prompt_id, number)

    async def _search(self, error: ComfyError) -> None:
        """Return if the engine took the graph although it did not confirm it; otherwise raise."""
        for pause in _SEARCH_PAUSES:
            await asyncio.sleep(pause)
            if (await self._state_after(error)).known:
                return
        with suppress(ComfyError):
            # Not with `cancel`: if this prompt never arrived, an old engine's interrupt might end somebody else's.
            if await self._client.cancel_job(self._prompt_id) is None:
                await self._client.delete([self._prompt_id])
        if isinstance(error, BadResponse):
            raise error
        raise NotTaken("The engine did not take the work. It can be sent again.", error.detail) from error

    async def _state_after(self, error: ComfyError) -> PromptState:
        """What the engine knows about a graph that it may have taken although posting it ended in `error`."""
        try:
            return await self._patiently(self._state)
        except FateUnknown as unknown:
            if _is_foreign(error) and _is_foreign(unknown.__cause__):
                raise error from unknown
            raise
        except NotConnected as error:
            # Nothing answers now, but something did when the graph was sent.
            raise EngineUnreachable(str(error), error.detail) from error

    async def _finish(self) -> list[Event]:
        """Return the result once the socket says that the prompt is over."""
        if self._intact and self._succeeded and self._outputs:
            return [Completed(self._prompt_id, self._outputs, self._texts)]
        for pause in _HISTORY_PAUSES:
            await asyncio.sleep(pause)
            entry = await self._patiently(lambda: self._client.history(self._prompt_id))
            if entry is not None:
                return [self._completed(entry)]
        return await self._query()

    async def _recover(self) -> list[Event]:
        """Open the socket if it is closed, and query the engine. Goes on without a socket if there is none."""
        socket = self._client.socket
        with suppress(EngineUnreachable, EngineTimeout, BadResponse):
            await socket.open()
        news = await self._query()
        if not socket.is_open():
            self._due = min(self._due, self._now() + _WITHOUT_SOCKET)
        return news

    async def _query(self) -> list[Event]:
        """Query the engine: returns news since the last time, or the end."""
        state = await self._patiently(self._state)
        now = self._now()
        if state.entry is not None:
            return [self._completed(state.entry)]
        if state.running:
            return await self._still_running(now)
        if state.position is None:
            raise PromptLost("The engine does not know this work any more. It was restarted, or somebody deleted it.")
        # A prompt may wait for ever, but only while the engine works on something.
        if state.engine_works:
            self._idle_since = None
        elif now - (self._idle_since or now) >= min(_STUCK_AFTER, self._stall_timeout):
            raise QueueStuck("The engine has stopped working through its queue. Restart it.")
        else:
            self._idle_since = self._idle_since or now
        self._sign_of_life = now
        self._started = False
        self._due = now + (self._quiet if self._idle_since is None else min(_STUCK_LOOK, self._stall_timeout))
        moved, self._position = state.position != self._position, state.position
        return [Waiting(self._prompt_id, state.position)] if moved else []

    async def _still_running(self, now: float) -> list[Event]:
        socket = self._client.socket
        news = self._start()
        if news:
            self._sign_of_life = now
        elif now - self._sign_of_life >= self._stall_timeout:
            raise PromptStalled(f"The engine has shown no progress for {self._stall_timeout:g} seconds.")
        socket.executing = socket.executing or self._prompt_id
        self._wait_for_frames()
        if socket.silence >= self._silence:
            # The engine may have forgotten this socket: open, but without frames. The Gap it leaves opens a new one.
            await socket.close()
        return news

    def _completed(self, entry: HistoryEntry) -> Completed:
        if error := entry.error():
            raise error
        return Completed(self._prompt_id, entry.outputs, entry.texts)

    async def _state(self) -> PromptState:
        # A prompt can end between the two requests, so history is checked again before it counts as unknown.
        client, prompt_id = self._client, self._prompt_id
        if entry := await client.history(prompt_id):
            return PromptState(entry)
        queue = await client.queue()
        if prompt_id in queue.running:
            return PromptState(running=True)
        if prompt_id in queue.pending:
            ahead = len(queue.running) + queue.pending.index(prompt_id)
            return PromptState(position=ahead, engine_works=bool(queue.running))
        return PromptState(await client.history(prompt_id))

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Retry until the engine answers, for `patience` seconds after the first failure.

        Raises EngineUnreachable, EngineTimeout, or FateUnknown if it answers something else.
        """
        deadline: float | None = None
        pause = _RETRY_PAUSE
        while True:
            try:
                return await ask()
            except (EngineUnreachable, EngineTimeout, BadResponse) as error:
                now = self._now()
                deadline = now + self._patience if deadline is None else deadline
                if now >= deadline and isinstance(error, BadResponse):
                    raise FateUnknown(
                        "The engine does not say what became of this work.", f"{error} {error.detail}"
                    ) from error
                if now >= deadline:
                    raise
            await asyncio.sleep(min(pause, deadline - now))
            pause = min(1.5 * pause, _LONGEST_RETRY_PAUSE)


def _is_foreign(error: BaseException | None) -> bool:
    """Whether this answer comes from something other than an engine, such as the page of a proxy."""
    return isinstance(error, BadResponse) and not isinstance(error, EngineErred)
