"""Who is next: turns between people, two prompts on an engine, only engines that serve, one worker for a picture."""

from __future__ import annotations

import itertools
import sys
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from generation.engines import roster
from generation.engines.models import Engine
from generation.making import claim as claiming
from generation.making import runner
from generation.making.claim import Claim, Party, held, look_for_orphans
from generation.ordering import orders
from generation.ordering.orders import Ingredient, Order
from generation.pictures import graphs
from generation.pictures.models import EnginePrompt, GenerationTask
from styles.models import Style
from stylestudio.jobs.kinds import Status

pytestmark = pytest.mark.django_db

Make = Callable[..., Engine]
FILES = {"checkpoints": ["sd_xl_base_1.0.safetensors"], "loras": ["sdxl_lightning_4step_lora.safetensors"]}


@pytest.fixture
def engine_at() -> Make:
    """A healthy engine that has the studio's files: engine_at(1, paused=True)."""

    def make(number: int, **fields: Any) -> Engine:
        known = {"address": f"http://10.0.0.{number}:1", "health": Engine.Health.OK, **FILES}
        return Engine.objects.create(**known | fields)

    return make


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
    assert order[: claiming.PASSES] == ["ada"] * claiming.PASSES, "its files are in memory"
    assert order[claiming.PASSES] == "bob", "its turn comes all the same"
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
    engine_at: Make, ada: User, bob: User, settings: Any
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


def test_what_a_thread_of_this_process_holds_is_not_taken_over(engine_at: Make, ada: User) -> None:
    engine_at(1)
    place(ada)
    mine = taken("studio")
    with held.hold(mine.prompt):
        EnginePrompt.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        assert claim("studio") is None
        held.renew()
        assert EnginePrompt.objects.get().lease_until > timezone.now() + timedelta(seconds=20)
    assert mine.prompt.pk not in held


def preview(user: User, **changes: Any) -> GenerationTask:
    """A picture that shows a style, asked for by the program in somebody's name."""
    return orders.place(Order(**{"prompt": "a castle"} | changes), user, is_face=True)


def test_ones_own_picture_is_made_before_the_eight_previews_of_an_import(engine_at: Make, ada: User) -> None:
    engine_at(1)
    for seed in range(8):
        preview(ada, seed=seed)
    running = taken()
    assert running.prompt.task.is_face
    own = place(ada)
    assert taken().prompt.task == own, "it waits for the one that the engine already has"
    done(running)
    assert claim("other") is None, "and no preview is put behind it on the engine"


def test_what_anybody_waits_for_is_made_before_anybodys_previews(engine_at: Make, ada: User, bob: User) -> None:
    engine_at(1)
    for seed in range(3):
        preview(ada, seed=seed)
        preview(bob, seed=10 + seed)
    place(ada, count=2)
    place(bob, count=2)
    order = [(task.owner.username, task.is_face) for task in in_turn(10)]
    assert order[:4] == [("ada", False), ("bob", False)] * 2
    assert order[4:] == [("ada", True), ("bob", True)] * 3


def test_previews_do_not_cost_their_owner_a_turn(engine_at: Make, ada: User, bob: User) -> None:
    engine_at(1)
    engine_at(2)
    place(bob)
    done(taken())
    preview(ada)
    assert taken().prompt.task.is_face
    place(bob)
    own = place(ada)
    assert taken().prompt.task == own


def test_of_previews_an_engine_has_one_at_a_time(engine_at: Make, ada: User) -> None:
    one, two = engine_at(1), engine_at(2)
    for seed in range(5):
        preview(ada, seed=seed)
    assert [taken().prompt.engine for _time in range(2)] == [one, two]
    assert claim("other") is None


def test_while_people_ask_on_and_on_one_picture_of_eleven_is_a_preview(engine_at: Make, ada: User, bob: User) -> None:
    engine_at(1)
    for _time in range(3):
        place(ada, count=16)
        place(bob, count=16)
    done(taken())
    for seed in range(8):
        preview(bob, seed=seed)
    on_engine = [taken(), taken()]  # the engine is never without work
    order = []
    for _time in range(44):
        done(on_engine.pop(0))
        on_engine.append(taken())
        order.append(on_engine[-1].prompt.task.is_face)
    places = [number for number, is_face in enumerate(order) if is_face]
    assert len(places) == 4
    assert places[0] <= claiming.PEOPLE_FIRST
    assert {later - earlier for earlier, later in itertools.pairwise(places)} == {claiming.PEOPLE_FIRST + 1}


def test_a_preview_that_came_just_now_is_not_due_because_of_what_was_made_before(engine_at: Make, ada: User) -> None:
    engine_at(1)
    place(ada, count=16)
    in_turn(claiming.PEOPLE_FIRST + 2)
    preview(ada)
    assert [task.is_face for task in in_turn(4)] == [False] * 4 and in_turn(1)[0].is_face


def test_no_preview_passes_a_person_because_the_engine_is_warm_for_it(engine_at: Make, ada: User, bob: User) -> None:
    style = Style.objects.create(name="Ink")
    style.versions.update(lora_name="ink.safetensors")
    version = Style.objects.get(pk=style.pk).version
    assert version is not None
    engine_at(1, loras=[*FILES["loras"], "ink.safetensors"])
    for seed in range(4):
        preview(ada, seed=seed, mix=(Ingredient(version, 0.8),))
    done(taken())
    own = place(bob)
    assert in_turn(1) == [own]


def test_a_preview_is_made_while_an_engine_has_nothing_that_people_wait_for(
    engine_at: Make, ada: User, settings: Any
) -> None:
    settings.MAX_RUNNING = 1
    engine_at(1)
    idle = engine_at(2)
    place(ada, count=1)
    place(ada, count=1)
    assert not taken().prompt.task.is_face
    shown = preview(ada)
    assert claim("other") is None, "within the limit of its owner"
    settings.MAX_RUNNING = 2
    EnginePrompt.objects.filter(task__is_face=False).update(state=EnginePrompt.State.DONE)
    taken()
    claimed = taken()
    assert (claimed.prompt.task, claimed.prompt.engine) == (shown, idle)


def test_ones_previews_do_not_use_up_the_limit_for_ones_own(engine_at: Make, ada: User, settings: Any) -> None:
    settings.MAX_RUNNING = 1
    engine_at(1)
    preview(ada)
    assert taken().prompt.task.is_face
    own = place(ada)
    assert taken().prompt.task == own


def test_a_preview_that_a_curator_moved_to_the_front_comes_first(engine_at: Make, ada: User) -> None:
    engine_at(1)
    place(ada)
    shown = preview(ada)
    assert shown.move_to_front()
    assert in_turn(1) == [shown]


def test_turns_need_the_newest_pictures_alone(
    engine_at: Make, ada: User, bob: User, curator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claiming, "LATELY", 4)
    engine_at(1)
    for user in (curator, bob):
        place(user)
    in_turn(2)
    place(ada, count=5)
    in_turn(5)  # so that the others' turns are longer ago than what is looked at
    for user in (ada, bob, curator):
        place(user, count=2)
    assert [task.owner.username for task in in_turn(6)] == ["bob", "cora", "ada"] * 2


def test_whose_turn_it_is_reads_newest_pictures_by_their_key_and_sorts_no_history(engine_at: Make, ada: User) -> None:
    engine_at(1)
    place(ada)
    taken()
    with CaptureQueriesContext(connection) as asked:
        assert [party for party, _at in claiming._Live.look().lately] == [Party(ada.pk, False)]
    question = asked.captured_queries[-1]["sql"]
    assert question.endswith(f"LIMIT {claiming.LATELY}")
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {question}")
        plan = [row[3] for row in cursor.fetchall()]
    assert plan[0].startswith("SCAN pictures_engineprompt") and "INTEGER PRIMARY KEY" in plan[1]
    assert not any("TEMP B-TREE" in step for step in plan)


def test_a_picture_that_another_worker_took_meanwhile_is_no_error(
    engine_at: Make, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_at(1)
    gone, left = place(ada), place(ada)
    assert taken().prompt.task == gone
    with pytest.raises(claiming.LostRace):
        claiming._place(gone)
    choose, stale = claiming._choose, iter([(gone, engine)])
    monkeypatch.setattr(claiming, "_choose", lambda *now: next(stale, None) or choose(*now))
    assert taken().prompt.task == left


def test_an_attempt_gets_a_number_of_its_own_also_after_earlier_ones_were_deleted(engine_at: Make, ada: User) -> None:
    engine_at(1)
    place(ada)
    for _time in range(2):
        EnginePrompt.objects.filter(pk=taken().prompt.pk).update(state=EnginePrompt.State.LOST)
    EnginePrompt.objects.get(attempt=1).delete()
    assert taken().prompt.attempt == 3


def at_once(number: int, act: Callable[[int], None]) -> None:
    """Run `act` in threads that begin together, each with a connection of its own."""
    start = threading.Barrier(number)

    def body(one: int) -> None:
        try:
            start.wait(10)
            act(one)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(number) as threads:
        list(threads.map(body, range(number)))


@pytest.mark.django_db(transaction=True)
def test_workers_that_claim_at_once_never_get_the_same_picture(
    engine_at: Make, ada: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roster, "AT_ONCE", 100)
    engine_at(1)
    for user in (ada, bob):
        for _time in range(3):
            place(user, count=4)
    got: list[tuple[int, int]] = []

    def take_all(one: int) -> None:
        while claimed := claim(f"worker {one}"):
            # The heartbeat of a living worker would have it held.
            with held.hold(claimed.prompt):
                EnginePrompt.objects.filter(pk=claimed.prompt.pk).update(state=EnginePrompt.State.DONE)
            got.append((claimed.prompt.task_id, claimed.prompt.index))

    at_once(4, take_all)
    assert len(got) == len(set(got)) == 24
    assert EnginePrompt.objects.filter(attempt=1).count() == EnginePrompt.objects.count() == 24


@pytest.mark.django_db(transaction=True)
def test_a_picture_is_held_before_another_thread_may_look(engine_at: Make, ada: User) -> None:
    engine_at(1)
    place(ada)
    got: list[Claim | None] = []
    with claiming.next_picture("studio") as claimed:
        assert claimed and claimed.prompt.pk in held
        at_once(1, lambda one: got.append(claim("studio")))
    assert got == [None]
    assert claimed.prompt.pk not in held
    assert taken("studio").attach


@pytest.mark.django_db(transaction=True)
def test_threads_of_one_worker_do_not_take_each_others_for_left_behind(
    engine_at: Make, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roster, "AT_ONCE", 100)
    monkeypatch.setattr(claiming, "ORPHANS_EVERY", 0.0)
    engine_at(1)
    for _time in range(3):
        place(ada, count=16)
    ran: list[tuple[int, bool]] = []

    def note(claimed: Claim) -> None:
        ran.append((claimed.prompt.pk, claimed.attach))
        EnginePrompt.objects.filter(pk=claimed.prompt.pk).update(state=EnginePrompt.State.DONE)

    monkeypatch.setattr(runner, "run", note)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        at_once(4, lambda one: runner.work())
    finally:
        sys.setswitchinterval(before)
    assert len({pk for pk, _attach in ran}) == len(ran) == 48
    assert not any(attach for _pk, attach in ran)


@pytest.mark.django_db(transaction=True)
def test_workers_that_claim_at_once_do_not_overfill_an_engine(engine_at: Make, ada: User) -> None:
    engine_at(1)
    place(ada, count=12)
    got: list[Claim | None] = []
    at_once(6, lambda one: got.append(claim(f"worker {one}")))
    assert len([claimed for claimed in got if claimed]) == 2
    assert EnginePrompt.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_a_lost_picture_is_taken_over_once(engine_at: Make, ada: User) -> None:
    engine_at(1)
    place(ada)
    taken("dead")
    EnginePrompt.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    got: list[Claim | None] = []
    at_once(4, lambda one: got.append(claim(f"worker {one}")))
    assert [claimed.attach for claimed in got if claimed] == [True]
    assert EnginePrompt.objects.count() == 1


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
        GenerationTask.objects.filter(pk=task.pk).update(snapshot=task.snapshot | {"checkpoint": checkpoint})
    claims = [claiming.claim("w") for _turn in range(4)]
    assert [one.prompt.engine for one in claims if one] == [other, engine, other, engine]
    assert claiming.claim("w") is None
