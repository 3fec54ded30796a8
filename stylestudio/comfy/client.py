"""ComfyClient: runs graphs on one engine as streams of events, and asks it everything else.

The socket is a hint, /history and /queue are the truth. On the healthy path nothing is asked between the POST and the
fetch of the picture.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing, suppress
from typing import Any

import aiohttp

from stylestudio.comfy.connection.event_socket import EventSocket
from stylestudio.comfy.connection.transport import NotConnected, SignInNeeded, Transport
from stylestudio.comfy.connection.upload import FilePart, Readable, Writable
from stylestudio.comfy.errors import (
    BadResponse,
    ComfyError,
    EngineErred,
    EngineTimeout,
    EngineUnreachable,
    NotFound,
    NotInstalled,
    Refused,
    UploadBroken,
)
from stylestudio.comfy.file_names import is_listed
from stylestudio.comfy.graphs.wiring import Replacement
from stylestudio.comfy.protocol import answers
from stylestudio.comfy.protocol.answers import HistoryEntry, QueueState, SystemStats
from stylestudio.comfy.protocol.events import Event, ImageRef, image_ref
from stylestudio.comfy.run import Run
from stylestudio.text import plain

_CANCEL_TRIES = 3
_CANCEL_PAUSE = 0.25


class ComfyClient:
    """One engine, seen by one client id. Belongs to one event loop; the session stays the caller's.

    `url` may hold user:password@ (sent as basic authentication), bearer:TOKEN@ or a query, none of which is ever shown,
    and a path prefix. `client_id` must be one that no other living client uses. `request_timeout` is in seconds; 10 or
    more, a busy engine answers late.
    """

    def __init__(
        self, session: aiohttp.ClientSession, url: str, *, client_id: str, request_timeout: float = 30.0
    ) -> None:
        self.client_id = client_id
        self.transport = Transport(session, url, request_timeout)
        self.socket = EventSocket(self.transport, client_id)
        self._infos: dict[str, dict[str, Any] | None] = {}
        self._cancels: bool | None = None  # whether it ends a job in one step; None until it was asked
        self._replacements: dict[str, Replacement] | None = None

    def __repr__(self) -> str:
        return f"ComfyClient({self.transport.name!r}, client_id={self.client_id!r})"

    def run(
        self,
        graph: Mapping[str, Any],
        prompt_id: str,
        *,
        extra_data: Mapping[str, Any] | None = None,
        attach: bool = False,
        silence: float = 10.0,
        stall_timeout: float = 300.0,
        patience: float = 60.0,
    ) -> AsyncGenerator[Event, None]:
        """One prompt as a stream of events; the last is Completed, every other end is an error of the tree.

        `prompt_id` is a fresh one, stored by the caller before, so that `attach=True` finds the prompt again after a
        crash: nothing is posted then (`graph` is not looked at), and PromptLost says that the engine does not know it.
        Posting is never repeated. When it is unknown whether the engine took the graph, it is asked: found there, the
        prompt is followed; surely not there, NotTaken or the engine's own error is raised and the caller may post again
        under a new id; where the engine does not say, FateUnknown, and the caller asks again later with `attach`.

        Seconds: after `silence` without a frame the engine is asked; `stall_timeout` without any sign of progress
        while it really runs the prompt raises PromptStalled; `patience` is how long an engine may be away before
        EngineUnreachable, or have errors answering before FateUnknown. Closing the generator only stops following: see
        `cancel`.
        """
        run = Run(self, graph, prompt_id, extra_data or {}, silence, stall_timeout, patience)
        return run.events(attach)

    async def submit(self, graph: Mapping[str, Any], prompt_id: str, extra_data: Mapping[str, Any]) -> float | None:
        """POST /prompt, without following it. Returns the engine's number.

        Raises GraphInvalid or MissingFile; with any other error the engine may have taken the graph all the same.
        """
        payload = {
            "prompt": graph,
            "prompt_id": prompt_id,
            "client_id": self.client_id,
            "extra_data": dict(extra_data),
        }
        try:
            answer = await self.transport.json("POST", "prompt", payload=payload)
        except Refused as error:
            if error.status == 400 and isinstance(error.body, dict):
                raise answers.graph_error(error.body, graph, error.detail) from error
            raise
        if not isinstance(answer, dict) or not isinstance(answer.get("prompt_id"), str):
            raise BadResponse("The engine's answer is not what ComfyUI sends.", f"POST /prompt: {str(answer)[:300]}")
        if answer["prompt_id"] != prompt_id:
            with suppress(ComfyError):
                await self.cancel(answer["prompt_id"])
            raise BadResponse("This engine does not let its clients choose prompt ids. Update its ComfyUI.")
        if answer.get("node_errors"):
            # It took a part of the graph: some outputs would be missing, so none is wanted.
            refusal = answers.graph_error(answer, graph, f"accepted in part: {str(answer['node_errors'])[:300]}")
            refusal.left_behind = not await self._withdrawn(prompt_id)
            raise refusal
        number = answer.get("number")
        return number if isinstance(number, int | float) else None

    async def _withdrawn(self, prompt_id: str) -> bool:
        """End what the engine accepted of a graph, which may run by now. Whether it is over.

        It is looked for first: an engine of before September 2025 cannot aim an interrupt, and would end what it runs.
        """
        with suppress(ComfyError):
            if await self._holds(prompt_id):
                await self.cancel(prompt_id)
            return await self.history(prompt_id) is not None or not await self._holds(prompt_id)
        return False

    async def _holds(self, prompt_id: str) -> bool:
        """Whether the prompt waits or runs there now."""
        queue = await self.queue()
        return prompt_id in (*queue.running, *queue.pending)

    async def cancel(self, prompt_id: str) -> None:
        """Ends a prompt that waits or runs; safe in every state, and no other prompt is touched.

        A node that cannot be interrupted goes on to its end, so the prompt's own stream of events tells how it ended.
        """
        for tried in range(_CANCEL_TRIES):
            # An interrupt between taking a prompt from the queue and its first node has no effect: look, and repeat.
            if tried:
                await asyncio.sleep(_CANCEL_PAUSE)
            ended = await self.cancel_job(prompt_id)
            if ended is None:
                await self.delete([prompt_id])
                await self.interrupt(prompt_id)
            if ended is False or prompt_id not in (await self.queue()).running:
                return

    async def cancel_job(self, prompt_id: str) -> bool | None:
        """Ends a prompt in one step, whether it waits or runs, without looking; False if it did neither.

        None if this engine does not do that (ComfyUI before 0.26.0), which is remembered: nothing was ended then.
        """
        if self._cancels is False:
            return None
        try:
            answer = await self.transport.json("POST", "api", "jobs", prompt_id, "cancel")
        except (EngineErred, SignInNeeded):  # of this route alone, or for this once: the others will say
            return None
        except BadResponse:  # 405 from 0.8.0, 404 from older ones, a page from a proxy
            answer = None
        ended = answer.get("cancelled") if isinstance(answer, dict) else None
        self._cancels = isinstance(ended, bool)
        return ended if isinstance(ended, bool) else None

    async def interrupt(self, prompt_id: str) -> None:
        """Stops the prompt if it runs now, at its next step; otherwise does nothing."""
        await self.transport.send("POST", "interrupt", payload={"prompt_id": prompt_id})

    async def delete(self, prompt_ids: Iterable[str]) -> None:
        """Takes waiting prompts out of the engine's queue; unknown and running ones are left alone."""
        await self.transport.send("POST", "queue", payload={"delete": list(prompt_ids)})

    async def history(self, prompt_id: str) -> HistoryEntry | None:
        """How the prompt ended; None when it has not, or when the engine does not know it."""
        return answers.history_entry(prompt_id, await self.transport.json("GET", "history", prompt_id))

    async def queue(self) -> QueueState:
        """What the engine runs and what waits there, of all its clients."""
        return answers.queue_state(await self.transport.json("GET", "queue"))

    async def upload_image(self, data: bytes, filename: str, *, subfolder: str = "", type: str = "input") -> ImageRef:
        """Stores a file on the engine. The returned name is what counts: another file may have had `filename`.

        `filename` is one that we chose: letters, digits, dots and such. Raises ValueError for quotes, slashes and
        control characters.
        """
        form = _form(data, filename, subfolder, type)
        return _stored(await self.transport.json("POST", "upload", "image", data=form))

    async def install_lora(
        self,
        file: Readable,
        size: int,
        name: str,
        *,
        sent: Callable[[int], None] = lambda done: None,
        stall_timeout: float = 120.0,
        overwrite: bool = False,
    ) -> None:
        """Stores `size` bytes of an open file as the LoRA `name`, and looks whether the engine has and lists it.

        The file is read in parts, in other threads, and never held in memory; `sent` hears the bytes that left so far.
        There is no limit to the time as long as bytes move: after `stall_timeout` seconds without it is UploadBroken,
        as when the connection ends. Raises NotInstalled where the engine refuses the file, has another one of that
        name, does not list it, or stored a part of it. A file that the engine holds already under this name is sent
        again and left as it is; with `overwrite` it is written anew, which is for one that no engine can have loaded:
        they do not read a file of the same name again.
        """
        patience = asyncio.timeout(stall_timeout)

        def moved(done: int) -> None:
            if not patience.expired():
                patience.reschedule(asyncio.get_running_loop().time() + stall_timeout)
            sent(done)

        part = FilePart(file, size, moved)
        form = _form(part, name, "loras", "output", overwrite=overwrite)
        quick = aiohttp.ClientTimeout(total=None, sock_connect=self.transport.timeout)
        try:
            async with patience:
                answer = await self.transport.json("POST", "upload", "image", data=form, timeout=quick)
        except TimeoutError as error:
            raise self._broken(name, f"Nothing more was taken for {stall_timeout:g} seconds.") from error
        except EngineErred as error:
            words = f"The engine at {self.transport.name} had an error ({error.status}) taking the file {name}."
            raise UploadBroken(name, words, error.detail) from error
        except Refused as error:
            raise _not_taken(name, error) from error
        except ComfyError as error:
            if part.trouble:
                raise NotInstalled(name, f"The file {name} cannot be read.", repr(part.trouble)) from error
            if isinstance(error, EngineUnreachable | EngineTimeout) and not isinstance(error, NotConnected):
                raise self._broken(name, error.detail) from error
            raise
        if (stored := _stored(answer)).filename != name:
            raise NotInstalled(name, f"The engine already has another file named {name}.", f"stored as {stored}")
        if not await self.has_lora(name):
            raise NotInstalled(name, f"The engine took {name}, but does not list it among its LoRAs.")
        if (there := await self.lora_size(name)) not in (None, size):
            raise NotInstalled(
                name, f"The engine stored only a part of {name}. Its disk may be full.", f"{there} of {size} bytes"
            )

    def _broken(self, name: str, detail: str) -> UploadBroken:
        return UploadBroken(name, f"Sending {name} to the engine at {self.transport.name} broke off.", detail)

    async def lora_size(self, name: str) -> int | None:
        """Bytes of a LoRA that was installed over HTTP; None where there is none, as for those in other folders."""
        return await self.transport.size("view", params=_place(ImageRef(name, "loras", "output")))

    async def has_lora(self, name: str) -> bool:
        """Whether the engine lists this LoRA now, however it spells the path."""
        return is_listed(name, await self.models("loras"))

    async def fetch(self, ref: ImageRef, *, limit: int = 256 * 2**20) -> bytes:
        """The bytes of a file on the engine, never empty. NotFound when it is gone, BadResponse above `limit` bytes."""
        return await self.transport.file("view", params=_place(ref), limit=limit)

    async def fetch_to(
        self,
        ref: ImageRef,
        file: Writable,
        *,
        limit: int = 4 * 2**30,
        received: Callable[[int], None] = lambda done: None,
        stall_timeout: float = 120.0,
    ) -> None:
        """Write a large file of the engine to `file`, a piece at a time; `received` hears the bytes that came so far.

        What is written is whole only when this returns. NotFound when it is gone, BadResponse above `limit` bytes,
        EngineTimeout after `stall_timeout` seconds without a byte.
        """
        done = 0
        pieces = self.transport.pieces("view", params=_place(ref), limit=limit, stall_timeout=stall_timeout)
        async with aclosing(pieces):
            async for piece in pieces:
                await asyncio.to_thread(file.write, piece)
                done += len(piece)
                received(done)

    async def system_stats(self) -> SystemStats:
        """Version and memory. The first answer after a start means that the engine is ready."""
        return answers.system_stats(await self.transport.json("GET", "system_stats"))

    async def models(self, folder: str) -> tuple[str, ...]:
        """The files in one of the engine's model folders ("checkpoints", "loras"), spelled as it does.

        NotFound for an unknown folder.
        """
        try:
            return answers.names(await self.transport.json("GET", "models", folder), "models")
        except Refused as error:
            if error.status == 404:
                raise NotFound(f"The engine has no folder of models called {folder}.", error.detail) from error
            raise

    async def lora_metadata(self, name: str) -> dict[str, str]:
        """What the file of a LoRA says of itself; empty where it says nothing, or the engine cannot tell."""
        try:
            answer = await self.transport.json("GET", "view_metadata", "loras", params={"filename": name})
        except (Refused, BadResponse):
            return {}
        told = answer if isinstance(answer, dict) else {}
        return {key: value for key, value in told.items() if isinstance(value, str)}

    async def node_classes(self) -> frozenset[str]:
        """The names of all node classes the engine knows. Large: ask seldom."""
        return frozenset(await self.object_infos())

    async def object_infos(self) -> dict[str, dict[str, Any]]:
        """What the engine says about all its node classes, by name. Large: ask seldom."""
        answer = await self.transport.json("GET", "object_info")
        if not isinstance(answer, dict):
            raise BadResponse("The engine's answer is not what ComfyUI sends.", f"object_info: {str(answer)[:300]}")
        known = answers.names(list(answer), "object_info")
        return {name: answer[name] if isinstance(answer[name], dict) else {} for name in known}

    async def object_info(self, class_type: str) -> dict[str, Any] | None:
        """What the engine says about one node class, None when it has none such. Remembered until `forget`."""
        if class_type not in self._infos:
            answer = await self.transport.json("GET", "object_info", class_type)
            info = answer.get(class_type) if isinstance(answer, dict) else None
            self._infos[class_type] = plain.storable_json(info) if isinstance(info, dict) else None
        return self._infos[class_type]

    async def replacements(self) -> dict[str, Replacement]:
        """The node classes that it replaces by others, by their old name; none before ComfyUI 0.14.0.

        Remembered until `forget`.
        """
        if self._replacements is None:
            try:
                self._replacements = answers.replacements(await self.transport.json("GET", "node_replacements"))
            except (EngineErred, SignInNeeded):
                raise
            except BadResponse:  # older than the route
                self._replacements = {}
        return self._replacements

    def forget(self) -> None:
        """Asks the engine anew about node classes and routes; due when it was restarted."""
        self._infos.clear()
        self._cancels = None
        self._replacements = None

    async def features(self) -> dict[str, Any]:
        """What the engine can do, with `max_upload_size` in bytes."""
        answer = await self.transport.json("GET", "features")
        return answer if isinstance(answer, dict) else {}

    async def max_upload(self) -> int | None:
        """Bytes that one request may have; None where the engine does not say."""
        try:
            size = (await self.features()).get("max_upload_size")
        except Refused:  # older than the route
            return None
        # ComfyUI says a float where it was started with a limit of its own.
        return int(size) if isinstance(size, int | float) and 1 <= size < 2**63 else None

    async def free(self) -> None:
        """Lets the engine unload its models and forget cached results as soon as it is idle."""
        await self.transport.send("POST", "free", payload={"unload_models": True, "free_memory": True})

    async def close(self) -> None:
        """Closes the socket. The session stays open."""
        await self.socket.close()


def _place(ref: ImageRef) -> dict[str, str]:
    """A file as /view is asked for it."""
    return {"filename": ref.filename, "subfolder": ref.subfolder, "type": ref.type}


def _form(
    content: bytes | FilePart, filename: str, subfolder: str, type: str, *, overwrite: bool = False
) -> aiohttp.FormData:
    """An upload as ComfyUI takes it."""
    if not filename or any(sign in '"\\/' or not sign.isprintable() for sign in filename):
        raise ValueError(f"{filename!r} cannot be the name of an upload.")
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("type", type)
    form.add_field("subfolder", subfolder)
    if overwrite:
        form.add_field("overwrite", "true")
    form.add_field("image", content, filename=filename, content_type="application/octet-stream")
    return form


def _stored(answer: object) -> ImageRef:
    """What an upload was stored as."""
    ref = image_ref({**answer, "filename": answer.get("name")} if isinstance(answer, dict) else None)
    if ref is None:
        raise BadResponse("The engine's answer is not what ComfyUI sends.", f"upload: {str(answer)[:300]}")
    return ref


def _not_taken(name: str, error: Refused) -> NotInstalled:
    reason = "it is too large" if error.status == 413 else f"status {error.status}"
    sentence = f"The engine, or a proxy before it, does not take the file {name}: {reason}."
    return NotInstalled(name, sentence, error.detail)
