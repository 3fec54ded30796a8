"""Run as a process of its own beside others: `python -m tests.scale.claiming DO [number]`. Prints one JSON object.

`orders`: so many orders of four pictures, by four people in turn. `mixed`: so many people with orders of unequal
length, every other one on another checkpoint. `engines`: so many rows of them. `hold`: in so many processes claim until
there is nothing to claim, and keep it. `take`: claim and finish each, until there is nothing. `history`: as if so many
pictures had been made. `connect`: as a worker begins; how many connections its threads may have. `halt`: stand still
in the middle of a claim, once it has its locks, and say so; PostgreSQL ends it after so many seconds. `threads`: so
many threads that begin to use a prepared query at the same moment, many times; how many were answered.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import django
from django.db import DatabaseError

PATIENCE = 400.0  # seconds; this machine may have little time for so many processes


def place(number: int) -> dict[str, Any]:
    """Orders of people."""
    from django.contrib.auth.models import User

    from generation.ordering import orders
    from generation.ordering.orders import Order

    users = [User.objects.get_or_create(username=f"person {one}")[0] for one in range(4)]
    for seed in range(number):
        order = Order(prompt="a fox", width=64, height=64, count=4, seed=seed)
        orders.place(order, users[seed % len(users)])
    return {}


def mixed(number: int) -> dict[str, Any]:
    """People who wait for engines to load something else now and then."""
    from django.contrib.auth.models import User

    from generation.ordering import orders
    from generation.ordering.orders import Order
    from generation.pictures.models import GenerationTask

    for one in range(number):
        user = User.objects.create(username=f"mixed {one}")
        for _order in range(2 + one):
            task = orders.place(Order(prompt="a fox", width=64, height=64, count=8), user)
            snapshot = task.snapshot | {"checkpoint": "other.safetensors"}
            if one % 2:
                GenerationTask.objects.filter(pk=task.pk).update(pattern=None, own_values=snapshot)
    return {}


def engines(number: int) -> dict[str, Any]:
    """Rows of engines that have the studio's files; nothing is ever sent there."""
    from generation.engines.models import Engine

    for one in range(number):
        Engine.objects.create(
            address=f"http://10.0.0.{one}:8188",
            health=Engine.Health.OK,
            checkpoints=["sd_xl_base_1.0.safetensors", "other.safetensors"],
            loras=["sdxl_lightning_4step_lora.safetensors"],
        )
    return {}


def claim(*, finish: bool) -> dict[str, Any]:
    """As a thread of a worker does, until there is nothing to claim."""
    from django.utils import timezone

    from generation.making.claim import anything_open, claimable, next_picture
    from generation.pictures.models import EnginePrompt
    from stylestudio.processes import workers

    workers.let_every_thread_connect()
    taken, begun = 0, time.monotonic()
    with ExitStack() as kept:
        while claimed := kept.enter_context(next_picture(f"claimer {os.getpid()}")):
            taken += 1
            if finish:
                EnginePrompt.objects.filter(pk=claimed.prompt.pk).update(
                    state=EnginePrompt.State.DONE, ended_at=timezone.now()
                )
        seconds = time.monotonic() - begun
        return {"taken": taken, "seconds": seconds, "open": anything_open(), "claimable": claimable()}


def at_once(number: int, *, finish: bool) -> dict[str, Any]:
    """`claim` in so many processes at the same time: forked, because starting them takes longer than all claims."""
    forked = multiprocessing.get_context("fork")
    start, told = forked.Barrier(number), forked.SimpleQueue()

    def body() -> None:
        start.wait(PATIENCE)
        told.put(claim(finish=finish))

    running = [forked.Process(target=body) for _one in range(number)]
    for each in running:
        each.start()
    answers = [told.get() for _one in running]
    for each in running:
        each.join()
    return {"each": answers}


def history(pictures: int) -> dict[str, Any]:
    """Ended tasks with their prompts, copied from one that is there."""
    from django.db import connection, models

    from generation.pictures.models import EnginePrompt, GenerationTask

    def copy(model: type[models.Model], number: int, **changes: str) -> None:
        names = [str(field.column) for field in model._meta.concrete_fields if field.column != "id"]
        values = [changes.get(name, f't."{name}"') for name in names]
        columns = ", ".join(f'"{name}"' for name in names)
        table = model._meta.db_table
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {table} ({columns}) SELECT {', '.join(values)} "
                f"FROM (SELECT * FROM {table} ORDER BY id LIMIT 1) t, generate_series(1, {number}) n"
            )

    last = GenerationTask.everything.latest("pk").pk
    tasks = pictures // 4
    ended = {"status": "'completed'", "ended_at": "now()", "queued_at": f"now() - ({tasks} - n) * interval '1 minute'"}
    owner = "(SELECT id FROM auth_user ORDER BY id OFFSET n % 4 LIMIT 1)"
    copy(GenerationTask, tasks, request_id="gen_random_uuid()", owner_id=owner, **ended)
    done = {"state": "'done'", "prompt_id": "gen_random_uuid()", "ended_at": "now()", "index": "n % 4"}
    copy(EnginePrompt, pictures, task_id=f"{last} + 1 + n / 4 % {tasks}", attempt="1", **done)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return {"tasks": GenerationTask.everything.count(), "prompts": EnginePrompt.objects.count()}


def halt(seconds: int) -> dict[str, Any]:
    """A worker that dies, or that the system gives no time, in the middle of a claim."""
    from generation.making import claim
    from generation.making.choosing import locks

    locks.STANDING_STILL = f"{seconds}s" if seconds else locks.STANDING_STILL

    def stand_still(*_facts: Any) -> Any:
        print("halted", flush=True)
        time.sleep(PATIENCE)

    claim._start = stand_still  # type: ignore[assignment]  # it never returns
    claim.claim("halted")
    return {}


def connect() -> dict[str, Any]:
    """The command line looks at the database first, then the worker opens its own pool."""
    from django.db import connection

    from stylestudio.processes import command_line, workers

    command_line.check_database()
    workers.let_every_thread_connect()
    connection.ensure_connection()
    return {"most": connection.pool.max_size}  # type: ignore[attr-defined]  # PostgreSQL's wrapper alone has one


def threads(number: int) -> dict[str, Any]:
    """As those of a worker that was just started."""
    from django.db import connections

    from generation.pictures.models import GenerationTask
    from stylestudio.database.prepared import Prepared

    sys.setswitchinterval(1e-6)
    fresh = [
        Prepared(lambda pk, upto=upto: GenerationTask.objects.filter(pk=pk, count__lt=upto)) for upto in range(300)
    ]
    together, answered = threading.Barrier(number), []

    def use() -> None:
        for query in fresh:
            together.wait(PATIENCE)
            with contextlib.suppress(DatabaseError):
                answered.append(query.rows(1))
        connections.close_all()

    users = [threading.Thread(target=use) for _thread in range(number)]
    for user in users:
        user.start()
    for user in users:
        user.join(PATIENCE)
    return {"answered": len(answered)}


def main() -> None:
    """Do what the arguments say."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "stylestudio.settings")
    django.setup()
    what, number = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0
    acts: dict[str, Callable[[], dict[str, Any]]] = {
        "orders": lambda: place(number),
        "mixed": lambda: mixed(number),
        "engines": lambda: engines(number),
        "hold": lambda: at_once(number, finish=False),
        "take": lambda: at_once(number, finish=True),
        "history": lambda: history(number),
        "connect": connect,
        "halt": lambda: halt(number),
        "threads": lambda: threads(number),
    }
    print(json.dumps(acts[what]()))


if __name__ == "__main__":
    main()
