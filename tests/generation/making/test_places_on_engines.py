"""Places on engines and seats of people have numbers that nobody has twice, however stale what a worker knows is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from pytest_django import Settings

from generation.making import claim as claiming
from generation.making import fetching
from generation.making.choosing import turns
from generation.making.choosing.turns import Choice, Live
from generation.pictures.models import EnginePrompt, GenerationTask
from stylestudio.jobs.kinds import Status
from tests.generation.making.claiming import Make, claim, done, place, taken

pytestmark = pytest.mark.django_db


def live() -> list[int | None]:
    """The slots of live prompts, in the order of their claims."""
    return list(EnginePrompt.objects.live().order_by("pk").values_list("slot", flat=True))


def seats() -> list[int | None]:
    """The seats of tasks, in the order of their orders."""
    return list(GenerationTask.everything.order_by("pk").values_list("seat", flat=True))


def believe(monkeypatch: pytest.MonkeyPatch, stale: list[Choice]) -> None:
    """Let the next claim choose from what was true earlier."""
    look, earlier = turns.choices, iter([iter(stale)])

    def choices(now: Live) -> Iterator[Choice]:
        return next(earlier, None) or look(now)

    monkeypatch.setattr(turns, "choices", choices)


def test_each_prompt_of_an_engine_has_a_slot_of_its_own_and_leaves_it_when_it_ends(engine_at: Make, ada: User) -> None:
    engine_at(1)
    place(ada, count=4)
    first = taken()
    taken()
    assert live() == [1, 2]
    done(first)
    taken()
    assert live() == [2, 1]


def test_the_database_refuses_a_slot_that_is_taken(engine_at: Make, ada: User) -> None:
    engine_at(1)
    place(ada, count=4)
    claimed = [taken(), taken()]
    with pytest.raises(IntegrityError), transaction.atomic():
        EnginePrompt.objects.filter(pk=claimed[1].prompt.pk).update(slot=1)
    done(claimed[0])
    EnginePrompt.objects.filter(pk=claimed[1].prompt.pk).update(slot=1)


def test_a_worker_that_took_an_engine_for_free_does_not_overfill_it(
    engine_at: Make, ada: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine_at(1)
    place(ada, count=4)
    place(bob, count=4)
    stale = list(turns.choices(Live.look()))
    assert len(stale) == 2
    taken(), taken()
    believe(monkeypatch, stale)
    assert claim("late") is None
    assert live() == [1, 2]


def test_what_only_waits_to_be_fetched_takes_no_slot(engine_at: Make, ada: User) -> None:
    engine_at(1)
    place(ada, count=4)
    made = taken().prompt
    made.output = {"filename": "a.png", "subfolder": "", "type": "output"}
    made.park(60.0)
    assert [taken().prompt.slot, taken().prompt.slot] == [1, 2]
    assert claim("late") is None


def test_what_is_fetched_again_takes_no_slot_from_others(engine_at: Make, ada: User, bob: User) -> None:
    engine_at(1)
    task = place(ada)
    unfetched = taken().prompt
    unfetched.end(EnginePrompt.State.UNFETCHED)
    task.fail("unfetched")
    place(bob, count=2)
    taken(), taken()
    assert fetching.fetch_again(task)
    assert sorted(live(), key=str) == [1, 2, None]


def test_tasks_have_seats_only_if_their_number_is_limited(engine_at: Make, ada: User, settings: Settings) -> None:
    engine_at(1)
    place(ada)
    taken()
    assert seats() == [None]
    settings.MAX_RUNNING = 2
    place(ada)
    taken()
    assert seats() == [None, 1]


def test_a_seat_is_kept_until_another_task_needs_it(engine_at: Make, ada: User, bob: User, settings: Settings) -> None:
    settings.MAX_RUNNING = 1
    for number in (1, 2):
        engine_at(number)
    place(ada)
    place(ada)
    place(bob)
    claimed = taken()
    assert taken().prompt.task.owner == bob, "seats are numbered for each person"
    assert claim("late") is None
    done(claimed)
    taken()
    assert seats() == [None, 1, 1]


def test_a_worker_that_took_a_person_for_free_does_not_exceed_their_limit(
    engine_at: Make, ada: User, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.MAX_RUNNING = 1
    for number in (1, 2):
        engine_at(number)
    first, second = place(ada), place(ada)
    [choice] = turns.choices(Live.look())
    stale = Choice(choice.party, second.pk, choice.fit, choice.engines, lone=False)
    assert taken().prompt.task == first
    believe(monkeypatch, [stale])
    assert claim("late") is None
    with pytest.raises(IntegrityError), transaction.atomic():
        GenerationTask.everything.filter(pk=second.pk).update(seat=1)


def test_a_task_that_is_on_engines_goes_on_when_the_limit_is_lowered(
    engine_at: Make, ada: User, settings: Settings
) -> None:
    for number in (1, 2, 3):
        engine_at(number)
    tasks = [place(ada, count=2) for _time in range(2)]
    taken(), taken(), taken()
    settings.MAX_RUNNING = 1
    assert taken().prompt.task == tasks[1], "it was there before the limit"
    place(ada)
    assert claim("late") is None


def test_ended_jobs_keep_nobody_from_a_seat(engine_at: Make, ada: User, settings: Settings) -> None:
    settings.MAX_RUNNING = 1
    engine_at(1)
    for _time in range(3):
        task = place(ada)
        claimed = taken()
        assert claimed.prompt.task == task
        done(claimed)
        task.start("w")
        assert task.complete() and task.status == Status.COMPLETED
    assert seats() == [None, None, 1]


def test_a_claim_that_is_rolled_back_is_not_held(engine_at: Make, ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    engine_at(1)
    place(ada)

    def broken(*_facts: object) -> object:
        raise OSError("gone")

    monkeypatch.setattr(claiming, "_start", broken)
    with pytest.raises(OSError, match="gone"):
        claiming.claim("w", hold=True)
    assert not len(claiming.held) and not EnginePrompt.objects.exists()
