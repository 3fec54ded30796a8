"""What a thousand open pages cost: on the hub, on Redis, and with a Channels consumer that does nothing else.

    python tests/benchmarks/live/watchers.py [--sockets 1000] [--rounds 5] [--against WORKTREE] [--few 200] [--json]

Every side is a web process of its own on the same daphne; all are opened by turns, and the medians are compared. A side
on Redis needs redis-server, and a Python with the packages of requirements-scale.txt. At the end each web process is
killed and started again while all its pages are open: they come back as the page's script does, and meanwhile a page is
asked for again and again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import quote

from light_socket import LightSocket, upgrade

HERE = Path(__file__).resolve()
ROOT = HERE.parents[3]
AT_ONCE = 100  # sockets that are being opened at a time
PATIENCE = 60.0  # seconds
CARD = 4000  # bytes of a fragment; a job's card and row have about as many

# People with a session each; prints the session keys.
PEOPLE = """
import sys
from importlib import import_module
import django
django.setup()
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.core.management import call_command
call_command("migrate", verbosity=0)
users = User.objects.bulk_create([User(username=f"p{number}", password="!") for number in range(int(sys.argv[1]))])
store = import_module(settings.SESSION_ENGINE).SessionStore
for user in users:
    session = store()
    session[SESSION_KEY], session[BACKEND_SESSION_KEY] = str(user.pk), settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    print(session.session_key)
"""

# As a worker does: each line of its input goes to everybody, in both languages.
WORKER = """
import sys
import django
django.setup()
from stylestudio.live import publisher
for line in sys.stdin:
    words = line.strip()
    publisher.publish([publisher.EVERYONE], {"en": words, "zh-hans": words[::-1]}, {"id": 1})
"""


def pause(attempt: int) -> float:
    """Seconds that a page waits before it comes back: as in static/js/live.js."""
    return 1 + 7 * random.random() if attempt else 3 * random.random()


@dataclass
class Side:
    """A web process with its sockets. `say` sends a text to all of them, as something that happened elsewhere."""

    name: str
    port: int
    start: Callable[[], subprocess.Popen[bytes]]
    path: Callable[[], str]
    cookies: list[str]
    say: Callable[[str], None] | None = None
    sockets: list[LightSocket] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    opening_ms: list[float] = field(default_factory=list)
    telling_ms: list[float] = field(default_factory=list)
    heard: dict[bytes, int] = field(default_factory=dict)
    all_heard: asyncio.Event = field(default_factory=asyncio.Event)
    lost: asyncio.Queue[int] | None = None
    process: subprocess.Popen[bytes] | None = None

    @property
    def host(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.port}"

    def hear(self, content: bytes) -> None:
        """Count what everybody is told."""
        mark = content[:12]
        if mark.startswith(b"mark"):
            self.heard[mark] = self.heard.get(mark, 0) + 1
            if self.heard[mark] == len(self.sockets):
                self.all_heard.set()

    async def dial(self, number: int) -> LightSocket:
        """Open one socket; ConnectionError or OSError if it is refused."""

        def end(socket: LightSocket) -> None:
            if self.lost is not None and socket.opened.done() and not socket.opened.exception():
                self.lost.put_nowait(number)

        cookie = self.cookies[number % len(self.cookies)] if self.cookies else ""
        request = upgrade(self.path(), self.host, cookie)
        loop = asyncio.get_running_loop()
        _transport, socket = await loop.create_connection(
            lambda: LightSocket(request, self.hear, end), "127.0.0.1", self.port
        )
        await asyncio.wait_for(socket.opened, PATIENCE)
        return socket

    async def open(self, number: int) -> None:
        """Open so many sockets, and note how long it took."""
        gate, begin = asyncio.Semaphore(AT_ONCE), time.perf_counter()

        async def one(index: int) -> None:
            async with gate:
                try:
                    self.sockets.append(await self.dial(index))
                except OSError as error:
                    self.refused.append(str(error))

        await asyncio.gather(*map(one, range(number)))
        self.opening_ms.append((time.perf_counter() - begin) * 1000)

    async def tell(self, number: int) -> None:
        """Tell everybody something, and note when the last one has it."""
        self.all_heard.clear()
        words = f"mark{number:08}".ljust(CARD, "x")
        begin = time.perf_counter()
        if self.say:
            self.say(words)
        else:
            self.sockets[0].say(words.encode())
        with suppress(TimeoutError):
            await asyncio.wait_for(self.all_heard.wait(), PATIENCE)
            self.telling_ms.append((time.perf_counter() - begin) * 1000)

    async def close(self) -> None:
        """All pages are closed at once."""
        for each in self.sockets:
            each.abort()
        self.sockets.clear()
        await asyncio.sleep(1)


async def settle(side: Side) -> None:
    """Until the first moments of its sockets are over."""
    await asyncio.sleep(1.5)
    side.heard.clear()


async def measure(sides: list[Side], sockets: int, rounds: int) -> None:
    """Open and tell by turns."""
    number = 0
    for _round in range(rounds):
        for side in sides:
            await side.open(sockets)
            await settle(side)
            for _time in range(5):
                number += 1
                await side.tell(number)
            await side.close()


async def asked(side: Side, until: Callable[[], bool]) -> list[float]:
    """Milliseconds that a page takes, asked for again and again."""

    def get() -> float:
        begin = time.perf_counter()
        page = urllib.request.Request(f"http://{side.host}/queue/", headers={"Cookie": side.cookies[0]})
        with urllib.request.urlopen(page, timeout=PATIENCE) as answer:
            answer.read()
        return (time.perf_counter() - begin) * 1000

    found: list[float] = []
    while not until():
        with suppress(OSError):
            found.append(await asyncio.to_thread(get))
        await asyncio.sleep(0.05)
    return found


async def restart(side: Side, sockets: int) -> dict[str, Any]:
    """Kill the web process with all its pages open; when all are back, and how long other pages take meanwhile."""
    await side.open(sockets)
    await settle(side)
    calm_until = time.perf_counter() + 5
    calm = await asked(side, lambda: time.perf_counter() > calm_until)
    side.lost = asyncio.Queue()
    back: list[float] = []
    assert side.process
    killed = time.perf_counter()
    side.process.kill()
    side.process.wait()
    side.process = side.start()

    async def come_back(number: int) -> None:
        for attempt in range(100):
            await asyncio.sleep(pause(attempt))
            with suppress(OSError, asyncio.TimeoutError):
                side.sockets.append(await side.dial(number))
                back.append(time.perf_counter() - killed)
                return

    await asyncio.to_thread(wait_until_up, side)
    up = time.perf_counter() - killed
    first = time.perf_counter()
    meanwhile = asyncio.create_task(asked(side, lambda: len(back) >= sockets or time.perf_counter() - first > PATIENCE))
    numbers = [await side.lost.get() for _socket in range(sockets)]
    # They began to wait when they were lost; `come_back` is started here, so what passed meanwhile is taken off.
    await asyncio.gather(*map(come_back, numbers))
    times = await meanwhile
    side.lost = None
    await side.close()
    return {
        "up_after_s": round(up, 1),
        "all_back_after_s": round(max(back), 1),
        "back": len(back),
        "page_calm_ms": round(median(calm), 1),
        "page_meanwhile_ms": round(median(times), 1) if times else None,
        "page_ratio": round(median(times) / median(calm), 2) if times else None,
    }


def wait_until_up(side: Side) -> None:
    """Until its port answers."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with suppress(OSError), urllib.request.urlopen(f"http://{side.host}/sign-in/", timeout=5):
            return
        time.sleep(0.02)


def free_port() -> int:
    """One that nobody listens on."""
    sys.path.insert(0, str(ROOT))
    from stylestudio.host import rendezvous

    return rendezvous.free_port()


@contextmanager
def bare() -> Iterator[Side]:
    """The consumer without a database."""
    port = free_port()

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, str(HERE.with_name("bare_consumer.py")), str(port)], cwd=ROOT)

    side = Side("bare", port, start, lambda: "/", [])
    side.process = start()
    try:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield side
    finally:
        side.process.kill()
        side.process.wait()


@contextmanager
def studio(name: str, tree: Path, people: int, redis: str = "") -> Iterator[Side]:
    """A web process of the code in `tree`, with people who have a session each, and what tells them something."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        port = free_port()
        env = os.environ | {"STYLESTUDIO_DATA": folder, "DJANGO_SETTINGS_MODULE": "stylestudio.settings"}
        env |= {"STYLESTUDIO_HUB": f"{free_port()}:secret", "PYTHONPATH": str(tree), "REDIS_URL": redis}
        made = subprocess.run(
            [sys.executable, "-c", PEOPLE, str(people)], cwd=tree, env=env, capture_output=True, text=True, check=False
        )
        assert not made.returncode, made.stderr
        cookies = [f"sessionid={key}" for key in made.stdout.split()]
        log = stack.enter_context(Path(folder, "web.log").open("ab"))

        def start() -> subprocess.Popen[bytes]:
            web = [sys.executable, "-m", "stylestudio.processes.web", "--port", str(port)]
            return subprocess.Popen(web, cwd=tree, env=env, stdout=log, stderr=subprocess.STDOUT)

        def path() -> str:
            now = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
            return f"/ws/progress?watch=all&lang=en&since={quote(now)}"

        worker = subprocess.Popen([sys.executable, "-c", WORKER], cwd=tree, env=env, stdin=subprocess.PIPE, text=True)
        mouth = worker.stdin
        assert mouth

        def say(words: str) -> None:
            mouth.write(words + "\n")
            mouth.flush()

        side = Side(name, port, start, path, cookies, say)
        side.process = start()
        try:
            wait_until_up(side)
            yield side
        finally:
            worker.kill()
            side.process.kill()
            side.process.wait()
            worker.wait()
            log.flush()
            if said := Path(folder, "web.log").read_text():
                print(f"--- {name}\n{said[-3000:]}", file=sys.stderr)


@contextmanager
def redis_server() -> Iterator[str]:
    """A Redis of our own; "" if it is not installed, or its packages."""
    program = shutil.which("redis-server")
    if not program or not find_spec("redis"):
        yield ""
        return
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder, "--logfile", "redis.log"]
        server = subprocess.Popen([program, *options])
        try:
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.terminate()
            server.wait()


def ghosts(url: str) -> int | None:
    """What Redis still keeps of sockets some seconds after all were closed; without Redis None."""
    if not url:
        return None
    import redis

    client = redis.Redis.from_url(url)
    left = 0
    for _second in range(20):
        groups = sum(client.zcard(key) for key in client.scan_iter("asgi:group:*") if b"passes" not in key)
        left = int(groups) + sum(b"passes" not in name for name in client.pubsub_channels())
        if not left:
            break
        time.sleep(1)
    return left


def report(sides: list[Side]) -> dict[str, dict[str, Any]]:
    """Medians, and their ratio to the first side."""
    first, found = sides[0], {}
    for side in sides:
        opening, telling = median(side.opening_ms), median(side.telling_ms or [float("nan")])
        found[side.name] = {
            "opening_ms": round(opening),
            "opening_ratio": round(opening / median(first.opening_ms), 2),
            "last_has_it_ms": round(telling),
            "last_has_it_ratio": round(telling / median(first.telling_ms), 2),
            "refused": len(side.refused),
        }
    return found


async def run(options: argparse.Namespace) -> dict[str, Any]:
    """Everything."""
    with ExitStack() as stack:
        url = stack.enter_context(redis_server())
        trees = {"": ROOT} | ({" before": options.against.resolve()} if options.against else {})
        sides = [stack.enter_context(bare())]
        for name, tree in trees.items():
            sides.append(stack.enter_context(studio(f"hub{name}", tree, options.sockets)))
            if url:
                sides.append(stack.enter_context(studio(f"redis{name}", tree, options.sockets, url)))
        await measure(sides, options.sockets, options.rounds)
        answer: dict[str, Any] = {"sockets": options.sockets, "all": report(sides), "ghosts": ghosts(url)}
        print(json.dumps(answer), file=sys.stderr, flush=True)  # the rest takes minutes
        if options.few:
            for side in sides:
                side.opening_ms, side.telling_ms, side.refused = [], [], []
            await measure(sides, options.few, options.rounds)
            answer[f"few: {options.few}"] = report(sides)
        if options.restart:
            answer["restart"] = {side.name: await restart(side, options.sockets) for side in sides[1:]}
            answer["ghosts after kill"] = ghosts(url)
        return answer


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sockets", type=int, default=1000)
    parser.add_argument("--few", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--against", type=Path)
    parser.add_argument("--no-restart", dest="restart", action="store_false")
    options = parser.parse_args()
    print(json.dumps(asyncio.run(run(options)), indent=2))


if __name__ == "__main__":
    main()
