"""How long and how many before: from what really happened, and nothing from too little."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from generation.engines import roster
from generation.engines.models import Engine
from generation.making import claim as claiming
from generation.ordering import orders
from generation.ordering.orders import Order
from generation.pictures import job_cards
from generation.pictures.estimates import Forecast, Like
from generation.pictures.models import EnginePrompt, GeneratedImage, GenerationTask
from generation.pictures.shapes import SHAPES

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


@pytest.fixture
def second(engine: Engine) -> Engine:
    """Another one like it."""
    return Engine.objects.create(address="http://127.0.0.1:2", health=Engine.Health.OK, checkpoints=engine.checkpoints)


def took(task: GenerationTask, engine: Engine, *seconds: float, state: str = "done") -> None:
    """Pictures of the task that took so long, each finished after the one before."""
    for index, duration in enumerate(seconds):
        ended = timezone.now() + timedelta(minutes=next(minutes))
        prompt = EnginePrompt.objects.create(
            task=task, index=index, attempt=100, engine=engine, worker="w", lease_until=ended, state=state,
            started_at=ended - timedelta(seconds=duration), ended_at=None if state in EnginePrompt.LIVE else ended,
        )  # fmt: skip
        if state == "done":
            GeneratedImage.objects.create(
                task=task, index=index, prompt=prompt, engine=engine, seed=1, width=64, height=64, size=1,
                created_at=ended,
            )  # fmt: skip


TEXT = Like("sdxl-lightning", "text", 1024 * 1024, 4)


def typical(like: Like = TEXT, engine: Engine | None = None) -> float | None:
    """What one such picture takes."""
    return Forecast().typical(like, engine.pk if engine else None)


def seen(task: GenerationTask) -> GenerationTask:
    """The task as a page that is loaded now shows it."""
    return GenerationTask.everything.get(pk=task.pk)


def test_the_median_of_what_it_took(engine: Engine, ada: User) -> None:
    took(place(ada, count=3), engine, 2.0, 90.0, 4.0)
    assert typical() == 4.0


def test_two_samples_say_too_little(engine: Engine, ada: User) -> None:
    task = place(ada, count=2)
    took(task, engine, 2.0, 4.0)
    assert typical() is None
    assert (task.wait_seconds, task.left_seconds) == (None, None)


def test_all_shapes_of_the_form_take_the_same_time(engine: Engine, ada: User) -> None:
    took(place(ada, count=3), engine, 2.0, 2.0, 2.0)
    for shape in SHAPES:
        assert typical(Like("sdxl-lightning", "text", shape.width * shape.height, 4)) == 2.0, shape


def test_another_size_workflow_or_number_of_steps_says_nothing(engine: Engine, ada: User) -> None:
    took(place(ada, count=3), engine, 2.0, 2.0, 2.0)
    for like in (TEXT._replace(area=768 * 768), TEXT._replace(mode="image"), TEXT._replace(steps=8)):
        assert typical(like) is None, like


def test_what_failed_or_still_runs_is_no_sample(engine: Engine, ada: User) -> None:
    for state in ("failed", "lost", "cancelled"):
        took(place(ada, count=3), engine, 2.0, 2.0, 2.0, state=state)
    assert typical() is None


def test_only_the_newest_samples_count(engine: Engine, ada: User) -> None:
    took(place(ada, count=16), engine, *[60.0] * 16)
    took(place(ada, count=15), engine, *[2.0] * 15)
    assert typical() == 2.0


def test_each_engine_has_its_own_median(engine: Engine, second: Engine, ada: User) -> None:
    took(place(ada, count=3), engine, 2.0, 2.0, 2.0)
    took(place(ada, count=4), second, 6.0, 6.0, 6.0, 6.0)
    assert (typical(), typical(engine=engine), typical(engine=second)) == (6.0, 2.0, 6.0)


def test_two_engines_make_pictures_beside_each_other(engine: Engine, second: Engine, ada: User) -> None:
    took(place(ada, count=3), engine, 3.0, 3.0, 3.0)
    took(place(ada, count=3), second, 6.0, 6.0, 6.0)
    duration = Forecast().duration(10, TEXT)
    assert duration == pytest.approx(20.0)  # a third and a sixth of a picture each second
    assert Forecast().duration(1, TEXT) == pytest.approx(3.0), "one picture is made by one engine"
    Engine.objects.filter(pk=second.pk).update(paused=True)
    assert Forecast().duration(10, TEXT) == pytest.approx(30.0)


def test_an_engine_of_which_little_is_known_is_taken_for_one_like_the_others(
    engine: Engine, second: Engine, ada: User
) -> None:
    took(place(ada, count=3), engine, 4.0, 4.0, 4.0)
    took(place(ada, count=1), second, 90.0)
    assert Forecast().duration(10, TEXT) == pytest.approx(20.0)


def test_without_an_engine_nobody_knows(engine: Engine, ada: User) -> None:
    task = place(ada, count=3)
    took(task, engine, 4.0, 4.0, 4.0)
    Engine.objects.update(health="unreachable")
    assert Forecast().duration(1, TEXT) is None
    assert (seen(task).wait_seconds, seen(task).left_seconds) == (None, None)


def test_what_is_left_follows_the_progress(engine: Engine, ada: User) -> None:
    old = place(ada, count=3)
    took(old, engine, 10.0, 10.0, 10.0)
    old.cancel()
    task = place(ada, count=4)
    task.start("w")
    task.advance(progress=25)
    found = GenerationTask.everything.get(pk=task.pk)
    assert found.left_seconds == pytest.approx(30.0)


def test_nobody_else_means_ones_own_earlier_pictures(engine: Engine, ada: User) -> None:
    first, second = place(ada, count=3), place(ada, count=2)
    assert (first.ahead, second.ahead, Forecast().ahead_of_new(ada.pk)) == (0, 3, 5)


def test_others_come_in_between_by_turns(ada: User, bob: User, curator: User) -> None:
    place(ada, count=8)
    place(curator, count=1)
    assert Forecast().ahead_of_new(bob.pk) == 1 + 1
    task = place(bob, count=2)
    assert GenerationTask.everything.get(pk=task.pk).ahead == 2
    assert Forecast().ahead_of_new(bob.pk) == 2 + 3 + 1


def test_what_ended_is_not_ahead(ada: User, bob: User) -> None:
    place(bob, count=9).cancel()
    failed = place(ada, count=9)
    failed.fail("execution")
    assert Forecast().ahead_of_new(ada.pk) == 0


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
    monkeypatch.setattr(roster, "AT_ONCE", 1)
    for user, count in zip((ada, bob), counts, strict=False):
        place(user, count=count)
    task = place(curator, count=counts[2])
    expected = task.ahead
    before = 0
    while (claimed := claiming.claim("w")) and claimed.prompt.task_id != task.pk:
        EnginePrompt.objects.filter(pk=claimed.prompt.pk).update(state="done")
        before += 1
    assert claimed and before == expected


def test_what_was_moved_to_the_front_is_before_what_was_not(ada: User, bob: User) -> None:
    waiting, front = place(bob, count=2), place(ada, count=6)
    assert (seen(waiting).ahead, seen(front).ahead) == (1, 1)
    assert front.move_to_front()
    assert (seen(waiting).ahead, seen(front).ahead) == (6, 0)


def test_what_engines_already_have_is_before_whoever_comes(engine: Engine, ada: User, bob: User) -> None:
    place(ada, count=8)
    for _picture in range(2):
        assert claiming.claim("w")
    assert seen(place(bob)).ahead == 2


def test_in_an_engines_own_queue_only_what_it_got_earlier_comes_before(engine: Engine, ada: User, bob: User) -> None:
    first, second = place(ada, count=5), place(bob)
    place(bob, count=9)
    assert [claiming.claim("w") and task.ahead for task in (first, second)]
    assert (seen(first).ahead, seen(second).ahead) == (0, 1)


def test_what_is_left_counts_the_turns_of_others(engine: Engine, ada: User, bob: User) -> None:
    old = place(ada, count=3)
    took(old, engine, 10.0, 10.0, 10.0)
    old.cancel()
    task = place(ada, count=4)
    assert seen(task).left_seconds == pytest.approx(40.0)
    place(bob, count=2)
    assert seen(task).left_seconds == pytest.approx(60.0)
    place(bob, count=9)
    assert seen(task).left_seconds == pytest.approx(80.0)


def test_pictures_of_another_kind_that_wait_before_take_their_own_time(engine: Engine, ada: User) -> None:
    for steps, seconds in ((4, 2.0), (8, 30.0)):
        old = place(ada, count=3, steps=steps)
        took(old, engine, seconds, seconds, seconds)
        old.cancel()
    place(ada, count=2, steps=8)
    place(ada, count=2, width=64, height=64)  # never made here: taken for like those of the one who asks
    assert seen(place(ada)).wait_seconds == pytest.approx(2 * 30.0 + 2 * 2.0)


def test_many_rows_are_fetched_with_few_questions(
    engine: Engine, ada: User, bob: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    tasks = [place(user, count=2) for user in (ada, bob) for _task in range(10)]
    assert claiming.claim("w")
    alone = [(task.ahead, task.mix_text, task.saved, task.last_engine) for task in map(seen, tasks)]
    found = list(GenerationTask.everything.order_by("pk"))
    with django_assert_max_num_queries(10):
        job_cards.gather(found)
        assert [(task.ahead, task.mix_text, task.saved, task.last_engine) for task in found] == alone


def preview(user: User, **changes: Any) -> GenerationTask:
    """A picture that shows a style."""
    return orders.place(Order(**{"prompt": "a castle"} | changes), user, is_face=True)


def test_previews_are_not_counted_before_what_people_ask_for(engine: Engine, ada: User, bob: User) -> None:
    shown = [preview(ada, seed=seed) for seed in range(8)]
    own, others = place(ada, count=2), place(bob)
    assert (seen(own).ahead, seen(others).ahead) == (1, 1), "they take turns"
    assert seen(shown[0]).ahead == 3 and seen(shown[7]).ahead == 3 + 7
    assert Forecast().ahead_of_new(ada.pk) == 2 + 1


def test_a_preview_that_an_engine_has_or_that_was_moved_to_the_front_is_counted(engine: Engine, ada: User) -> None:
    first, _second = preview(ada, seed=1), preview(ada, seed=2)
    own = place(ada)
    assert seen(own).ahead == 0
    assert first.move_to_front()
    assert seen(own).ahead == 1
    GenerationTask.everything.update(priority=0)
    took(first, engine, 1.0, state="posted")
    assert seen(own).ahead == 1
