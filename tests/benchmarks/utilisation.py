"""Whether engines are kept busy: the whole studio against a bare client that keeps the engine's queue full.

    python tests/benchmarks/utilisation.py [--pictures 100] [--seconds 0.2] [--empty 300]

The engines sleep rather than compute. Measured from the first order to the last row committed, and for the bare client
from the first POST to the last picture's bytes. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import copy
import json
import os
import sqlite3
import subprocess
import sys
import time
import uuid
from typing import Any

import aiohttp
from beside import studio

STEPS = 4
EACH = 10  # pictures of one task
PATIENCE = 300.0  # seconds
STORED = "SELECT count(*) FROM pictures_generatedimage"


async def bare_seconds(engines: list[str], graphs: list[dict[str, Any]]) -> float:
    """All graphs posted at once, shared out evenly; every picture is fetched when the engine says that it is there."""
    async with aiohttp.ClientSession() as session:
        begun = time.perf_counter()
        # Whoever has nothing to wait for would wait for ever.
        shares = [graphs[number :: len(engines)] for number in range(min(len(engines), len(graphs)))]
        await asyncio.gather(*(_run(session, url, share) for url, share in zip(engines, shares, strict=False)))
        return time.perf_counter() - begun


async def _run(session: aiohttp.ClientSession, url: str, graphs: list[dict[str, Any]]) -> None:
    client = uuid.uuid4().hex
    async with session.ws_connect(f"{url}/ws?clientId={client}", max_msg_size=0) as socket:
        for graph in graphs:
            body = {"prompt": graph, "prompt_id": str(uuid.uuid4()), "client_id": client}
            await (await session.post(f"{url}/prompt", json=body)).read()
        missing = len(graphs)
        async for message in socket:
            if message.type != aiohttp.WSMsgType.TEXT:
                continue
            frame = json.loads(message.data)
            if frame["type"] == "executed":
                async with session.get(f"{url}/view", params=frame["data"]["output"]["images"][0]) as answer:
                    assert (await answer.read()).startswith(b"\x89PNG")
                missing -= 1
                if not missing:
                    return


def studio_seconds(pictures: int, seed: int) -> float:
    """Tasks of EACH pictures, all placed at once."""
    from django.conf import settings
    from django.contrib.auth.models import User

    from generation.ordering.orders import Order, place

    rows = sqlite3.connect(settings.DATABASES["default"]["NAME"])
    user = User.objects.get_or_create(username="bench", is_superuser=True)[0]
    before = rows.execute(STORED).fetchone()[0]
    begun = time.perf_counter()
    for first in range(0, pictures, EACH):
        count = min(EACH, pictures - first)
        place(Order(prompt="a red house", width=64, height=64, seed=seed + first, count=count), user)
    while rows.execute(STORED).fetchone()[0] < before + pictures:
        if time.perf_counter() - begun > PATIENCE:
            raise SystemExit("Pictures did not come; see the studio's log.")
        time.sleep(0.005)
    return time.perf_counter() - begun


def graphs_like(pictures: int, seed: int) -> list[dict[str, Any]]:
    """The studio's own graph, with other seeds and file names."""
    from generation.pictures.models import EnginePrompt

    sample = EnginePrompt.objects.filter(own_values__isnull=False).latest("pk").graph
    graphs = []
    assert sample
    for number in range(pictures):
        graph = copy.deepcopy(sample)
        for node in graph.values():
            if "seed" in node["inputs"]:
                node["inputs"]["seed"] = seed + number
            if "filename_prefix" in node["inputs"]:
                node["inputs"]["filename_prefix"] = f"bare/{uuid.uuid4().hex}"
        graphs.append(graph)
    return graphs


def measure(engines: int, pictures: int, seconds: float) -> dict[str, float]:
    """Ours, then the bare client's, on the same engines; warmed up by a few pictures."""
    with studio(engines, step_seconds=seconds / STEPS) as urls:
        studio_seconds(2 * EACH, seed=1)
        ours = studio_seconds(pictures, seed=10_000)
        bare = asyncio.run(bare_seconds(urls, graphs_like(pictures, seed=50_000)))
    return {
        "studio_s": round(ours, 2),
        "bare_s": round(bare, 2),
        "ratio": round(ours / bare, 3),
        "studio_pictures_per_s": round(pictures / ours, 1),
        "bare_pictures_per_s": round(pictures / bare, 1),
    }


def alone(*arguments: object) -> dict[str, float]:
    """`measure` in a process of its own: Django takes its settings once."""
    command = [sys.executable, __file__, "--measure", *map(str, arguments)]
    answer = subprocess.run(command, text=True, stdout=subprocess.PIPE, check=True, env=os.environ.copy())
    return dict(json.loads(answer.stdout))


def main() -> None:
    """One engine, two engines, and pictures that take no time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=0.2)
    parser.add_argument("--empty", type=int, default=300)
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        engines, pictures, seconds = options.measure
        print(json.dumps(measure(int(engines), int(pictures), float(seconds))))
        return
    one, two = alone(1, options.pictures, options.seconds), alone(2, options.pictures, options.seconds)
    report = {
        "one_engine": one,
        "two_engines": two | {"speed_up": round(one["studio_s"] / two["studio_s"], 2)},
    }
    if options.empty:
        report["empty_graphs"] = alone(1, options.empty, 0.0)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
