"""Middleware of the routes: rejects other sites' pages, and sets safe headers for viewed files."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from urllib.parse import urlsplit

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
# Content types that a browser might run as a page or script of this origin.
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
    """Answer 403 to a request that the browser marks as caused by another site."""
    if request.headers.get("Sec-Fetch-Site") == "cross-site":
        return web.Response(status=403)
    return await handler(request)


@web.middleware
async def same_origin(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Protect an engine on the visitor's own machine from other sites' pages: 403 if Origin and Host differ."""
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
    """The response for a path that the engine does not have."""
    return web.Response(status=404)


def careful_headers(name: str, content_type: str) -> dict[str, str]:
    """Headers for a viewed file: no content sniffing, and an attachment if a browser might run it."""
    runnable = content_type in RUNNABLE or content_type.endswith(("+xml", "/xml"))
    told = name.replace("\\", "\\\\").replace('"', '\\"')
    return {
        "X-Content-Type-Options": "nosniff",
        "Content-Disposition": f'{"attachment; " if runnable else ""}filename="{told}"',
        "Content-Type": "application/octet-stream" if runnable else content_type,
    }
