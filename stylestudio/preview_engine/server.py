"""The preview engine itself and its routes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import platform
import shutil
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Self

from aiohttp import web

from stylestudio.preview_engine.nodes.catalogue import GENERATIONS
from stylestudio.preview_engine.routes import edge
from stylestudio.preview_engine.routes.bodies import ids, json_body, json_object, server_trouble
from stylestudio.preview_engine.routes.jobs import Jobs
from stylestudio.preview_engine.routes.scripting import Scripting
from stylestudio.preview_engine.routes.transfers import Transfers

from .execute import Worker
from .files import Files
from .manners import MANNERS
from .options import Options
from .painter.brief import Painter
from .prompt_ids import INVALID_ID, prompt_id
from .queue import PromptQueue
from .replacements import REPLACEMENTS, replace_classes
from .sockets import Sockets, features
from .troubles import Troubles
from .validate import validate

__all__ = ["Options", "PreviewEngine", "PreviewThread"]

COMFYUI_PORT = 8188


class PreviewEngine:
    """One engine: `async with PreviewEngine(options) as engine: … engine.url`.

    `troubles` makes it fail on purpose. `requests` holds the latest requests as "METHOD /path", without the /api
    prefix.
    """

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()
        self.url = ""
        self.requests: deque[str] = deque(maxlen=1000)
        self.troubles = Troubles(self)
        self._number = 0
        self._runner: web.AppRunner | None = None
        self._own_folder: str | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.stop()

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen and start the worker; port 0 picks a free one.

        OSError if the port is taken, ValueError for ComfyUI's own.
        """
        if port == COMFYUI_PORT:
            raise ValueError(f"Port {COMFYUI_PORT} belongs to ComfyUI. Choose another port for the preview engine.")
        folder = self.options.folder
        if folder is None:
            self._own_folder = await asyncio.to_thread(tempfile.mkdtemp, prefix="preview-engine-")
            folder = Path(self._own_folder)
        self._number = 0
        self._manners = MANNERS[self.options.generation]
        self._files = Files(
            folder,
            self.options.checkpoints,
            self.options.loras,
            self.options.keep_outputs,
            models=self.options.models,
            real_paths=self._manners.real_paths,
        )
        self._files.wipe_temp()
        self._queue = PromptQueue()
        self._abilities = features(self.options.max_upload) | dict(self._manners.features)
        self._sockets = Sockets(self.troubles, self._abilities)
        self._sockets.bind(asyncio.get_running_loop())
        self._nodes = GENERATIONS[self.options.generation]
        self._worker = Worker(
            self._queue,
            self._sockets,
            self._files,
            self.troubles,
            self._painter,
            self._nodes,
            self._manners,
            self.options.step_seconds,
            self.options.training_step_seconds,
        )
        self._runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError:
            await self._clean_up()
            raise
        self._worker.start()
        bound_port = self._runner.addresses[0][1]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{bound_port}"

    async def stop(self) -> None:
        """Stop within a second, even in the middle of a prompt. Sockets break as if the server was killed."""
        if self._runner is None:
            return
        self.troubles.clear()
        await self._sockets.close_all()
        await asyncio.to_thread(self._worker.stop, 0.3)
        await self._clean_up()

    async def _clean_up(self) -> None:
        if self._runner:
            await self._runner.cleanup()
            self._runner = None
        if self._own_folder:
            await asyncio.to_thread(shutil.rmtree, self._own_folder, ignore_errors=True)
            self._own_folder = None

    def _painter(self) -> Painter:
        if self.options.painter == "flat":
            from .painter.flat import FlatPainter

            return FlatPainter()
        from .painter.painter import SketchPainter

        return SketchPainter()

    # What troubles do to the engine as a whole.

    def forget_everything(self) -> None:
        self._queue.lose_everything()
        self._queue.free()
        self._files.wipe_temp()
        self._number = 0
        self._sockets.break_all()

    def pause_worker(self, paused: bool) -> None:
        self._queue.pause(paused)

    def drop_sockets(self) -> None:
        self._sockets.break_all()

    def mute_sockets(self) -> None:
        self._sockets.mute_all()

    # Routes.

    def _application(self) -> web.Application:
        outermost = [edge.no_other_site] if self._manners.keeps_sites_out else []
        middlewares = [*outermost, edge.same_origin, self._observed()]
        app = web.Application(client_max_size=self.options.max_upload, middlewares=middlewares)
        transfers = Transfers(self._files, self._manners)
        for prefix in ("", "/api"):
            app.add_routes(
                [
                    web.get(f"{prefix}/ws", self._listen),
                    web.get(f"{prefix}/prompt", self._exec_info),
                    web.post(f"{prefix}/prompt", self._post_prompt),
                    web.get(f"{prefix}/queue", self._get_queue),
                    web.post(f"{prefix}/queue", self._change_queue),
                    web.get(f"{prefix}/history", self._get_history),
                    web.get(f"{prefix}/history/{{prompt_id}}", self._get_history_entry),
                    web.post(f"{prefix}/history", self._change_history),
                    web.post(f"{prefix}/interrupt", self._interrupt),
                    web.post(f"{prefix}/free", self._free),
                    web.get(f"{prefix}/system_stats", self._system_stats),
                    web.get(f"{prefix}/features", self._features),
                    web.get(f"{prefix}/object_info", self._object_infos),
                    web.get(f"{prefix}/object_info/{{class_type}}", self._object_info),
                    web.get(f"{prefix}/models", self._model_folders),
                    web.get(f"{prefix}/models/{{folder}}", self._models),
                    web.get(f"{prefix}/embeddings", self._embeddings),
                    *transfers.routes(prefix),
                ]
            )
            if self._manners.replaces:
                app.router.add_get(f"{prefix}/node_replacements", self._node_replacements)
        app.add_routes(Jobs(self._queue, self._manners, self._worker.tell_status).routes())
        app.router.add_get("/", self._index)
        if self.options.scriptable:
            app.add_routes(Scripting(self.troubles, self.requests).routes())
        # The real server looks for a file of its web pages here, and therefore answers 405 to any other POST.
        app.router.add_get("/{file:.*}", edge.nothing_here)
        return app

    def _observed(self) -> Any:
        @web.middleware
        async def observed(request: web.Request, handler: edge.Handler) -> web.StreamResponse:
            if request.path.startswith("/preview/"):
                return await handler(request)
            self.requests.append(f"{request.method} {request.path.removeprefix('/api')}")
            answer = await self.troubles.request(request)
            return await self.troubles.response(request, answer or await handler(request))

        return observed

    async def _index(self, request: web.Request) -> web.Response:
        return web.Response(text="Preview engine: draws sketches, speaks ComfyUI's API, has no pages of its own.\n")

    async def _listen(self, request: web.Request) -> web.WebSocketResponse:
        return await self._sockets.serve(request, self._queue.remaining)

    async def _exec_info(self, request: web.Request) -> web.Response:
        return web.json_response({"exec_info": {"queue_remaining": self._queue.remaining()}})

    async def _post_prompt(self, request: web.Request) -> web.Response:
        body = await json_body(request)
        if isinstance(body, list) or (isinstance(body, dict) and "prompt" not in body):
            error = {"type": "no_prompt", "message": "No prompt provided", "details": "No prompt provided"}
            return web.json_response({"error": {**error, "extra_info": {}}, "node_errors": {}}, status=400)
        if not isinstance(body, dict):
            raise server_trouble()
        graph, extra_data = body["prompt"], body.get("extra_data", {})
        number, own_id = self._take_number(body), prompt_id(body, self._manners)
        if own_id is None:
            return web.json_response({"error": INVALID_ID, "node_errors": {}}, status=400)
        if graph == [] and not self._manners.replaces:
            graph = {}  # treated like an empty graph: it has no node to fail on
        if not isinstance(graph, dict):
            raise server_trouble()
        try:
            if self._manners.replaces:
                replace_classes(graph, self._nodes)
            targets = body.get("partial_execution_targets")
            verdict = validate(graph, self._files, self._nodes, targets, self._manners)
        except (LookupError, TypeError, AttributeError) as problem:
            raise server_trouble() from problem
        if verdict.error:
            return web.json_response({"error": verdict.error, "node_errors": verdict.node_errors}, status=400)
        if not isinstance(extra_data, dict):
            raise server_trouble()
        if "client_id" in body:
            extra_data["client_id"] = body["client_id"]
        extra_data["create_time"] = int(time.time() * 1000)
        self._queue.put(number, own_id, graph, extra_data, verdict.outputs)
        self._worker.tell_status()
        return web.json_response({"prompt_id": own_id, "number": number, "node_errors": verdict.node_errors})

    def _take_number(self, body: dict[str, Any]) -> float:
        if "number" in body:
            try:
                return float(body["number"])
            except (TypeError, ValueError) as problem:
                raise server_trouble() from problem
        number = -self._number if body.get("front") else self._number
        self._number += 1
        return number

    async def _get_queue(self, request: web.Request) -> web.Response:
        return web.json_response(self._queue.as_json())

    async def _change_queue(self, request: web.Request) -> web.Response:
        body = await json_object(request)
        if body.get("clear"):
            self._queue.clear()
            self._worker.tell_status()
        if "delete" in body and self._queue.delete(ids(body["delete"])):
            self._worker.tell_status()
        return web.Response()

    async def _get_history(self, request: web.Request) -> web.Response:
        try:
            max_items = int(request.query["max_items"]) if "max_items" in request.query else None
            offset = int(request.query.get("offset", -1))
        except ValueError as problem:
            raise server_trouble() from problem
        return web.json_response(self._queue.history(max_items, offset))

    async def _get_history_entry(self, request: web.Request) -> web.Response:
        return web.json_response(self._queue.ended(request.match_info["prompt_id"]))

    async def _change_history(self, request: web.Request) -> web.Response:
        body = await json_object(request)
        if body.get("clear"):
            self._queue.forget()
        if "delete" in body:
            self._queue.forget(ids(body["delete"]))
        return web.Response()

    async def _interrupt(self, request: web.Request) -> web.Response:
        try:
            body = json.loads(await request.read())
        except ValueError:
            body = {}
        if not isinstance(body, dict):
            raise server_trouble()
        running_id = body.get("prompt_id")
        self._queue.interrupt(str(running_id) if running_id else None)
        return web.Response()

    async def _free(self, request: web.Request) -> web.Response:
        body = await json_object(request)
        if body.get("free_memory") or body.get("unload_models"):
            self._queue.free()
        return web.Response()

    async def _system_stats(self, request: web.Request) -> web.Response:
        total, free = await asyncio.to_thread(_memory)
        device = {
            "name": "Preview engine",
            "type": "cpu",
            "index": None,
            "vram_total": total,
            "vram_free": free,
            "torch_vram_total": total,
            "torch_vram_free": free,
        }
        system = {
            "os": sys.platform,
            "ram_total": total,
            "ram_free": free,
            "comfyui_version": self.options.version,
            "required_frontend_version": None,
            "installed_templates_version": None,
            "required_templates_version": None,
            "python_version": platform.python_version(),
            "pytorch_version": None,
            "embedded_python": False,
            "argv": ["preview_engine"],
            **self._manners.system,
        }
        return web.json_response({"system": system, "devices": [device]})

    async def _node_replacements(self, request: web.Request) -> web.Response:
        return web.json_response(dict(REPLACEMENTS))

    async def _features(self, request: web.Request) -> web.Response:
        return web.json_response(self._abilities)

    async def _object_infos(self, request: web.Request) -> web.Response:
        return web.json_response({name: known.info(self._files) for name, known in self._nodes.items()})

    async def _object_info(self, request: web.Request) -> web.Response:
        known = self._nodes.get(request.match_info["class_type"])
        return web.json_response({known.name: known.info(self._files)} if known else {})

    async def _model_folders(self, request: web.Request) -> web.Response:
        return web.json_response(list(self._files.models()))

    async def _models(self, request: web.Request) -> web.Response:
        models = self._files.models().get(request.match_info["folder"])
        return web.Response(status=404) if models is None else web.json_response(models)

    async def _embeddings(self, request: web.Request) -> web.Response:
        return web.json_response([])


class PreviewThread:
    """An engine in a thread with its own loop: `with PreviewThread(options) as engine: engine.url`."""

    def __init__(self, options: Options | None = None) -> None:
        self.engine = PreviewEngine(options)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="preview-engine-loop", daemon=True)

    @property
    def url(self) -> str:
        return self.engine.url

    @property
    def troubles(self) -> Troubles:
        return self.engine.troubles

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self._call(self.engine.start())
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        self._call(self.engine.stop())
        self._close()

    def _call(self, coroutine: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def _close(self) -> None:
        self._call(self._loop.shutdown_default_executor())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def _memory() -> tuple[int, int]:
    """Total and free memory in bytes; zeros if the system does not report them."""
    with contextlib.suppress(ValueError, OSError, AttributeError):
        page = os.sysconf("SC_PAGE_SIZE")
        return page * os.sysconf("SC_PHYS_PAGES"), page * os.sysconf("SC_AVPHYS_PAGES")
    return 0, 0
