"""Live updates through a real Redis, which is also stopped and started again: processes that read and publish.

`.ci/servers` runs it; `tests/scale/servers.py` says what it needs.
"""

from __future__ import annotations

import os
import queue
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.scale.servers import PYTHON, ROOT, House, binary, has, redis, unable, until

pytestmark = pytest.mark.servers

READER = Path(__file__).with_name("redis_reader.py")


class Reader:
    """`redis_reader.py`, with what it has said."""

    def __init__(self, address: str) -> None:
        self.process = subprocess.Popen(
            [PYTHON, str(READER), address],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.said: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.said.put(line.strip())

    def tell(self, line: str) -> None:
        """Give it an order."""
        assert self.process.stdin
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def next(self, seconds: float = 20) -> str:
        """What it says next."""
        return self.said.get(timeout=seconds)

    def does(self, line: str) -> None:
        """Give it an order that it carries out, and nothing else happens meanwhile."""
        self.tell(line)
        assert self.next() == " ".join(line.split()[:2])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[House]:
    """A house for Redis alone."""
    if not has("redis", "channels"):
        unable(f"{PYTHON} has no requirements-scale.txt; name one that has in STYLESTUDIO_SCALE_PYTHON")
    if not binary("redis-server"):
        unable("redis-server is not installed")
    house = House(tmp_path, dict(os.environ))
    yield house
    house.end()


@pytest.fixture
def address(server: House) -> str:
    """Of a Redis that answers."""
    url = redis(server)
    until(lambda: asked(url, "PING").startswith(b"+PONG"), "Redis")
    return url


@pytest.fixture
def reader(address: str) -> Iterator[Callable[..., Reader]]:
    """Start a process that reads."""
    started: list[Reader] = []

    def start(url: str = address) -> Reader:
        started.append(Reader(url))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.communicate()


def asked(url: str, command: str) -> bytes:
    """What Redis answers."""
    host, port = urlsplit(url).hostname, urlsplit(url).port
    assert host and port
    with socket.create_connection((host, port), 5) as connection:
        connection.sendall(command.encode() + b"\r\n")
        return connection.recv(65536)


def publish(url: str, channel: str, content: str) -> None:
    """As something else that uses this Redis."""
    assert asked(url, f"PUBLISH {channel} {content}").startswith(b":")


def restarted(server: House, address: str, *options: str) -> None:
    """Redis on the same port, with other options."""
    server.processes[-1].kill()
    server.processes[-1].wait()
    port = str(urlsplit(address).port)
    again = ["--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", str(server.folder), *options]
    server.start(str(binary("redis-server")), *again, log="redis.log")


Start = Callable[..., Reader]


def test_what_one_process_says_all_hear_once_and_nothing_of_them_stays_in_redis(reader: Start, address: str) -> None:
    first, second, speaker = reader(), reader(), reader()
    for each in (first, second):
        each.does("join jobs")
    first.does("join others")
    speaker.does("say jobs hello 你好")
    assert (first.next(), second.next()) == ("heard hello 你好", "heard hello 你好")
    speaker.does("say others only you")
    assert first.next() == "heard only you"
    assert second.said.empty()
    second.does("leave jobs")
    assert b"others" in asked(address, "PUBSUB CHANNELS")
    first.process.kill()
    until(lambda: asked(address, "PUBSUB CHANNELS") == b"*0\r\n", "the end of every subscription")
    assert asked(address, "DBSIZE") == b":0\r\n"


def test_a_process_has_one_connection_to_hear_and_one_to_speak(reader: Start, address: str) -> None:
    one = reader()
    for number in range(50):
        one.does(f"join group{number}")
    one.does("say nobody hello")
    # And the one that asks.
    until(lambda: b"connected_clients:3\r\n" in asked(address, "INFO clients"), "two connections of the process")


def test_what_is_said_after_joining_is_heard_however_often_somebody_left(reader: Start) -> None:
    listener, speaker = reader(), reader()
    for number in range(200):
        listener.tell("join jobs")
        listener.tell("leave jobs")
        listener.tell("join jobs")
        assert [listener.next() for _time in range(3)] == ["join jobs", "leave jobs", "join jobs"]
        speaker.does(f"say jobs {number}")
        assert listener.next() == f"heard {number}"
        listener.does("leave jobs")


def test_studios_on_two_numbered_databases_do_not_hear_each_other(reader: Start, address: str) -> None:
    here, there = reader(address), reader(address.removesuffix("/0") + "/1")
    here.does("join jobs")
    there.does("join jobs")
    there.does("say jobs theirs")
    assert there.next() == "heard theirs"
    here.does("say jobs ours")
    assert here.next() == "heard ours"


def test_readers_are_told_when_messages_may_be_lost_and_hear_again_when_redis_is_back(
    server: House, reader: Start, address: str
) -> None:
    listener, speaker = reader(), reader()
    listener.does("join jobs")
    speaker.does("say jobs before")
    assert listener.next() == "heard before"
    server.processes[-1].kill()
    server.processes[-1].wait()
    assert (listener.next(), speaker.next()) == ("lost", "lost")
    speaker.does("say jobs kept")
    restarted(server, address)
    # Whoever joins meanwhile waits for Redis, and is refused only after some seconds.
    listener.tell("join others")
    said = []
    while "join others" not in said:  # what was said before may be heard before it
        said.append(listener.next())
    while "heard after" not in said:
        speaker.does("say jobs after")
        said.append(listener.next())
    assert set(said) <= {"join others", "heard kept", "heard after"}


def test_nobody_joins_without_redis(server: House, reader: Start) -> None:
    listener = reader()
    listener.does("join jobs")
    server.processes[-1].kill()
    assert listener.next() == "lost"
    listener.tell("join others")
    assert listener.next() == "refused others"


def test_a_redis_that_falls_silent_counts_as_gone(server: House, reader: Start) -> None:
    listener = reader()
    listener.does("join jobs")
    server.processes[-1].send_signal(signal.SIGSTOP)
    try:
        assert listener.next(40) == "lost"
    finally:
        server.processes[-1].send_signal(signal.SIGCONT)


def test_what_is_no_live_update_is_passed_over(reader: Start, address: str) -> None:
    listener = reader()
    listener.does("join jobs")
    for content in ("damaged", "3", "[]", "{}", '"\\xff"'):
        publish(address, "stylestudio.0.jobs", content)
    listener.does("say jobs hello")
    assert listener.next() == "heard hello"


def test_half_a_megabyte_arrives_and_what_is_over_the_limit_is_dropped_alone(reader: Start) -> None:
    listener = reader()
    listener.does("join jobs")
    listener.does("say jobs " + "x" * 2**21)
    listener.does("say jobs " + "y" * 2**19)
    assert listener.next() == "heard " + "y" * 2**19


def test_a_redis_that_wants_a_password_and_speaks_tls(server: House, reader: Start, address: str) -> None:
    if not binary("openssl"):
        unable("openssl is not installed")
    key, certificate = server.folder / "key.pem", server.folder / "cert.pem"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(certificate)]
    name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*make, *name], check=True, capture_output=True)
    port = server.port()
    files = ["--tls-cert-file", str(certificate), "--tls-key-file", str(key), "--tls-auth-clients", "no"]
    restarted(server, address, "--requirepass", "wonder/land", "--tls-port", str(port), *files)
    plain = address.replace("redis://", "redis://:wonder%2Fland@")
    sealed = f"rediss://:wonder%2Fland@127.0.0.1:{port}/0?ssl_ca_certs={certificate}"
    listener, speaker = reader(sealed), reader(plain)
    listener.does("join jobs")
    speaker.does("say jobs hello")
    assert listener.next() == "heard hello"
    speaker.does("join jobs")
    listener.does("say jobs you too")
    assert (listener.next(), speaker.next()) == ("heard you too", "heard you too")


def test_a_redis_that_lets_nobody_in_or_hear_is_reported_once(server: House, reader: Start, address: str) -> None:
    host = address.removeprefix("redis://")
    asked(address, "ACL SETUSER deaf on >pw ~* resetchannels +@all")
    for url in (f"redis://deaf:pw@{host}", f"redis://deaf:wrong@{host}"):
        listener = reader(url)
        listener.tell("join jobs")
        said = listener.next()
        while said == "lost":
            said = listener.next()
        assert said == "refused jobs"
        listener.process.kill()
        assert listener.process.communicate()[1].count("Live updates") == 1
