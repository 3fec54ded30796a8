"""Bodies over the limit are refused while they arrive, by a real daphne and by the ASGI guard."""

from __future__ import annotations

import http.client
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stylestudio.edge.limits import limit_bodies
from stylestudio.edge.serving import Message, Receive, Scope, Send

LIMIT = 100_000
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    server = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("tiny_server.py")), str(LIMIT), "100", ""],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout
    try:
        yield int(server.stdout.readline())
    finally:
        server.terminate()
        server.wait(10)
        server.stdout.close()


def post(port: int, body: bytes, content_type: str = "application/octet-stream") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", "/", body, {"Content-Type": content_type})
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def raw(port: int, head: str) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.sendall(f"POST / HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n".encode())
    return connection


def read_all(connection: socket.socket) -> bytes:
    received = b""
    while piece := connection.recv(65536):
        received += piece
    return received


def calls(port: int) -> int:
    return int(post(port, b"")[1].split()[0])


def test_a_body_of_exactly_the_limit_passes_whole(port: int) -> None:
    status, text = post(port, b"x" * LIMIT)
    assert (status, text.split()[1]) == (200, str(LIMIT))


def test_a_longer_body_is_refused_with_413_and_never_reaches_the_application(port: int) -> None:
    before = calls(port)
    status, text = post(port, b"x" * (LIMIT + 1))
    assert status == 413
    assert "too large" in text
    assert calls(port) == before + 1


def test_an_announced_length_is_refused_before_a_byte_of_the_body_was_sent(port: int) -> None:
    with raw(port, f"Content-Length: {LIMIT * 1000}") as connection:
        assert read_all(connection).startswith(b"HTTP/1.1 413 ")


def test_a_client_that_asks_first_gets_the_refusal_and_not_100_continue(port: int) -> None:
    with raw(port, f"Content-Length: {LIMIT + 1}\r\nExpect: 100-continue") as connection:
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"100 Continue" not in answer


def test_a_chunked_body_is_refused_as_soon_as_it_is_over_the_limit_though_its_end_was_never_sent(port: int) -> None:
    chunk = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
    with raw(port, "Transfer-Encoding: chunked") as connection:
        connection.sendall(chunk * 3)
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.settimeout(10)
        connection.sendall(chunk)
        assert read_all(connection).startswith(b"HTTP/1.1 413 ")


def test_what_follows_in_a_refused_body_is_not_taken_for_a_request(port: int) -> None:
    before = calls(port)
    smuggled = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
    with raw(port, f"Content-Length: {LIMIT + len(smuggled)}") as connection:
        connection.sendall(b"x" * LIMIT + smuggled + smuggled)
        answer = read_all(connection)
    assert answer.count(b"HTTP/1.1") == 1
    assert calls(port) == before + 1


def test_a_client_that_sends_on_after_the_refusal_can_read_it_and_is_cut_off_in_the_end(port: int) -> None:
    with raw(port, f"Content-Length: {10**12}") as connection:
        connection.sendall(b"x" * 2**20)
        assert read_all(connection).startswith(b"HTTP/1.1 413 ")
        with pytest.raises(ConnectionError):
            while True:
                connection.sendall(b"x" * 2**20)


def test_a_multipart_form_arrives_unchanged(port: int) -> None:
    form = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--b--\r\n'
    status, text = post(port, form, "multipart/form-data; boundary=b")
    assert (status, text.split()[1]) == (200, str(len(form)))


async def ask(app_messages: list[Message], headers: list[tuple[bytes, bytes]]) -> tuple[list[Message], list[int]]:
    """What the guard sends for a request of these messages, and how much the application behind it was given."""
    sent: list[Message] = []
    given: list[int] = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        more = True
        while more:
            message = await receive()
            given.append(len(message["body"]))
            more = message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def receive() -> Message:
        return app_messages.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    await limit_bodies(application, 10)({"type": "http", "headers": headers}, receive, send)
    return sent, given


async def test_the_guard_stops_a_chunked_body_under_any_server() -> None:
    pieces: list[Message] = [{"type": "http.request", "body": b"123456", "more_body": True} for _ in range(3)]
    sent, given = await ask(pieces, [])
    assert sent[0]["status"] == 413
    assert given == [6]
    assert len(pieces) == 1


async def test_the_guard_refuses_an_announced_body_without_reading_it() -> None:
    pieces: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]
    sent, given = await ask(pieces, [(b"content-length", b"11")])
    assert sent[0]["status"] == 413
    assert given == []


async def test_the_guard_lets_a_body_within_the_limit_pass() -> None:
    pieces: list[Message] = [
        {"type": "http.request", "body": b"12345", "more_body": True},
        {"type": "http.request", "body": b"12345", "more_body": False},
    ]
    sent, given = await ask(pieces, [(b"content-length", b"10")])
    assert sent[0]["status"] == 200
    assert given == [5, 5]


@pytest.mark.parametrize("path", ["/breaks/at-once", "/breaks/in-the-middle", "/breaks/with-length"])
def test_an_answer_that_breaks_ends_the_connection_in_place_of_hanging(port: int, path: str) -> None:
    # Twice: the first one must not end the server's own look after what failed.
    for _ in range(2):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("GET", path)
            with pytest.raises((http.client.HTTPException, ConnectionError)):
                connection.getresponse().read()
        finally:
            connection.close()
    assert post(port, b"x")[0] == 200
