"""How news of another process reaches sockets: over our hub, or posted to a layer in the memory of the web process.

    python tests/benchmarks/live/ways_in.py [--rounds 5]

Both have the same consumer on the same daphne, and one socket that listens. Single messages are timed from the sender's
call to the socket; a burst is a thousand messages at once; `lost` are those of the burst that never came.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from light_socket import LightSocket, upgrade

HERE = Path(__file__).resolve()
ROOT = HERE.parents[3]
SINGLES, BURST, SIZE = 100, 1000, 4000

# A worker: "N" on its input sends so many messages, each with the moment at which it was sent.
SENDER = """
import http.client, json, sys, time
way, port, file, size = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
def message():
    return {"type": "push", "text": f"{time.perf_counter():.6f}".ljust(size, "x")}
if way == "hub":
    from pathlib import Path
    from django.conf import settings
    settings.configure()
    from stylestudio.live.hub import HubChannelLayer
    layer = HubChannelLayer(file=Path(file))
    def send():
        layer.group_send_sync("all", message())
else:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    def send():
        body = json.dumps(message())
        connection.request("POST", "/", body, {"Authorization": "secret", "Content-Type": "application/json"})
        assert connection.getresponse().read() == b""
for line in sys.stdin:
    for _time in range(int(line)):
        send()
"""


class Way:
    """A server, a sender and a socket that listens."""

    def __init__(self, name: str, stack: ExitStack) -> None:
        self.name, self.port = name, free_port()
        self.file = str(Path(stack.enter_context(tempfile.TemporaryDirectory()), "hub.json"))
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        server = [sys.executable, str(HERE.with_name("bare_consumer.py")), str(self.port)]
        self.server = stack.enter_context(process([*server, self.file] if name == "hub" else server, environment))
        sender = [sys.executable, "-c", SENDER, name, str(self.port), self.file, str(SIZE)]
        self.sender = stack.enter_context(process(sender, environment))
        self.came: asyncio.Queue[float] = asyncio.Queue()
        self.single_ms: list[float] = []
        self.per_second: list[float] = []
        self.lost = 0

    async def listen(self) -> None:
        """Open the socket as soon as the server is there."""
        loop = asyncio.get_running_loop()
        for _try in range(200):
            with suppress(OSError):
                _transport, socket = await loop.create_connection(
                    lambda: LightSocket(upgrade("/", f"127.0.0.1:{self.port}"), self.hear, lambda _socket: None),
                    "127.0.0.1",
                    self.port,
                )
                await socket.opened
                return
            await asyncio.sleep(0.1)

    def hear(self, content: bytes) -> None:
        """Note how long it took; the clock is the same for all processes of the machine."""
        self.came.put_nowait((time.perf_counter() - float(content[:20].rstrip(b"x"))) * 1000)

    def send(self, number: int) -> None:
        """Let the sender send so many."""
        assert self.sender.stdin
        self.sender.stdin.write(f"{number}\n".encode())
        self.sender.stdin.flush()

    async def measure(self) -> None:
        """Single messages, then a burst."""
        for _time in range(SINGLES):
            self.send(1)
            self.single_ms.append(await asyncio.wait_for(self.came.get(), 10))
            await asyncio.sleep(0.01)
        begin, got = time.perf_counter(), 0
        self.send(BURST)
        with suppress(TimeoutError):
            while got < BURST:
                await asyncio.wait_for(self.came.get(), 5)
                got += 1
                last = time.perf_counter()
        self.per_second.append(got / (last - begin))
        self.lost += BURST - got


@contextmanager
def process(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Beside us, until the end."""
    started = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.PIPE)
    try:
        yield started
    finally:
        started.kill()
        started.wait()


def free_port() -> int:
    """One that nobody listens on."""
    sys.path.insert(0, str(ROOT))
    from stylestudio.host import rendezvous

    return rendezvous.free_port()


async def compare(rounds: int) -> dict[str, Any]:
    """By turns."""
    with ExitStack() as stack:
        ways = [Way(name, stack) for name in ("hub", "post")]
        for way in ways:
            await way.listen()
            way.send(1)
            await asyncio.wait_for(way.came.get(), 10)
        for _round in range(rounds):
            for way in ways:
                await way.measure()
        return {
            way.name: {
                "single_ms": round(median(way.single_ms), 2),
                "single_p99_ms": round(quantiles(way.single_ms, n=100)[-1], 2),
                "burst_per_second": round(median(way.per_second)),
                "lost": way.lost,
            }
            for way in ways
        }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    print(json.dumps(asyncio.run(compare(parser.parse_args().rounds)), indent=2))
