"""What StyleStudio adds to one picture: whole studios against a bare client, on engines that paint at once, by turns.

    python tests/benchmarks/overhead.py [--runs 50] [--sizes 64 1024] [--against WORKTREE] [--servers] [--recipes]

Measured from placing the order to the original being stored and its row committed (the thumbnail follows later), and
for the bare client from building the request to having the picture's bytes. `--servers`: also a studio on PostgreSQL
and Redis, one on S3 besides, and a bare PUT of the same bytes there; it needs STYLESTUDIO_SCALE_PYTHON, like
`tests/scale`. `--recipes`: also what is added to each recipe that makes pictures of a prompt, as a ratio to what is
added to the default one. Prints one JSON object.
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
import uuid
from contextlib import ExitStack
from functools import partial
from importlib import import_module
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import aiohttp
from beside import ROOT, running, wait_until_well

HERE = Path(__file__).resolve()
DEFAULT = "sdxl-lightning"  # the recipe of an order that names none
WARM_UPS = 3
PAUSE = 0.15  # seconds between runs: thumbnails and pushes of one do not weigh on the next
PATIENCE = 60.0  # seconds
OF_STUDIOS = ("STYLESTUDIO_", "COMFYUI_", "DATABASE_URL", "REDIS_URL", "S3_")


class Bare:
    """The least a program can do: one session, one socket, POST, wait for `executed`, GET.

    It asks for the previews that the studio asks for: making them is the engine's work.
    """

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
        body["extra_data"] = {"preview_method": "auto"}
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


def place(size: int, seed: int, recipe: str = "") -> Any:
    """The task of an order of one picture, by the default recipe unless another one is named."""
    from django.contrib.auth.models import User

    try:
        orders: Any = import_module("generation.ordering.orders")
    except ImportError:
        orders = import_module("generation.orders")  # where it was earlier
    person, _made = User.objects.get_or_create(username="bench", defaults={"is_superuser": True})
    wish: dict[str, Any] = {"prompt": "a red house", "width": size, "height": size, "seed": seed}
    if recipe:
        made_by = import_module("generation.recipes.registry").named(recipe)
        wish |= {"recipe": made_by, **orders.told(made_by.defaults)}
    return orders.place(orders.Order(**wish), person)


def serve() -> None:
    """In a process of a side: for "size seed" or "size seed recipe" on standard input make a picture, print the
    seconds, its graph and bytes.

    For "put size" print the seconds of storing so many bytes in the bucket.
    """
    sys.path.insert(0, str(Path.cwd()))
    import django

    django.setup()
    from django.apps import apps
    from django.db import connection

    # Looking through the ORM a thousand times a second would take a core from what is measured.
    table = next(model for model in apps.get_models() if model.__name__ == "GeneratedImage")._meta.db_table
    connection.ensure_connection()
    look = connection.connection.execute
    print("ready", flush=True)
    for line in sys.stdin:
        first, second, *recipe = line.split()
        if first == "put":
            print(json.dumps(put(int(second))), flush=True)
            continue
        begun = time.perf_counter()
        task = place(int(first), int(second), *recipe)
        while not look(f"SELECT 1 FROM {table} WHERE task_id = {task.pk}").fetchone():
            if time.perf_counter() - begun > PATIENCE:
                raise SystemExit("A picture did not come; see the studio's log.")
            time.sleep(0.001)
        took = time.perf_counter() - begun
        print(
            json.dumps([took, task.prompts.get().graph, list(task.pictures.values_list("size", flat=True))]), flush=True
        )


def put(size: int) -> float:
    """Seconds that a client of S3 alone takes to store so many bytes."""
    from django.core.files.storage import storages

    bucket: Any = storages["default"]
    begun = time.perf_counter()
    bucket.connection.meta.client.put_object(
        Bucket=bucket.bucket_name, Key=f"bare/{uuid.uuid4().hex}", Body=os.urandom(size)
    )
    return time.perf_counter() - begun


class Studio:
    """A studio of the code in `root` with an engine of its own, and a process that orders there."""

    def __init__(self, stack: ExitStack, root: Path, folder: Path, settings: dict[str, str], python: str) -> None:
        others = {name: value for name, value in os.environ.items() if not name.startswith(OF_STUDIOS)}
        env = others | {"STYLESTUDIO_DATA": str(folder), "DJANGO_SETTINGS_MODULE": "stylestudio.settings"} | settings
        begin = partial(running, root=root, python=python)
        preview = ("preview_engine", "--port", "0", "--painter", "flat", "--step-seconds", "0")
        data = ("--data", str(folder.with_name(f"{folder.name}-engine")))
        self.engine = stack.enter_context(begin(*preview, *data, until=r"(http://\S+)", env=env))
        env |= {"COMFYUI_URL": self.engine}
        start = ("studio", "--no-browser", "--port", "0")
        wait_until_well(stack.enter_context(begin(*start, until=r"running at (http://\S+)", env=env)))
        self._process = subprocess.Popen(
            [python, str(HERE), "--serve"], cwd=root, env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        stack.callback(self._process.wait)
        stack.callback(self._process.terminate)
        assert self._process.stdout
        assert self._process.stdout.readline() == "ready\n"

    def ask(self, question: str) -> Any:
        """What the process answers."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(f"{question}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise SystemExit("A side ended; see above.")
        return json.loads(answer)


def measure(studios: dict[str, Studio], sizes: list[int], runs: int) -> dict[str, Any]:
    """Bare and each studio by turns; a new seed each time, so that the engine samples each time."""
    bare, report = Bare(next(iter(studios.values())).engine), {}
    for size in sizes:
        took: dict[str, list[float]] = {name: [] for name in ("bare", *studios)}
        for number in range(WARM_UPS + runs):
            seconds: dict[str, float] = {}
            for name, studio in studios.items():
                seconds[name], graph, [stored] = studio.ask(f"{size} {size * 1000 + 2 * number}")
                time.sleep(PAUSE)
                if name == "s3":
                    seconds["put"] = studio.ask(f"put {stored}")
            seconds["bare"] = bare.seconds(other(graph))
            time.sleep(PAUSE)
            if number >= WARM_UPS:
                for name, each in seconds.items():
                    took.setdefault(name, []).append(each * 1000)
        alone = figures(took.pop("bare"))
        rows = {name: figures(each) for name, each in took.items()}
        for name in studios:
            rows[name] |= {f"added_{key}": round(rows[name][key] - alone[key], 1) for key in alone}
        report[f"{size}x{size}"] = {"bare": alone, **rows}
    bare.close()
    return report


def by_recipe(studio: Studio, size: int, runs: int) -> dict[str, Any]:
    """Each recipe that makes pictures of a prompt by turns with a bare client that runs its graph, the default one
    first; `times` is what the studio adds to it, as a ratio to what it adds to that one.
    """
    found = (path.parent for path in (ROOT / "generation/recipes/shipped").glob("*/text.json"))
    names = sorted((path.name for path in found if is_asked_for(path)), key=lambda name: (name != DEFAULT, name))
    took: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in names}
    bare = Bare(studio.engine)
    for number in range(WARM_UPS + runs):
        for place, (name, (ours, alone)) in enumerate(took.items()):
            seconds, graph, _stored = studio.ask(f"{size} {10**6 + 200 * number + 2 * place} {name}")
            time.sleep(PAUSE)
            least = bare.seconds(other(graph))
            time.sleep(PAUSE)
            if number >= WARM_UPS:
                ours.append(seconds * 1000)
                alone.append(least * 1000)
    bare.close()
    added = {name: median(ours) - median(alone) for name, (ours, alone) in took.items()}
    return {
        name: {**figures(ours), "bare_ms": round(median(alone), 1), "added_ms": round(added[name], 1)}
        | {"times": round(added[name] / added[DEFAULT], 3)}
        for name, (ours, alone) in took.items()
    }


def is_asked_for(recipe: Path) -> bool:
    """Whether it makes pictures, and not texts."""
    return "picture" in json.loads((recipe / "recipe.json").read_text("utf-8"))["outputs"]


def figures(milliseconds: list[float]) -> dict[str, float]:
    """The median and the 95th percentile."""
    return {"median_ms": round(median(milliseconds), 1), "p95_ms": round(quantiles(milliseconds, n=20)[-1], 1)}


def other(graph: dict[str, Any]) -> dict[str, Any]:
    """The same graph with another seed and file name."""
    for node in graph.values():
        for seed in {"seed", "noise_seed"} & node["inputs"].keys():
            node["inputs"][seed] += 1
        if "filename_prefix" in node["inputs"]:
            node["inputs"]["filename_prefix"] = f"bare/{uuid.uuid4().hex}"
    return graph


def main() -> None:
    """Start engines and studios, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 1024])
    parser.add_argument("--against", type=Path)
    parser.add_argument("--servers", action="store_true")
    parser.add_argument("--recipes", action="store_true")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve()
        return
    with tempfile.TemporaryDirectory() as kept, ExitStack() as stack:
        folder, python = Path(kept), sys.executable
        sides: dict[str, tuple[Path, dict[str, str]]] = {"now": (ROOT, {})}
        if options.against:
            sides["before"] = (options.against.resolve(), {})
        if options.servers:
            sys.path.insert(0, str(ROOT))
            from tests.scale.servers import PYTHON, House, bucket, postgres, redis

            python = PYTHON
            key = {"STYLESTUDIO_SECRET_KEY": "bench" * 10}
            for name in ("servers", "s3"):
                (folder / f"of-{name}").mkdir()
                house = House(folder / f"of-{name}", dict(os.environ))
                stack.callback(house.end)
                settings = {"DATABASE_URL": postgres(house), "REDIS_URL": redis(house), **key}
                sides[name] = (ROOT, settings | (bucket(house) if name == "s3" else {}))
        studios = {
            name: Studio(stack, root, folder / name, settings, python) for name, (root, settings) in sides.items()
        }
        report = measure(studios, options.sizes, options.runs)
        if options.recipes:
            report["recipes"] = by_recipe(studios["now"], options.sizes[0], options.runs)
        print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
