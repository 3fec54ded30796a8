"""The web process: daphne serving `stylestudio.asgi`, and the hub of the live updates."""

from __future__ import annotations

import os

# Browsers send next to nothing through sockets, so compiled checks of that are not worth a parser of C in memory.
os.environ |= {"AUTOBAHN_USE_NVX": "0"}

# Before Django: importing daphne decides which event loop Twisted uses.
from daphne.server import Server, reactor  # isort: skip

import argparse
import asyncio
import logging
import sys

from channels.layers import get_channel_layer
from daphne.endpoints import build_endpoint_description_strings
from django.conf import settings

from stylestudio.edge import connections, limits, passes, proxies
from stylestudio.host import child_exit

log = logging.getLogger(__name__)


def main() -> int:
    """Serve until a stop signal. The exit code is 1 if it cannot listen, or if the database does not fit."""
    parser = argparse.ArgumentParser(prog="python -m stylestudio.processes.web")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--exit-with-parent", action="store_true", help="stop when standard input closes")
    options = parser.parse_args()

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "stylestudio.settings")
    from stylestudio.asgi import application, static_files
    from stylestudio.edge.assets import prepared
    from stylestudio.processes.command_line import Refused, check_database

    try:
        check_database()
    except Refused as refusal:
        print(refusal, file=sys.stderr)
        return 1
    proxies.forget_unlisted()
    if options.exit_with_parent:
        child_exit.exit_with_parent()
    static_files.add(prepared.prepare())
    limits.install(settings.UPLOAD_BODY_LIMIT)
    connections.install()
    server = Server(
        application,
        endpoints=build_endpoint_description_strings(host=options.host, port=options.port),
        application_close_timeout=3,
        # daphne would believe everybody, and the first entry of a list, which the client makes up: see edge.proxies.
        proxy_forwarded_address_header=None,
        server_name="StyleStudio",
    )
    reactor.addSystemEventTrigger("before", "shutdown", child_exit.exit_within)
    reactor.callWhenRunning(lambda: asyncio.ensure_future(_listen(server)))
    server.run()
    if not server.listening_addresses:
        print(f"{options.host}:{options.port} could not be opened.", file=sys.stderr)
        return 1
    return 0


async def _listen(server: Server) -> None:
    await _open_hub(server)
    await passes.listen_for_session_ends()


async def _open_hub(server: Server) -> None:
    """Open the hub now rather than with the first page: messages sent before that would come late or never."""
    layer = get_channel_layer()
    if not hasattr(layer, "open"):
        return
    try:
        await layer.open()
    except OSError as error:
        log.critical("The hub of the live updates could not listen: %s. Is another web process running?", error)
        server.listening_addresses.clear()
        server.stop()


if __name__ == "__main__":
    sys.exit(main())
