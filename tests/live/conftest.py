"""Sockets of pages, without a server."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from urllib.parse import urlencode

import pytest
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from channels.testing import WebsocketCommunicator
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from stylestudio.asgi import application

HOST = b"studio.test"
run = database_sync_to_async

Listen = Callable[..., AbstractAsyncContextManager[WebsocketCommunicator]]


def dial(user: User | Client | None, origin: str = "http://studio.test", **query: str) -> WebsocketCommunicator:
    """A socket of a browser in which `user` is signed in."""
    headers = [(b"host", HOST), *([(b"origin", origin.encode())] if origin else [])]
    if user is not None:
        client = user if isinstance(user, Client) else signed_in(user)
        cookie = client.cookies[django_settings.SESSION_COOKIE_NAME].value
        headers.append((b"cookie", f"{django_settings.SESSION_COOKIE_NAME}={cookie}".encode()))
    return WebsocketCommunicator(application, f"/ws/progress?{urlencode(query)}", headers)


def signed_in(user: User) -> Client:
    """A browser with a session."""
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
async def hub(settings: Settings, tmp_path: Path) -> AsyncIterator[None]:
    """A hub of the test's own, which ends with its loop.

    To the hub of the process, a thread would now carry what earlier tests published while there was none.
    """
    layers = copy.deepcopy(django_settings.CHANNEL_LAYERS)
    layers["default"]["CONFIG"]["file"] = tmp_path / "hub.json"
    settings.CHANNEL_LAYERS = layers
    yield
    layer = get_channel_layer()
    await layer.flush()
    await layer.close()


@pytest.fixture
def listen(hub: None) -> Listen:
    """`async with listen(ada, watch="all") as socket:` with what comes at once still to be read."""

    @asynccontextmanager
    async def open_socket(user: User | Client | None, **options: str) -> AsyncIterator[WebsocketCommunicator]:
        socket = await run(dial)(user, **options)
        accepted, code = await socket.connect(timeout=10)
        assert accepted, code
        yield socket
        await socket.disconnect()

    return open_socket
