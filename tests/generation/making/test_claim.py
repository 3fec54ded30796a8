"""Who is next: turns between people, two prompts on an engine, only engines that serve."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from generation.engines.models import Engine
from generation.making import claim as claiming
from generation.making.choosing import turns
from generation.making.choosing.turns import Live, Party
from generation.making.claim import held
from generation.ordering import orders
from generation.ordering.orders import Ingredient, Order
from generation.pictures import graphs
from generation.pictures.models import EnginePrompt, GenerationTask
from styles.models import Style
from stylestudio.database.prepared import Prepared
from stylestudio.jobs.kinds import Status
from tests.generation.making.claiming import FILES, Make, claim, done, in_turn, place, taken

pytestmark = pytest.mark.django_db


def test_people_take_turns_however_much_one_asks_for(engine_at: Make, ada: User, bob: User) -> None:
    engine_at(1)
    for _time in range(6):
        place(ada, count=16)
    for _time in range(4):
        place(bob)
    assert [task.owner.username for task in in_turn(10)] == ["ada", "bob"] * 4 + ["ada"] * 2


def test_turns_hold_with_two_pictures_on_the_engine(engine_at: Make, ada: User, bob: User) -> None:
    engine_at(1)
    place(ada, count=8)
    place(bob, count=8)
    on_engine = [taken(), taken()]
    assert {claimed.prompt.task.owner for claimed in on_engine} == {ada, bob}
    for _time in range(6):
        done(on_engine.pop(0))
        on_engine.append(taken())
        assert {claimed.prompt.task.owner for claimed in on_engine} == {ada, bob}


def test_who_has_fewest_pictures_on_engines_is_next_even_if_their_last_one_began_just_now(
    engine_at: Make, ada: User, bob: User
) -> None:
    for number in (1, 2):
        engine_at(number)
    place(ada, count=8)
    assert [taken().prompt.task.owner for _time in range(2)] == [ada, ada]
    place(bob, count=8)
    his = taken()
    done(his)
    assert [his.prompt.task.owner, taken().prompt.task.owner] == [bob, bob]


def test_three_people_take_turns(engine_at: Make, ada: User, bob: User, curator: User) -> None:
    engine_at(1)
    for user in (ada, bob, curator):
        place(user, count=3)
    names = [task.owner.username for task in in_turn(9)]
    assert [Counter(names[start : start + 3]) for start in (0, 3, 6)] == [Counter(["ada", "bob", "cora"])] * 3


def test_a_person_who_comes_late_starts_within_two_tasks_of_one_who_has_two_hundred(
    engine_at: Make, ada: User, bob: User
) -> None:
    engine_at(1)
    for number in range(200):
        place(ada, seed=number)
    running, next_one = taken(), taken()
    late = place(bob)
    done(running)
    claimed = taken()
    assert claimed.prompt.task == late
    done(next_one)
    # One ran, one waited on the engine behind it: after these two it is bob's turn.
    assert EnginePrompt.objects.filter(pk__lt=claimed.prompt.pk).count() == 2


def test_somebody_with_another_style_is_passed_over_for_a_warm_engine_but_not_for_long(
    engine_at: Make, ada: User, bob: User
) -> None:
    style = Style.objects.create(name="Ink")
    style.versions.update(lora_name="ink.safetensors")
    version = Style.objects.get(pk=style.pk).version
    assert version is not None
    engine_at(1, loras=[*FILES["loras"], "ink.safetensors"])
    place(ada, count=16)
    done(taken())
    late = place(bob, count=16, mix=(Ingredient(version, 0.8),))
    order = [task.owner.username for task in in_turn(8)]
    assert order[: turns.PASSES] == ["ada"] * turns.PASSES, "its files are in memory"
    assert order[turns.PASSES] == "bob", "its turn comes all the same"
    assert order.count("bob") >= 3 and late.is_active


def test_of_two_idle_engines_the_warm_one_is_taken(engine_at: Make, ada: User) -> None:
    task = place(ada)
    engine_at(1, warm="something else")
    warm = engine_at(2, warm=graphs.warmth(task))
    assert taken().prompt.engine == warm


def test_an_idle_engine_is_taken_before_a_busy_one_that_is_warm(engine_at: Make, ada: User) -> None:
    task = place(ada, count=3)
    warm, cold = engine_at(1, warm=graphs.warmth(task)), engine_at(2, warm="something else")
    assert [taken().prompt.engine for _time in range(2)] == [warm, cold]


def test_what_a_curator_moved_to_the_front_comes_before_everybody(engine_at: Make, ada: User, bob: User) -> None:
    engine_at(1)
    place(ada)
    place(bob)
    last = place(ada)
    assert last.move_to_front()
    assert in_turn(1) == [last]
    first = place(bob)
    last.refresh_from_db()
    assert first.move_to_front()
    assert in_turn(1) == [first]
    again = place(bob)  # who was served just now, so that it would be somebody else's turn
    assert again.move_to_front()
    assert in_turn(1) == [again]


def test_a_person_has_no_more_tasks_on_engines_than_allowed(
    engine_at: Make, ada: User, bob: User, settings: Settings
) -> None:
    settings.MAX_RUNNING = 1
    engine_at(1)
    engine_at(2)
    one, _two = place(ada, count=2), place(ada)
    assert [taken().prompt.task for _time in range(2)] == [one, one]
    assert claim("other") is None
    his = place(bob)
    assert taken().prompt.task == his


def test_a_task_that_rests_is_left_alone_until_its_time(engine_at: Make, ada: User) -> None:
    engine_at(1)
    task = place(ada)
    GenerationTask.objects.update(not_before=timezone.now() + timedelta(minutes=1))
    assert claim("other") is None
    GenerationTask.objects.update(not_before=timezone.now() - timedelta(minutes=1))
    assert taken().prompt.task == task


def test_an_engine_without_a_node_class_gets_nothing_that_needs_it(engine_at: Make, ada: User) -> None:
    task = place(ada, count=2)
    engine_at(1, node_classes=["KSampler"])
    has = engine_at(2, node_classes=sorted(graphs.classes(task)))
    assert [taken().prompt.engine for _time in range(2)] == [has, has]


def test_ones_own_jobs_keep_their_order(engine_at: Make, ada: User) -> None:
    engine_at(1)
    first, second = place(ada, count=2), place(ada, count=2)
    assert in_turn(4) == [first, first, second, second]


def test_pictures_are_made_in_their_order_with_their_seeds(engine_at: Make, ada: User) -> None:
    engine_at(1)
    place(ada, count=3, seed=7)
    found = []
    for _time in range(3):
        claimed = taken()
        assert claimed.prompt.graph is not None
        seeds = [node["inputs"]["seed"] for node in claimed.prompt.graph.values() if "seed" in node["inputs"]]
        found.append((claimed.prompt.index, *seeds))
        done(claimed)
    assert found == [(0, 7), (1, 8), (2, 9)]


def test_an_engine_has_two_prompts_at_a_time(engine_at: Make, ada: User) -> None:
    engine_at(1)
    place(ada, count=4)
    first, _second = taken(), taken()
    assert claim("other") is None
    done(first)
    taken()
    assert claim("other") is None


def test_engines_fill_evenly(engine_at: Make, ada: User) -> None:
    one, two = engine_at(1), engine_at(2)
    place(ada, count=8)
    assert [taken().prompt.engine for _time in range(4)] == [one, two, one, two]
    assert claim("other") is None


@pytest.mark.parametrize(
    "fields",
    [
        {"paused": True},
        {"health": Engine.Health.UNREACHABLE},
        {"health": Engine.Health.UNKNOWN},
        {"active": False},
    ],
)
def test_an_engine_that_does_not_serve_gets_nothing(engine_at: Make, ada: User, fields: dict[str, Any]) -> None:
    engine_at(1, **fields)
    task = place(ada)
    assert claim("other") is None
    task.refresh_from_db()
    assert task.status == Status.QUEUED and not task.prompts.exists()
    well = engine_at(2)
    assert taken().prompt.engine == well


def test_the_preview_engine_works_only_while_no_real_one_is_well(engine_at: Make, ada: User) -> None:
    preview = engine_at(1, source=Engine.Source.PREVIEW)
    real = engine_at(2, health=Engine.Health.UNREACHABLE)
    place(ada, count=9)
    assert taken().prompt.engine == preview
    Engine.objects.filter(pk=real.pk).update(health=Engine.Health.OK)
    assert [taken().prompt.engine for _time in range(2)] == [real, real]
    assert claim("other") is None
    Engine.objects.filter(pk=real.pk).update(paused=True)
    assert claim("other") is None, "nobody wants a sketch because an engine rests"
    Engine.objects.filter(pk=real.pk).update(health=Engine.Health.UNREACHABLE)
    assert taken().prompt.engine == preview


def test_an_engine_that_has_the_files_is_preferred_and_waited_for(engine_at: Make, ada: User) -> None:
    style = Style.objects.create(name="Ink")
    style.versions.update(lora_name="ink.safetensors")
    version = Style.objects.get(pk=style.pk).version
    assert version is not None
    without = engine_at(1)
    has = engine_at(2, loras=[*FILES["loras"], "ink.safetensors"])
    place(ada, count=4, mix=(Ingredient(version, 0.8),))
    assert [taken().prompt.engine for _time in range(2)] == [has, has]
    assert claim("other") is None, "the other engine would only fail"
    EnginePrompt.objects.update(state=EnginePrompt.State.DONE)
    for away in ({"health": Engine.Health.UNREACHABLE}, {"health": Engine.Health.OK, "paused": True}):
        Engine.objects.filter(pk=has.pk).update(**away)
        assert claim("other") is None, "it may come back"
    Engine.objects.filter(pk=has.pk).update(active=False)
    assert taken().prompt.engine == without, "it says which file is missing"


def test_a_busy_engine_does_not_hold_up_those_who_need_another(engine_at: Make, ada: User, bob: User) -> None:
    style = Style.objects.create(name="Ink")
    style.versions.update(lora_name="ink.safetensors")
    version = Style.objects.get(pk=style.pk).version
    assert version is not None
    free = engine_at(1)
    engine_at(2, loras=[*FILES["loras"], "ink.safetensors"])
    place(ada, count=4, mix=(Ingredient(version, 0.8),))
    taken(), taken()
    plain = place(bob)
    claimed = taken()
    assert (claimed.prompt.task, claimed.prompt.engine) == (plain, free)
    place(bob)
    assert taken().prompt.engine == free


def test_a_waiting_job_waits_until_the_engine_begins(engine_at: Make, ada: User) -> None:
    engine_at(1)
    task = place(ada)
    taken()
    task.refresh_from_db()
    assert (task.status, task.started_at) == (Status.QUEUED, None)


def test_a_cancelled_job_gets_nothing(engine_at: Make, ada: User) -> None:
    engine_at(1)
    place(ada).cancel()
    assert claim("other") is None


def test_a_failed_attempt_makes_the_place_free_and_counts(engine_at: Make, ada: User) -> None:
    engine_at(1)
    place(ada, count=2)
    first = taken()
    EnginePrompt.objects.filter(pk=first.prompt.pk).update(state=EnginePrompt.State.LOST)
    again = taken()
    assert (again.prompt.index, again.prompt.attempt, again.attach) == (0, 2, False)
    assert again.prompt.prompt_id != first.prompt.prompt_id


def test_a_lease_that_is_over_is_taken_over_before_anything_new(engine_at: Make, ada: User) -> None:
    engine_at(1)
    place(ada, count=2)
    lost = taken("dead")
    assert taken("w").prompt.index == 1
    EnginePrompt.objects.filter(pk=lost.prompt.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    claimed = taken("w2")
    assert (claimed.prompt.pk, claimed.attach) == (lost.prompt.pk, True)
    assert claim("third") is None


def test_a_worker_that_comes_back_takes_its_own_up_at_once(engine_at: Make, ada: User) -> None:
    engine_at(1)
    place(ada, count=1)
    lost = taken("studio")
    assert claim("another") is None
    claimed = taken("studio")
    assert (claimed.prompt.pk, claimed.attach) == (lost.prompt.pk, True)


def test_a_heartbeat_wakes_workers_until_somebody_took_up_what_this_one_held(
    engine_at: Make, ada: User, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.WORKER_NAME = "studio"
    woken: list[str] = []
    monkeypatch.setattr(GenerationTask, "wake", lambda: woken.append("once"))
    engine = engine_at(1)
    place(ada, count=2)
    others, own = taken("another"), taken("studio")
    claiming.wake_for_orphans()
    assert woken == ["once"]
    with held.hold(own.prompt.pk, own.prompt.task_id):
        claiming.wake_for_orphans()
        assert woken == ["once"]
        EnginePrompt.objects.filter(pk=others.prompt.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
        Engine.objects.update(health=Engine.Health.UNREACHABLE)
        claiming.wake_for_orphans()
        assert woken == ["once"]
        Engine.objects.filter(pk=engine.pk).update(health=Engine.Health.OK)
        claiming.wake_for_orphans()
        assert woken == ["once", "once"]


def test_what_a_thread_of_this_process_holds_is_not_taken_over(engine_at: Make, ada: User) -> None:
    engine_at(1)
    place(ada)
    mine = taken("studio")
    with held.hold(mine.prompt.pk, mine.prompt.task_id):
        EnginePrompt.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        assert claim("studio") is None
        held.renew()
        assert EnginePrompt.objects.get().lease_until > timezone.now() + timedelta(seconds=20)
    assert mine.prompt.pk not in held


def test_turns_need_the_newest_pictures_alone(
    engine_at: Make, ada: User, bob: User, curator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "FEW", 4)
    monkeypatch.setattr(turns, "newest", {4: Prepared(lambda: turns._newest(4))})
    engine_at(1)
    for user in (curator, bob):
        place(user)
    in_turn(2)
    place(ada, count=5)
    in_turn(5)  # so that the others' turns are longer ago than what is looked at
    for user in (ada, bob, curator):
        place(user, count=2)
    assert [task.owner.username for task in in_turn(6)] == ["bob", "cora", "ada"] * 2


def test_more_of_the_newest_pictures_are_looked_at_while_many_wait(
    engine_at: Make, people: Callable[..., User], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "FEW_WAIT", 2)
    engine_at(1)
    assert Live.look().looked_at == turns.FEW
    tasks = [place(people(name)) for name in ("dora", "emil", "fritz")]
    assert [Live.look().looked_at for _look in range(2)] == [turns.LATELY] * 2
    assert tasks[0].cancel()
    assert [Live.look().looked_at for _look in range(2)] == [turns.LATELY, turns.FEW]


def test_whose_turn_it_is_reads_newest_pictures_by_their_key_and_sorts_no_history(engine_at: Make, ada: User) -> None:
    engine_at(1)
    place(ada)
    taken()
    with CaptureQueriesContext(connection) as asked:
        assert [party for party, _at in Live.look().lately] == [Party(ada.pk, False)]
    [question] = [one["sql"] for one in asked.captured_queries if one["sql"].endswith(f"LIMIT {turns.FEW}")]
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {question}")
        plan = [row[3] for row in cursor.fetchall()]
    assert plan[0].startswith("SCAN pictures_engineprompt") and "INTEGER PRIMARY KEY" in plan[1]
    assert not any("TEMP B-TREE" in step for step in plan)


def test_a_person_whose_engine_is_full_does_not_hold_up_another(engine: Engine, ada: User, bob: User) -> None:
    other = Engine.objects.create(
        address="http://127.0.0.1:9",
        source=Engine.Source.ADMIN,
        health=Engine.Health.OK,
        checkpoints=["rare.safetensors"],
    )
    Engine.objects.filter(pk=other.pk).update(loras=engine.loras)
    for user, checkpoint in ((ada, "rare.safetensors"), (bob, engine.checkpoints[0])):
        task = orders.place(Order(prompt="a", width=64, height=64, count=4), user)
        GenerationTask.objects.filter(pk=task.pk).update(
            pattern=None, own_values=task.snapshot | {"files": {**task.snapshot["files"], "checkpoint": checkpoint}}
        )
    claims = [claiming.claim("w") for _turn in range(4)]
    assert [one.prompt.engine for one in claims if one] == [other, engine, other, engine]
    assert claiming.claim("w") is None
