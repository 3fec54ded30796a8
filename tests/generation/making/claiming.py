"""Claiming pictures one after the other, by workers of their own."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from django.contrib.auth.models import User

from generation.engines.models import Engine
from generation.making import claim as claiming
from generation.making.claim import Claim, look_for_orphans
from generation.ordering import orders
from generation.ordering.orders import Order
from generation.pictures.models import EnginePrompt, GenerationTask

Make = Callable[..., Engine]
FILES = {"checkpoints": ["sd_xl_base_1.0.safetensors"], "loras": ["sdxl_lightning_4step_lora.safetensors"]}


def place(user: User, **changes: Any) -> GenerationTask:
    """A waiting task."""
    return orders.place(Order(**{"prompt": "a fox"} | changes), user)


def claim(worker: str) -> Claim | None:
    """The next picture, with a look for those of dead workers however long ago the last look was."""
    look_for_orphans()
    return claiming.claim(worker)


workers = (f"worker {number}" for number in itertools.count())


def taken(worker: str = "") -> Claim:
    """A claim that has to succeed; by a worker of its own, because one's own pictures would be taken up again."""
    claimed = claim(worker or next(workers))
    assert claimed is not None
    return claimed


def done(claimed: Claim) -> None:
    """The engine is free again."""
    EnginePrompt.objects.filter(pk=claimed.prompt.pk).update(state=EnginePrompt.State.DONE)


def in_turn(times: int) -> list[GenerationTask]:
    """The tasks that get `times` pictures one after the other."""
    tasks = []
    for _time in range(times):
        claimed = taken()
        tasks.append(claimed.prompt.task)
        done(claimed)
    return tasks


def most_passed(owners: Sequence[int]) -> int:
    """The longest row of others' pictures before one of a person who waits with more."""
    left, passed, most = Counter(owners), dict.fromkeys(owners, 0), 0
    for owner in owners:
        most = max(most, passed[owner])
        left[owner] -= 1
        passed = {other: number + 1 for other, number in passed.items() if left[other]} | {owner: 0}
    return most
