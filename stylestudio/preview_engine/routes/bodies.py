"""What requests bring, and the 500 that the real server gives to what it did not expect."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web


def server_trouble() -> web.HTTPInternalServerError:
    """The 500 that the real server gives to requests it did not expect."""
    return web.HTTPInternalServerError(text="500 Internal Server Error\n\nServer got itself in trouble")


async def json_body(request: web.Request) -> Any:
    """The JSON of a request; 500 if it is none."""
    try:
        return json.loads(await request.read())
    except ValueError as problem:
        raise server_trouble() from problem


async def json_object(request: web.Request) -> dict[str, Any]:
    """The JSON object of a request; 500 for anything else."""
    body = await json_body(request)
    if not isinstance(body, dict):
        raise server_trouble()
    return body


def ids(told: Any) -> list[str]:
    """Ids of prompts, as a list in a body names them."""
    if not isinstance(told, list):
        raise server_trouble()
    return [str(prompt_id) for prompt_id in told]
