"""What stands around the routes: pages of other sites kept out, and careful headers for what is looked at."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

# Of files that a browser might run as a page or a script of this address.
RUNNABLE = {
    "text/html",
    "text/html-sandboxed",
    "application/xhtml+xml",
    "text/javascript",
    "application/javascript",
    "text/css",
}


@web.middleware
async def no_other_site(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """403 for a request that the browser says another site has caused."""
    if request.headers.get("Sec-Fetch-Site") == "cross-site":
        return web.Response(status=403)
    return await handler(request)


async def nothing_here(request: web.Request) -> web.StreamResponse:
    """The answer to a path that is none of the engine's."""
    return web.Response(status=404)


def careful_headers(name: str, content_type: str) -> dict[str, str]:
    """Of a file that is looked at: no guessing of what it is, and an attachment if a browser might run it."""
    runnable = content_type in RUNNABLE or content_type.endswith(("+xml", "/xml"))
    told = name.replace("\\", "\\\\").replace('"', '\\"')
    return {
        "X-Content-Type-Options": "nosniff",
        "Content-Disposition": f'{"attachment; " if runnable else ""}filename="{told}"',
        "Content-Type": "application/octet-stream" if runnable else content_type,
    }
