"""How long and how many before: from what really happened, and nothing from too little."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from generation import claim as claiming
from generation import engines, estimates, orders
from generation.models import Engine, EnginePrompt, GenerationTask
from generation.orders import Order

pytestmark = pytest.mark.django_db

minutes = itertools.count()


def place(user: User, **changes: Any) -> GenerationTask:
    """A waiting task."""
    return orders.place(Order(**{"prompt": "a fox"} | changes), user)


@pytest.fixture
def engine() -> Engine:
    """A healthy engine."""
    return Engine.objects.create(
        address="http://127.0.0.1:1", health=Engine.Health.OK, checkpoints=["sd_xl_base_1.0.safetensors"]
    )


def took(task: GenerationTask, engine: Engine, *seconds: float, state: str = "done") -> None:
    """Pictures of the task that took so long, each finished after the one before."""
    for index, duration in enumerate(seconds):
        ended = timezone.now() + timedelta(minutes=next(minutes))
        EnginePrompt.objects.create(
            task=task, index=index, attempt=100, engine=engine, worker="w", lease_until=ended, state=state,
            started_at=ended - timedelta(seconds=duration), ended_at=ended,
        )  # fmt: skip


def test_the_median_of_what_it_took(engine: Engine, ada: User) -> None:
    task = place(ada, count=3)
    took(task, engine, 2.0, 90.0, 4.0)
    assert estimates.typical_seconds(1024, 1024, 4) == 4.0
    assert estimates.seconds_per_picture(task) == 4.0


def test_two_samples_say_too_little(engine: Engine, ada: User) -> None:
    task = place(ada, count=2)
    took(task, engine, 2.0, 4.0)
    assert estimates.typical_seconds(1024, 1024, 4) is None
    assert (task.wait_seconds, task.left_seconds) == (None, None)


def test_another_shape_or_number_of_steps_says_nothing(engine: Engine, ada: User) -> None:
    took(place(ada, count=3), engine, 2.0, 2.0, 2.0)
    for width, height, steps in ((1216, 832, 4), (1024, 1024, 8), (1024, 1000, 4)):
        assert estimates.typical_seconds(width, height, steps) is None


def test_what_failed_or_still_runs_is_no_sample(engine: Engine, ada: User) -> None:
    for state in ("failed", "lost", "cancelled"):
        took(place(ada, count=3), engine, 2.0, 2.0, 2.0, state=state)
    assert estimates.typical_seconds(1024, 1024, 4) is None


def test_only_the_newest_samples_count(engine: Engine, ada: User) -> None:
    took(place(ada, count=16), engine, *[60.0] * 16)
    took(place(ada, count=15), engine, *[2.0] * 15)
    assert estimates.typical_seconds(1024, 1024, 4) == 2.0


def test_what_is_left_follows_the_progress(engine: Engine, ada: User) -> None:
    took(place(ada, count=3), engine, 10.0, 10.0, 10.0)
    task = place(ada, count=4)
    task.start("w")
    task.advance(progress=25)
    found = GenerationTask.objects.get(pk=task.pk)
    assert found.left_seconds == pytest.approx(30.0)


def test_nobody_else_means_ones_own_earlier_pictures(engine: Engine, ada: User) -> None:
    first, second = place(ada, count=3), place(ada, count=2)
    assert (first.ahead, second.ahead, estimates.ahead_of_new(ada.pk)) == (0, 3, 5)


def test_others_come_in_between_by_turns(ada: User, bob: User, curator: User) -> None:
    place(ada, count=8)
    place(curator, count=1)
    assert estimates.ahead_of_new(bob.pk) == 1 + 1
    task = place(bob, count=2)
    assert GenerationTask.objects.get(pk=task.pk).ahead == 2
    assert estimates.ahead_of_new(bob.pk) == 2 + 3 + 1


def test_what_ended_is_not_ahead(ada: User, bob: User) -> None:
    place(bob, count=9).cancel()
    failed = place(ada, count=9)
    failed.fail("execution")
    assert estimates.ahead_of_new(ada.pk) == 0


def test_the_wait_is_the_pictures_ahead_times_what_one_takes(engine: Engine, ada: User) -> None:
    old = place(ada, count=3)
    took(old, engine, 10.0, 10.0, 10.0)
    old.cancel()
    place(ada, count=4)
    assert place(ada).wait_seconds == pytest.approx(40.0)


@pytest.mark.parametrize("counts", [(4, 1, 1), (1, 5, 2), (2, 2, 2), (1, 1, 8)])
def test_the_number_ahead_is_what_the_claim_then_does(
    engine: Engine, ada: User, bob: User, curator: User, counts: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "AT_ONCE", 1)
    for user, count in zip((ada, bob), counts, strict=False):
        place(user, count=count)
    task = place(curator, count=counts[2])
    expected = task.ahead
    before = 0
    while (claimed := claiming.claim("w")) and claimed.prompt.task_id != task.pk:
        EnginePrompt.objects.filter(pk=claimed.prompt.pk).update(state="done")
        before += 1
    assert claimed and before == expected
