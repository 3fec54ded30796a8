"""The web process: Django for pages, the media app for private files, the WebSocket for live fragments."""

from __future__ import annotations

import os
from typing import cast

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "stylestudio.settings")
django_app = get_asgi_application()

from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.conf import settings  # noqa: E402
from django.urls import path  # noqa: E402

from stylestudio.edge.assets.static_files import StaticFiles  # noqa: E402
from stylestudio.edge.failure_answers import in_words  # noqa: E402
from stylestudio.edge.limits import limit_bodies  # noqa: E402
from stylestudio.edge.serving import Application, Receive, Scope, Send, is_file, media_app  # noqa: E402
from stylestudio.live.page_socket import ProgressConsumer, same_origin  # noqa: E402


def pages_and_files(pages: Application) -> Application:
    """Serve private files without Django: several times faster, and large ones do not fill the memory."""

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        # daphne takes this from a header that anybody can send, and every address on the page would begin with it.
        scope["root_path"] = ""
        app = media_app if is_file(scope["path"]) else pages
        await app(scope, receive, send)

    return route


static_files = StaticFiles(cast(Application, django_app))
http_app = pages_and_files(static_files)
application = ProtocolTypeRouter(
    {
        "http": in_words(limit_bodies(http_app, settings.UPLOAD_BODY_LIMIT)),
        "websocket": same_origin(AuthMiddlewareStack(URLRouter([path("ws/progress", ProgressConsumer.as_asgi())]))),
    }
)
