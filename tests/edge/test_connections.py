"""Unfinished connections of one sender have an end, by a real daphne; and nobody who works is hit."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.core.signing import TimestampSigner
from pytest_django.fixtures import Settings
from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from stylestudio.edge import connections, serving

MOST = 8
ROOT = Path(__file__).parents[2]
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
SOCKET = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)

Start = Callable[..., int]


@pytest.fixture(scope="module")
def start() -> Iterator[Start]:
    """`start(public_url)`: a server; its port."""
    with contextlib.ExitStack() as stack:
        started: dict[str, int] = {}

        def begin(public_url: str = "") -> int:
            if public_url not in started:
                program = str(Path(__file__).with_name("tiny_server.py"))
                server = stack.enter_context(
                    subprocess.Popen(
                        [sys.executable, program, "100000", str(MOST), public_url],
                        cwd=ROOT,
                        env={"PYTHONPATH": str(ROOT)},
                        stdout=subprocess.PIPE,
                        text=True,
                    )
                )
                stack.callback(server.terminate)
                assert server.stdout
                started[public_url] = int(server.stdout.readline())
            return started[public_url]

        yield begin


@pytest.fixture
def dial(start: Start) -> Iterator[Callable[..., socket.socket]]:
    """`dial(b"GET", public_url="")`: a connection on which this much was sent; closed with the test."""
    with contextlib.ExitStack() as stack:

        def connect(said: bytes = b"", public_url: str = "") -> socket.socket:
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", start(public_url)), timeout=10))
            connection.sendall(said)
            return connection

        yield connect


Dial = Callable[..., socket.socket]


def is_closed(connection: socket.socket, seconds: float = 10) -> bool:
    """Whether the server hangs up within this time."""
    connection.settimeout(seconds)
    try:
        return not connection.recv(1)
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def is_open(connection: socket.socket) -> bool:
    """Whether it stays, also when the server has looked twice."""
    return not is_closed(connection, 2 * connections.SECONDS_BEFORE_CLOSING + 0.2)


def answered(connection: socket.socket, request: bytes = REQUEST) -> bool:
    """Whether a request on this connection gets its answer."""
    try:
        connection.sendall(request)
        connection.settimeout(10)
        response = http.client.HTTPResponse(connection)
        response.begin()
        response.read()
        return response.status == 200
    except (ConnectionError, http.client.HTTPException):
        return False


UNFINISHED = {
    "silent": b"",
    "half a head": b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ",
    "half a body": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345",
    "no http at all": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
}


@pytest.mark.parametrize("said", UNFINISHED.values(), ids=UNFINISHED)
def test_the_one_that_was_silent_for_longest_makes_room(dial: Dial, said: bytes) -> None:
    held = [dial(said) for _ in range(MOST)]
    assert answered(dial())
    assert is_closed(held[0])
    assert is_open(held[-1])
    more = [dial(said) for _ in range(3 * MOST)]
    assert all(is_closed(connection) for connection in held[1:])
    assert answered(dial())
    assert is_open(more[-1])


def test_who_sends_on_is_not_the_one_that_is_closed(dial: Dial) -> None:
    slow = dial(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\n\r\n")
    for _ in range(30):
        slow.sendall(b"x")
        assert answered(dial())
        dial()
    assert is_open(slow)
    assert answered(slow, b"x" * 10)


def test_a_stranger_that_waits_after_its_request_counts_again(dial: Dial) -> None:
    kept = [dial() for _ in range(MOST)]
    assert all(answered(connection) for connection in kept)
    assert answered(dial())
    assert is_closed(kept[0])


def member() -> bytes:
    """A request of somebody who is signed in; the server's secret is in tiny_server.py."""
    cookie = TimestampSigner(key="tiny", salt="stylestudio.edge.serving").sign("7.password.session")
    return b"GET / HTTP/1.1\r\nHost: x\r\nCookie: %b=%b\r\n\r\n" % (serving.COOKIE.encode(), cookie.encode())


def test_an_office_with_many_browsers_is_not_hit(dial: Dial) -> None:
    """Connections that wait after a request of a member, and sockets, do not count, however many there are."""
    kept = []
    for _ in range(5 * MOST):
        kept.append(dial())
        assert answered(kept[-1], member())
    sockets = []
    for _ in range(5):
        sockets += [dial(SOCKET) for _ in range(MOST)]
        assert all(b"101" in connection.recv(4096) for connection in sockets[-MOST:])
    silent = [dial() for _ in range(MOST)]
    assert all(answered(connection, member()) for connection in kept)
    assert all(is_open(connection) for connection in [*sockets[:2], silent[0]])


def test_a_message_of_twenty_megabytes_ends_the_socket(dial: Dial) -> None:
    connection = dial(SOCKET)
    assert b"101" in connection.recv(4096)
    connection.sendall(b"\x82\xff" + (20 * 2**20).to_bytes(8, "big") + b"mask" + b"x" * 1000)
    connection.settimeout(10)
    with contextlib.suppress(ConnectionError):
        while connection.recv(4096):
            pass


def test_what_is_gone_is_forgotten(dial: Dial) -> None:
    first = dial()
    for _ in range(5 * MOST):
        dial(b"GET / HT").close()
        assert answered(dial(), b"GET / HTTP/1.0\r\n\r\n")
    assert is_open(first)


def test_a_proxy_does_not_count(dial: Dial) -> None:
    proxy = "https://studio.example.org"
    held = [dial(b"GET / HT", proxy) for _ in range(5 * MOST)]
    assert answered(dial(b"", proxy))
    assert is_open(held[0])


@pytest.fixture
def channel(settings: Settings) -> tuple[connections.CountedChannel, StringTransport, Clock]:
    """A connection on a clock of our own."""
    clock = Clock()
    factory = connections.CountedFactory(server=None)
    factory.reactor = clock
    channel = factory.buildProtocol(None)
    transport = StringTransport(peerAddress=IPv4Address("TCP", "203.0.113.7", 4711))  # type: ignore[no-untyped-call]  # Twisted has no types for it
    channel.makeConnection(transport)
    return channel, transport, clock


def test_a_head_of_one_letter_at_a_time_ends_after_a_minute(
    channel: tuple[connections.CountedChannel, StringTransport, Clock],
) -> None:
    end, transport, clock = channel
    end.dataReceived(b"GE")
    for _ in range(5):
        clock.advance(11)
        end.dataReceived(b"T")
        assert not transport.disconnecting
    clock.advance(11)
    assert transport.disconnecting


class Noted:
    """A connection that notes that it was closed."""

    closed = False

    def __init__(self) -> None:
        self.transport = self

    def abortConnection(self) -> None:
        self.closed = True


def test_senders_count_apart_and_many_at_once_are_read_before_some_are_closed() -> None:
    clock = Clock()
    waiting = connections.Waiting(clock)
    waiting.most = 2
    many, other = [Noted() for _ in range(5)], Noted()
    waiting.add("203.0.113.7", other)
    for one in many[:3]:
        waiting.add("2001:db9::", one)
    assert not any(one.closed for one in many)
    waiting.remove("2001:db9::", many[0])  # its request was there already
    clock.advance(connections.SECONDS_BEFORE_CLOSING)
    assert not any(one.closed for one in many)
    for one in (many[0], *many[3:]):
        waiting.add("2001:db9::", one)
    clock.advance(0)
    assert [one.closed for one in many] == [False, True, False, False, False]
    clock.advance(connections.SECONDS_BEFORE_CLOSING)
    assert [one.closed for one in many] == [True, True, True, False, False]
    assert not other.closed


def test_one_that_connected_only_now_is_not_closed_for_those_before_it() -> None:
    """A loop that was busy takes several connections at once and reads the older ones first."""
    clock = Clock()
    waiting = connections.Waiting(clock)
    waiting.most = 2
    old, latest = [Noted() for _ in range(3)], Noted()
    for one in old:
        waiting.add("203.0.113.7", one)
    clock.advance(connections.SECONDS_BEFORE_CLOSING / 2)
    waiting.add("203.0.113.7", latest)
    for one in old[1:]:
        waiting.heard("203.0.113.7", one)
    clock.advance(connections.SECONDS_BEFORE_CLOSING / 2)
    assert [one.closed for one in (*old, latest)] == [True, False, False, False]
    waiting.heard("203.0.113.7", latest)
    clock.advance(connections.SECONDS_BEFORE_CLOSING)
    assert [one.closed for one in (*old, latest)] == [True, True, False, False]


def test_of_twice_too_many_those_that_were_only_not_read_yet_stay() -> None:
    clock = Clock()
    waiting = connections.Waiting(clock)
    waiting.most = 2
    several = [Noted() for _ in range(5)]
    for one in several:  # in one round of the loop, which reads in the next one
        waiting.add("203.0.113.7", one)
    for one in several[1:]:
        waiting.heard("203.0.113.7", one)
    clock.advance(0)
    assert [one.closed for one in several] == [True, False, False, False, False]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such limit")
@pytest.mark.parametrize(
    ("soft", "hard", "most"),
    [
        (256, 1024, 128),
        pytest.param(1024, 8192, 512, marks=pytest.mark.heavy),
        pytest.param(200, 200, 32, marks=pytest.mark.heavy),
    ],
)
def test_as_many_files_may_be_open_as_the_system_lets_us(soft: int, hard: int, most: int) -> None:
    show = (
        "from django.conf import settings; settings.configure(MEDIA_ORIGIN=''); "
        "from stylestudio.edge import connections; connections.install(); "
        "import resource; print(*resource.getrlimit(resource.RLIMIT_NOFILE), connections.waiting.most)"
    )
    limited = f'ulimit -Sn {soft}; ulimit -Hn {hard}; exec "$0" -c "$1"'
    result = subprocess.run(
        ["bash", "-c", limited, sys.executable, show], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == [str(hard), str(hard), str(most)]
