"""/api/jobs: the state of one prompt, waiting, running or ended, and its cancellation."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from aiohttp import web

from stylestudio.preview_engine.manners import Manners
from stylestudio.preview_engine.prompt_ids import is_canonical
from stylestudio.preview_engine.queue import Item, PromptQueue

ENDS = ("execution_success", "execution_error", "execution_interrupted")


class Jobs:
    """The routes, for an engine that has them. `tell_status` is called after a waiting prompt was removed."""

    def __init__(self, queue: PromptQueue, manners: Manners, tell_status: Callable[[], None]) -> None:
        self._queue = queue
        self._manners = manners
        self._tell_status = tell_status

    def routes(self) -> list[web.RouteDef]:
        """The routes; unlike others they have no twins without /api."""
        if not self._manners.jobs:
            return []
        found = [web.get("/api/jobs/{prompt_id}", self._get)]
        if self._manners.cancel_route:
            # The fixed path first, because otherwise "cancel" would be taken for an id.
            found += [
                web.post("/api/jobs/cancel", self._cancel_many),
                web.post("/api/jobs/{prompt_id}/cancel", self._cancel),
            ]
        return found

    async def _get(self, request: web.Request) -> web.Response:
        prompt_id = request.match_info["prompt_id"]
        if entry := self._queue.ended(prompt_id).get(prompt_id):
            return web.json_response(self._ended(prompt_id, entry))
        if waiting := self._queue.state(prompt_id):
            return web.json_response(self._waiting(*waiting))
        return web.json_response({"error": "Job not found"}, status=404)

    async def _cancel(self, request: web.Request) -> web.Response:
        return web.json_response({"cancelled": self._cancelled(request.match_info["prompt_id"])})

    async def _cancel_many(self, request: web.Request) -> web.Response:
        try:
            told = json.loads(await request.read())
        except ValueError:
            return web.json_response({"error": "Request body must be valid JSON"}, status=400)
        ids = told.get("job_ids") if isinstance(told, dict) else None
        if not isinstance(ids, list):
            return web.json_response({"error": "job_ids must be a list"}, status=400)
        if invalid := [each if isinstance(each, str) else repr(each) for each in ids if not is_canonical(each)]:
            return web.json_response({"error": "job_ids contains invalid id(s)", "invalid_ids": invalid}, status=400)
        cancelled = [self._cancelled(each) for each in ids]
        return web.json_response({"cancelled": any(cancelled)})

    def _cancelled(self, prompt_id: str) -> bool:
        cancelled = self._queue.cancel(prompt_id)
        if cancelled:
            self._tell_status()
        return cancelled

    def _waiting(self, status: str, item: Item) -> dict[str, Any]:
        counts = self._counts({})
        told = {"id": item.prompt_id, "status": status, "priority": item.number, **counts}
        return _known({**told, "create_time": item.extra_data.get("create_time")})

    def _ended(self, prompt_id: str, entry: dict[str, Any]) -> dict[str, Any]:
        number, _id, graph, extra_data, _outputs = entry["prompt"]
        messages = dict(entry["status"]["messages"])
        told = {
            "id": prompt_id,
            "status": self._status(entry["status"]["status_str"], messages),
            "priority": number,
            "create_time": extra_data.get("create_time"),
            "execution_start_time": messages.get("execution_start", {}).get("timestamp"),
            "execution_end_time": next((messages[end]["timestamp"] for end in ENDS if end in messages), None),
            "execution_error": messages.get("execution_error"),
            **self._counts(entry["outputs"]),
            "preview_output": _preview(entry["outputs"]),
        }
        return {
            **_known(told),
            "outputs": entry["outputs"],
            "execution_status": entry["status"],
            "workflow": {"prompt": graph, "extra_data": extra_data},
        }

    def _status(self, status: str, messages: dict[str, Any]) -> str:
        if status == "success":
            return "completed"
        return "cancelled" if self._manners.cancelled_status and "execution_interrupted" in messages else "failed"

    def _counts(self, outputs: dict[str, Any]) -> dict[str, int]:
        files = len(_files(outputs))
        return {"outputs_count": files} | ({"previewable_outputs_count": files} if self._manners.cancel_route else {})


def _files(outputs: dict[str, Any]) -> list[dict[str, Any]]:
    """The pictures of all output nodes, each with its node id."""
    return [
        {**file, "nodeId": node_id, "mediaType": "images"}
        for node_id, shown in outputs.items()
        for file in (shown or {}).get("images", [])
    ]


def _preview(outputs: dict[str, Any]) -> dict[str, Any] | None:
    """A saved picture if there is one, otherwise a temporary one."""
    files = _files(outputs)
    saved = [file for file in files if file["type"] == "output"]
    return next(iter(saved or files), None)


def _known(told: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if value is not None}
