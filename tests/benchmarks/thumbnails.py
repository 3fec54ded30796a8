"""How many thumbnails a second the studio serves, against an application under the same daphne that has them in memory.

    python tests/benchmarks/thumbnails.py [--runs 7] [--seconds 3] [--against WORKTREE] [--json]

All are asked by turns and the medians are compared, because the machine may do other things. "again": the same sixty
thumbnails, as people look at one wall; "each once": many different ones, as somebody scrolls through years. The studio
checks the cookie of every request; it has to serve 0.7 of what the other one does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]
MONTH = "outputs/thumbnails/2026/11"
SIZE = 30_000  # bytes of a thumbnail
WALL, MANY = 60, 6000
AT_ONCE = 12  # connections; two browsers have as many
LEAST = 0.7

MEMORY = """
import sys
from pathlib import Path
from daphne.server import Server
files = {f"/outputs/thumbnails/2026/11/{p.name}": p.read_bytes() for p in Path(sys.argv[1]).iterdir()}
async def app(scope, receive, send):
    body = files[scope["path"]]
    headers = [(b"content-type", b"image/webp"), (b"content-length", str(len(body)).encode()),
               (b"cache-control", b"private, max-age=31536000, immutable")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
Server(app, endpoints=[f"tcp:port={sys.argv[2]}:interface=127.0.0.1"]).run()
"""
SETTING = """
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from stylestudio.edge import passes, serving
user = User.objects.create_user("ada", password="drawing-room-7")
session = SessionStore()
session["here"] = True
session.save()
print("COOKIE", serving.sign(passes.of(user, session.session_key)))
"""


@dataclass(frozen=True)
class Side:
    """A server, and the lines of a request to it."""

    port: int
    head: bytes
    process: subprocess.Popen[bytes]


def fill(data: Path) -> list[str]:
    """Thumbnails of random bytes, as their compression leaves them; gives their addresses."""
    folder = data / "media" / MONTH
    folder.mkdir(parents=True)
    chance = random.Random(1)
    names = [f"{chance.getrandbits(128):032x}.webp" for _number in range(MANY)]
    for name in names:
        (folder / name).write_bytes(chance.randbytes(SIZE))
    return [f"/{MONTH}/{name}" for name in names]


@contextmanager
def serving(port: int, *command: str, cwd: Path = ROOT) -> Iterator[subprocess.Popen[bytes]]:
    """A server as a process beside us, once it listens."""
    process = subprocess.Popen([sys.executable, *command], cwd=cwd)
    try:
        for _try in range(300):
            with suppress(OSError):
                asyncio.run(_connect(port))
                break
            time.sleep(0.1)
        yield process
    finally:
        process.terminate()
        process.wait(10)


async def _connect(port: int) -> None:
    _reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()


async def _ask(side: Side, paths: Iterator[str], until: float) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", side.port)
    count = 0
    while time.perf_counter() < until:
        writer.write(b"GET %b HTTP/1.1\r\nHost: localhost\r\n%b\r\n" % (next(paths).encode(), side.head))
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200"), answer
        await reader.readexactly(SIZE)
        count += 1
    writer.close()
    return count


def rate(side: Side, paths: Iterator[str], seconds: float) -> tuple[float, float]:
    """Requests a second over AT_ONCE connections, and those for a second of the server's own computing."""

    async def all_at_once() -> int:
        until = time.perf_counter() + seconds
        return sum(await asyncio.gather(*(_ask(side, paths, until) for _ in range(AT_ONCE))))

    before = computed(side)
    count = asyncio.run(all_at_once())
    return count / seconds, count / (computed(side) - before)


def computed(side: Side) -> float:
    """Seconds that the server's process has computed, which do not depend on what else the machine does. Linux only."""
    fields = Path(f"/proc/{side.process.pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def person() -> bytes:
    """Makes somebody who is signed in; gives the line with their cookies, as a browser sends it."""
    subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, check=True)
    shell = [sys.executable, "manage.py", "shell", "-c", SETTING]
    told = subprocess.run(shell, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    cookie = told.split("COOKIE ")[1].split()[0]
    return (
        f"Cookie: csrftoken=4UyzgbR1Vn5TeqVqvB9X; media={cookie}; sessionid=fq1gg84hx9; zone=Europe/Berlin\r\n".encode()
    )


def report(found: dict[str, dict[str, list[float]]]) -> list[dict[str, object]]:
    """The medians, and the median of the ratios of each turn."""
    rows: list[dict[str, object]] = []
    for how, rates in found.items():
        pairs = {name: zip(values, rates["memory"], strict=True) for name, values in rates.items() if name != "memory"}
        ratios = {name: round(median(ours / memory for ours, memory in both), 2) for name, both in pairs.items()}
        rates_of_all = {name: round(median(values)) for name, values in rates.items()}
        rows.append({"how": how, "per_second": rates_of_all, "ratio": ratios, "least": LEAST})
    return rows


def main() -> None:
    """Print requests a second and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--against", type=Path, help="another worktree of the studio, asked by turns too")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    from stylestudio.host.rendezvous import free_port

    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        os.environ |= {"STYLESTUDIO_DATA": folder, "DJANGO_SETTINGS_MODULE": "stylestudio.settings"}
        paths = fill(Path(folder))
        cookies = person()
        port = free_port()
        memory = stack.enter_context(serving(port, "-c", MEMORY, f"{folder}/media/{MONTH}", str(port)))
        sides = {"memory": Side(port, b"", memory)}
        for name, place in {"studio": ROOT, "against": options.against}.items():
            if place:
                port = free_port(but=[side.port for side in sides.values()])
                web = ("-m", "stylestudio.processes.web", "--port", str(port))
                sides[name] = Side(port, cookies, stack.enter_context(serving(port, *web, cwd=place)))
        found: dict[str, dict[str, list[float]]] = {}
        others = {name: cycle(paths[WALL:]) for name in sides}
        for _run in range(options.runs):
            for name, side in sides.items():
                for how, asked in (("again", cycle(paths[:WALL])), ("each once", others[name])):
                    by_clock, by_computing = rate(side, asked, options.seconds)
                    found.setdefault(how, {}).setdefault(name, []).append(by_clock)
                    found.setdefault(f"{how}, by computing", {}).setdefault(name, []).append(by_computing)
    rows = report(found)
    print(json.dumps(rows) if options.json else "\n".join(str(row) for row in rows))


if __name__ == "__main__":
    main()
