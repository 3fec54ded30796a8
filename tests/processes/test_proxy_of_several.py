"""The guide's nginx before two machines: who reaches which, and what happens if one is gone. Heavy."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from stylestudio.host.rendezvous import free_port
from tests.processes import guide_nginx
from tests.processes.guide_nginx import HOST, MISSING

pytestmark = [pytest.mark.heavy, pytest.mark.skipif(bool(MISSING), reason=f"needs nginx and openssl: {MISSING}")]

SENDERS = [f"127.0.0.{number}" for number in range(2, 42)]


class Answers(BaseHTTPRequestHandler):
    """Says on which port it was reached, and by whom; opens sockets."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.headers["Upgrade"] == "websocket" and self.headers["Connection"] == "upgrade":
            self.send_response(101)
            self.end_headers()
            return
        length = int(self.headers["Content-Length"] or 0)
        text = f"{self.connection.getsockname()[1]} {self.headers['X-Forwarded-For']} {len(self.rfile.read(length))}"
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def do_PUT(self) -> None:
        self.do_GET()

    def log_message(self, *args: object) -> None:
        """Say nothing."""


def machine(port: int) -> ThreadingHTTPServer:
    server = ThreadingHTTPServer(("127.0.0.1", port), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@dataclass
class Pair:
    """Two machines, and nginx on this port before them."""

    machines: list[ThreadingHTTPServer]
    port: int

    def ask(self, sender: str, cookie: str = "", method: str = "GET", body: bytes = b"") -> tuple[int, str]:
        """Status and text of an answer to this address, a loopback one."""
        context = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.port, timeout=30, context=context, source_address=(sender, 0)
        )
        try:
            connection.request(method, "/", body, {"Host": HOST, "Cookie": cookie})
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def reached(self, sender: str, cookie: str = "") -> int:
        """The port of the machine that answered."""
        status, text = self.ask(sender, cookie)
        assert status == 200
        return int(text.split()[0])


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Callable[[str], Pair]]:
    """Make a pair whose proxy tells people apart by what follows `hash`."""
    ends: list[Callable[[], object]] = []

    def made(by: str) -> Pair:
        ports = [free_port(), free_port(), free_port()]
        found = Pair([machine(port) for port in ports[:2]], ports[2])
        upstream = guide_nginx.block("upstream studio").replace("$remote_addr", by)
        for name, port in zip(("10.0.0.11:8000", "10.0.0.12:8000"), ports, strict=False):
            assert name in upstream
            upstream = upstream.replace(name, f"127.0.0.1:{port}")
        file = guide_nginx.config(tmp_path, found.port)
        site = file.read_text().replace(
            "        proxy_pass http://127.0.0.1:8000;\n", guide_nginx.block("        proxy_pass")
        )
        file.write_text(site.replace("map $http_upgrade", f"{upstream}\nmap $http_upgrade", 1))
        process = guide_nginx.started(file)
        ends.extend([process.terminate, lambda: process.wait(10), *(server.shutdown for server in found.machines)])
        for _try in range(100):
            try:
                found.reached(SENDERS[0])
                break
            except OSError:
                time.sleep(0.1)
        return found

    yield made
    for end in ends:
        end()


def test_a_person_reaches_the_same_machine_and_many_people_reach_both(pair: Callable[[str], Pair]) -> None:
    both = pair("$remote_addr")
    first = {sender: both.reached(sender) for sender in SENDERS}
    assert len(set(first.values())) == 2
    assert min(list(first.values()).count(port) for port in set(first.values())) > 5
    for _again in range(3):
        assert {sender: both.reached(sender) for sender in SENDERS} == first
    assert both.ask(SENDERS[5])[1].split()[1] == SENDERS[5]


def test_people_behind_one_address_are_told_apart_by_their_session(pair: Callable[[str], Pair]) -> None:
    both = pair("$cookie_sessionid")
    assert "`hash $cookie_sessionid consistent;`" in guide_nginx.GUIDE.read_text()
    cookies = [f"csrftoken=x; sessionid={number:032x}" for number in range(40)]
    first = [both.reached(SENDERS[0], cookie) for cookie in cookies]
    assert len(set(first)) == 2
    assert [both.reached(SENDERS[0], cookie) for cookie in cookies] == first


def test_people_of_a_machine_that_is_gone_are_served_by_the_other_one(pair: Callable[[str], Pair]) -> None:
    both = pair("$remote_addr")
    gone = both.machines[0]
    gone.shutdown()
    gone.server_close()
    assert {both.reached(sender) for sender in SENDERS} == {both.machines[1].server_port}
    assert both.ask(SENDERS[0], method="PUT", body=b"x")[0] == 200


def test_parts_and_sockets_go_through_and_more_than_a_part_does_not(pair: Callable[[str], Pair]) -> None:
    both = pair("$remote_addr")
    status, text = both.ask(SENDERS[0], method="PUT", body=bytes(16 * 2**20))
    assert (status, text.split()[2]) == (200, str(16 * 2**20))
    assert both.ask(SENDERS[0], method="PUT", body=bytes(16 * 2**20 + 1))[0] == 413
    raw = socket.create_connection(("127.0.0.1", both.port), timeout=30)
    with ssl._create_unverified_context().wrap_socket(raw) as connection:
        connection.sendall(
            f"GET / HTTP/1.1\r\nHost: {HOST}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n".encode()
        )
        assert connection.recv(4096).startswith(b"HTTP/1.1 101")
