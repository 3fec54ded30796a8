"""Request bodies, and the 500 that the real server answers to unexpected ones."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web


def server_trouble() -> web.HTTPInternalServerError:
    """The 500 with which the real server answers unexpected requests."""
    return web.HTTPInternalServerError(text="500 Internal Server Error\n\nServer got itself in trouble")


async def json_body(request: web.Request) -> Any:
    """Parse the JSON of a request. Raises the 500 if it is malformed."""
    try:
        return json.loads(await request.read())
    except ValueError as problem:
        raise server_trouble() from problem


async def json_object(request: web.Request) -> dict[str, Any]:
    """Parse the JSON object of a request. Raises the 500 for anything else."""
    body = await json_body(request)
    if not isinstance(body, dict):
        raise server_trouble()
    return body


def ids(told: Any) -> list[str]:
    """Prompt ids from a list in a request body."""
    if not isinstance(told, list):
        raise server_trouble()
    return [str(prompt_id) for prompt_id in told]
