"""How many pictures workers claim in a second: with few and many made so far, in one process and in many.

    python tests/benchmarks/claims.py [--pictures 300000] [--small 300] [--processes 8] [--runs 3] [--seconds 6]
                                      [--against WORKTREE] [--sqlite] [--nodes] [--json]

Each side is a database of its own, on a PostgreSQL that is started for it or in an SQLite file: so many pictures of the
past, 50 engines that answer, and ten people with 200 orders of 16 pictures. Processes of the side's own code claim
pictures as fast as they can, and report them as made, BATCH at a time. `--against`: also another worktree's code.
`--nodes`: engines with the 2,000 node classes that a real ComfyUI
lists. Sides are measured by turns; read the ratios. PostgreSQL needs STYLESTUDIO_SCALE_PYTHON, like `tests/scale`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multiprocessing.queues import SimpleQueue
    from multiprocessing.synchronize import Barrier

HERE = Path(__file__).resolve()
ROOT = HERE.parents[2]
ENGINES, PEOPLE, ORDERS, EACH, BATCH = 50, 10, 200, 16, 8


def models() -> dict[str, Any]:
    """The models by name; they were in other apps earlier."""
    from django.apps import apps

    return {model.__name__: model for model in apps.get_models()}


def copies(model: Any, number: int, **changes: str) -> None:
    """So many copies of the newest row, with these SQL expressions in columns; `n` counts from 1."""
    from django.db import connection

    names = [str(field.column) for field in model._meta.concrete_fields if field.column != "id"]
    values = [changes.get(name, f't."{name}"') for name in names]
    columns, table = ", ".join(f'"{name}"' for name in names), model._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH RECURSIVE series(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < {number}) "
            f"INSERT INTO {table} ({columns}) SELECT {', '.join(values)} "
            f"FROM (SELECT * FROM {table} ORDER BY id DESC LIMIT 1) t, series"
        )


def fill(pictures: int, nodes: bool) -> None:
    """Engines, people, what they made so far, and what they wait for."""
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.db import connection
    from django.utils import timezone

    call_command("migrate", verbosity=0)
    try:
        orders: Any = import_module("generation.ordering.orders")
    except ImportError:
        orders = import_module("generation.orders")  # where it was earlier
    known = models()
    for one in range(ENGINES):
        known["Engine"].objects.create(
            address=f"http://10.0.0.{one}:8188",
            health="ok",
            checked_at=timezone.now(),
            checkpoints=["sd_xl_base_1.0.safetensors"],
            loras=["sdxl_lightning_4step_lora.safetensors", *(f"style_{n}.safetensors" for n in range(50))],
            **(real_nodes() if nodes else {}),
        )
    users = [User.objects.create(username=f"person {one}") for one in range(PEOPLE)]
    tasks, prompts = known["GenerationTask"], known["EnginePrompt"]
    first = orders.place(orders.Order(prompt="a fox", width=1024, height=1024, count=4, seed=1), users[0])
    claim_one(sys.argv[0])
    now = timezone.now()
    tasks.objects.filter(pk=first.pk).update(status="completed", ended_at=now)
    prompts.objects.update(state="done", ended_at=now)
    uuid, number = random_uuid(), pictures // 4
    owner = f"{users[0].pk} + n % {PEOPLE}"
    copies(tasks, number, request_id=uuid, owner_id=owner)
    done = {"index": "n % 4", "attempt": "1", "prompt_id": uuid}
    copies(prompts, pictures, task_id=f"{first.pk} + 1 + (n - 1) / 4 % {number}", **done)
    orders.place(orders.Order(prompt="a fox", width=1024, height=1024, count=EACH, seed=1), users[0])
    copies(tasks, ORDERS - 1, request_id=uuid, owner_id=owner)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def random_uuid() -> str:
    """SQL for one."""
    from django.db import connection

    return "gen_random_uuid()" if connection.vendor == "postgresql" else "lower(hex(randomblob(16)))"


def real_nodes() -> dict[str, Any]:
    """What a probe stores of a real ComfyUI with many extensions."""
    from generation.engines.models import Engine

    recorded = json.loads((ROOT / "tests/comfy/recordings/object_info_0_33.json").read_text(encoding="utf-8"))
    known: dict[str, Any] = {"node_classes": sorted({*recorded, *(f"Extension{n}" for n in range(2000))})}
    if any(field.name == "node_infos" for field in Engine._meta.fields):
        from generation.engines import node_facts

        facts = node_facts.of(recorded, {})
        known["node_infos"] = facts.infos
    return known


def claim_one(worker: str) -> Any:
    """Claim a picture: its prompt."""
    try:
        from generation.making.claim import next_picture
    except ImportError:
        from generation.claim import next_picture  # type: ignore[import-not-found, no-redef]  # where it was earlier

    with next_picture(worker) as claimed:
        return claimed and claimed.prompt


def finish(prompts: list[Any]) -> None:
    """Report pictures as made."""
    from django.utils import timezone

    rows = models()["EnginePrompt"].objects.filter(pk__in=[prompt.pk for prompt in prompts])
    rows.update(state="done", ended_at=timezone.now())
    prompts.clear()


def claim(seconds: float, start: Barrier, told: SimpleQueue[dict[str, Any]]) -> None:
    """As a thread of a worker does, for so long. The time to report pictures is part of it."""
    worker, took, errors = f"claimer {os.getpid()}", [], Counter[str]()
    live = [claim_one(worker)]  # what is asked once in a process
    start.wait()
    until = time.monotonic() + seconds
    while (begun := time.monotonic()) < until:
        try:
            prompt = claim_one(worker)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is counted: a worker loses a message by it
            errors[type(error).__name__] += 1
            continue
        if prompt is None:
            errors["nothing"] += 1
            continue
        took.append(time.monotonic() - begun)
        live.append(prompt)
        if len(live) >= BATCH:
            finish(live)
    told.put({"took": took, "errors": errors})


def claims(processes: int, seconds: float) -> dict[str, Any]:
    """Claims per second of so many processes together, what went wrong, and milliseconds of one claim."""
    import logging
    import multiprocessing

    logging.disable()
    forked = multiprocessing.get_context("fork")
    start, told = forked.Barrier(processes), forked.SimpleQueue()
    running = [forked.Process(target=claim, args=(seconds, start, told)) for _one in range(processes)]
    for each in running:
        each.start()
    answers = [told.get() for _one in running]
    for each in running:
        each.join()
    took = sorted(1000 * one for each in answers for one in each["took"])
    errors: Counter[str] = sum((Counter(each["errors"]) for each in answers), Counter())
    return {
        "per_second": len(took) / seconds,
        "median_ms": median(took),
        "p95_ms": took[int(0.95 * len(took))],
        "errors": errors,
    }


def reset() -> None:
    """Everything that people wait for waits again."""
    known = models()
    open_tasks = known["GenerationTask"].objects.filter(count=EACH)
    known["EnginePrompt"].objects.filter(task__in=open_tasks).delete()


class Side:
    """One tree with one database."""

    def __init__(self, name: str, tree: Path, env: dict[str, str], python: str) -> None:
        self.name, self.tree, self.env, self.python = name, tree, env, python

    def act(self, *what: str) -> str:
        """What a process of this side prints."""
        command = [self.python, str(HERE), "--act", *what]
        return subprocess.run(
            command, cwd=self.tree, env=self.env, stdout=subprocess.PIPE, text=True, check=True
        ).stdout

    def measure(self, processes: int, seconds: float) -> dict[str, Any]:
        """`claims` on this side."""
        self.act("reset")
        answer: dict[str, Any] = json.loads(self.act("claim", str(processes), str(seconds)))
        return answer


def measure(sides: list[Side], processes: list[int], runs: int, seconds: float) -> dict[str, dict[str, Any]]:
    """The medians by side and number of processes, all by turns."""
    told: dict[str, list[dict[str, Any]]] = {}
    for _run in range(runs):
        for side in sides:
            for number in processes:
                row = side.measure(number, seconds)
                print(side.name, number, row, file=sys.stderr, flush=True)
                told.setdefault(f"{side.name}, {number} processes", []).append(row)
    return {
        name: {
            **{key: round(median(row[key] for row in rows), 1) for key in ("per_second", "median_ms", "p95_ms")},
            "errors": dict(sum((Counter(row["errors"]) for row in rows), Counter[str]())),
        }
        for name, rows in told.items()
    }


def act(what: list[str]) -> None:
    """In a process of a side."""
    sys.path.insert(0, str(Path.cwd()))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "stylestudio.settings")
    import django

    django.setup()
    if what[0] == "fill":
        fill(int(what[1]), what[2] == "nodes")
    elif what[0] == "reset":
        reset()
    else:
        print(json.dumps(claims(int(what[1]), float(what[2]))))


def sides_of(options: argparse.Namespace, folder: Path, house: Any) -> list[Side]:
    """A side for each tree and size, filled."""
    from tests.scale.servers import PYTHON, binary

    trees = {"now": ROOT, **({"before": options.against.resolve()} if options.against else {})}
    sides = []
    for name, tree in trees.items():
        for size in (options.small, options.pictures):
            env = {key: value for key, value in os.environ.items() if key not in ("DATABASE_URL", "REDIS_URL")}
            env["STYLESTUDIO_DATA"] = str(folder / f"{name}-{size}")
            if house:
                made = f"{name}{size}"
                client = binary("psql")
                subprocess.run([str(client), house, "-qc", f"CREATE DATABASE {made}"], check=True)
                env["DATABASE_URL"] = house.rpartition("/")[0] + f"/{made}"
            side = Side(f"{name}, {size} pictures", tree, env, PYTHON)
            side.act("fill", str(size), "nodes" if options.nodes else "")
            sides.append(side)
    return sides


def main() -> None:
    """Fill, measure by turns, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=300_000)
    parser.add_argument("--small", type=int, default=300)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--against", type=Path)
    parser.add_argument("--sqlite", action="store_true")
    parser.add_argument("--nodes", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--act", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.act:
        act(options.act)
        return
    sys.path.insert(0, str(ROOT))
    from tests.scale.servers import House, postgres

    with tempfile.TemporaryDirectory() as kept:
        house = House(Path(kept), dict(os.environ))
        try:
            address = "" if options.sqlite else postgres(house)
            sides = sides_of(options, Path(kept), address)
            rows = measure(sides, [1, options.processes], options.runs, options.seconds)
        finally:
            house.end()
    if options.json:
        print(json.dumps(rows, indent=2))
        return
    for name, row in rows.items():
        print(name, "  ".join(f"{key} {value}" for key, value in row.items()))


if __name__ == "__main__":
    main()
