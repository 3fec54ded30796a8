"""Engines in trouble: what they can say in place of an answer, and workers that pass by until a task has ended."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from django.contrib.auth.models import User
from PIL import Image

from generation.engines.models import Engine
from generation.making import recovery, runner
from generation.making.claim import look_for_orphans
from generation.ordering import orders
from generation.ordering.orders import Order
from generation.ordering.references import add_reference
from generation.pictures.models import EnginePrompt, GenerationTask, Reference
from stylestudio.preview_engine.troubles import (
    Answer,
    CutAnswer,
    HoldAnswer,
    LoseAnswer,
    Trouble,
)

seeds = itertools.count(900_000, 20)
State = EnginePrompt.State
HTML: dict[str, Any] = {"status": 200, "body": "<html>Sign in", "content_type": "text/html"}
# More passes of a worker than any way of trying again may take.
MOST_PASSES = recovery.MOST_TRIES + 10


def light_and_heavy(light: Iterable[Any], heavy: Iterable[Any]) -> list[Any]:
    """Parameters of which only the first ones are tried in every run."""
    return [*light, *(pytest.param(each, marks=pytest.mark.heavy) for each in heavy)]


def reference(user: User) -> Reference:
    """A picture to start from."""
    stored = io.BytesIO()
    Image.new("RGB", (64, 64), (next(seeds) % 256, 90, 90)).save(stored, "PNG")
    stored.seek(0)
    return add_reference(stored, user)


def place(user: User, **changes: Any) -> GenerationTask:
    """A small order with a seed of its own."""
    asked: dict[str, Any] = {"prompt": "a red house", "width": 64, "height": 64, "seed": next(seeds)} | changes
    return orders.place(Order(**asked), user)


def passes(task: GenerationTask, most: int = MOST_PASSES, until: Callable[[], bool] = lambda: False) -> GenerationTask:
    """The task after a worker has passed by as often as it takes to end it, at most so often."""
    for _pass in range(most):
        Engine.objects.update(health=Engine.Health.OK)  # probes find it well
        look_for_orphans()
        runner.work()
        task = GenerationTask.objects.get(pk=task.pk)
        if not task.is_active or until():
            break
    return task


def states(task: GenerationTask) -> list[str]:
    """What became of each attempt."""
    return list(task.prompts.order_by("pk").values_list("state", flat=True))


def tries_within(seconds: float) -> int:
    """How often something is tried that fails for so many seconds."""
    pauses = (min(2.0 * 2**number, recovery.LONGEST_BACK_OFF) for number in itertools.count())
    return next(number for number, total in enumerate(itertools.accumulate(pauses), 2) if total >= seconds)


# What an engine can say in place of an answer, by name: `times` None is for long.
TROUBLES: dict[str, Callable[[str, str, int | None], Trouble]] = {
    "500": lambda path, method, times: Answer(path, method, times=times),
    "500 in HTML": lambda path, method, times: Answer(
        path, method, body="<html>", content_type="text/html", times=times
    ),
    "429": lambda path, method, times: Answer(path, method, status=429, body="Too many", times=times),
    "502": lambda path, method, times: Answer(path, method, status=502, body="<h1>Bad gateway", times=times),
    "503 in JSON": lambda path, method, times: Answer(path, method, status=503, body='{"error": "busy"}', times=times),
    "504": lambda path, method, times: Answer(path, method, status=504, body="<h1>Timeout", times=times),
    "404": lambda path, method, times: Answer(path, method, status=404, body="", times=times),
    "401": lambda path, method, times: Answer(path, method, status=401, body="<html>Sign in", times=times),
    "403": lambda path, method, times: Answer(path, method, status=403, body="<html>No", times=times),
    "302": lambda path, method, times: Answer(path, method, status=302, body="", times=times),
    "HTML": lambda path, method, times: Answer(path, method, **HTML, times=times),
    "empty": lambda path, method, times: Answer(path, method, status=200, body="", times=times),
    "null": lambda path, method, times: Answer(path, method, status=200, body="null", times=times),
    "cut off before": lambda path, method, times: LoseAnswer(path=path, method=method, handled=False, times=times),
    "cut off after": lambda path, method, times: LoseAnswer(path=path, method=method, times=times),
    "cut off in the middle": lambda path, method, times: CutAnswer(path, method, times=times),
    "half of it": lambda path, method, times: CutAnswer(path, method, told=True, times=times),
    "too slow": lambda path, method, times: HoldAnswer(path=path, method=method, times=times),
}
PASSING = ["500", "429", "502", "503 in JSON", "504", "500 in HTML", "cut off before", "cut off after", "too slow"]
