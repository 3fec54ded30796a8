"""What StyleStudio adds to one picture: the whole studio against a bare client, on the same engine, by turns.

    python tests/benchmarks/overhead.py [--runs 50] [--sizes 64 1024]

Measured from placing the order to the original being stored and its row committed (the thumbnail follows later), and
for the bare client from building the request to having the picture's bytes. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sqlite3
import time
import uuid
from statistics import median, quantiles
from typing import Any

import aiohttp
from beside import studio

WARM_UPS = 3
PAUSE = 0.15  # seconds between runs: thumbnails and pushes of one do not weigh on the next
PATIENCE = 60.0  # seconds
STORED = "SELECT 1 FROM pictures_generatedimage WHERE task_id = ?"


class Bare:
    """The least a program can do: one session, one socket, POST, wait for `executed`, GET."""

    def __init__(self, engine: str) -> None:
        self.engine, self.id = engine, uuid.uuid4().hex
        self.loop = asyncio.new_event_loop()
        self.loop.run_until_complete(self._open())

    async def _open(self) -> None:
        self.session = aiohttp.ClientSession()
        self.socket = await self.session.ws_connect(f"{self.engine}/ws?clientId={self.id}", max_msg_size=0)

    def close(self) -> None:
        """Let go of the engine."""
        self.loop.run_until_complete(self.session.close())

    def seconds(self, graph: dict[str, Any]) -> float:
        """One picture."""
        begun = time.perf_counter()
        data = self.loop.run_until_complete(self._make(graph))
        assert data.startswith(b"\x89PNG")
        return time.perf_counter() - begun

    async def _make(self, graph: dict[str, Any]) -> bytes:
        prompt_id = str(uuid.uuid4())
        body = {"prompt": graph, "prompt_id": prompt_id, "client_id": self.id}
        await (await self.session.post(f"{self.engine}/prompt", json=body)).read()
        async for message in self.socket:
            if message.type != aiohttp.WSMsgType.TEXT:
                continue
            frame = json.loads(message.data)
            if frame["type"] == "executed" and frame["data"]["prompt_id"] == prompt_id:
                image = frame["data"]["output"]["images"][0]
                async with self.session.get(f"{self.engine}/view", params=image) as answer:
                    return await answer.read()
        raise AssertionError("The socket closed.")


class Ours:
    """An order placed in this process; the studio's worker makes it."""

    def __init__(self) -> None:
        from django.conf import settings
        from django.contrib.auth.models import User

        # Looking through the ORM a thousand times a second would take a core from what is measured.
        self.rows = sqlite3.connect(settings.DATABASES["default"]["NAME"])
        self.user = User.objects.create_superuser("bench", password=uuid.uuid4().hex)

    def seconds(self, size: int, seed: int) -> tuple[float, dict[str, Any]]:
        """One picture, and the graph it was made with."""
        from generation.ordering.orders import Order, place

        begun = time.perf_counter()
        task = place(Order(prompt="a red house", width=size, height=size, seed=seed), self.user)
        while not self.rows.execute(STORED, (task.pk,)).fetchone():
            if time.perf_counter() - begun > PATIENCE:
                raise SystemExit("A picture did not come; see the studio's log.")
            time.sleep(0.001)
        took = time.perf_counter() - begun
        graph = task.prompts.get().graph
        assert graph is not None
        return took, graph


def measure(engine: str, sizes: list[int], runs: int) -> dict[str, Any]:
    """Bare and ours by turns; a new seed each time, so that the engine samples each time."""
    bare, ours, report = Bare(engine), Ours(), {}
    for size in sizes:
        alone: list[float] = []
        whole: list[float] = []
        for number in range(WARM_UPS + runs):
            took, graph = ours.seconds(size, seed=size * 1000 + 2 * number)
            for node in graph.values():
                if "seed" in node["inputs"]:
                    node["inputs"]["seed"] += 1
                if "filename_prefix" in node["inputs"]:
                    node["inputs"]["filename_prefix"] = f"bare/{uuid.uuid4().hex}"
            time.sleep(PAUSE)
            straight = bare.seconds(graph)
            time.sleep(PAUSE)
            if number >= WARM_UPS:
                whole.append(took * 1000)
                alone.append(straight * 1000)
        report[f"{size}x{size}"] = {
            "bare_median_ms": round(median(alone), 1),
            "bare_p95_ms": round(quantiles(alone, n=20)[-1], 1),
            "studio_median_ms": round(median(whole), 1),
            "studio_p95_ms": round(quantiles(whole, n=20)[-1], 1),
            "added_median_ms": round(median(whole) - median(alone), 1),
            "added_p95_ms": round(quantiles(whole, n=20)[-1] - quantiles(alone, n=20)[-1], 1),
            "ratio": round(median(whole) / median(alone), 2),
        }
    bare.close()
    return report


def main() -> None:
    """Start an engine and a studio, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 1024])
    options = parser.parse_args()
    with studio() as engines:
        print(json.dumps(measure(engines[0], options.sizes, options.runs), indent=2))


if __name__ == "__main__":
    main()
