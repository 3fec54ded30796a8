"""The guide's nginx before a real studio: who asks, what is secure, and what a stranger beside it cannot do. Heavy."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from urllib.parse import urlencode

import pytest

from stylestudio.host.rendezvous import free_port
from tests.processes import guide_nginx
from tests.processes.guide_nginx import HOST, MISSING
from tests.processes.test_studio import environment

ROOT = Path(__file__).parents[2]
PASSWORD = "drawing-room-7"


def own_address() -> str | None:
    """An address of this machine that is not the loopback; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
        try:
            trial.connect(("192.0.2.1", 9))
        except OSError:
            return None
        return str(trial.getsockname()[0])


ME = own_address()
LACKING = bool(MISSING) or ME is None
pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(LACKING, reason=f"needs nginx, openssl and a network: {MISSING}, {ME}"),
]


@dataclass(frozen=True)
class Answered:
    """What came back, with the body as text."""

    status: int
    headers: Message
    text: str


@dataclass
class House:
    """A studio on all addresses, nginx before it, and the environment for commands."""

    studio: int
    proxy: int
    env: dict[str, str]

    def ask(self, method: str, path: str, body: str | None = None, *, direct: bool = False, **headers: str) -> Answered:
        """One request from an address that is not the loopback, through nginx or past it. The body is read."""
        context = ssl._create_unverified_context()
        connection: http.client.HTTPConnection
        if direct:
            connection = http.client.HTTPConnection(str(ME), self.studio, timeout=30)
        else:
            connection = http.client.HTTPSConnection(str(ME), self.proxy, timeout=30, context=context)
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, {"Host": HOST, **names})
        response = connection.getresponse()
        answered = Answered(response.status, response.headers, response.read().decode())
        connection.close()
        return answered

    def sign_in(self, name: str, password: str, *, direct: bool = False, **headers: str) -> Answered:
        """As a browser does it."""
        page = self.ask("GET", "/sign-in/", direct=direct)
        token = re.search(r"csrftoken=(\w+)", page.headers["Set-Cookie"])
        assert token
        form = {"username": name, "password": password, "csrfmiddlewaretoken": token[1]}
        facts = {
            "Cookie": f"csrftoken={token[1]}",
            "Origin": f"https://{HOST}",
            "Referer": f"https://{HOST}/sign-in/",
            "Content_Type": "application/x-www-form-urlencoded",
        }
        return self.ask("POST", "/sign-in/", urlencode(form), direct=direct, **facts, **headers)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The guide's configuration but for ports and files; few files may be open, as on many systems."""
    folder = tmp_path_factory.mktemp("proxy")
    house = House(
        free_port(), free_port(), environment(folder / "data") | {"STYLESTUDIO_PUBLIC_URL": f"https://{HOST}"}
    )
    config = guide_nginx.config(folder, house.proxy)
    config.write_text(config.read_text().replace("127.0.0.1:8000", f"127.0.0.1:{house.studio}"))
    limited = 'ulimit -Sn 512; ulimit -Hn 1024; exec "$@"'
    start = [sys.executable, "manage.py", "studio", "--no-browser", "--host", "0.0.0.0", "--port", str(house.studio)]
    studio = subprocess.Popen(["bash", "-c", limited, "-", *start], cwd=ROOT, env=house.env)
    nginx = guide_nginx.started(config)
    try:
        end = time.monotonic() + 90
        while True:
            try:
                if house.ask("GET", "/health").status == 200:
                    break
            except OSError:
                pass
            assert time.monotonic() < end, (folder / "error.log").read_text()
            time.sleep(0.2)
        account = [sys.executable, "manage.py", "createsuperuser", "--noinput", "--username", "ada", "--email", ""]
        named = house.env | {"DJANGO_SUPERUSER_PASSWORD": PASSWORD}
        subprocess.run(account, cwd=ROOT, env=named, check=True, capture_output=True)
        yield house
    finally:
        for process in (nginx, studio):
            process.terminate()
            process.wait(15)


def log(house: House) -> str:
    return Path(house.env["STYLESTUDIO_DATA"], "stylestudio.log").read_text()


def test_people_sign_in_over_tls_and_listen(house: House) -> None:
    answer = house.sign_in("ada", PASSWORD)
    assert answer.status == 302, answer.text
    cookies = answer.headers.get_all("Set-Cookie") or []
    assert all("Secure" in cookie for cookie in cookies)
    assert answer.headers["Strict-Transport-Security"] == "max-age=2592000"
    session = next(cookie.split(";")[0] for cookie in cookies if cookie.startswith("sessionid="))
    page = house.ask("GET", "/account/", Cookie=session)
    assert page.headers["Cache-Control"] == "private, no-cache"
    raw = socket.create_connection((str(ME), house.proxy), timeout=30)
    with ssl._create_unverified_context().wrap_socket(raw) as connection:
        connection.sendall(
            f"GET /ws/progress HTTP/1.1\r\nHost: {HOST}\r\nOrigin: https://{HOST}\r\nCookie: {session}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        assert connection.recv(4096).startswith(b"HTTP/1.1 101")


def test_nginx_adds_the_sender_and_what_stands_before_it_does_not_count(house: House) -> None:
    tries = [house.sign_in("bob", "wrong", X_Forwarded_For=f"198.51.100.{number}").status for number in range(12)]
    assert tries == [422] * 10 + [429] * 2


def test_a_stranger_beside_the_proxy_is_not_believed_and_is_told_once(house: House) -> None:
    for number in range(3):
        made_up = {"X_Forwarded_For": f"198.51.100.{number}", "X_Forwarded_Proto": "https"}
        assert house.ask("GET", "/sign-in/", direct=True, **made_up).status == 200
    tries = [house.sign_in("eve", "no", direct=True, X_Forwarded_For=f"1.1.1.{number}").status for number in range(11)]
    assert tries == [422] * 10 + [429]
    assert log(house).count(f"set STYLESTUDIO_PROXIES={ME}") == 1
    doctor = subprocess.run(
        [sys.executable, "manage.py", "doctor"], cwd=ROOT, env=house.env, capture_output=True, text=True, check=False
    )
    assert f"set STYLESTUDIO_PROXIES={ME}" in doctor.stdout


def test_a_stranger_with_many_connections_takes_the_studio_from_nobody(house: House) -> None:
    held: list[socket.socket] = []
    try:
        for number in range(2000):
            held.append(socket.create_connection((str(ME), house.studio), timeout=10))
            held[-1].sendall(b"GET / HTTP/1.1\r\nHo" if number % 2 else b"")
        begun = time.monotonic()
        assert house.ask("GET", "/health").status == 200
        assert house.ask("GET", "/health", direct=True).status == 200
        assert time.monotonic() - begun < 10
    finally:
        for connection in held:
            connection.close()
