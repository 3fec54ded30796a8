"""ComfyClient: runs graphs on one engine as streams of events, and wraps the rest of its API.

The socket is only a hint; /history and /queue are the truth. On the healthy path nothing is requested between the POST
and the download of the picture.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing, suppress
from typing import Any

import aiohttp

from stylestudio.comfy.connection.event_socket import EventSocket
from stylestudio.comfy.connection.transport import Transport
from stylestudio.comfy.connection.upload import FilePart, Readable, Writable
from stylestudio.comfy.errors import (
    BadResponse,
    ComfyError,
    EngineErred,
    EngineTimeout,
    EngineUnreachable,
    NotConnected,
    NotFound,
    NotInstalled,
    Refused,
    SignInNeeded,
    UploadBroken,
)
from stylestudio.comfy.file_names import is_listed
from stylestudio.comfy.graphs.wiring import Fits, Replacement
from stylestudio.comfy.protocol import answers
from stylestudio.comfy.protocol.answers import HistoryEntry, QueueState, SystemStats
from stylestudio.comfy.protocol.events import Event, ImageRef, image_ref
from stylestudio.comfy.run import Run
from stylestudio.text import plain

_CANCEL_TRIES = 3
_CANCEL_PAUSE = 0.25


class ComfyClient:
    """One engine, seen through one client id. Bound to one event loop; the caller owns the session.

    `url` may contain a path prefix and user:password@ (sent as basic authentication), bearer:TOKEN@ or a query, none of
    which is ever shown. No other living client may use the same `client_id`. `request_timeout` is in seconds; use at
    least 10, because a busy engine answers late.
    """

    def __init__(
        self, session: aiohttp.ClientSession, url: str, *, client_id: str, request_timeout: float = 30.0
    ) -> None:
        self.client_id = client_id
        self.transport = Transport(session, url, request_timeout)
        self.socket = EventSocket(self.transport, client_id)
        self._infos: dict[str, dict[str, Any] | None] = {}
        self.fits = Fits()
        self._cancels: bool | None = None  # whether the engine can end a job in one step; None until tried
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
        """Run one prompt as a stream of events. The last is Completed; every other outcome raises a ComfyError.

        `prompt_id` is a fresh id that the caller has stored before, so that `attach=True` finds the prompt again after
        a crash: then nothing is posted (`graph` is ignored), and PromptLost means that the engine does not know it.
        Posting is never repeated. If it is unclear whether the engine took the graph, the engine is queried. If the
        prompt is there, it is followed. If it certainly is not, NotTaken or the engine's own error is raised and the
        caller may post again under a new id. If the engine does not say, FateUnknown is raised and the caller tries
        `attach` later.

        Times are in seconds. After `silence` without a frame the engine is queried. `stall_timeout` without any sign of
        progress while it runs the prompt raises PromptStalled. `patience` is how long an engine may be away before
        EngineUnreachable, or answer with errors before FateUnknown. Closing the generator only stops following: see
        """
        run = Run(self, graph, prompt_id, extra_data or {}, silence, stall_timeout, patience)
        return run.events(attach)

    async def submit(self, graph: Mapping[str, Any], prompt_id: str, extra_data: Mapping[str, Any]) -> float | None:
        """POST /prompt without following it. Returns the engine's number.

        Raises GraphInvalid or MissingFile. After any other error the engine may still have taken the graph.
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
            # It took only part of the graph: some outputs would be missing, so withdraw all of it.
            refusal = answers.graph_error(answer, graph, f"accepted in part: {str(answer['node_errors'])[:300]}")
            refusal.left_behind = not await self._withdrawn(prompt_id)
            raise refusal
        number = answer.get("number")
        return number if isinstance(number, int | float) else None

    async def _withdrawn(self, prompt_id: str) -> bool:
        """End a partly accepted graph, which may be running by now. Returns whether it is over.

        Check first that it is there: an engine from before September 2025 cannot target an interrupt and would end
        whatever it runs.
        """
        with suppress(ComfyError):
            if await self._holds(prompt_id):
                await self.cancel(prompt_id)
            return await self.history(prompt_id) is not None or not await self._holds(prompt_id)
        return False

    async def _holds(self, prompt_id: str) -> bool:
        """Whether the prompt is waiting or running there now."""
        queue = await self.queue()
        return prompt_id in (*queue.running, *queue.pending)

    async def cancel(self, prompt_id: str) -> None:
        """End a prompt that waits or runs. Safe in every state; no other prompt is affected.

        A node that cannot be interrupted runs to its end, so how the prompt ended shows in its own stream of events.
        """
        for tried in range(_CANCEL_TRIES):
            # An interrupt between taking a prompt from the queue and its first node has no effect: check, and repeat.
            if tried:
                await asyncio.sleep(_CANCEL_PAUSE)
            ended = await self.cancel_job(prompt_id)
            if ended is None:
                await self.delete([prompt_id])
                await self.interrupt(prompt_id)
            if ended is False or prompt_id not in (await self.queue()).running:
                return

    async def cancel_job(self, prompt_id: str) -> bool | None:
        """End a prompt in one step, whether it waits or runs, without checking first. False if it did neither.

        None if this engine does not support it (ComfyUI before 0.26.0), which is remembered: nothing was ended then.
        """
        if self._cancels is False:
            return None
        try:
            answer = await self.transport.json("POST", "api", "jobs", prompt_id, "cancel")
        except (EngineErred, SignInNeeded):  # only this route or only this time: the other routes will show
            return None
        except BadResponse:  # 405 from 0.8.0 on, 404 from older ones, a page from a proxy
            answer = None
        ended = answer.get("cancelled") if isinstance(answer, dict) else None
        self._cancels = isinstance(ended, bool)
        return ended if isinstance(ended, bool) else None

    async def interrupt(self, prompt_id: str) -> None:
        """Stop the prompt at its next step if it is running; otherwise do nothing."""
        await self.transport.send("POST", "interrupt", payload={"prompt_id": prompt_id})

    async def delete(self, prompt_ids: Iterable[str]) -> None:
        """Remove waiting prompts from the engine's queue; unknown and running ones are left alone."""
        await self.transport.send("POST", "queue", payload={"delete": list(prompt_ids)})

    async def history(self, prompt_id: str) -> HistoryEntry | None:
        """How the prompt ended; None if it has not, or if the engine does not know it."""
        return answers.history_entry(prompt_id, await self.transport.json("GET", "history", prompt_id))

    async def queue(self) -> QueueState:
        """What is running and waiting on the engine, from all its clients."""
        return answers.queue_state(await self.transport.json("GET", "queue"))

    async def upload_image(self, data: bytes, filename: str, *, subfolder: str = "", type: str = "input") -> ImageRef:
        """Store a file on the engine. Use the returned name: `filename` may have been taken by another file.

        We choose `filename`: letters, digits, dots and the like. Raises ValueError for quotes, slashes and control
        characters.
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
        """Store `size` bytes of an open file as the LoRA `name`, then check that the engine has it and lists it.

        The file is read in chunks, in other threads, and never held in memory as a whole; `sent` is called with the
        number of bytes sent so far. There is no time limit as long as bytes move: after `stall_timeout` seconds without
        progress UploadBroken is raised, as when the connection ends. Raises NotInstalled if the engine rejects the
        file, has a different file of that name, does not list it, or stored only part of it. A file that the engine
        already has under this name is sent again and left as it is. With `overwrite` it is written anew, which is only
        for files that no engine can have loaded: engines do not read a file of the same name again.
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
        """Size in bytes of a LoRA installed over HTTP; None if there is none, as for files in other folders."""
        return await self.transport.size("view", params=_place(ImageRef(name, "loras", "output")))

    async def has_lora(self, name: str) -> bool:
        """Whether the engine lists this LoRA now, in either spelling of the path."""
        return is_listed(name, await self.models("loras"))

    async def fetch(self, ref: ImageRef, *, limit: int = 256 * 2**20) -> bytes:
        """Download a file from the engine, never empty.

        Raises NotFound if it is gone, BadResponse above `limit` bytes.
        """
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
        """Download a large file to `file` in chunks; `received` is called with the number of bytes so far.

        The file is complete only once this returns. Raises NotFound if it is gone, BadResponse above `limit` bytes,
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
        """List one of the engine's model folders ("checkpoints", "loras"), spelled as the engine spells them.

        Raises NotFound if there is no such folder.
        """
        try:
            return answers.names(await self.transport.json("GET", "models", folder), "models")
        except Refused as error:
            if error.status == 404:
                raise NotFound(f"The engine has no folder of models called {folder}.", error.detail) from error
            raise

    async def lora_metadata(self, name: str) -> dict[str, str]:
        """The metadata of a LoRA file; empty if it has none or the engine cannot read it."""
        try:
            answer = await self.transport.json("GET", "view_metadata", "loras", params={"filename": name})
        except (Refused, BadResponse):
            return {}
        told = answer if isinstance(answer, dict) else {}
        return {key: value for key, value in told.items() if isinstance(value, str)}

    async def node_classes(self) -> frozenset[str]:
        """The names of all node classes that the engine knows. A large answer: call it rarely."""
        return frozenset(await self.object_infos())

    async def object_infos(self) -> dict[str, dict[str, Any]]:
        """/object_info for all node classes, by name. A large answer: call it rarely."""
        answer = await self.transport.json("GET", "object_info")
        if not isinstance(answer, dict):
            raise BadResponse("The engine's answer is not what ComfyUI sends.", f"object_info: {str(answer)[:300]}")
        known = answers.names(list(answer), "object_info")
        return {name: answer[name] if isinstance(answer[name], dict) else {} for name in known}

    async def object_info(self, class_type: str) -> dict[str, Any] | None:
        """/object_info for one node class; None if the engine lacks it. Cached until `forget`."""
        if class_type not in self._infos:
            answer = await self.transport.json("GET", "object_info", class_type)
            info = answer.get(class_type) if isinstance(answer, dict) else None
            self._infos[class_type] = plain.storable_json(info) if isinstance(info, dict) else None
        return self._infos[class_type]

    async def replacements(self) -> dict[str, Replacement]:
        """The node classes that the engine replaces by others, by their old name. Empty before ComfyUI 0.14.0.

        Cached until `forget`.
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
        """Drop what is cached about node classes and routes. Call it when the engine was restarted."""
        self._infos.clear()
        self.fits = Fits()  # whoever is fitting a graph at this moment notes it in the old ones
        self._cancels = None
        self._replacements = None

    async def features(self) -> dict[str, Any]:
        """The engine's feature flags, with `max_upload_size` in bytes."""
        answer = await self.transport.json("GET", "features")
        return answer if isinstance(answer, dict) else {}

    async def max_upload(self) -> int | None:
        """The largest request body in bytes; None if the engine does not say."""
        try:
            size = (await self.features()).get("max_upload_size")
        except Refused:  # older than the route
            return None
        # ComfyUI sends a float if it was started with its own limit.
        return int(size) if isinstance(size, int | float) and 1 <= size < 2**63 else None

    async def free(self) -> None:
        """Let the engine unload its models and drop cached results as soon as it is idle."""
        await self.transport.send("POST", "free", payload={"unload_models": True, "free_memory": True})

    async def close(self) -> None:
        """Close the socket. The session stays open."""
        await self.socket.close()


def _place(ref: ImageRef) -> dict[str, str]:
    """The query for a file on /view."""
    return {"filename": ref.filename, "subfolder": ref.subfolder, "type": ref.type}


def _form(
    content: bytes | FilePart, filename: str, subfolder: str, type: str, *, overwrite: bool = False
) -> aiohttp.FormData:
    """An upload as a form for ComfyUI."""
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
    """The reference under which an upload was stored."""
    ref = image_ref({**answer, "filename": answer.get("name")} if isinstance(answer, dict) else None)
    if ref is None:
        raise BadResponse("The engine's answer is not what ComfyUI sends.", f"upload: {str(answer)[:300]}")
    return ref


def _not_taken(name: str, error: Refused) -> NotInstalled:
    reason = "it is too large" if error.status == 413 else f"status {error.status}"
    sentence = f"The engine, or a proxy before it, does not take the file {name}: {reason}."
    return NotInstalled(name, sentence, error.detail)
