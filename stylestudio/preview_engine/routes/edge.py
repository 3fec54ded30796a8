"""What stands around the routes: pages of other sites kept out, and careful headers for what is looked at."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from urllib.parse import urlsplit

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
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
async def no_other_site(request: web.Request, handler: Handler) -> web.StreamResponse:
    """403 for a request that the browser says another site has caused."""
    if request.headers.get("Sec-Fetch-Site") == "cross-site":
        return web.Response(status=403)
    return await handler(request)


@web.middleware
async def same_origin(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Keeps pages of other sites from an engine on the visitor's own machine: 403 where Origin and Host differ."""
    host, origin = request.headers.get("Host"), request.headers.get("Origin")
    if host and origin and not _may_ask(host, origin):
        return web.Response(status=403)
    if request.method == "OPTIONS":
        return web.Response()
    return await handler(request)


def _may_ask(host: str, origin: str) -> bool:
    try:
        asked, asking = urlsplit(f"//{host.lower()}"), urlsplit(origin.lower())
        ports = (asked.port, asking.port)
    except ValueError:
        return False
    if not asking.hostname or not _is_loopback(asked.hostname or ""):
        return True
    return asked.hostname == asking.hostname and (None in ports or ports[0] == ports[1])


def _is_loopback(hostname: str) -> bool:
    if hostname == "localhost" or hostname.endswith(".localhost"):
        return True
    try:
        return ip_address(hostname).is_loopback
    except ValueError:
        return False


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
