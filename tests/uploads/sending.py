"""A browser that sends a file in parts, and a purpose that takes it."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import User
from django.db import OperationalError, connections
from django.http import HttpResponse
from django.test import Client

from stylestudio.models import Upload
from stylestudio.people.access import StudioRequest
from tests.pages import Answer

TRUTH = bytes(range(256)) * 64  # 16 KB
UPLOAD = "5a1857a2-9158-4b8e-904d-13e4e5eea430"


class Finished:
    """A purpose that remembers what it was given."""

    def __init__(self) -> None:
        self.files: list[bytes] = []
        self.fields: list[dict[str, Any]] = []
        self.answer: Callable[[Upload], HttpResponse | str] = lambda upload: HttpResponse(f"<p>{upload.name}</p>")

    def __call__(self, request: StudioRequest, upload: Upload, found: Any) -> HttpResponse | str:
        self.files.append(upload.path.read_bytes())
        self.fields.append(request.POST.dict())
        return self.answer(upload)


def entered(user: User, **options: Any) -> Client:
    client = Client(**options)
    client.force_login(user)
    return client


def start(client: Client, name: str = "a.bin", size: int = len(TRUTH), **fields: Any) -> Answer:
    return client.post("/uploads/start", {"purpose": "note", "name": name, "size": size, **fields})


def begun(client: Client, **fields: Any) -> dict[str, Any]:
    answer = start(client, **fields)
    assert answer.status_code == 200, answer.text
    facts: dict[str, Any] = answer.json()
    return facts


def put(client: Client, upload: dict[str, Any], offset: int, body: bytes, **options: Any) -> Answer:
    address = f"{upload['parts']}?offset={offset}"
    return client.put(address, body, content_type="application/octet-stream", **options)


def whole(client: Client, **fields: Any) -> dict[str, Any]:
    """Everything sent, nothing finished."""
    upload = begun(client, **fields)
    assert put(client, upload, 0, TRUTH).json() == {"received": len(TRUTH)}
    return upload


def row(upload: dict[str, Any]) -> Upload:
    return Upload.objects.get(pk=upload["id"])


def together(count: int, act: Callable[[int], Any]) -> list[Any]:
    """The answers of so many threads that begin at the same moment."""
    barrier, answers = threading.Barrier(count), []

    def run(number: int) -> None:
        barrier.wait(10)
        try:
            answers.append(act(number))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return answers


def locked() -> Exception:
    """What a locked database raises."""
    error = OperationalError("database is locked")
    error.__cause__ = sqlite3.OperationalError("database is locked")
    error.__cause__.sqlite_errorcode = sqlite3.SQLITE_BUSY
    return error
