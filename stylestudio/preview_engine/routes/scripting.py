"""/preview: routes for scripts that test against an engine in another process."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web

from stylestudio.preview_engine.troubles import Gate, Troubles, from_json


class Scripting:
    """The routes of a scriptable engine: its troubles, and the latest requests."""

    def __init__(self, troubles: Troubles, requests: Iterable[str]) -> None:
        self._troubles = troubles
        self._requests = requests

    def routes(self) -> list[web.RouteDef]:
        """The routes; they have no twins under /api."""
        return [
            web.get("/preview/troubles", self._list_troubles),
            web.post("/preview/troubles", self._add_trouble),
            web.delete("/preview/troubles", self._clear_troubles),
            web.get("/preview/troubles/{number:\\d+}/reached", self._await_trouble),
            web.post("/preview/troubles/{number:\\d+}/release", self._release_trouble),
            web.get("/preview/requests", self._list_requests),
        ]

    async def _list_troubles(self, request: web.Request) -> web.Response:
        return web.json_response(self._troubles.as_json())

    async def _add_trouble(self, request: web.Request) -> web.Response:
        try:
            trouble = self._troubles.add(from_json(await request.json()))
        except ValueError as problem:
            return web.json_response({"error": str(problem)}, status=400)
        return web.json_response({"id": trouble.id})

    async def _clear_troubles(self, request: web.Request) -> web.Response:
        self._troubles.clear()
        return web.Response()

    async def _await_trouble(self, request: web.Request) -> web.Response:
        """Answer once the trouble holds a caller; 408 after `timeout` seconds (10)."""
        gate = self._troubles.get(int(request.match_info["number"]))
        if not isinstance(gate, Gate):
            return web.json_response({"error": "This trouble holds nobody."}, status=400)
        try:
            await gate.reached(float(request.query.get("timeout", 10)))
        except TimeoutError as problem:
            return web.json_response({"error": str(problem)}, status=408)
        return web.json_response({})

    async def _release_trouble(self, request: web.Request) -> web.Response:
        self._troubles.get(int(request.match_info["number"])).release()
        return web.json_response({})

    async def _list_requests(self, request: web.Request) -> web.Response:
        return web.json_response(list(self._requests))
